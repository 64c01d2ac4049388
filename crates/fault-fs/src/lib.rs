//! A file system for tests, in memory, served to the system by the test itself through FUSE. Any program can use
//! it, without a change and without knowing it.
//!
//! - A rule decides the [`Fate`] of every operation: it is done, fails, waits, is skipped with a success, or is the
//!   last one of the program.
//! - [`FaultFs::after_power_cut`] returns what a power cut leaves. A file keeps what was synced, and any of what was
//!   not, sector by sector. A directory keeps the names that were there when it was synced, and any of the later
//!   ones. POSIX promises nothing else, and file systems with a journal usually keep more.
//! - After a sync that failed, reads show the data as before, a second sync reports success, and a power cut loses
//!   it. Linux does this, and it cannot be caused with the devices and tools that most machines have.
//!
//! It has files and directories, and no symbolic links. A rename or a hard link stays within its directory.

mod operation;
mod serve;
mod tree;

pub use operation::{Fate, Kind, Operation};
pub use tree::Tree;

use fuser::{BackgroundSession, Config, INodeNo, MountOption};
use serve::{Served, Shared};
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tree::ROOT;

/// A mounted file system. It is unmounted when it is dropped; nothing may have a file in it open by then.
#[derive(Debug)]
pub struct FaultFs {
    shared: Arc<Shared>,
    session: Option<BackgroundSession>,
    at: TempDir,
}

impl FaultFs {
    /// Mounts a file system at a new directory. Without a rule, every operation is done.
    ///
    /// # Errors
    /// The system refuses the mount.
    pub fn mount(tree: Tree) -> io::Result<Self> {
        let at = TempDir::new()?;
        let shared = Arc::new(Shared::new(tree));
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("fault-fs".to_owned()), MountOption::NoAtime];
        let session = fuser::spawn_mount(Served(Arc::clone(&shared)), at.path(), &config)?;
        Ok(Self { shared, session: Some(session), at })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        self.at.path()
    }

    /// Decides every operation from now on.
    pub fn rule(&self, rule: impl FnMut(&Operation) -> Fate + Send + 'static) {
        self.shared.rule(Box::new(rule));
    }

    /// Has every operation done from now on, those that wait first.
    pub fn release(&self) {
        self.shared.release();
    }

    /// Has every operation fail from now on, those that wait too, until [`Self::restart`] or [`Self::cut_power`].
    pub fn end(&self) {
        self.shared.end();
    }

    /// How many operations wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.waiting()
    }

    /// How many changing operations there were so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.shared.operations()
    }

    /// Limits the bytes of all files together. `None` means no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.shared.tree().capacity = bytes;
    }

    /// Has every operation done again after [`Fate::Ends`]. Everything is there, synced or not, as after kill -9.
    /// Files that are open stay lost.
    ///
    /// # Errors
    /// The system cannot be told to forget what it has cached.
    pub fn restart(&self) -> io::Result<()> {
        self.begin_again(|tree| std::mem::take(tree).renumbered())
    }

    /// Cuts the power and turns it on again, without a rule. Files that are open stay lost.
    ///
    /// # Errors
    /// The system cannot be told to forget what it has cached.
    pub fn cut_power(&self, rng: &mut impl FnMut() -> u64) -> io::Result<()> {
        self.begin_again(|tree| tree.after_power_cut(rng))
    }

    /// What a power cut would leave now. This file system does not change.
    #[must_use]
    pub fn after_power_cut(&self, rng: &mut impl FnMut() -> u64) -> Tree {
        self.shared.tree().after_power_cut(rng)
    }

    fn begin_again(&self, new: impl FnOnce(&mut Tree) -> Tree) -> io::Result<()> {
        self.shared.release();
        self.shared.begin_again();
        let before: Vec<String> = {
            let mut tree = self.shared.tree();
            let before = tree.names(ROOT).map(|names| names.seen().keys().cloned().collect());
            *tree = new(&mut tree);
            before.unwrap_or_default()
        };
        // All nodes have new numbers, so nothing that is cached can be reached but through the names in the root.
        let Some(session) = &self.session else { return Ok(()) };
        for name in before {
            match session.notifier().inval_entry(INodeNo(ROOT), OsStr::new(&name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Drop for FaultFs {
    fn drop(&mut self) {
        self.shared.release();
        if let Some(session) = self.session.take()
            && let Err(error) = session.umount_and_join()
        {
            eprintln!("cannot unmount {}: {error}", self.at.path().display());
        }
    }
}
