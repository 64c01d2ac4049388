//! File access, small enough to be simulated completely.
//!
//! The log and the body file use files only through [`Disk`] and [`DiskFile`], so that a simulated disk can
//! lose unsynced writes, tear them, flip bits, fill up and fail. [`DiskFile::write_at`] only *submits* a
//! write. It is durable once a later [`DiskFile::sync`] has returned. A created, renamed or removed name is
//! durable after [`Disk::sync_dir`].

use std::fmt::Debug;
use std::io;

/// A flat directory of files. Cheap to clone; clones are the same directory.
pub trait Disk: Clone + Debug + Send + Sync + 'static {
    type File: DiskFile;

    /// Creates a new empty file for reading and writing.
    ///
    /// # Errors
    /// `AlreadyExists`, or the error of the disk.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// `NotFound`, or the error of the disk.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// The names in the directory, sorted.
    ///
    /// # Errors
    /// The error of the disk.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Renames a file. If the new name exists, it is replaced.
    ///
    /// # Errors
    /// The error of the disk.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file's name. Handles that are already open stay usable.
    ///
    /// # Errors
    /// `NotFound`, or the error of the disk.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes created, renamed and removed names durable.
    ///
    /// # Errors
    /// The error of the disk. The store must then stop.
    fn sync_dir(&self) -> io::Result<()>;

    /// Does all writes that were left for later ([`DiskFile::write_later`]), in order. Blocks.
    ///
    /// # Errors
    /// `StorageFull`, or the error of the disk. The writes that were not done are still left for later.
    fn write_out(&self) -> io::Result<()> {
        Ok(())
    }

    /// Bytes of writes that are left for later.
    fn later_bytes(&self) -> u64 {
        0
    }
}

/// One open file. Share it in an `Arc`. It may be read while it is written.
pub trait DiskFile: Debug + Send + Sync + 'static {
    /// Submits all of `bytes` at `offset`. The file grows as needed.
    ///
    /// # Errors
    /// `StorageFull`, or the error of the disk. Part of the bytes may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Like [`Self::write_at`], but may leave the write for [`Disk::write_out`], so that the caller never waits for
    /// the disk. Reads see the bytes at once. A sync covers them.
    ///
    /// # Errors
    /// Those of [`Self::write_at`], when the write is not left for later.
    fn write_later(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_at(bytes, offset)
    }

    /// Reads up to `buffer.len()` bytes at `offset`: fewer only at the end of the file.
    ///
    /// # Errors
    /// The error of the disk.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The length of the file in bytes.
    ///
    /// # Errors
    /// The error of the disk.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file is empty.
    ///
    /// # Errors
    /// The error of the disk.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Truncates the file, or extends it with zeros.
    ///
    /// # Errors
    /// The error of the disk.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves space, so that no later write below `len` fails for lack of it. The file's length and content
    /// stay the same. A disk that cannot reserve space only checks that it has enough now.
    ///
    /// # Errors
    /// `StorageFull`, or the error of the disk.
    fn reserve(&self, len: u64) -> io::Result<()>;

    /// Returns once all writes that returned before it are on the device (fdatasync).
    ///
    /// # Errors
    /// The error of the disk. The store must then stop: a retry may report success although pages were lost.
    fn sync(&self) -> io::Result<()>;
}

/// Whether an error means lack of space: the disk is full, or a quota or the maximum file size is reached.
#[must_use]
pub fn is_no_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
