//! lsm-tree's errors in the words of the state store.

use crate::state::StateError;
use model::ViewError;
use std::io;
use std::path::Path;

/// Where an error of the tree came from decides what it says about the disk.
pub(super) fn state_error(doing: &str, error: &lsm_tree::Error) -> StateError {
    use lsm_tree::Error;
    match error {
        Error::Io(error) => io_error(doing, error),
        Error::InvalidVersion(version) => StateError::Refused(format!(
            "{doing}: the state's tables have format {version}, which is not ours"
        )),
        other => StateError::Damaged(format!("{doing}: {other}")),
    }
}

/// A file that ends too early is damage, a limit reached is want of space; everything else is the disk's
/// failure.
pub(super) fn io_error(doing: &str, error: &io::Error) -> StateError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
            StateError::Damaged(format!("{doing}: {error}"))
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StateError::NoSpace(format!("{doing}: {error}"))
        }
        _ => StateError::Failed(format!("{doing}: {error}")),
    }
}

pub(super) fn view_error(error: &lsm_tree::Error) -> ViewError {
    ViewError::Failed(state_error("reading", error).to_string())
}

/// Says which file an action was about.
pub(super) fn at(action: &str, path: &Path) -> String {
    format!("{action} {}", path.display())
}
