//! A [`Disk`] that leaves writes for later, for a thread that must never wait for the disk.
//!
//! A write into the system's cache usually takes microseconds. But it waits for as long as the file system is frozen
//! or throttled, and so would everything else that its thread does. [`DiskFile::write_later`] keeps the bytes in
//! memory, where reads find them, and another thread calls [`Disk::write_out`].
//!
//! Writes are done in order, whichever files they are for. What must come after them, such as a sync, a truncation
//! or a rename, does them first.

use crate::disk::{Disk, DiskFile};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A directory whose files may be written later. Clones are the same directory.
#[derive(Debug)]
pub struct WriteBehind<D: Disk> {
    disk: D,
    queue: Arc<Queue<D::File>>,
}

/// A file of a [`WriteBehind`].
#[derive(Debug)]
pub struct LaterFile<F> {
    file: Arc<F>,
    queue: Arc<Queue<F>>,
}

#[derive(Debug)]
struct Queue<F> {
    writes: Mutex<Writes<F>>,
    /// Held while writes are done.
    writing: Mutex<()>,
}

#[derive(Debug)]
struct Writes<F> {
    /// In order. A write leaves only after it was done, so that reads always find its bytes.
    queued: VecDeque<Write<F>>,
    bytes: u64,
}

#[derive(Debug)]
struct Write<F> {
    file: Arc<F>,
    at: u64,
    bytes: Arc<[u8]>,
}

impl<F> Clone for Write<F> {
    fn clone(&self) -> Self {
        Self { file: Arc::clone(&self.file), at: self.at, bytes: Arc::clone(&self.bytes) }
    }
}

impl<F> Write<F> {
    fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }
}

impl<D: Disk> WriteBehind<D> {
    #[must_use]
    pub fn new(disk: D) -> Self {
        let writes = Mutex::new(Writes { queued: VecDeque::new(), bytes: 0 });
        Self { disk, queue: Arc::new(Queue { writes, writing: Mutex::default() }) }
    }

    fn file(&self, file: D::File) -> LaterFile<D::File> {
        LaterFile { file: Arc::new(file), queue: Arc::clone(&self.queue) }
    }
}

impl<F: DiskFile> Queue<F> {
    fn write_out(&self) -> io::Result<()> {
        let _one_at_a_time = lock(&self.writing);
        loop {
            let Some(write) = lock(&self.writes).queued.front().cloned() else { return Ok(()) };
            write.file.write_at(&write.bytes, write.at)?;
            let mut writes = lock(&self.writes);
            writes.queued.pop_front();
            writes.bytes -= write.bytes.len() as u64;
        }
    }

    /// The queued writes of a file that reach beyond an offset.
    fn of(&self, file: &Arc<F>, from: u64) -> Vec<Write<F>> {
        let writes = lock(&self.writes);
        let of_file = writes.queued.iter().filter(|write| Arc::ptr_eq(&write.file, file));
        of_file.filter(|write| write.end() > from).cloned().collect()
    }
}

impl<D: Disk> Clone for WriteBehind<D> {
    fn clone(&self) -> Self {
        Self { disk: self.disk.clone(), queue: Arc::clone(&self.queue) }
    }
}

impl<D: Disk> Disk for WriteBehind<D> {
    type File = LaterFile<D::File>;

    fn create(&self, name: &str) -> io::Result<Self::File> {
        self.disk.create(name).map(|file| self.file(file))
    }

    fn open(&self, name: &str) -> io::Result<Self::File> {
        // A handle of its own would not see what another handle has left for later.
        self.queue.write_out()?;
        self.disk.open(name).map(|file| self.file(file))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.queue.write_out()?;
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }

    fn write_out(&self) -> io::Result<()> {
        self.queue.write_out()
    }

    fn later_bytes(&self) -> u64 {
        lock(&self.queue.writes).bytes
    }
}

impl<F: DiskFile> DiskFile for LaterFile<F> {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.queue.write_out()?;
        self.file.write_at(bytes, offset)
    }

    fn write_later(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let write = Write { file: Arc::clone(&self.file), at: offset, bytes: Arc::from(bytes) };
        let mut writes = lock(&self.queue.writes);
        writes.bytes += bytes.len() as u64;
        writes.queued.push_back(write);
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        // Taken before the file is read: a write that is done meanwhile is found in both.
        let later = self.queue.of(&self.file, offset);
        let end = offset + buffer.len() as u64;
        // What is still in memory is read without the disk, which may not respond.
        let covering = later.iter().rposition(|write| write.at <= offset && end <= write.end());
        let mut read = match covering {
            Some(_) => buffer.len(),
            None => self.file.read_at(buffer, offset)?,
        };
        // A write beyond the end of the file leaves zeros before it.
        let reaches = later.iter().map(Write::end).fold(offset, u64::max).min(end) - offset;
        if read < reaches as usize {
            buffer[read..reaches as usize].fill(0);
            read = reaches as usize;
        }
        for write in later[covering.unwrap_or(0)..].iter().filter(|write| write.at < end) {
            let (from, to) = (write.at.max(offset), write.end().min(end));
            let bytes = &write.bytes[(from - write.at) as usize..(to - write.at) as usize];
            buffer[(from - offset) as usize..(to - offset) as usize].copy_from_slice(bytes);
        }
        Ok(read)
    }

    fn len(&self) -> io::Result<u64> {
        let later = self.queue.of(&self.file, 0);
        let len = self.file.len()?;
        Ok(later.iter().map(Write::end).fold(len, u64::max))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.queue.write_out()?;
        self.file.set_len(len)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.file.reserve(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.queue.write_out()?;
        self.file.sync()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_disk::MemoryDisk;
    use seeded_rng::Rng;

    fn content(file: &impl DiskFile) -> Vec<u8> {
        let mut bytes = vec![9; file.len().unwrap() as usize];
        assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
        bytes
    }

    #[test]
    fn reads_find_writes_whether_they_are_done_or_left_for_later() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let disk = WriteBehind::new(MemoryDisk::new());
            let files = ["a", "b"].map(|name| disk.create(name).unwrap());
            let mut want = [Vec::new(), Vec::new()];
            for step in 1..60_u8 {
                let at = rng.index(2);
                let (file, want): (_, &mut Vec<u8>) = (&files[at], &mut want[at]);
                let (offset, bytes) = (rng.index(want.len() + 4), vec![step; 1 + rng.index(9)]);
                match rng.below(8) {
                    0 => disk.write_out().unwrap(),
                    1 => file.sync().unwrap(),
                    2 => {
                        file.set_len(offset as u64).unwrap();
                        want.resize(offset, 0);
                    }
                    how => {
                        want.resize(want.len().max(offset + bytes.len()), 0);
                        want[offset..offset + bytes.len()].copy_from_slice(&bytes);
                        let write = if how == 3 { LaterFile::write_at } else { LaterFile::write_later };
                        write(file, &bytes, offset as u64).unwrap();
                    }
                }
                assert_eq!(content(file), *want, "seed {seed}");
                let (from, mut part) = (rng.index(want.len() + 1), vec![7; rng.index(12)]);
                let read = file.read_at(&mut part, from as u64).unwrap();
                assert_eq!(part[..read], want[from..(from + part.len()).min(want.len())], "seed {seed}");
            }
        }
    }

    #[test]
    fn a_sync_covers_what_was_left_for_later_and_a_power_cut_before_it_loses_it() {
        let medium = MemoryDisk::new();
        let disk = WriteBehind::new(medium.clone());
        let file = disk.create("a").unwrap();
        disk.sync_dir().unwrap();
        file.write_later(b"one", 0).unwrap();
        assert_eq!((disk.later_bytes(), medium.used_bytes()), (3, 0));
        assert_eq!(medium.crash(&mut || 1).open("a").unwrap().len().unwrap(), 0);
        file.sync().unwrap();
        assert_eq!(disk.later_bytes(), 0);
        assert_eq!(content(&medium.crash(&mut || 0).open("a").unwrap()), b"one");
    }

    #[test]
    fn a_write_that_finds_no_space_stays_and_can_be_done_later() {
        let medium = MemoryDisk::new();
        let disk = WriteBehind::new(medium.clone());
        let file = disk.create("a").unwrap();
        medium.set_capacity(Some(2));
        file.write_later(b"one", 0).unwrap();
        assert_eq!(disk.write_out().unwrap_err().kind(), io::ErrorKind::StorageFull);
        file.sync().unwrap_err();
        assert_eq!((content(&file), disk.later_bytes()), (b"one".to_vec(), 3));
        medium.set_capacity(None);
        disk.rename("a", "b").unwrap();
        assert_eq!(content(&medium.open("b").unwrap()), b"one");
    }
}
