//! A disk whose power can be cut: a file system in an image file that is mounted over a loop device. A cut shuts
//! the file system down without flushing anything, so that whatever was not synced is lost, as it is when the
//! power fails.
//!
//! The image itself is in memory: its content survives the cut, as a disk's does, and syncs are fast.

use crate::tmpfs::{Tmpfs, not_run};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileSystem {
    Ext4,
    Xfs,
}

impl FileSystem {
    const fn make(self) -> &'static [&'static str] {
        match self {
            // Everything that mkfs would leave to the first mount is done by it.
            Self::Ext4 => &["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
            Self::Xfs => &["mkfs.xfs", "-q"],
        }
    }

    /// The image takes only the memory of what was written to it.
    const fn bytes(self) -> u64 {
        match self {
            Self::Ext4 => 256 << 20,
            // mkfs refuses less.
            Self::Xfs => 320 << 20,
        }
    }
}

/// A mounted image.
pub(crate) struct Image {
    disk: Tmpfs,
}

impl Image {
    /// Makes a file system on a disk in memory of this size, such as `512m`, and mounts it. Where that is not
    /// possible, the test fails: it would prove nothing.
    pub(crate) fn new(file_system: FileSystem, size: &str) -> Self {
        let image = Self { disk: Tmpfs::mount(size) };
        let file = std::fs::File::create(image.file()).unwrap();
        file.set_len(file_system.bytes()).unwrap();
        run(file_system.make().iter().map(OsStr::new).chain([image.file().as_os_str()]));
        std::fs::create_dir(image.path()).unwrap();
        image.mount();
        image
    }

    fn file(&self) -> PathBuf {
        self.disk.path().join("image")
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.disk.path().join("mounted")
    }

    fn mount(&self) {
        run(["mount", "-o", "loop"]
            .map(OsStr::new)
            .into_iter()
            .chain([self.file().as_os_str(), self.path().as_os_str()]));
    }

    /// Cuts the power. Reads and writes fail from now on.
    pub(crate) fn cut(&self) {
        run(["xfs_io", "-x", "-c", "shutdown"].map(OsStr::new).into_iter().chain([self.path().as_os_str()]));
    }

    /// Has all writes and syncs wait for [`Self::thaw`].
    pub(crate) fn freeze(&self) {
        run([OsStr::new("fsfreeze"), OsStr::new("-f"), self.path().as_os_str()]);
    }

    pub(crate) fn thaw(&self) {
        run([OsStr::new("fsfreeze"), OsStr::new("-u"), self.path().as_os_str()]);
    }

    /// Brings the power back. No process may use the file system.
    pub(crate) fn restore(&self) {
        run([OsStr::new("umount"), self.path().as_os_str()]);
        self.mount();
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // A test that failed may have left it frozen, and then nothing that uses it would end.
        let _ = Command::new("fsfreeze").arg("-u").arg(self.path()).stderr(Stdio::null()).status();
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Runs a program that must succeed.
fn run<'a>(words: impl IntoIterator<Item = &'a OsStr>) {
    let words: Vec<&OsStr> = words.into_iter().collect();
    let output = Command::new(words[0]).args(&words[1..]).output();
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) => not_run(&format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => not_run(&format!("{words:?}: {error}")),
    }
}
