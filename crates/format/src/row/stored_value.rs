//! The rows of values.

use super::key::{Fill, PREFIX_BYTES, kind};
use super::value::{LAYOUT, layout};
use crate::wire::{FormatError, Reader, Writer};
use alloc::vec::Vec;
use model::{Namespace, Revision, Slot};

/// The key of a value's row.
#[must_use]
pub fn value_key(slot: Slot, namespace: Namespace, value: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(PREFIX_BYTES + value.len());
    key.extend_from_slice(&Fill::<PREFIX_BYTES>::new(slot, namespace, kind::VALUE).done());
    key.extend_from_slice(value.as_bytes());
    key
}

/// A value. The row of a deleted one stays, so that its revisions are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueRow<'a> {
    pub revision: Revision,
    /// `None` if the value was deleted.
    pub content: Option<ValueContent<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueContent<'a> {
    pub content_type: &'a str,
    pub bytes: &'a [u8],
}

impl<'a> ValueRow<'a> {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.content.map_or(0, |content| content.bytes.len()));
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.varint(self.revision.0);
        match self.content {
            None => writer.u8(0),
            Some(content) => {
                writer.u8(1);
                writer.prefixed(content.content_type.as_bytes());
                writer.prefixed(content.bytes);
            }
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a value's row.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "value row")?;
        let revision = Revision(reader.varint()?);
        let content = match reader.u8()? {
            0 => None,
            1 => Some(ValueContent { content_type: reader.text("content type")?, bytes: reader.prefixed()? }),
            other => return Err(FormatError::invalid("option", u64::from(other))),
        };
        reader.end()?;
        Ok(Self { revision, content })
    }
}
