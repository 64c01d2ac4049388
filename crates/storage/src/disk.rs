//! File access, small enough to be simulated whole.
//!
//! The log and the body file reach their files through [`Disk`] and [`DiskFile`] only, so that a simulated
//! disk can lose unsynced writes, tear them, flip bits, fill up and fail. A write is *submitted* by
//! [`DiskFile::write_at`] and is durable only when a later [`DiskFile::sync`] has returned; a created,
//! renamed or removed name only after [`Disk::sync_dir`].

use std::fmt::Debug;
use std::io;

/// A flat directory of files. Cheap to clone; clones are the same directory.
pub trait Disk: Clone + Debug + Send + Sync + 'static {
    type File: DiskFile;

    /// Creates a new empty file for reading and writing.
    ///
    /// # Errors
    /// `AlreadyExists`, or what the disk says.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// `NotFound`, or what the disk says.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// The names in the directory, sorted.
    ///
    /// # Errors
    /// What the disk says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Renames a file over another or a new name.
    ///
    /// # Errors
    /// What the disk says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file's name; who has it open may go on using it.
    ///
    /// # Errors
    /// `NotFound`, or what the disk says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes created, renamed and removed names durable.
    ///
    /// # Errors
    /// What the disk says; the store must then stop.
    fn sync_dir(&self) -> io::Result<()>;
}

/// One open file. Cheap to clone behind an `Arc`; may be read while it is written.
pub trait DiskFile: Debug + Send + Sync + 'static {
    /// Submits all of `bytes` at `offset`; the file grows as needed.
    ///
    /// # Errors
    /// `StorageFull`, or what the disk says. Part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the file's end.
    ///
    /// # Errors
    /// What the disk says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Bytes in the file.
    ///
    /// # Errors
    /// What the disk says.
    fn len(&self) -> io::Result<u64>;

    /// Whether nothing was written yet.
    ///
    /// # Errors
    /// What the disk says.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Cuts the file, or makes it longer with zeros.
    ///
    /// # Errors
    /// What the disk says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Sets space aside, so that no later write below `len` fails for want of it. The file's length and
    /// content stay. A disk that cannot promise this says at least whether there is room now.
    ///
    /// # Errors
    /// `StorageFull`, or what the disk says.
    fn reserve(&self, len: u64) -> io::Result<()>;

    /// Returns when all writes that had returned before are on the device (fdatasync).
    ///
    /// # Errors
    /// What the disk says; the store must then stop: a retry may claim success for lost pages.
    fn sync(&self) -> io::Result<()>;
}

/// Whether an error means that there is no room: the disk, the quota or the permitted file size.
#[must_use]
pub fn is_no_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
