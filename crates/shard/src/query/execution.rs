//! One execution: whether its work is in progress or done.

use crate::execution::Execution;
use alloc::vec::Vec;
use format::row::ExecutionState as RowState;
use model::{Elapsed, ExecutionKey, View, ViewError};

/// An execution whose time is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionView {
    /// How long the key is in use if nothing is done.
    pub remaining_ms: u64,
    /// The response, if the work is done.
    pub response: Option<Vec<u8>>,
}

/// Reads one execution as of `now`; `None` when the key is free.
///
/// # Errors
/// [`ViewError`].
pub fn execution(
    view: &impl View,
    key: &ExecutionKey<'_>,
    now: Elapsed,
) -> Result<Option<ExecutionView>, ViewError> {
    let execution = Execution::load(key, view)?;
    let row = execution.row()?.filter(|row| now < row.expires);
    Ok(row.map(|row| ExecutionView {
        remaining_ms: row.expires.0 - now.0,
        response: match row.state {
            RowState::Begun { .. } => None,
            RowState::Completed(response) => Some(response.into()),
        },
    }))
}
