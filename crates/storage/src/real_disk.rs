//! [`Disk`] over a directory of the operating system.
//!
//! A file is synced with fdatasync, and a directory with fsync. Nothing is retried after an error, except an
//! interrupted system call.

use crate::disk::{Disk, DiskFile};
use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory.
#[derive(Clone, Debug)]
pub struct RealDisk(Arc<Directory>);

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    handle: File,
}

impl RealDisk {
    /// Opens a directory, and makes its name durable. If it does not exist, it is created in an existing parent.
    ///
    /// # Errors
    /// The error of the disk.
    pub fn open(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            std::fs::create_dir(path)?;
        }
        // Also for a directory that exists: the process that created it may have ended before this.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(Self(Arc::new(Directory { path: path.to_owned(), handle: File::open(path)? })))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

impl Disk for RealDisk {
    type File = RealFile;

    fn create(&self, name: &str) -> io::Result<RealFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        options.open(self.0.path.join(name)).map(RealFile)
    }

    fn open(&self, name: &str) -> io::Result<RealFile> {
        OpenOptions::new().read(true).write(true).open(self.0.path.join(name)).map(RealFile)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.0.path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                continue;
            }
            let name = entry.file_name();
            names.push(name.into_string().map_err(|name| {
                io::Error::new(io::ErrorKind::InvalidData, format!("a file's name is not UTF-8: {name:?}"))
            })?);
        }
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.0.path.join(from), self.0.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.0.path.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.0.handle.sync_all()
    }
}

/// A file of a [`RealDisk`].
#[derive(Debug)]
pub struct RealFile(File);

impl DiskFile for RealFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.metadata().map(|metadata| metadata.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        loop {
            match fallocate(&self.0, FallocateFlags::KEEP_SIZE, 0, len) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return self.has_space(len),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl RealFile {
    /// Opens a file that is only read. Whatever would change it fails.
    ///
    /// # Errors
    /// The error of the disk.
    pub fn open_to_read(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    /// For file systems without reservations: checks that there is space now.
    fn has_space(&self, len: u64) -> io::Result<()> {
        let wanted = len.saturating_sub(self.0.metadata()?.len());
        let disk = fstatvfs(&self.0)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < wanted {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}
