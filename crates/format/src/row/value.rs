//! Values: a layout number, then the fields. Numbers that are usually small are varints, all others have a
//! fixed width.

use crate::entry::{get_settings, put_settings};
use crate::wire::{FormatError, Reader, Writer};
use alloc::vec::Vec;
use model::{Elapsed, Fingerprint, IdHash, Position, Revision, Settings, StreamId, StreamName, Wall};

/// The layout of every value so far.
pub(super) const LAYOUT: u8 = 1;

pub(super) fn layout(reader: &mut Reader<'_>, what: &'static str) -> Result<(), FormatError> {
    match reader.u8()? {
        LAYOUT => Ok(()),
        other => Err(FormatError::invalid(what, u64::from(other))),
    }
}

/// What a shard remembers about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardRow {
    /// How many entries were applied.
    pub applied: u64,
    /// The last position assigned.
    pub last: Position,
    pub wall: Wall,
    pub elapsed: Elapsed,
    /// The greatest position of a removed event; zero when none was removed.
    pub removed_through: Position,
    /// Idempotency records, including expired ones that were not cleaned up yet.
    pub records: u64,
    /// Bytes of those records' rows.
    pub records_bytes: u64,
}

impl ShardRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(57);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.u64(self.applied);
        writer.u64(self.last.0);
        writer.u64(self.wall.0);
        writer.u64(self.elapsed.0);
        writer.u64(self.removed_through.0);
        writer.u64(self.records);
        writer.u64(self.records_bytes);
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a shard row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "shard row")?;
        let row = Self {
            applied: reader.u64()?,
            last: Position(reader.u64()?),
            wall: Wall(reader.u64()?),
            elapsed: Elapsed(reader.u64()?),
            removed_through: Position(reader.u64()?),
            records: reader.u64()?,
            records_bytes: reader.u64()?,
        };
        reader.end()?;
        Ok(row)
    }
}

/// A stream apart from its events. The last revision is not in this row, so that an append need not write it:
/// it is the revision of the last revision row, or the one before `first` when no such row is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamRow {
    pub id: StreamId,
    /// The first kept revision, or the next revision when no event is kept.
    pub first: Revision,
    /// The greatest position of a removed event; zero when none was removed.
    pub removed_through: Position,
    /// The stream was deleted, and nothing was appended since.
    pub deleted: bool,
    pub settings: Settings,
    /// The time of the stream's wall timer, if it has one.
    pub expires: Option<Wall>,
    /// The stream's queued clean-up, if rows below `first` remain.
    pub clean_up: Option<CleanUpWork>,
}

/// Rows of removed events: those from `from` up to the stream's first kept revision remain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanUpWork {
    pub from: Revision,
    /// Part of the key of the row that queues the work.
    pub queued: Position,
}

impl StreamRow {
    const DELETED: u8 = 1;
    const EXPIRES: u8 = 2;
    const CLEAN_UP: u8 = 4;

    /// The row of a new stream.
    #[must_use]
    pub fn new(id: StreamId) -> Self {
        Self {
            id,
            first: Revision::FIRST,
            removed_through: Position::ZERO,
            deleted: false,
            settings: Settings::default(),
            expires: None,
            clean_up: None,
        }
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        writer.u8(flag(self.deleted, Self::DELETED)
            | flag(self.expires.is_some(), Self::EXPIRES)
            | flag(self.clean_up.is_some(), Self::CLEAN_UP));
        writer.u64(self.id.0);
        writer.varint(self.first.0);
        writer.u64(self.removed_through.0);
        put_settings(&mut writer, &self.settings);
        if let Some(wall) = self.expires {
            writer.u64(wall.0);
        }
        if let Some(work) = self.clean_up {
            writer.varint(work.from.0);
            writer.u64(work.queued.0);
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a stream row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "stream row")?;
        let flags = reader.u8()?;
        if flags >= 8 {
            return Err(FormatError::invalid("set of flags", u64::from(flags)));
        }
        let id = StreamId(reader.u64()?);
        let first = Revision(reader.varint()?);
        let removed_through = Position(reader.u64()?);
        let settings = get_settings(&mut reader)?;
        let expires = match flags & Self::EXPIRES {
            0 => None,
            _ => Some(Wall(reader.u64()?)),
        };
        let clean_up = match flags & Self::CLEAN_UP {
            0 => None,
            _ => Some(CleanUpWork { from: Revision(reader.varint()?), queued: Position(reader.u64()?) }),
        };
        reader.end()?;
        let deleted = flags & Self::DELETED != 0;
        Ok(Self { id, first, removed_through, deleted, settings, expires, clean_up })
    }
}

/// Where an event is, and who gave it its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevisionRow {
    pub position: Position,
    pub author: Author,
}

/// Who gave an event its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The client. The fingerprint is in the dedup row with this hash.
    Client(IdHash),
    /// The server, from the event's cursor. The fingerprint identifies a replay when that id is sent back.
    Server(Fingerprint),
}

impl RevisionRow {
    const CLIENT: u8 = 1;
    const SERVER: u8 = 2;

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(26);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.u64(self.position.0);
        match self.author {
            Author::Client(id) => {
                writer.u8(Self::CLIENT);
                writer.u128(id.0);
            }
            Author::Server(fingerprint) => {
                writer.u8(Self::SERVER);
                writer.u128(fingerprint.0);
            }
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a revision row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "revision row")?;
        let position = Position(reader.u64()?);
        let author = match reader.u8()? {
            Self::CLIENT => Author::Client(IdHash(reader.u128()?)),
            Self::SERVER => Author::Server(Fingerprint(reader.u128()?)),
            other => return Err(FormatError::invalid("author", u64::from(other))),
        };
        reader.end()?;
        Ok(Self { position, author })
    }
}

/// An event whose client gave it its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DedupRow {
    pub revision: Revision,
    pub fingerprint: Fingerprint,
}

impl DedupRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(27);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.varint(self.revision.0);
        writer.u128(self.fingerprint.0);
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a dedup row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "dedup row")?;
        let row = Self { revision: Revision(reader.varint()?), fingerprint: Fingerprint(reader.u128()?) };
        reader.end()?;
        Ok(row)
    }
}

/// An idempotency record: the request that used a key, and its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyRow<'a> {
    pub fingerprint: Fingerprint,
    pub expires: Elapsed,
    /// Encoded by [`crate::outcome`].
    pub outcome: &'a [u8],
}

impl<'a> IdempotencyRow<'a> {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(25 + self.outcome.len());
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.u128(self.fingerprint.0);
        writer.u64(self.expires.0);
        writer.bytes(self.outcome);
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of an idempotency record.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "idempotency record")?;
        Ok(Self {
            fingerprint: Fingerprint(reader.u128()?),
            expires: Elapsed(reader.u64()?),
            outcome: reader.rest(),
        })
    }
}

/// The stream's name in the value of a wall timer or of queued clean-up.
///
/// # Errors
/// [`FormatError::Text`].
pub fn decode_name(bytes: &[u8]) -> Result<StreamName<'_>, FormatError> {
    let damaged = FormatError::Text { what: "stream name" };
    let name = core::str::from_utf8(bytes).map_err(|_| damaged)?;
    StreamName::new(name).map_err(|_| damaged)
}
