//! One check, from the pinned store to what was found.

use super::pace::{Pace, Paced};
use runtime::{Handle, PinnedStore, ReadFailure};
use std::ops::ControlFlow;
use std::sync::Arc;
use upkeep::UpkeepError;
use upkeep::check::{Check, Checked};

/// Why a check says nothing about the data.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfinished {
    #[error("the node stops")]
    Stopping,
    #[error("the disk is full, and a check holds files that could be deleted")]
    OutOfSpace,
    #[error("the data could not be held as it is: {0}")]
    NotPinned(#[from] ReadFailure),
    #[error(transparent)]
    Upkeep(#[from] UpkeepError),
}

/// Checks everything that is stored now.
pub(super) fn run(handle: &Handle, pace: &Arc<Pace>) -> Result<Checked, Unfinished> {
    pace.goes_on()?;
    let store = handle.pin()?;
    let mut check = Check::begin(&store.header().encode())?;
    if tables(&store, pace, &mut check)?.is_continue() {
        rows(&store, pace, &mut check)?;
    }
    for file in store.into_segments() {
        let (name, kind) = (format!("bodies/{}.bodies", file.segment().name), file.segment().kind);
        check.segment(&name, Paced { file, pace: Arc::clone(pace) }, kind);
        // If it was interrupted, what it has found is not damage.
        pace.goes_on()?;
    }
    Ok(check.end())
}

/// Compares each file of the state with its checksum. If one is damaged, its rows are better not read: its library trusts
/// more than it checks.
fn tables(store: &PinnedStore, pace: &Pace, check: &mut Check) -> Result<ControlFlow<()>, Unfinished> {
    let mut then = ControlFlow::Continue(());
    for table in store.table_files() {
        let verified = table.verify(|bytes| pace.was_read(bytes).map_err(std::io::Error::other));
        pace.goes_on()?;
        if let Err(error) = verified {
            check.state_is_damaged(error);
            then = ControlFlow::Break(());
        }
    }
    Ok(then)
}

fn rows(store: &PinnedStore, pace: &Pace, check: &mut Check) -> Result<(), Unfinished> {
    let mut after = None;
    for chunk in 0.. {
        let read = match store.rows(chunk, after.as_deref()) {
            Ok(read) => read,
            Err(error) => {
                check.state_is_damaged(error);
                break;
            }
        };
        check.rows(&read.bytes)?;
        pace.was_read(read.bytes.len())?;
        after = read.last;
        if after.is_none() {
            break;
        }
    }
    Ok(())
}
