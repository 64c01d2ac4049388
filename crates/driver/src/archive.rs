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

#[cfg(test)]
mod tests {
    use super::*;
    use format::archive::{PIECE_HEADER_BYTES, PieceHeader};
    use format::frame::{EntryKind, encode_group};
    use model::Term;
    use storage::log::{Log, LogOptions};
    use storage::memory_disk::MemoryDisk;

    const STORE: StoreId = StoreId(7);
    const GROUP: GroupId = GroupId(1);

    /// A log with the entries 4 to 8.
    fn log() -> ArchivedLog<MemoryDisk> {
        let mut log = Log::open(MemoryDisk::new(), LogOptions::new(STORE)).unwrap();
        let entries = (4..=8).map(|index| LogEntry {
            index: Index(index),
            term: Term(2),
            kind: EntryKind::Normal,
            bytes: b"entry",
        });
        let mut records = Vec::new();
        encode_group(GROUP, None, entries, &mut records);
        log.writer.write(&records).unwrap();
        log.writer.sync().unwrap();
        ArchivedLog { reader: log.reader, group: GROUP, store: STORE }
    }

    /// The entries of a piece.
    fn entries(piece: &[u8]) -> Vec<u64> {
        let (header, record) = piece.split_first_chunk::<PIECE_HEADER_BYTES>().unwrap();
        let header = PieceHeader::decode(STORE, header).unwrap();
        let entries = header.entries(STORE, GROUP, record).unwrap();
        entries.iter().map(|entry| entry.index.0).collect()
    }

    #[test]
    fn an_archive_reads_what_was_applied_and_is_told_what_the_log_does_not_have() {
        let log = log();
        let read = |after, last| log.read(Index(after), Index(last), 1 << 20).unwrap();
        for (after, last, want) in [(3, 6, vec![4, 5, 6]), (5, 6, vec![6]), (3, 8, vec![4, 5, 6, 7, 8])] {
            let LogRead::Piece(piece) = read(after, last) else { panic!("after {after} up to {last}") };
            assert_eq!(entries(&piece), want);
        }
        // The first entry of a group is the second.
        for (after, last) in [(0, 0), (0, 1), (1, 1), (6, 6), (8, 8)] {
            assert_eq!(read(after, last), LogRead::Nothing, "after {after} up to {last}");
        }
        for (after, last) in [(0, 6), (1, 6), (2, 6), (7, 6), (8, 9)] {
            assert_eq!(
                read(after, last),
                LogRead::NotInLog { last: Index(last) },
                "after {after} up to {last}"
            );
        }
    }
}
