//! File systems in memory, of any size.

use std::path::Path;
use std::process::{Command, Stdio};

/// Fails a test that cannot be run on this machine.
pub(crate) fn not_run(why: &str) -> ! {
    println!("NOT RUN: {why}");
    panic!("NOT RUN: {why}");
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
