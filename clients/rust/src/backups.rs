//! Backups under way: what the node holds for a copy of its data, and its parts; and the entries of its log.
//! `mainstay backup` and `mainstay archive` use this, check what they read, and keep it.

use crate::client::{Client, encode};
use crate::error::Result;
use crate::transport::Call;
use bytes::Bytes;
use http::Method;
use serde::Deserialize;

/// A backup that a node has begun.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Backup {
    /// Its name in further requests.
    pub backup: String,
    pub store: String,
    /// It has everything that has happened up to this cursor.
    pub cursor: String,
    /// The time of day of the last entry that it holds.
    pub time: String,
    /// The beginning of the rows, in hex digits.
    pub header: String,
    /// The segments with event bodies, in order.
    pub segments: Vec<BackupSegment>,
}

/// A file with event bodies.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct BackupSegment {
    pub segment: String,
    pub bytes: u64,
    /// It takes no more events, and has the same bytes in every backup.
    pub sealed: bool,
    /// It may hold events that were removed.
    pub may_hold_removed: bool,
}

impl Client {
    /// Begins a backup of the store as it is now, under a name of 16 lower-case hex digits: choose one at random for each
    /// place where backups are kept. If one with this name is under way, it ends. The node holds it until [`Self::end_backup`], or until nothing was read
    /// from it for ten minutes.
    ///
    /// # Errors
    /// [`Error`](crate::Error), with the code `too_many_backups` when two are under way.
    pub async fn begin_backup(&self, name: &str) -> Result<Backup> {
        self.call_json(&Call::new(Method::PUT, format!("/v1/backups/{}", encode(name)))).await
    }

    /// One chunk of the rows of a backup. Chunks are numbered from 0 and read in order; each says whether it is the last.
    ///
    /// # Errors
    /// [`Error`](crate::Error), with the code `backup_not_found` when the backup has ended.
    pub async fn backup_rows(&self, backup: &str, chunk: u32) -> Result<Bytes> {
        self.call(&Call::get(format!("/v1/backups/{}/rows?chunk={chunk}", encode(backup)))).await
    }

    /// Some bytes of a segment of a backup, from a byte on; none at its end.
    ///
    /// # Errors
    /// [`Error`](crate::Error), with the code `backup_not_found` when the backup has ended.
    pub async fn backup_segment(&self, backup: &str, segment: &str, from: u64) -> Result<Bytes> {
        let (backup, segment) = (encode(backup), encode(segment));
        self.call(&Call::get(format!("/v1/backups/{backup}/segments/{segment}?from={from}"))).await
    }

    /// The entries after this one, in a piece with a checksum; empty if there are none. The node's log keeps those that the
    /// archive does not have, up to 1 GiB, until it has not asked for ten minutes. The archive's name has 16 lower-case hex
    /// digits: choose one at random for each place where entries are kept.
    ///
    /// # Errors
    /// [`Error`](crate::Error), with the code `not_in_log` when the next entry is not in the log any more, and
    /// `too_many_archives` when two others read the log.
    pub async fn archive_log(&self, archive: &str, after: u64) -> Result<Bytes> {
        self.call(&Call::get(format!("/v1/archives/{}/log?after={after}", encode(archive)))).await
    }

    /// Ends a backup.
    ///
    /// # Errors
    /// [`Error`](crate::Error)
    pub async fn end_backup(&self, backup: &str) -> Result<()> {
        self.call(&Call::new(Method::DELETE, format!("/v1/backups/{}", encode(backup)))).await.map(drop)
    }
}
