//! File descriptors: each connection needs one, and so do the files of the store. Systems start processes with a low limit
//! that they may raise, because some old programs cannot handle high numbers.

use model::limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::DirEntry;
use std::path::Path;

/// Descriptors for what is not in the data directory, and for the files of a store that is small yet.
const OTHERS: u64 = 1_024;

/// Raises the limit as far as the system allows, and returns how many connections fit in it, besides the files in `data` and as
/// many again: the store grows while it runs.
pub(crate) fn connections_max(data: &Path) -> usize {
    let allowed = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: allowed.maximum, maximum: allowed.maximum };
    let usable = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => allowed.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of file descriptors could not be raised");
            allowed.current
        }
    };
    let files = files_below(data);
    let connections = fitting(usable, files);
    if connections < limits::CONNECTIONS_MAX {
        tracing::warn!(
            descriptors = usable,
            files,
            connections,
            "the limit of file descriptors is low, so fewer connections are accepted"
        );
    }
    connections
}

/// The files below a directory; 0 of one that cannot be read, which the store reports.
fn files_below(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let count = |entry: DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files_below(&entry.path()),
        _ => 1,
    };
    entries.flatten().map(count).sum()
}

/// How many connections fit in a limit of descriptors; `None` is no limit. Whatever there is, a quarter is for connections.
fn fitting(descriptors: Option<u64>, files: u64) -> usize {
    let Some(descriptors) = descriptors else { return limits::CONNECTIONS_MAX };
    let others =
        (OTHERS.min(descriptors / 2)).max(files.saturating_mul(2)).min(descriptors - descriptors / 4);
    usize::try_from(descriptors - others).unwrap_or(usize::MAX).min(limits::CONNECTIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_files() {
        let others = OTHERS as usize;
        for (descriptors, files, connections) in [
            (None, 1_000_000, limits::CONNECTIONS_MAX),
            (Some(u64::MAX), 0, limits::CONNECTIONS_MAX),
            (Some(limits::CONNECTIONS_MAX as u64 + OTHERS), OTHERS / 2, limits::CONNECTIONS_MAX),
            (Some(limits::CONNECTIONS_MAX as u64 + OTHERS), OTHERS, limits::CONNECTIONS_MAX - others),
            (Some(limits::CONNECTIONS_MAX as u64), 0, limits::CONNECTIONS_MAX - others),
            (Some(65_536), 20_000, limits::CONNECTIONS_MAX),
            (Some(4_096), 0, 3_072),
            (Some(4_096), 1_000, 2_096),
            (Some(4_096), u64::MAX, 1_024),
            (Some(1_024), 0, 512),
            (Some(2), 0, 1),
            (Some(0), 0, 0),
        ] {
            assert_eq!(fitting(descriptors, files), connections, "{descriptors:?} {files}");
        }
    }

    #[test]
    fn files_are_counted_in_directories_of_directories() {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(data.path().join("state/tables")).unwrap();
        for name in ["LOCK", "state/current", "state/tables/1", "state/tables/2"] {
            std::fs::write(data.path().join(name), name).unwrap();
        }
        assert_eq!(files_below(data.path()), 4);
        assert_eq!(files_below(&data.path().join("none")), 0);
    }
}
