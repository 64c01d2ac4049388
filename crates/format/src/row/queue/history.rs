//! What tasks remember of their attempts, and dead letters by class.

use crate::queue::get_u32;
use crate::row::value::layout;
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use model::Wall;

const LAYOUT: u8 = 1;

/// An attempt that a worker gave back, or that ended because the task was cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    pub attempt: u32,
    pub worker: String,
    pub started: Wall,
    pub ended: Wall,
    pub end: AttemptEnd,
}

/// How such an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    Deferred,
    Returned,
    Cancelled,
}

impl AttemptRow {
    /// Writes several, one after another, as a part of a task.
    #[must_use]
    pub fn encode_all(attempts: &[Self]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        for attempt in attempts {
            writer.varint(u64::from(attempt.attempt));
            writer.prefixed(attempt.worker.as_bytes());
            writer.u64(attempt.started.0);
            writer.u64(attempt.ended.0);
            writer.u8(match attempt.end {
                AttemptEnd::Deferred => 1,
                AttemptEnd::Returned => 2,
                AttemptEnd::Cancelled => 3,
            });
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of attempts.
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "attempts")?;
        let mut attempts = Vec::new();
        while !reader.is_empty() {
            attempts.push(Self {
                attempt: get_u32(&mut reader)?,
                worker: reader.text("worker's name")?.to_owned(),
                started: Wall(reader.u64()?),
                ended: Wall(reader.u64()?),
                end: match reader.u8()? {
                    1 => AttemptEnd::Deferred,
                    2 => AttemptEnd::Returned,
                    3 => AttemptEnd::Cancelled,
                    other => return Err(FormatError::invalid("end of an attempt", u64::from(other))),
                },
            });
        }
        Ok(attempts)
    }
}

/// One failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureRow {
    pub attempt: u32,
    pub worker: String,
    pub started: Wall,
    pub ended: Wall,
    pub class: String,
    pub detail: Vec<u8>,
}

impl FailureRow {
    /// Writes several, one after another, as a part of a task.
    #[must_use]
    pub fn encode_all(failures: &[Self]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        for failure in failures {
            writer.varint(u64::from(failure.attempt));
            writer.prefixed(failure.worker.as_bytes());
            writer.u64(failure.started.0);
            writer.u64(failure.ended.0);
            writer.prefixed(failure.class.as_bytes());
            writer.prefixed(&failure.detail);
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of failures.
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "failures")?;
        let mut failures = Vec::new();
        while !reader.is_empty() {
            failures.push(Self {
                attempt: get_u32(&mut reader)?,
                worker: reader.text("worker's name")?.to_owned(),
                started: Wall(reader.u64()?),
                ended: Wall(reader.u64()?),
                class: reader.text("class of a failure")?.to_owned(),
                detail: reader.prefixed()?.to_owned(),
            });
        }
        Ok(failures)
    }
}

/// The dead letters of one class, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadClassRow {
    pub class: String,
    pub tasks: u64,
}

impl DeadClassRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(12 + self.class.len());
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.prefixed(self.class.as_bytes());
        writer.varint(self.tasks);
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of such a row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "class's row")?;
        let row = Self { class: reader.text("class of a failure")?.to_owned(), tasks: reader.varint()? };
        reader.end()?;
        Ok(row)
    }
}
