//! What an archive reads of the log: entries that were applied, in pieces that can be checked.

use format::archive::encode_piece;
use format::frame::LogEntry;
use format::header::StoreId;
use model::{GroupId, Index};
use node::following;
use storage::disk::Disk;
use storage::log::{LogError, LogReader};

/// The log of a group, as archives read it.
#[derive(Clone, Debug)]
pub struct ArchivedLog<D: Disk> {
    pub reader: LogReader<D>,
    pub group: GroupId,
    pub store: StoreId,
}

/// What the log has after an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogRead {
    /// The next entries.
    Piece(Vec<u8>),
    /// No other entry was applied.
    Nothing,
    /// The log does not have the next entry any more, or never had it. The last one that was applied is `last`.
    NotInLog { last: Index },
}

impl<D: Disk> ArchivedLog<D> {
    /// The entries after this one, of which `last` is the last that was applied: about as many bytes as `bytes_max`, but at
    /// least one entry.
    ///
    /// # Errors
    /// The node must stop.
    pub fn read(&self, after: Index, last: Index, bytes_max: usize) -> Result<LogRead, LogError> {
        let next = following(after);
        if next > last {
            let has_all = next == following(last);
            return Ok(if has_all { LogRead::Nothing } else { LogRead::NotInLog { last } });
        }
        let page = self.reader.entries(self.group, next, bytes_max)?;
        let entries = page.entries.iter().map(|entry| LogEntry {
            index: entry.index,
            term: entry.term,
            kind: entry.kind,
            bytes: &entry.bytes,
        });
        // The log may have entries that are not committed yet, and may be others in the end.
        let mut applied = entries.take_while(|entry| entry.index <= last).peekable();
        if applied.peek().is_none() {
            return Ok(LogRead::NotInLog { last });
        }
        Ok(LogRead::Piece(encode_piece(self.store, self.group, applied)))
    }
}
