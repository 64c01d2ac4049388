//! One event's body, as the body file holds it: everything that a reader needs to filter and render the event
//! without reading the state.
//!
//! ```text
//! len u32 (of the whole record), crc32c u32 (of all that follows), position u64, slot u16, namespace u32,
//! key id u32, revision u64, filled u8, stream len u16, type len u16, envelope len u32,
//! stream, type, envelope
//! ```
//!
//! A length of zero is never valid. So a file that was extended beyond what was written reads as damaged, and
//! not as events.

use crate::wire::{FormatError, Reader, Writer};
use alloc::vec::Vec;
use model::{Cursor, Filled, KeyId, Namespace, Position, Revision, Slot};

/// Bytes before the stream's name.
pub const HEADER_BYTES: usize = 43;
/// Bytes that [`peek`] needs.
pub const PEEK_BYTES: usize = 16;
/// Bytes before the lengths of the three parts.
const LENGTHS_AT: usize = 35;
/// Bytes before what the checksum covers.
const CHECKED_FROM: usize = 8;

/// An event, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyRecord<'a> {
    pub position: Position,
    pub slot: Slot,
    pub namespace: Namespace,
    /// The key that the envelope is encrypted with; 0 means not encrypted.
    pub key_id: KeyId,
    pub revision: Revision,
    pub filled: Filled,
    /// The stream's name: at most 65,535 bytes (names have at most 256).
    pub stream: &'a str,
    /// At most 65,535 bytes: the format of entries rejects longer ones.
    pub event_type: &'a str,
    /// The event's JSON object, without the members that are filled in on reading.
    pub envelope: &'a [u8],
}

impl BodyRecord<'_> {
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        Cursor::new(self.position, self.slot)
    }
}

/// What [`peek`] finds without reading the whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peek {
    pub position: Position,
    /// Bytes of the whole record.
    pub len: usize,
}

/// Appends the record's bytes to `out`.
pub fn encode(record: &BodyRecord<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    let stream = bounded(record.stream.as_bytes(), usize::from(u16::MAX));
    let event_type = bounded(record.event_type.as_bytes(), usize::from(u16::MAX));
    let envelope = bounded(record.envelope, u32::MAX as usize - HEADER_BYTES - 2 * usize::from(u16::MAX));
    let len = HEADER_BYTES + stream.len() + event_type.len() + envelope.len();
    out.reserve(len);
    let mut writer = Writer::new(out);
    writer.u32(len as u32);
    writer.u32(0);
    writer.u64(record.position.0);
    writer.u16(record.slot.0);
    writer.u32(record.namespace.0);
    writer.u32(record.key_id.0);
    writer.u64(record.revision.0);
    writer.u8(record.filled.0);
    writer.u16(stream.len() as u16);
    writer.u16(event_type.len() as u16);
    writer.u32(envelope.len() as u32);
    writer.bytes(stream);
    writer.bytes(event_type);
    writer.bytes(envelope);
    let checksum = crc32c::crc32c(&out[start + CHECKED_FROM..]);
    out[start + 4..start + CHECKED_FROM].copy_from_slice(&checksum.to_le_bytes());
}

/// The entry format rejects anything longer. If a caller passes more anyway, it is cut, so that the record
/// stays readable.
fn bounded(bytes: &[u8], max: usize) -> &[u8] {
    debug_assert!(bytes.len() <= max);
    &bytes[..bytes.len().min(max)]
}

/// Reads the record at the start of `bytes`, checks its checksum, and returns it with its length.
///
/// # Errors
/// [`FormatError::Truncated`] when the record continues after `bytes`; another variant says what is wrong
/// with it.
pub fn decode(bytes: &[u8]) -> Result<(BodyRecord<'_>, usize), FormatError> {
    let Peek { len, .. } = peek(bytes)?;
    let bytes = bytes.get(..len).ok_or(FormatError::Truncated)?;
    let mut reader = Reader::new(bytes);
    reader.u32()?;
    let checksum = reader.u32()?;
    if crc32c::crc32c(&bytes[CHECKED_FROM..]) != checksum {
        return Err(FormatError::Checksum);
    }
    let position = Position(reader.u64()?);
    let slot = Slot(reader.u16()?);
    let namespace = Namespace(reader.u32()?);
    let key_id = KeyId(reader.u32()?);
    let revision = Revision(reader.u64()?);
    let filled = Filled(reader.u8()?);
    let stream_len = usize::from(reader.u16()?);
    let type_len = usize::from(reader.u16()?);
    let envelope_len = reader.u32()? as usize;
    let stream = text(reader.bytes(stream_len)?, "stream name")?;
    let event_type = text(reader.bytes(type_len)?, "event type")?;
    let envelope = reader.bytes(envelope_len)?;
    reader.end()?;
    let record =
        BodyRecord { position, slot, namespace, key_id, revision, filled, stream, event_type, envelope };
    Ok((record, len))
}

/// Reads the position and length of the record at the start of `bytes`, using only the first [`PEEK_BYTES`].
/// Nothing is checked except that the length is possible: call [`decode`] before trusting what a file's index
/// says about a record.
///
/// # Errors
/// [`FormatError::Truncated`], or `Invalid` for a length that no record has.
pub fn peek(bytes: &[u8]) -> Result<Peek, FormatError> {
    let mut reader = Reader::new(bytes);
    let len = reader.u32()? as usize;
    if len < HEADER_BYTES {
        return Err(FormatError::invalid("length of a body record", len as u64));
    }
    reader.u32()?;
    Ok(Peek { position: Position(reader.u64()?), len })
}

/// Whether a record may begin here: its lengths add up. For those who look for one among damaged bytes; [`decode`] tells
/// whether it is one.
#[must_use]
pub fn may_begin(bytes: &[u8]) -> bool {
    let lengths = || {
        let mut reader = Reader::new(bytes.get(..HEADER_BYTES)?);
        let whole = reader.u32().ok()?;
        reader.bytes(LENGTHS_AT - 4).ok()?;
        let parts = [reader.u16().ok()?.into(), reader.u16().ok()?.into(), reader.u32().ok()?];
        Some((u64::from(whole), parts.iter().map(|part| u64::from(*part)).sum::<u64>()))
    };
    lengths().is_some_and(|(whole, parts)| whole == HEADER_BYTES as u64 + parts)
}

fn text<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, FormatError> {
    core::str::from_utf8(bytes).map_err(|_| FormatError::Text { what })
}
