//! Adds a backup. The caller reads parts from a node and passes them on; each is checked here before it is kept.

use super::manifest::FORM;
use super::{
    BackupDirectory, Locked, MANIFEST, Manifest, PART_SUFFIX, SUMS, SegmentFile, UNFINISHED, sync_directory,
    write_whole,
};
use crate::digest;
use crate::error::{Result, UpkeepError};
use crate::rows::ChunkOrder;
use crate::segments;
use format::header::SnapshotHeader;
use format::snapshot::Following;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Bytes of rows in one file.
const ROWS_FILE_BYTES: u64 = 64 << 20;
/// A shared segment that is not complete yet.
pub(super) const UNFINISHED_EXTENSION: &str = "new";

/// What to do about segments that the directory has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Trust the sum that an earlier backup has of them.
    Trust,
    /// Read them again, and copy those that are damaged again.
    Verify,
}

/// How a backup begins.
#[derive(Debug)]
pub enum Begun {
    New(Box<NewBackup>),
    /// Nothing has happened since this backup.
    Unchanged(String),
}

/// A segment that must be copied, from a byte on.
#[derive(Clone, Debug)]
pub struct Missing {
    pub segment: SegmentFile,
    pub from: u64,
}

/// What a finished backup has.
#[derive(Clone, Debug)]
pub struct Added {
    pub name: String,
    pub events: u64,
    /// The bytes of all its files.
    pub bytes: u64,
    /// The bytes that were copied for it.
    pub copied: u64,
}

/// A backup that is being written.
#[derive(Debug)]
pub struct NewBackup {
    directory: PathBuf,
    /// Where shared segments are.
    shared: PathBuf,
    /// Where everything else is, until it is finished.
    path: PathBuf,
    name: String,
    manifest: Manifest,
    order: ChunkOrder,
    rows: Option<(File, u64)>,
    /// By the path seen from the backup's directory.
    sums: BTreeMap<String, String>,
    matching: crate::matching::Matching,
    copied: u64,
}

impl BackupDirectory {
    /// Begins a backup. `encoded` is the beginning of the rows, and `time` the time of day of the last entry in RFC 3339,
    /// as the node has sent them.
    ///
    /// # Errors
    /// [`UpkeepError`]
    pub fn begin(&self, _: &Locked, encoded: &[u8], time: &str, segments: Vec<SegmentFile>) -> Result<Begun> {
        let sent = |what: &str| UpkeepError::Sent { what: what.to_owned() };
        let header =
            SnapshotHeader::decode(encoded).map_err(|error| sent(&format!("no header of rows: {error}")))?;
        let name = time.replace(['-', ':'], "");
        if !super::is_backup_name(&name) || !segments.iter().all(SegmentFile::has_valid_name) {
            return Err(sent("a time or names of segments that no backup can have"));
        }
        if let Ok(same) = self.backup(Some(&name))
            && (same.manifest.store == header.store.to_string() && same.manifest.entry == header.index.0)
        {
            return Ok(Begun::Unchanged(name));
        }
        let (path, shared) = (self.path().join(UNFINISHED), self.segments_of(header.store));
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(|source| UpkeepError::io(&path, source))?;
        }
        for directory in [&path, &shared] {
            std::fs::create_dir_all(directory).map_err(|source| UpkeepError::io(directory, source))?;
        }
        let manifest = Manifest {
            form: FORM,
            mainstay: env!("CARGO_PKG_VERSION").to_owned(),
            store: header.store.to_string(),
            cursor: header.through.to_string(),
            time: time.to_owned(),
            entry: header.index.0,
            events: 0,
            bytes: 0,
            state: Vec::new(),
            segments,
        };
        Ok(Begun::New(Box::new(NewBackup {
            directory: self.path().to_owned(),
            shared,
            path,
            name,
            manifest,
            order: ChunkOrder::new(header),
            rows: None,
            sums: BTreeMap::new(),
            matching: crate::matching::Matching::default(),
            copied: 0,
        })))
    }

    /// The sums of shared segments, as the newest backup of the store has them.
    fn known_sums(&self, store: &str) -> Result<BTreeMap<String, String>> {
        for name in self.names()?.iter().rev() {
            let backup = self.read(name)?;
            if backup.manifest.store == store {
                return super::verify::read_sums(&backup.path().join(SUMS));
            }
        }
        Ok(BTreeMap::new())
    }
}

impl NewBackup {
    /// Keeps a chunk of rows, and says whether others follow.
    ///
    /// # Errors
    /// It is not the next chunk of this backup, or it cannot be written.
    pub fn rows(&mut self, chunk: &[u8]) -> Result<Following> {
        let (head, rows) = self.order.next(chunk)?;
        for (key, value) in rows {
            let noted = self.matching.row(key, value);
            noted
                .map_err(|error| UpkeepError::Sent { what: format!("a row that cannot be read: {error}") })?;
        }
        if self.rows.as_ref().is_none_or(|(_, bytes)| *bytes >= ROWS_FILE_BYTES) {
            self.begin_rows_file()?;
        }
        self.write_rows(chunk)?;
        Ok(head.following)
    }

    fn begin_rows_file(&mut self) -> Result<()> {
        self.end_rows_file()?;
        let name = format!("state-{:05}.rows", self.manifest.state.len());
        let path = self.path.join(&name);
        let file = File::create_new(&path).map_err(|source| UpkeepError::io(&path, source))?;
        self.rows = Some((file, 0));
        let is_first = self.manifest.state.is_empty();
        self.manifest.state.push(name);
        if is_first { self.write_rows(&self.order.header.encode()) } else { Ok(()) }
    }

    fn write_rows(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some((file, written)) = &mut self.rows {
            file.write_all(bytes).map_err(|source| UpkeepError::io(&self.path, source))?;
            *written += bytes.len() as u64;
            self.copied += bytes.len() as u64;
        }
        Ok(())
    }

    fn end_rows_file(&mut self) -> Result<()> {
        let Some((file, bytes)) = self.rows.take() else { return Ok(()) };
        let Some(name) = self.manifest.state.last() else { return Ok(()) };
        file.sync_all().map_err(|source| UpkeepError::io(&self.path, source))?;
        self.manifest.bytes += bytes;
        let (sum, _) = digest::of_file(&self.path.join(name))?;
        self.sums.insert(name.clone(), sum);
        Ok(())
    }

    /// Looks at what the directory has already, and returns the segments that must be copied.
    ///
    /// # Errors
    /// [`UpkeepError`]
    pub fn missing(&mut self, directory: &BackupDirectory, reuse: Reuse) -> Result<Vec<Missing>> {
        let known = directory.known_sums(&self.manifest.store)?;
        let mut missing = Vec::new();
        for segment in self.manifest.segments.clone() {
            let path = self.segment_path(&segment);
            let has_length = |path: &Path| path.metadata().map_or(0, |file| file.len());
            if segment.sealed && has_length(&path) == segment.bytes {
                let name = segment.path_in_backup(&self.manifest.store);
                match known.get(&name).filter(|_| reuse == Reuse::Trust) {
                    Some(sum) => {
                        self.sums.insert(name, sum.clone());
                        self.manifest.bytes += segment.bytes;
                        continue;
                    }
                    // Left by an interrupted backup, or asked for.
                    None if self.keep(&segment, &path).is_ok() => continue,
                    None => {}
                }
            }
            let begun = has_length(&self.unfinished_path(&segment));
            let from = if segment.sealed && begun <= segment.bytes { begun } else { 0 };
            missing.push(Missing { segment, from });
        }
        Ok(missing)
    }

    /// Begins to copy a segment, or goes on.
    ///
    /// # Errors
    /// [`UpkeepError`]
    pub fn open(&self, missing: &Missing) -> Result<File> {
        let path = self.unfinished_path(&missing.segment);
        let opened = OpenOptions::new().append(true).create(true).open(&path).and_then(|file| {
            file.set_len(missing.from)?;
            Ok(file)
        });
        opened.map_err(|source| UpkeepError::io(&path, source))
    }

    /// Checks a segment that was copied completely, and keeps it. If it is damaged, its file is removed.
    ///
    /// # Errors
    /// [`UpkeepError`]
    pub fn close(&mut self, missing: &Missing, file: File) -> Result<()> {
        let (new, path) = (self.unfinished_path(&missing.segment), self.segment_path(&missing.segment));
        let failed = |source| UpkeepError::io(&new, source);
        let bytes = file.metadata().map_err(failed)?.len();
        if bytes != missing.segment.bytes {
            let what = format!("{bytes} bytes of segment {}", missing.segment.segment);
            return Err(UpkeepError::Sent { what });
        }
        file.sync_all().map_err(failed)?;
        if let Err(error) = self.keep(&missing.segment, &new) {
            std::fs::remove_file(&new).map_err(failed)?;
            return Err(error);
        }
        self.copied += bytes - missing.from;
        std::fs::rename(&new, &path).map_err(failed)
    }

    /// Checks a file and takes its sum.
    fn keep(&mut self, segment: &SegmentFile, path: &Path) -> Result<()> {
        segments::check(path, segment.kind(), self.order.header.store)?;
        let (sum, bytes) = digest::of_file(path)?;
        self.sums.insert(segment.path_in_backup(&self.manifest.store), sum);
        self.manifest.bytes += bytes;
        Ok(())
    }

    fn segment_path(&self, segment: &SegmentFile) -> PathBuf {
        match segment.sealed {
            true => self.shared.join(segment.shared_name()),
            false => self.path.join(format!("{}{PART_SUFFIX}", segment.segment)),
        }
    }

    fn unfinished_path(&self, segment: &SegmentFile) -> PathBuf {
        self.segment_path(segment).with_added_extension(UNFINISHED_EXTENSION)
    }

    /// Gives the backup its name, once everything is there and durable.
    ///
    /// # Errors
    /// Something is missing, rows and events do not match, or the disk failed.
    pub fn finish(mut self) -> Result<Added> {
        self.end_rows_file()?;
        let sent = |what: String| UpkeepError::Sent { what };
        if !self.order.is_whole() {
            return Err(sent("too few rows".to_owned()));
        }
        let store = self.order.header.store;
        for segment in &self.manifest.segments {
            if !self.sums.contains_key(&segment.path_in_backup(&self.manifest.store)) {
                return Err(sent(format!("no segment {}", segment.segment)));
            }
            let (path, matching) = (self.segment_path(segment), &mut self.matching);
            segments::read(&path, segment.kind(), store, |record, _| {
                matching.body(record);
                Ok(())
            })?;
        }
        self.manifest.events =
            self.matching.end().map_err(|what| sent(format!("what does not match: {what}")))?;
        let manifest = serde_json::to_vec_pretty(&self.manifest).map_err(|error| sent(error.to_string()))?;
        self.sums.insert(MANIFEST.to_owned(), digest::of_bytes(&manifest));
        let sums: String = self.sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
        write_whole(&self.path.join(MANIFEST), &manifest)?;
        write_whole(&self.path.join(SUMS), sums.as_bytes())?;
        sync_directory(&self.shared)?;
        let named = self.directory.join(&self.name);
        std::fs::rename(&self.path, &named).map_err(|source| UpkeepError::io(&named, source))?;
        sync_directory(&self.directory)?;
        let Manifest { events, bytes, .. } = self.manifest;
        Ok(Added { name: self.name, events, bytes, copied: self.copied })
    }
}
