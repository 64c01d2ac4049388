//! Commands on one stream, and the rules they share.

pub(crate) mod append;
pub(crate) mod delete;
pub(crate) mod duplicates;
pub(crate) mod expire;
pub(crate) mod retention;
pub(crate) mod settings;
