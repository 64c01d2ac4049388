//! Which operations of a [`super::MemoryDisk`] fail.

use std::fmt;
use std::io;

/// The kind of an operation that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Change,
    Read,
    /// Opening, listing or asking for a length. It fails only after the end of the process.
    Look,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) operations: u64,
    pub(super) reads: u64,
    pub(super) crash_at: Option<u64>,
    pub(super) failing: Vec<(u64, io::ErrorKind)>,
    pub(super) failing_reads: Vec<(u64, io::ErrorKind)>,
    pub(super) capacity: Option<u64>,
    crashed: bool,
}

impl Faults {
    pub(super) fn begin(&mut self, operation: Operation) -> io::Result<()> {
        if self.crashed {
            return Err(io::Error::other(Crashed { now: false }));
        }
        match operation {
            Operation::Look => Ok(()),
            Operation::Read => {
                self.reads += 1;
                fail(&self.failing_reads, self.reads - 1)
            }
            Operation::Change => {
                let number = self.operations;
                if self.crash_at.is_some_and(|at| at <= number) {
                    self.crashed = true;
                    return Err(io::Error::other(Crashed { now: true }));
                }
                self.operations += 1;
                fail(&self.failing, number)
            }
        }
    }
}

fn fail(failing: &[(u64, io::ErrorKind)], number: u64) -> io::Result<()> {
    match failing.iter().find(|(at, _)| *at == number) {
        Some((_, kind)) => Err((*kind).into()),
        None => Ok(()),
    }
}

#[derive(Debug)]
struct Crashed {
    now: bool,
}

impl fmt::Display for Crashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the simulated process has ended")
    }
}

impl std::error::Error for Crashed {}

fn crashed(error: &io::Error) -> Option<&Crashed> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// Whether an error says that the simulated process has ended.
#[must_use]
pub fn is_crash(error: &io::Error) -> bool {
    crashed(error).is_some()
}

pub(super) fn is_crashing_now(error: &io::Error) -> bool {
    crashed(error).is_some_and(|crashed| crashed.now)
}
