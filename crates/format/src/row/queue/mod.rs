//! The rows of task queues. Rows that change often are small: what a task carries with it, and what workers have said
//! about it, is in rows of its own.

mod keys;
mod values;

pub use keys::{QueueKeys, QueueRange, TaskPart, TaskTimerKey, TextHash};
pub use values::{
    AttemptEnd, AttemptRow, ClaimPart, ClaimRequestRow, CompletedPart, DeadClassRow, FailureRow, KeyRow,
    Lane, QueueRow, SettledBy, SettledPart, TaskIdRow, TaskRow, TypeRow, UniqueRow, decode_number,
    decode_part, encode_number, encode_part,
};
