//! [`Disk`] in memory, with a power switch. It keeps synced and unsynced data apart, and any operation can be
//! made to fail.
//!
//! - [`MemoryDisk::crash`] returns the disk as a power cut would leave it. Each 512-byte sector that was
//!   written but not synced has its old content, its new one, or any written in between. Each created,
//!   renamed or removed name without a later `sync_dir` is kept or lost. Each changed length is the old or
//!   the new one.
//! - [`MemoryDisk::crash_at`] ends the process at a chosen operation, which may have done part of its work.
//! - [`MemoryDisk::fail_at`], [`MemoryDisk::set_capacity`] and [`MemoryDisk::flip_bit`] cause the errors of a
//!   failing disk. As on Linux, the data of a failed sync is lost although reads still show it, and a later
//!   sync succeeds.
//!
//! It is deterministic: the same calls and the same random numbers give the same disk.

mod faults;
mod image;
mod names;
#[cfg(test)]
mod tests;

use crate::disk::{Disk, DiskFile};
pub use faults::is_crash;
use faults::{Faults, Operation};
pub use image::Image;
pub use names::Names;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The size of a sector, which is written completely or not at all.
pub const SECTOR_BYTES: usize = 512;

/// A directory in memory. Clones are the same directory.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    names: Mutex<Names<Node>>,
    faults: Mutex<Faults>,
}

/// A file's content, independent of its names.
#[derive(Clone, Debug, Default)]
struct Node(Arc<Mutex<Image>>);

impl Node {
    fn of(image: Image) -> Self {
        Self(Arc::new(Mutex::new(image)))
    }

    fn image(&self) -> MutexGuard<'_, Image> {
        lock(&self.0)
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A file of a [`MemoryDisk`].
#[derive(Debug)]
pub struct MemoryFile {
    disk: Arc<Shared>,
    node: Node,
}

impl MemoryDisk {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk as a power cut would leave it now. This disk does not change.
    #[must_use]
    pub fn crash(&self, rng: &mut impl FnMut() -> u64) -> Self {
        let mut names = lock(&self.0.names).crash(rng);
        for node in names.values_mut() {
            let left = node.image().crash(rng);
            *node = Node::of(left);
        }
        Self::with(Names::durable(names))
    }

    /// The disk as the end of the process (kill -9) leaves it: all data is there, synced or not. This disk
    /// does not change.
    #[must_use]
    pub fn restart(&self) -> Self {
        let mut copies: Vec<(Node, Node)> = Vec::new();
        Self::with(lock(&self.0.names).copied(|node| {
            if let Some((_, copy)) = copies.iter().find(|(original, _)| original == node) {
                return copy.clone();
            }
            let copy = Node::of(node.image().clone());
            copies.push((node.clone(), copy.clone()));
            copy
        }))
    }

    fn with(names: Names<Node>) -> Self {
        Self(Arc::new(Shared { names: Mutex::new(names), ..Shared::default() }))
    }

    /// How many changing operations there were so far: creating, renaming, removing, writing, truncating,
    /// reserving, syncing.
    #[must_use]
    pub fn operations(&self) -> u64 {
        lock(&self.0.faults).operations
    }

    /// How many reads there were so far.
    #[must_use]
    pub fn reads(&self) -> u64 {
        lock(&self.0.faults).reads
    }

    /// Ends the process at the operation with this number (see [`Self::operations`]), in the middle of it.
    /// That operation and all later ones, reads included, fail with an error that [`is_crash`] recognises.
    pub fn crash_at(&self, operation: u64) {
        lock(&self.0.faults).crash_at = Some(operation);
    }

    /// Makes the operation with this number fail.
    pub fn fail_at(&self, operation: u64, kind: io::ErrorKind) {
        lock(&self.0.faults).failing.push((operation, kind));
    }

    /// Makes the read with this number fail.
    pub fn fail_read_at(&self, read: u64, kind: io::ErrorKind) {
        lock(&self.0.faults).failing_reads.push((read, kind));
    }

    /// Limits the bytes of all files together. `None` means no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        lock(&self.0.faults).capacity = bytes;
    }

    /// Bytes of all files, reserved ones included.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        used_bytes(&lock(&self.0.names))
    }

    /// Flips one bit of a file, on the disk and in what reads see. False when the file has no such byte.
    #[must_use]
    pub fn flip_bit(&self, name: &str, offset: u64, bit: u8) -> bool {
        self.node(name).is_some_and(|node| node.image().flip_bit(offset, bit))
    }

    /// Makes everything durable that was done so far, without an operation.
    pub fn sync_all(&self) {
        let mut names = lock(&self.0.names);
        names.sync();
        names.seen().values().for_each(|node| node.image().sync());
    }

    fn node(&self, name: &str) -> Option<Node> {
        lock(&self.0.names).seen().get(name).cloned()
    }

    fn begin(&self, operation: Operation) -> io::Result<()> {
        lock(&self.0.faults).begin(operation)
    }

    fn file(&self, node: Node) -> MemoryFile {
        MemoryFile { disk: Arc::clone(&self.0), node }
    }
}

impl Disk for MemoryDisk {
    type File = MemoryFile;

    fn create(&self, name: &str) -> io::Result<MemoryFile> {
        let fate = self.begin(Operation::Change);
        let node = Node::default();
        done_and(fate, || lock(&self.0.names).create(name, node.clone()))?;
        Ok(self.file(node))
    }

    fn open(&self, name: &str) -> io::Result<MemoryFile> {
        self.begin(Operation::Look)?;
        let node = self.node(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.file(node))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.begin(Operation::Look)?;
        Ok(lock(&self.0.names).seen().keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let fate = self.begin(Operation::Change);
        done_and(fate, || lock(&self.0.names).rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let fate = self.begin(Operation::Change);
        done_and(fate, || lock(&self.0.names).remove(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.begin(Operation::Change)?;
        lock(&self.0.names).sync();
        Ok(())
    }
}

impl MemoryFile {
    fn begin(&self, operation: Operation) -> io::Result<()> {
        lock(&self.disk.faults).begin(operation)
    }

    /// How many bytes this file may still grow by.
    fn free_bytes(&self) -> u64 {
        let Some(capacity) = lock(&self.disk.faults).capacity else { return u64::MAX };
        capacity.saturating_sub(used_bytes(&lock(&self.disk.names)))
    }
}

impl DiskFile for MemoryFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let fate = self.begin(Operation::Change);
        let free_bytes = self.free_bytes();
        done_and(fate, || self.node.image().write(bytes, offset, free_bytes))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.begin(Operation::Read)?;
        Ok(self.node.image().read(buffer, offset))
    }

    fn len(&self) -> io::Result<u64> {
        self.begin(Operation::Look)?;
        Ok(self.node.image().len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let fate = self.begin(Operation::Change);
        let free_bytes = self.free_bytes();
        done_and(fate, || self.node.image().set_len(len, free_bytes))
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        let fate = self.begin(Operation::Change);
        let free_bytes = self.free_bytes();
        done_and(fate, || self.node.image().reserve(len, free_bytes))
    }

    fn sync(&self) -> io::Result<()> {
        match self.begin(Operation::Change) {
            Ok(()) => self.node.image().sync(),
            Err(error) if is_crash(&error) => return Err(error),
            Err(error) => {
                self.node.image().forget_unsynced();
                return Err(error);
            }
        }
        Ok(())
    }
}

/// If the process ends during an operation, the operation is still submitted, so that the power cut decides
/// its fate. An operation that fails is not submitted.
fn done_and<T>(fate: io::Result<()>, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match fate {
        Ok(()) => operation(),
        Err(error) => {
            if faults::is_crashing_now(&error) {
                let _ = operation();
            }
            Err(error)
        }
    }
}

fn used_bytes(names: &Names<Node>) -> u64 {
    names.seen().values().map(|node| node.image().used_bytes()).sum()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
