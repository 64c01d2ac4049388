//! The content of one file: as reads see it, and as it is on the simulated medium.

use super::SECTOR_BYTES;
use std::collections::BTreeMap;
use std::io;

type Sector = Box<[u8; SECTOR_BYTES]>;

/// A file. It keeps synced and unsynced bytes apart.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// What reads see.
    content: Vec<u8>,
    /// What was last synced.
    durable: Vec<u8>,
    /// Every content that a sector has had since the last sync, oldest first.
    unsynced: BTreeMap<usize, Vec<Sector>>,
    /// Every length since the last sync, oldest first.
    lengths: Vec<usize>,
    reserved: u64,
}

impl Image {
    /// Bytes that reads see.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.content.len() as u64
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.content.is_empty()
    }

    /// Bytes that the file takes from the disk, reserved ones included.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.len().max(self.reserved)
    }

    /// Returns how many bytes it has read: fewer than asked for only at the end of the file.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let Some(there) = usize::try_from(offset).ok().and_then(|at| self.content.get(at..)) else {
            return 0;
        };
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        count
    }

    /// Writes the bytes. If not all of them fit, writes those that fit, and fails.
    ///
    /// # Errors
    /// `StorageFull`, `FileTooLarge`.
    pub fn write(&mut self, bytes: &[u8], offset: u64, free_bytes: u64) -> io::Result<()> {
        let fits = self.used_bytes().saturating_add(free_bytes).saturating_sub(offset);
        let count = bytes.len().min(usize::try_from(fits).unwrap_or(usize::MAX));
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        if count > 0 {
            if start + count > self.content.len() {
                self.content.resize(start + count, 0);
                self.lengths.push(self.content.len());
            }
            self.content[start..start + count].copy_from_slice(&bytes[..count]);
            self.remember(start, start + count);
        }
        if count < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// Truncates the file, or extends it with zeros.
    ///
    /// # Errors
    /// `StorageFull`, `FileTooLarge`.
    pub fn set_len(&mut self, len: u64, free_bytes: u64) -> io::Result<()> {
        if len > self.used_bytes().saturating_add(free_bytes) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let (old, new) = (self.content.len(), usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?);
        self.reserved = self.reserved.min(len);
        if new == old {
            return Ok(());
        }
        self.content.resize(new, 0);
        self.lengths.push(new);
        if new < old {
            self.remember(new, old);
        }
        Ok(())
    }

    /// Reserves space for this length.
    ///
    /// # Errors
    /// `StorageFull`.
    pub fn reserve(&mut self, len: u64, free_bytes: u64) -> io::Result<()> {
        if len > self.used_bytes().saturating_add(free_bytes) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.reserved = self.reserved.max(len);
        Ok(())
    }

    /// Makes everything durable.
    pub fn sync(&mut self) {
        self.durable.resize(self.content.len(), 0);
        for sector in std::mem::take(&mut self.unsynced).into_keys() {
            let from = (sector * SECTOR_BYTES).min(self.content.len());
            let to = (from + SECTOR_BYTES).min(self.content.len());
            self.durable[from..to].copy_from_slice(&self.content[from..to]);
        }
        self.lengths.clear();
    }

    /// After a failed sync, reads continue as before, but none of that data will ever be durable.
    pub fn forget_unsynced(&mut self) {
        self.unsynced.clear();
        self.lengths.clear();
    }

    /// Flips one bit in all versions of a byte. False when the file has no such byte.
    #[must_use]
    pub fn flip_bit(&mut self, offset: u64, bit: u8) -> bool {
        let Ok(at) = usize::try_from(offset) else { return false };
        let Some(byte) = self.content.get_mut(at) else { return false };
        *byte ^= 1 << (bit & 7);
        if let Some(byte) = self.durable.get_mut(at) {
            *byte ^= 1 << (bit & 7);
        }
        for version in self.unsynced.get_mut(&(at / SECTOR_BYTES)).into_iter().flatten() {
            version[at % SECTOR_BYTES] ^= 1 << (bit & 7);
        }
        true
    }

    /// What a power cut leaves. Usually each sector is decided separately; sometimes all of them are lost, or
    /// none.
    #[must_use]
    pub fn crash(&self, rng: &mut impl FnMut() -> u64) -> Self {
        let fate = rng() % 4;
        let mut pick = |choices: usize| match fate {
            0 => 0,
            1 => choices,
            _ => (rng() % (choices as u64 + 1)) as usize,
        };
        let mut content = self.durable.clone();
        let length = match pick(self.lengths.len()) {
            0 => content.len(),
            chosen => self.lengths[chosen - 1],
        };
        for (sector, versions) in &self.unsynced {
            let chosen = pick(versions.len());
            if chosen > 0 {
                let from = sector * SECTOR_BYTES;
                content.resize(content.len().max(from + SECTOR_BYTES), 0);
                content[from..from + SECTOR_BYTES].copy_from_slice(&versions[chosen - 1][..]);
            }
        }
        content.resize(length, 0);
        Self { durable: content.clone(), content, ..Self::default() }
    }

    fn remember(&mut self, from: usize, to: usize) {
        for sector in from / SECTOR_BYTES..to.div_ceil(SECTOR_BYTES) {
            let mut version = Box::new([0; SECTOR_BYTES]);
            let start = (sector * SECTOR_BYTES).min(self.content.len());
            let end = (start + SECTOR_BYTES).min(self.content.len());
            version[..end - start].copy_from_slice(&self.content[start..end]);
            self.unsynced.entry(sector).or_default().push(version);
        }
    }
}
