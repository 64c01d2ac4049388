//! File systems in memory, of any size.

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

/// Fails a test that cannot be run on this machine.
pub(crate) fn not_run(why: &str) -> ! {
    println!("NOT RUN: {why}");
    panic!("NOT RUN: {why}");
}

/// Makes a file so large that its file system has at most this many bytes left.
pub(crate) fn fill(ballast: &Path, left: u64) {
    let file = File::create(ballast).unwrap();
    let free = || {
        let stat = statvfs(ballast).unwrap();
        (stat.f_bavail * stat.f_frsize).saturating_sub(left)
    };
    // Others take space at the same time, so what was free may not be free any more.
    let mut bytes = free();
    while bytes > 0 && fallocate(&file, FallocateFlags::empty(), 0, bytes).is_err() {
        bytes = bytes.saturating_sub(64 << 10).min(free());
    }
}

/// A file system of its own; gone when dropped.
pub(crate) struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// Mounts one of this size, such as `24m`.
    pub(crate) fn mount(size: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &options, "mainstay-test"]).arg(directory.path());
        match command.stderr(Stdio::piped()).output() {
            Ok(output) if output.status.success() => Self(directory),
            Ok(output) => not_run(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => not_run(&format!("mount: {error}")),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Changes its size.
    pub(crate) fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let status = Command::new("mount").args(["-o", &options]).arg(self.path()).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
