//! File descriptors: each connection needs one, and so do the files of the store. Systems start processes with a low limit
//! that they may raise, because some old programs cannot handle high numbers.

use model::limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything but connections: segments, tables, and what the process itself has open.
const OTHERS: u64 = 1_024;

/// Raises the limit as far as the system allows, and returns how many connections fit in it.
pub(crate) fn connections_max() -> usize {
    let allowed = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: allowed.maximum, maximum: allowed.maximum };
    let usable = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => allowed.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of file descriptors could not be raised");
            allowed.current
        }
    };
    let connections = fitting(usable);
    if connections < limits::CONNECTIONS_MAX {
        tracing::warn!(
            descriptors = usable,
            connections,
            "the limit of file descriptors is low, so fewer connections are accepted"
        );
    }
    connections
}

/// How many connections fit in a limit of descriptors; `None` is no limit.
fn fitting(descriptors: Option<u64>) -> usize {
    let Some(descriptors) = descriptors else { return limits::CONNECTIONS_MAX };
    let connections = descriptors - OTHERS.min(descriptors / 2);
    usize::try_from(connections).unwrap_or(usize::MAX).min(limits::CONNECTIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_files() {
        for (descriptors, connections) in [
            (None, limits::CONNECTIONS_MAX),
            (Some(u64::MAX), limits::CONNECTIONS_MAX),
            (Some(limits::CONNECTIONS_MAX as u64 + OTHERS), limits::CONNECTIONS_MAX),
            (Some(limits::CONNECTIONS_MAX as u64), limits::CONNECTIONS_MAX - 1_024),
            (Some(4_096), 3_072),
            (Some(1_024), 512),
            (Some(2), 1),
            (Some(0), 0),
        ] {
            assert_eq!(fitting(descriptors), connections, "{descriptors:?}");
        }
    }
}
