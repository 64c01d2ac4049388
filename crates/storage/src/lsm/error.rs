//! Turns lsm-tree's errors into those of the state store.

use crate::state::StateError;
use model::ViewError;
use std::io;
use std::path::Path;

/// Classifies an error of the tree.
pub(super) fn state_error(doing: &str, error: &lsm_tree::Error) -> StateError {
    use lsm_tree::Error;
    match error {
        Error::Io(error) => io_error(doing, error),
        Error::InvalidVersion(version) => StateError::Refused(format!(
            "{doing}: the state's tables have format {version}, which this version cannot read"
        )),
        other => StateError::Damaged(format!("{doing}: {other}")),
    }
}

/// Classifies an I/O error: a file that ends too early is damage, a reached limit is lack of space, and
/// everything else is a failure of the disk.
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

/// Adds the name of the file to an error.
pub(super) fn at(action: &str, path: &Path) -> String {
    format!("{action} {}", path.display())
}
