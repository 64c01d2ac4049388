//! Replaces the operator's key in a data directory that no node uses.

use crate::error::Result;
use std::path::Path;
use storage::directory::DataDirectory;
use subject_keys::{Replaced, WrappingKey};

/// Wraps the keys of a store's subjects with another key ([`subject_keys::replace_key`]).
///
/// # Errors
/// A node uses the directory, it holds no store, or the keys cannot be wrapped again with these two: then nothing has
/// changed. Or a disk failed: then the keys are wrapped with one of the two, and this can be begun again.
pub fn rekey(data: &Path, old: &WrappingKey, new: &WrappingKey) -> Result<Replaced> {
    let directory = DataDirectory::open_existing(data)?;
    Ok(subject_keys::replace_key(directory.path(), directory.store(), old, new)?)
}
