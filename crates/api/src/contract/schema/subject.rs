//! Subjects.

use serde::Deserialize;
use utoipa::ToSchema;

/// Whose events are to become unreadable.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// The attribute `subject` of the events.
    #[schema(min_length = 1)]
    pub subject: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectErased {
    /// Whether the node had a key of the subject.
    pub existed: bool,
    /// Since when it is erased.
    pub erased: Option<String>,
}
