//! Reads the entries of an archive, and checks all of them.

use super::{LogArchive, LogFile};
use crate::error::{Result, UpkeepError};
use crate::place::Fetched;
use crate::restore::GROUP;
use format::archive::{PIECE_HEADER_BYTES, PieceHeader};
use format::frame::LogEntry;
use format::header::{LogArchiveHeader, StoreId};
use model::Index;
use node::following;
use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::ControlFlow;

/// How a pass over the entries of an archive went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The last entry that was visited, or the one before the first if there was none.
    pub last: Index,
    pub end: StretchEnd,
}

/// Why a pass over the entries of an archive ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StretchEnd {
    /// The visitor ended it.
    Asked,
    /// The archive has no more entries.
    Newest,
    /// What follows is the beginning of a piece that was being written, or damaged.
    Torn,
    /// The archive has only later entries, after some that are missing.
    Gap,
}

/// What a piece of a file turns out to be.
enum Next {
    Piece(Vec<u8>),
    End,
    /// The rest of the file is not a piece: a power cut has left it, or it is damaged.
    Broken {
        what: String,
    },
}

/// The pieces of one file, in order.
#[derive(Debug)]
struct Pieces {
    file: BufReader<File>,
    store: StoreId,
    /// Where the next piece begins.
    at: u64,
    /// The last entry of the pieces before it.
    last: Option<Index>,
}

impl LogArchive {
    /// Visits the entries after this one, in order and without gaps, until `visit` breaks or the next one is missing.
    ///
    /// # Errors
    /// A file cannot be read or is damaged, or the error of `visit`.
    pub fn entries_after(
        &self,
        after: Index,
        mut visit: impl FnMut(&LogEntry<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<Stretch> {
        let files = self.files()?;
        let begin = files.partition_point(|file| file.first <= following(after)).saturating_sub(1);
        let mut stretch = Stretch { last: after, end: StretchEnd::Newest };
        for (at, file) in files.iter().enumerate().skip(begin) {
            if file.first > following(stretch.last) {
                return Ok(Stretch { end: StretchEnd::Gap, ..stretch });
            }
            let is_last = at + 1 == files.len();
            let fetched = self.place.fetch_known(&file.name)?;
            let mut pieces = Pieces::open(&fetched, self.store, file.first)?;
            loop {
                let piece = match pieces.next(&fetched)? {
                    Next::Piece(piece) => piece,
                    Next::End => break,
                    Next::Broken { .. } if is_last && pieces.is_torn(&fetched)? => {
                        return Ok(Stretch { end: StretchEnd::Torn, ..stretch });
                    }
                    Next::Broken { what } => {
                        let last = stretch.last;
                        return Err(UpkeepError::damaged(
                            &fetched.shown,
                            format!("{what}, after entry {last}"),
                        ));
                    }
                };
                if visit_piece(self.store, &fetched, &piece, &mut stretch, &mut visit)?.is_break() {
                    return Ok(Stretch { end: StretchEnd::Asked, ..stretch });
                }
            }
        }
        Ok(stretch)
    }

    /// Reads and checks everything: the stretches without a gap, in order.
    ///
    /// # Errors
    /// A file cannot be read or is damaged.
    pub fn stretches(&self) -> Result<Vec<Stretch>> {
        let mut stretches: Vec<Stretch> = Vec::new();
        for LogFile { first, .. } in self.files()? {
            if stretches.last().is_none_or(|stretch| first > following(stretch.last)) {
                let before = Index(first.0.saturating_sub(1));
                stretches.push(self.entries_after(before, |_| Ok(ControlFlow::Continue(())))?);
            }
        }
        Ok(stretches)
    }

    /// Where the intact pieces of a file end, and the last entry in them.
    pub(super) fn end_of(&self, file: &LogFile) -> Result<(u64, Option<Index>)> {
        let fetched = self.place.fetch_known(&file.name)?;
        let mut pieces = Pieces::open(&fetched, self.store, file.first)?;
        loop {
            match pieces.next(&fetched)? {
                Next::Piece(_) => {}
                Next::Broken { what } if !pieces.is_torn(&fetched)? => {
                    return Err(UpkeepError::damaged(&fetched.shown, what));
                }
                Next::End | Next::Broken { .. } => return Ok((pieces.at, pieces.last)),
            }
        }
    }
}

fn visit_piece(
    store: StoreId,
    file: &Fetched,
    piece: &[u8],
    stretch: &mut Stretch,
    visit: &mut impl FnMut(&LogEntry<'_>) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    for entry in decode(store, piece).map_err(|what| UpkeepError::damaged(&file.shown, what))? {
        if entry.index <= stretch.last {
            continue;
        }
        if entry.index != following(stretch.last) {
            let what = format!("entry {} is where the one after {} belongs", entry.index, stretch.last);
            return Err(UpkeepError::damaged(&file.shown, what));
        }
        if visit(&entry)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        stretch.last = entry.index;
    }
    Ok(ControlFlow::Continue(()))
}

/// The entries of a whole piece.
pub(super) fn decode(store: StoreId, piece: &[u8]) -> Result<Vec<LogEntry<'_>>, String> {
    let (head, record) =
        piece.split_first_chunk::<PIECE_HEADER_BYTES>().ok_or("a piece without its header")?;
    let header = PieceHeader::decode(store, head).map_err(|error| error.to_string())?;
    header.entries(store, GROUP, record).map_err(|error| error.to_string())
}

impl Pieces {
    fn open(fetched: &Fetched, store: StoreId, first: Index) -> Result<Self> {
        let path = &fetched.shown;
        let mut file = BufReader::with_capacity(1 << 20, fetched.open()?);
        let mut bytes = [0; LogArchiveHeader::BYTES];
        file.read_exact(&mut bytes).map_err(|_| UpkeepError::damaged(path, "its header is missing"))?;
        let header = LogArchiveHeader::decode(&bytes).map_err(|error| UpkeepError::damaged(path, error))?;
        if header != (LogArchiveHeader { store, first }) {
            return Err(UpkeepError::damaged(path, "it belongs to another store, or has another name"));
        }
        Ok(Self { file, store, at: LogArchiveHeader::BYTES as u64, last: None })
    }

    fn next(&mut self, fetched: &Fetched) -> Result<Next> {
        let failed = |source| UpkeepError::io(&fetched.shown, source);
        let mut piece = Vec::new();
        let mut read = |piece: &mut Vec<u8>, bytes: usize| {
            Read::by_ref(&mut self.file).take(bytes as u64).read_to_end(piece).map_err(failed)
        };
        match read(&mut piece, PIECE_HEADER_BYTES)? {
            0 => return Ok(Next::End),
            PIECE_HEADER_BYTES => {}
            _ => return Ok(Next::Broken { what: "it ends within a piece".to_owned() }),
        }
        let head = piece.first_chunk::<PIECE_HEADER_BYTES>().copied().unwrap_or_default();
        let header = match PieceHeader::decode(self.store, &head) {
            Ok(header) => header,
            Err(error) => return Ok(Next::Broken { what: error.to_string() }),
        };
        if read(&mut piece, header.length as usize)? < header.length as usize {
            return Ok(Next::Broken { what: "it ends within a piece".to_owned() });
        }
        match decode(self.store, &piece) {
            Ok(entries) => {
                self.last = entries.last().map(|entry| entry.index);
                self.at += piece.len() as u64;
                Ok(Next::Piece(piece))
            }
            Err(what) => Ok(Next::Broken { what }),
        }
    }

    /// Whether what follows the intact pieces was never completely written. Call it when the next piece is broken. A piece is
    /// only written when the one before is on the disk, so an intact one behind it means damage.
    fn is_torn(&self, fetched: &Fetched) -> Result<bool> {
        let rest = fetched.bytes()?;
        let rest = rest.get(usize::try_from(self.at).unwrap_or(usize::MAX)..).unwrap_or_default();
        let begins_piece = |at: usize| {
            let header = rest[at..].first_chunk().and_then(|head| PieceHeader::decode(self.store, head).ok());
            let length = header.map(|header| PIECE_HEADER_BYTES + header.length as usize);
            let piece = length.and_then(|length| rest.get(at..at + length));
            piece.is_some_and(|piece| decode(self.store, piece).is_ok())
        };
        Ok(!(0..rest.len()).any(begins_piece))
    }
}
