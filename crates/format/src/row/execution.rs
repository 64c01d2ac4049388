//! The rows of executions.

use super::key::{Fill, PREFIX_BYTES, kind};
use super::named_timer::{NamedTimer, NamedTimers};
use super::value::{LAYOUT, layout};
use crate::wire::{FormatError, Reader, Writer};
use alloc::vec::Vec;
use model::{Elapsed, ExecutionKey, Namespace, Position, Slot};

/// The key of an execution's row.
#[must_use]
pub fn execution_key(slot: Slot, namespace: Namespace, key: &str) -> Vec<u8> {
    let mut row = Vec::with_capacity(PREFIX_BYTES + key.len());
    row.extend_from_slice(&Fill::<PREFIX_BYTES>::new(slot, namespace, kind::EXECUTION).done());
    row.extend_from_slice(key.as_bytes());
    row
}

/// An execution that was begun, or one that is done. It has one timer, at `expires`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutionRow<'a> {
    pub fingerprint: &'a str,
    /// Without the slot, which is that of the key.
    pub token: Position,
    /// When the key is free again.
    pub expires: Elapsed,
    pub state: ExecutionState<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionState<'a> {
    Begun {
        owner: Option<&'a str>,
    },
    /// With the response, as its owner has sent it.
    Completed(&'a [u8]),
}

impl<'a> ExecutionRow<'a> {
    const BEGUN: u8 = 1;
    const BEGUN_BY_OWNER: u8 = 2;
    const COMPLETED: u8 = 3;

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let carried = match self.state {
            ExecutionState::Begun { owner } => owner.map_or(0, str::len),
            ExecutionState::Completed(response) => response.len(),
        };
        let mut out = Vec::with_capacity(32 + self.fingerprint.len() + carried);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        writer.prefixed(self.fingerprint.as_bytes());
        writer.u64(self.token.0);
        writer.u64(self.expires.0);
        match self.state {
            ExecutionState::Begun { owner: None } => writer.u8(Self::BEGUN),
            ExecutionState::Begun { owner: Some(owner) } => {
                writer.u8(Self::BEGUN_BY_OWNER);
                writer.prefixed(owner.as_bytes());
            }
            ExecutionState::Completed(response) => {
                writer.u8(Self::COMPLETED);
                writer.prefixed(response);
            }
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of an execution's row.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "execution row")?;
        let row = Self {
            fingerprint: reader.text("fingerprint")?,
            token: Position(reader.u64()?),
            expires: Elapsed(reader.u64()?),
            state: match reader.u8()? {
                Self::BEGUN => ExecutionState::Begun { owner: None },
                Self::BEGUN_BY_OWNER => ExecutionState::Begun { owner: Some(reader.text("owner")?) },
                Self::COMPLETED => ExecutionState::Completed(reader.prefixed()?),
                other => return Err(FormatError::invalid("state of an execution", u64::from(other))),
            },
        };
        reader.end()?;
        Ok(row)
    }
}

/// The elapsed time at which the key of an execution is free again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionTimerKey<'a> {
    pub slot: Slot,
    pub deadline: Elapsed,
    pub namespace: Namespace,
    pub key: ExecutionKey<'a>,
}

impl<'a> ExecutionTimerKey<'a> {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { slot, deadline, namespace, ref key } = *self;
        NamedTimer { slot, deadline, namespace, name: key.as_str() }.encode(kind::EXECUTION_TIMER)
    }

    /// # Errors
    /// [`FormatError`] when it is not the key of an execution's timer.
    pub fn decode(key: &'a [u8]) -> Result<Self, FormatError> {
        let what = "execution timer's key";
        let NamedTimer { slot, deadline, namespace, name } =
            NamedTimer::decode(key, kind::EXECUTION_TIMER, what)?;
        let key = ExecutionKey::new(name).map_err(|_| FormatError::Text { what })?;
        Ok(Self { slot, deadline, namespace, key })
    }

    /// The timers of the executions of one slot, from a point on.
    #[must_use]
    pub fn timers(slot: Slot, from: Elapsed) -> NamedTimers {
        NamedTimers::of(slot, kind::EXECUTION_TIMER, from)
    }
}
