//! The rows of a backup: files that together hold a header and the chunks of a state, in order.

use crate::error::{Result, UpkeepError};
use crate::place::Fetched;
use format::header::SnapshotHeader;
use format::snapshot::{CHUNK_HEADER_BYTES, ChunkHeader, Following, KeyAndValue};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Keys and values.
type Rows<'a> = Vec<KeyAndValue<'a>>;

/// Checks chunks one after the other.
#[derive(Debug)]
pub(crate) struct ChunkOrder {
    pub(crate) header: SnapshotHeader,
    next: u32,
    last_key: Vec<u8>,
    is_whole: bool,
}

impl ChunkOrder {
    pub(crate) fn new(header: SnapshotHeader) -> Self {
        Self { header, next: 0, last_key: Vec::new(), is_whole: false }
    }

    /// The next chunk, as a node has sent it.
    ///
    /// # Errors
    /// It is damaged, or not the next one.
    pub(crate) fn next<'a>(&mut self, chunk: &'a [u8]) -> Result<(ChunkHeader, Rows<'a>)> {
        let sent = |what: String| UpkeepError::Sent { what };
        let split = chunk.split_first_chunk::<CHUNK_HEADER_BYTES>();
        let (head, rows) = split.ok_or_else(|| sent("a chunk of rows without its header".to_owned()))?;
        let head = ChunkHeader::decode(&self.header, head).map_err(|error| sent(error.to_string()))?;
        let rows = self.take(&head, rows).map_err(sent)?;
        Ok((head, rows))
    }

    /// The rows of the next chunk, whose header has been decoded.
    ///
    /// # Errors
    /// What is wrong with it.
    fn take<'a>(&mut self, head: &ChunkHeader, rows: &'a [u8]) -> Result<Rows<'a>, String> {
        if self.is_whole || head.number != self.next {
            return Err(format!("chunk {} is where chunk {} belongs", head.number, self.next));
        }
        let rows = head.rows(rows).map_err(|error| format!("chunk {}: {error}", head.number))?;
        if let (Some((first, _)), Some((last, _))) = (rows.first(), rows.last()) {
            if head.number > 0 && *first <= &self.last_key[..] {
                return Err(format!("the rows of chunk {} do not follow those before", head.number));
            }
            self.last_key = last.to_vec();
        }
        self.next += 1;
        self.is_whole = head.following == Following::Nothing;
        Ok(rows)
    }

    pub(crate) const fn is_whole(&self) -> bool {
        self.is_whole
    }
}

/// Calls `visit` with the rows of each chunk of a backup. `header` was read from the first of the files.
///
/// # Errors
/// A file cannot be read or is damaged, or the error of `visit`.
pub(crate) fn read_all(
    files: impl Iterator<Item = Result<Fetched>>,
    mut visit: impl FnMut(&[KeyAndValue<'_>]) -> Result<()>,
) -> Result<SnapshotHeader> {
    let mut order: Option<ChunkOrder> = None;
    let mut last = PathBuf::from("the backup");
    for file in files {
        let fetched = file?;
        last.clone_from(&fetched.shown);
        let path = &fetched.shown;
        let mut file = BufReader::with_capacity(1 << 20, fetched.open()?);
        let order = match &mut order {
            Some(order) => order,
            none => none.insert(ChunkOrder::new(read_header(path, &mut file)?)),
        };
        let mut rows = Vec::new();
        while let Some(head) = read_head(path, &mut file, &order.header)? {
            rows.resize(head.length as usize, 0);
            file.read_exact(&mut rows).map_err(|_| UpkeepError::damaged(path, "it ends within a chunk"))?;
            let rows = order.take(&head, &rows).map_err(|what| UpkeepError::damaged(path, what))?;
            visit(&rows)?;
        }
    }
    match order {
        Some(order) if order.is_whole() => Ok(order.header),
        _ => Err(UpkeepError::damaged(&last, "its last rows are missing")),
    }
}

fn read_header(path: &Path, file: &mut impl Read) -> Result<SnapshotHeader> {
    let mut bytes = [0; SnapshotHeader::BYTES];
    file.read_exact(&mut bytes).map_err(|_| UpkeepError::damaged(path, "its header is missing"))?;
    SnapshotHeader::decode(&bytes).map_err(|error| UpkeepError::damaged(path, error))
}

/// The header of the next chunk; `None` at the end of the file.
fn read_head(path: &Path, file: &mut impl Read, snapshot: &SnapshotHeader) -> Result<Option<ChunkHeader>> {
    let (mut bytes, mut have) = ([0; CHUNK_HEADER_BYTES], 0);
    while have < bytes.len() {
        match file.read(&mut bytes[have..]).map_err(|source| UpkeepError::io(path, source))? {
            0 if have == 0 => return Ok(None),
            0 => return Err(UpkeepError::damaged(path, "it ends within a chunk")),
            read => have += read,
        }
    }
    ChunkHeader::decode(snapshot, &bytes).map(Some).map_err(|error| UpkeepError::damaged(path, error))
}
