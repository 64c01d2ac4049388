//! Values: small named pieces of content, such as a feature flag or a configuration, each with a revision.

use crate::command::{Expected, Keyed};
use crate::name::ValueName;
use alloc::borrow::Cow;

/// Replace a value's content, or create the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutValue<'a> {
    pub keyed: Option<Keyed>,
    pub value: ValueName<'a>,
    pub expected: Expected,
    pub content_type: Cow<'a, str>,
    pub content: Cow<'a, [u8]>,
}

/// Remove a value. Its revisions are never used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteValue<'a> {
    pub value: ValueName<'a>,
    pub expected: Expected,
}
