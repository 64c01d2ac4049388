//! A simulated disk on which a mutant may make syncs do nothing.

use std::io;
use storage::disk::{Disk, DiskFile};
use storage::memory_disk::{MemoryDisk, MemoryFile};

/// Which syncs do nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deaf {
    #[default]
    None,
    /// Those of files.
    ToFiles,
    /// Those of the directory.
    ToDirectory,
}

/// A disk that loses what it should have synced.
#[derive(Clone, Debug)]
pub struct SimDisk {
    pub inner: MemoryDisk,
    pub deaf: Deaf,
}

/// A file of a [`SimDisk`].
#[derive(Debug)]
pub struct SimFile {
    inner: MemoryFile,
    deaf: Deaf,
}

impl SimDisk {
    fn file(&self, inner: MemoryFile) -> SimFile {
        SimFile { inner, deaf: self.deaf }
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    fn create(&self, name: &str) -> io::Result<SimFile> {
        self.inner.create(name).map(|file| self.file(file))
    }

    fn open(&self, name: &str) -> io::Result<SimFile> {
        self.inner.open(name).map(|file| self.file(file))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        if self.deaf == Deaf::ToDirectory { Ok(()) } else { self.inner.sync_dir() }
    }
}

impl DiskFile for SimFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.inner.write_at(bytes, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.inner.reserve(len)
    }

    fn sync(&self) -> io::Result<()> {
        if self.deaf == Deaf::ToFiles { Ok(()) } else { self.inner.sync() }
    }
}
