//! The JSON objects of backups.

use serde::Deserialize;
use utoipa::ToSchema;

/// A backup under way.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// Names the backup in further requests.
    pub backup: String,
    pub store: String,
    /// The backup has everything that has happened up to this cursor.
    pub cursor: String,
    /// The time of day of the last entry that it holds.
    pub time: String,
    /// The beginning of the rows, in hex digits. Chunks are checked with it.
    pub header: String,
    /// The segments with event bodies, in order.
    pub segments: Vec<BackupSegment>,
}

/// A file with event bodies.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupSegment {
    /// Names the segment. A sealed segment with this name has the same bytes in every backup of the store.
    pub segment: String,
    pub bytes: u64,
    /// Whether it takes no more events. Otherwise these are its first bytes.
    pub sealed: bool,
    /// Whether it may hold events that were removed.
    pub may_hold_removed: bool,
}

/// A backup was ended.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupEnded {
    pub backup: String,
    /// Whether it was under way.
    pub existed: bool,
}
