//! Adds entries to an archive.

use super::read::decode;
use super::{LogArchive, LogFile, file_name};
use crate::backups::kept_name;
use crate::error::{Result, UpkeepError};
use crate::place::{Lock, Place};
use format::header::LogArchiveHeader;
use model::Index;
use node::following;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

/// A file takes no more pieces when it has this many bytes.
const FILE_BYTES: u64 = 64 << 20;
const READS_AS: &str = "READS_AS";

/// Adds entries to an archive. Only one process does so at a time.
#[derive(Debug)]
pub struct LogArchiveWriter {
    archive: LogArchive,
    reads_as: String,
    /// The last entry that is on the disk.
    has: Option<Index>,
    /// The file that takes the next piece, and its length.
    file: Option<(File, u64)>,
    lock: Lock,
}

impl LogArchive {
    /// Locks the archive, which is created if it does not exist, and cuts off what a power cut has left of a piece.
    ///
    /// # Errors
    /// [`UpkeepError::InUse`], or the disk failed.
    pub fn writer(&self) -> Result<LogArchiveWriter> {
        self.place.create_folder(&self.folder)?;
        let lock = self.place.lock(&self.folder)?;
        let reads_as = kept_name(&self.place, &self.name_of(READS_AS))?;
        let mut writer = LogArchiveWriter { archive: self.clone(), reads_as, has: None, file: None, lock };
        while let Some(last) = self.files()?.pop() {
            if writer.continue_in(&last)? {
                break;
            }
            // It has no piece yet.
            self.place.remove(&last.name)?;
        }
        Ok(writer)
    }
}

impl LogArchiveWriter {
    /// The name under which a node knows the archive.
    #[must_use]
    pub fn reads_as(&self) -> &str {
        &self.reads_as
    }

    /// The last entry in the archive; `None` if it is empty.
    #[must_use]
    pub const fn has(&self) -> Option<Index> {
        self.has
    }

    /// Goes on after this entry, which a backup has. Those before it that the archive does not have are missing for good.
    pub fn skip_to(&mut self, entry: Index) {
        if self.has != Some(entry) {
            self.has = Some(entry);
            self.file = None;
        }
    }

    /// Adds a piece, as a node has sent it. It is on the disk when this returns.
    ///
    /// # Errors
    /// The piece is damaged, or is not the next one, or the disk failed. Open the archive again to go on: it cuts off what
    /// was written of the piece.
    pub fn append(mut self, piece: &[u8]) -> Result<Self> {
        let sent = |what: String| UpkeepError::Sent { what };
        let entries = decode(self.archive.store, piece).map_err(sent)?;
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(self) };
        if let Some(has) = self.has
            && first.index != following(has)
        {
            return Err(sent(format!("entry {} where the one after {has} belongs", first.index)));
        }
        self.lock.check()?;
        match self.archive.place.clone() {
            Place::Directory { path, .. } => self.append_to_file(&path, first.index, piece)?,
            place => {
                let bytes = [&self.header(first.index)[..], piece].concat();
                place.put_bytes(&self.archive.name_of(&file_name(first.index)), &bytes)?;
            }
        }
        self.has = Some(last.index);
        Ok(self)
    }

    fn append_to_file(&mut self, directory: &Path, first: Index, piece: &[u8]) -> Result<()> {
        let (mut file, length) = match self.file.take() {
            Some((file, length)) if length < FILE_BYTES => (file, length),
            _ => self.begin_file(directory, first)?,
        };
        let failed = |source| UpkeepError::io(&directory.join(&self.archive.folder), source);
        file.write_all(piece).and_then(|()| file.sync_data()).map_err(failed)?;
        self.file = Some((file, length + piece.len() as u64));
        Ok(())
    }

    fn header(&self, first: Index) -> Vec<u8> {
        LogArchiveHeader { store: self.archive.store, first }.encode()
    }

    /// Opens the last file behind its intact pieces. False if it has none.
    fn continue_in(&mut self, last: &LogFile) -> Result<bool> {
        let (end, has) = self.archive.end_of(last)?;
        if has.is_none() {
            return Ok(false);
        }
        self.has = has;
        if let Place::Directory { path, .. } = &self.archive.place {
            let path = path.join(&last.name);
            let failed = |source| UpkeepError::io(&path, source);
            let file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
            file.set_len(end).and_then(|()| file.sync_all()).map_err(failed)?;
            self.file = Some((file, end));
        }
        Ok(true)
    }

    fn begin_file(&self, directory: &Path, first: Index) -> Result<(File, u64)> {
        let (name, header) = (self.archive.name_of(&file_name(first)), self.header(first));
        self.archive.place.put_bytes(&name, &header)?;
        let path = directory.join(&name);
        let file = OpenOptions::new().append(true).open(&path);
        let file = file.map_err(|source| UpkeepError::io(&path, source))?;
        Ok((file, header.len() as u64))
    }
}
