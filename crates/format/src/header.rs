//! The first bytes of every file of a store. They say which store the file belongs to, its kind, and the
//! version of its format.
//!
//! ```text
//! 0   "MAINSTAY"
//! 8   kind            u32    what the file is
//! 12  version         u32    of this kind's format
//! 16  length          u32    of the fields
//! 20  fields                 the store's id (16 bytes) first, then what the kind needs
//!     checksum        u32    CRC-32C over all above
//! ```
//!
//! All integers are little-endian. A header has at most [`HEADER_BYTES_MAX`] bytes, which is one sector, so
//! it is never torn. The layout of the header itself is the same in every version, so that an older binary
//! can tell a newer file from a damaged one.

use alloc::vec::Vec;
use core::fmt;
use crc32c::crc32c;
use model::{Cursor, Elapsed, Index, Position, Slot, Term, Wall};

/// One sector: after an interrupted write, a header is either the old one or the new one.
pub const HEADER_BYTES_MAX: usize = 512;

const MAGIC: &[u8; 8] = b"MAINSTAY";
const FIELDS_AT: usize = 20;
const CHECKSUM_BYTES: usize = 4;

/// Bytes of the wrapped key that hides subjects.
pub const WRAPPED_TAG_KEY_BYTES: usize = 12 + 32 + 16;

/// A random number that is drawn when a store is created and written into each of its files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId(pub u128);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The kinds of files. The numbers never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum FileKind {
    Store = 1,
    LogSegment = 2,
    BodySegment = 3,
    BodyAccount = 4,
    /// The directory of the state tree.
    State = 5,
    /// The rows of a state as of one applied entry, in a backup.
    Snapshot = 6,
    /// Entries of a log, in an archive.
    LogArchive = 7,
    /// The keys of subjects, wrapped.
    SubjectKeys = 8,
}

impl FileKind {
    /// The version of this kind's format that this program writes, and the newest that it reads.
    #[must_use]
    pub const fn version(self) -> u32 {
        match self {
            Self::Store | Self::LogSegment | Self::BodySegment | Self::BodyAccount | Self::State => 2,
            Self::SubjectKeys => 2,
            Self::Snapshot | Self::LogArchive => 1,
        }
    }

    /// The oldest version of this kind's format that this program reads. Version 1 of the oldest kinds was never
    /// released.
    #[must_use]
    pub const fn oldest_version(self) -> u32 {
        match self {
            Self::Store | Self::LogSegment | Self::BodySegment | Self::BodyAccount | Self::State => 2,
            Self::SubjectKeys => 2,
            Self::Snapshot | Self::LogArchive => 1,
        }
    }
}

/// The file that says what a data directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreHeader {
    pub store: StoreId,
}

/// One segment of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSegmentHeader {
    pub store: StoreId,
    /// Increases with each use of a segment. It gives the log its order, and is part of each frame's
    /// checksum.
    pub generation: u64,
    /// The oldest generation that was still needed when this one began. Older files are spare.
    pub oldest: u64,
    /// The previous generation; 0 when there is none.
    pub previous: u64,
    /// Where the previous generation ends: all of its frames up to there were synced before this header was
    /// written.
    pub previous_end: u64,
    /// Where the previous generation's index frame begins.
    pub previous_index: u64,
}

/// One segment of the body file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodySegmentHeader {
    pub store: StoreId,
    /// The logical offset of its first record.
    pub first: u64,
    /// 0 in a segment that was never rewritten. Each rewrite increments it.
    pub generation: u32,
    /// In a rewritten segment, the logical end of the segments it replaced. 0 in a segment that was never
    /// rewritten, which ends where the next one begins.
    pub end: u64,
}

/// The side file of the body file. It says how much of the body file a flushed state refers to, and how many
/// records of each segment are dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyAccountHeader {
    pub store: StoreId,
    /// The logical end of the body file that a flushed state refers to. A state that refers to less is older,
    /// and does not belong to this body file.
    pub persisted: u64,
    /// How many rows follow.
    pub count: u32,
    /// CRC-32C of the rows.
    pub checksum: u32,
}

/// The header file in the state tree's directory. All other files there belong to the tree's library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateHeader {
    pub store: StoreId,
}

/// The beginning of a snapshot: what the state was as of one applied entry. Chunks of rows follow
/// ([`crate::snapshot`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotHeader {
    pub store: StoreId,
    /// The last entry that was applied, and its term.
    pub index: Index,
    pub term: Term,
    /// The logical end of the body file after that entry.
    pub bodies_end: u64,
    /// Every event of the store up to this cursor is in the snapshot, unless it was removed. No later event can get a
    /// cursor up to it.
    pub through: Cursor,
    /// The clocks of that entry.
    pub wall: Wall,
    pub elapsed: Elapsed,
    /// The machine's time of day when the snapshot was taken. If it is less than `wall`, the clock had been ahead.
    pub taken: Wall,
}

/// The beginning of a file with entries of a log. Pieces follow ([`crate::archive`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogArchiveHeader {
    pub store: StoreId,
    /// The first entry in the file.
    pub first: Index,
}

/// The beginning of the file with the keys of subjects. Records follow ([`crate::subject_key`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubjectKeysHeader {
    pub store: StoreId,
    /// The key that hides whose the keys are, wrapped: a nonce, 32 bytes and a tag. Only the wrapping key of the file
    /// opens it.
    pub tag_key: [u8; WRAPPED_TAG_KEY_BYTES],
}

/// Why bytes are not the expected header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The bytes are zeros: nothing was written yet.
    Blank,
    /// The bytes do not begin like a file of a store.
    Foreign,
    /// The file belongs to a store but is of another kind.
    OtherKind { found: u32 },
    /// A newer version of this program wrote the file.
    Newer { found: u32, known: u32 },
    /// A version of this program from before the first release wrote the file.
    Older { found: u32, oldest: u32 },
    /// The file begins correctly, but its header is damaged.
    Damaged,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("nothing was written there yet"),
            Self::Foreign => f.write_str("it is not a Mainstay file"),
            Self::OtherKind { found } => write!(f, "it is another kind of file ({found})"),
            Self::Newer { found, known } => {
                write!(f, "its format version {found} is newer than {known}, the newest this program knows")
            }
            Self::Older { found, oldest } => {
                write!(f, "its format version {found} is older than {oldest}, the oldest this program knows")
            }
            Self::Damaged => f.write_str("its header is damaged"),
        }
    }
}

impl core::error::Error for HeaderError {}

impl StoreHeader {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Fields::begin(FileKind::Store, self.store).finish()
    }

    /// # Errors
    /// [`HeaderError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut fields = open(FileKind::Store, bytes)?;
        Ok(Self { store: fields.store()? })
    }
}

impl LogSegmentHeader {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::begin(FileKind::LogSegment, self.store);
        for number in [self.generation, self.oldest, self.previous, self.previous_end, self.previous_index] {
            fields.0.extend_from_slice(&number.to_le_bytes());
        }
        fields.finish()
    }

    /// # Errors
    /// [`HeaderError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut fields = open(FileKind::LogSegment, bytes)?;
        Ok(Self {
            store: fields.store()?,
            generation: fields.u64()?,
            oldest: fields.u64()?,
            previous: fields.u64()?,
            previous_end: fields.u64()?,
            previous_index: fields.u64()?,
        })
    }
}

impl BodySegmentHeader {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::begin(FileKind::BodySegment, self.store);
        fields.0.extend_from_slice(&self.first.to_le_bytes());
        fields.0.extend_from_slice(&self.end.to_le_bytes());
        fields.0.extend_from_slice(&self.generation.to_le_bytes());
        fields.finish()
    }

    /// # Errors
    /// [`HeaderError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut fields = open(FileKind::BodySegment, bytes)?;
        Ok(Self {
            store: fields.store()?,
            first: fields.u64()?,
            end: fields.u64()?,
            generation: fields.u32()?,
        })
    }
}

impl BodyAccountHeader {
    /// The bytes of the header, after which rows follow.
    pub const BYTES: usize = FIELDS_AT + 16 + 8 + 4 + 4 + CHECKSUM_BYTES;

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::begin(FileKind::BodyAccount, self.store);
        fields.0.extend_from_slice(&self.persisted.to_le_bytes());
        fields.0.extend_from_slice(&self.count.to_le_bytes());
        fields.0.extend_from_slice(&self.checksum.to_le_bytes());
        fields.finish()
    }

    /// # Errors
    /// [`HeaderError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut fields = open(FileKind::BodyAccount, bytes)?;
        Ok(Self {
            store: fields.store()?,
            persisted: fields.u64()?,
            count: fields.u32()?,
            checksum: fields.u32()?,
        })
    }
}

impl StateHeader {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Fields::begin(FileKind::State, self.store).finish()
    }

    /// # Errors
    /// [`HeaderError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut fields = open(FileKind::State, bytes)?;
        Ok(Self { store: fields.store()? })
    }
}

impl SnapshotHeader {
    /// The bytes of the header, after which chunks follow.
    pub const BYTES: usize = FIELDS_AT + 16 + 7 * 8 + 2 + CHECKSUM_BYTES;

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::begin(FileKind::Snapshot, self.store);
        let position = self.through.position.0;
        let numbers = [self.index.0, self.term.0, self.bodies_end, position, self.wall.0, self.elapsed.0];
        for number in numbers.into_iter().chain([self.taken.0]) {
            fields.0.extend_from_slice(&number.to_le_bytes());
        }
        fields.0.extend_from_slice(&self.through.slot.0.to_le_bytes());
        fields.finish()
    }

    /// # Errors
    /// [`HeaderError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut fields = open(FileKind::Snapshot, bytes)?;
        let store = fields.store()?;
        let (index, term, bodies_end) = (Index(fields.u64()?), Term(fields.u64()?), fields.u64()?);
        let position = Position(fields.u64()?);
        let (wall, elapsed, taken) = (Wall(fields.u64()?), Elapsed(fields.u64()?), Wall(fields.u64()?));
        let through = Cursor::new(position, Slot(fields.take().map(u16::from_le_bytes)?));
        Ok(Self { store, index, term, bodies_end, through, wall, elapsed, taken })
    }
}

impl LogArchiveHeader {
    /// The bytes of the header, after which pieces follow.
    pub const BYTES: usize = FIELDS_AT + 16 + 8 + CHECKSUM_BYTES;

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::begin(FileKind::LogArchive, self.store);
        fields.0.extend_from_slice(&self.first.0.to_le_bytes());
        fields.finish()
    }

    /// # Errors
    /// [`HeaderError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut fields = open(FileKind::LogArchive, bytes)?;
        Ok(Self { store: fields.store()?, first: Index(fields.u64()?) })
    }
}

impl SubjectKeysHeader {
    /// The bytes of the header, after which records follow.
    pub const BYTES: usize = FIELDS_AT + 16 + WRAPPED_TAG_KEY_BYTES + CHECKSUM_BYTES;

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::begin(FileKind::SubjectKeys, self.store);
        fields.0.extend_from_slice(&self.tag_key);
        fields.finish()
    }

    /// # Errors
    /// [`HeaderError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut fields = open(FileKind::SubjectKeys, bytes)?;
        Ok(Self { store: fields.store()?, tag_key: fields.take()? })
    }
}

/// A header that is being written.
struct Fields(Vec<u8>);

impl Fields {
    fn begin(kind: FileKind, store: StoreId) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(kind as u32).to_le_bytes());
        bytes.extend_from_slice(&kind.version().to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&store.0.to_le_bytes());
        Self(bytes)
    }

    fn finish(mut self) -> Vec<u8> {
        let length = (self.0.len() - FIELDS_AT) as u32;
        self.0[16..FIELDS_AT].copy_from_slice(&length.to_le_bytes());
        let checksum = crc32c(&self.0);
        self.0.extend_from_slice(&checksum.to_le_bytes());
        self.0
    }
}

/// The fields of a header whose checksum was checked.
struct Opened<'a>(&'a [u8]);

impl Opened<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], HeaderError> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(HeaderError::Damaged)?;
        self.0 = rest;
        Ok(*field)
    }

    fn u32(&mut self) -> Result<u32, HeaderError> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, HeaderError> {
        self.take().map(u64::from_le_bytes)
    }

    fn store(&mut self) -> Result<StoreId, HeaderError> {
        self.take().map(|id| StoreId(u128::from_le_bytes(id)))
    }
}

fn open(kind: FileKind, bytes: &[u8]) -> Result<Opened<'_>, HeaderError> {
    let bytes = &bytes[..bytes.len().min(HEADER_BYTES_MAX)];
    if bytes.iter().all(|byte| *byte == 0) {
        return Err(HeaderError::Blank);
    }
    if !bytes.starts_with(MAGIC) {
        return Err(HeaderError::Foreign);
    }
    let mut frame = Opened(&bytes[MAGIC.len()..]);
    let (found_kind, version, length) = (frame.u32()?, frame.u32()?, frame.u32()? as usize);
    let checked = bytes.get(..FIELDS_AT + length.min(HEADER_BYTES_MAX)).ok_or(HeaderError::Damaged)?;
    let mut rest = Opened(&bytes[checked.len()..]);
    if rest.u32()? != crc32c(checked) {
        return Err(HeaderError::Damaged);
    }
    if found_kind != kind as u32 {
        return Err(HeaderError::OtherKind { found: found_kind });
    }
    if version > kind.version() {
        return Err(HeaderError::Newer { found: version, known: kind.version() });
    }
    if version < kind.oldest_version() {
        return Err(HeaderError::Older { found: version, oldest: kind.oldest_version() });
    }
    Ok(Opened(&checked[FIELDS_AT..]))
}
