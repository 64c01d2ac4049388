//! What a program does to the file system, and what becomes of it.

/// One operation of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The number of this operation among all changing ones, from 0. A read has the number of the next change.
    pub number: u64,
    pub kind: Kind,
    /// The path below the mount, or that of the directory for a change of names.
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Create,
    MakeDirectory,
    Link,
    Rename,
    Remove,
    RemoveDirectory,
    Write,
    Truncate,
    Reserve,
    /// fsync or fdatasync of a file.
    Sync,
    SyncDirectory,
    /// Changes nothing. What the system has cached is read without it.
    Read,
}

impl Kind {
    #[must_use]
    pub fn changes(self) -> bool {
        self != Self::Read
    }
}

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Done,
    /// It reports success and does nothing. Only for syncs.
    Skipped,
    /// It fails with EIO and does nothing. A failed sync of a file loses the data, as on Linux.
    Failed,
    /// It fails with ENOSPC and does nothing.
    NoSpace,
    /// It waits for [`crate::FaultFs::release`], and is done then.
    Waits,
    /// The program ends during it. The operation has done its work, unless it is a sync, but fails, and so does
    /// everything after it, until [`crate::FaultFs::restart`] or [`crate::FaultFs::cut_power`].
    Ends,
}
