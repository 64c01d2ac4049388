//! Adds a backup. The caller reads parts from a node and passes them on; each is checked here before it is kept.

use super::manifest::{FORM, Holds};
use super::{BackupDirectory, Locked, MANIFEST, Manifest, SUMS, SegmentFile, segments_of};
use crate::digest;
use crate::error::{Result, UpkeepError};
use crate::matching::{Matching, Sum};
use crate::place::{Fetched, Place};
use crate::rows::ChunkOrder;
use crate::segments;
use format::header::SnapshotHeader;
use format::snapshot::Following;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;

/// Bytes of rows in one file.
const ROWS_FILE_BYTES: u64 = 64 << 20;

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
    /// Which one of the backup's segments it is.
    at: usize,
    pub from: u64,
}

impl Missing {
    /// The same segment from its first byte on: what there is of it may be damaged.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { from: 0, ..self }
    }
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
    place: Place,
    /// Where its own files are, until it is finished.
    folder: String,
    name: String,
    manifest: Manifest,
    order: ChunkOrder,
    rows: Option<(File, u64)>,
    /// By the path seen from the backup's directory.
    sums: BTreeMap<String, String>,
    /// Segments of earlier backups, whose events were not counted yet.
    reused: Vec<usize>,
    matching: Matching,
    copied: u64,
}

/// What is known of the segments of an earlier backup.
#[derive(Debug, Default)]
struct Known {
    /// The sums of files, by their paths seen from a backup's directory.
    sums: BTreeMap<String, String>,
    segments: Vec<SegmentFile>,
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
        match self.backup(Some(&name)) {
            Ok(same)
                if same.manifest.store == header.store.to_string()
                    && same.manifest.entry == header.index.0 =>
            {
                return Ok(Begun::Unchanged(name));
            }
            Ok(_) => return Err(UpkeepError::Taken { path: self.shown().display().to_string(), name }),
            Err(UpkeepError::Unknown { .. }) => {}
            Err(error) => return Err(error),
        }
        let folder = self.place.folder_of_new(&name);
        self.place.remove_folder(&folder)?;
        for folder in [&folder, &segments_of(&header.store.to_string())] {
            self.place.create_folder(folder)?;
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
            place: self.place.clone(),
            folder,
            name,
            manifest,
            order: ChunkOrder::new(header),
            rows: None,
            sums: BTreeMap::new(),
            reused: Vec::new(),
            matching: Matching::default(),
            copied: 0,
        })))
    }

    /// What the newest backup of the store says of shared segments.
    fn known(&self, store: &str) -> Result<Known> {
        for name in self.names()?.iter().rev() {
            let Some(backup) = self.read(name)? else { continue };
            if backup.manifest.store == store {
                let sums = super::verify::read_sums(&backup.file(SUMS)?)?;
                return Ok(Known { sums, segments: backup.manifest.segments });
            }
        }
        Ok(Known::default())
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
        let path = self.place.staged(&self.own(&name));
        let file = File::create(&path).map_err(|source| UpkeepError::io(&path, source))?;
        self.rows = Some((file, 0));
        let is_first = self.manifest.state.is_empty();
        self.manifest.state.push(name);
        if is_first { self.write_rows(&self.order.header.encode()) } else { Ok(()) }
    }

    fn write_rows(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some((file, written)) = &mut self.rows {
            let shown = self.place.shown_file(&self.folder);
            file.write_all(bytes).map_err(|source| UpkeepError::io(&shown, source))?;
            *written += bytes.len() as u64;
            self.copied += bytes.len() as u64;
        }
        Ok(())
    }

    fn end_rows_file(&mut self) -> Result<()> {
        let Some((_, bytes)) = self.rows.take() else { return Ok(()) };
        let Some(name) = self.manifest.state.last().cloned() else { return Ok(()) };
        self.manifest.bytes += bytes;
        let own = self.own(&name);
        let (sum, _) = digest::of_file(&self.staged(&own))?;
        self.sums.insert(name, sum);
        self.place.put(&own)
    }

    /// What one of its own files is called in the place.
    fn own(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    fn staged(&self, name: &str) -> Fetched {
        Fetched::staged(self.place.staged(name), self.place.shown_file(name))
    }

    fn name_of(&self, segment: &SegmentFile) -> String {
        segment.name_in_place(&self.manifest.store, &self.folder)
    }

    /// Looks at what the directory has already, and returns the segments that must be copied. Call it after all rows.
    ///
    /// # Errors
    /// [`UpkeepError`]
    pub fn missing(&mut self, directory: &BackupDirectory, reuse: Reuse) -> Result<Vec<Missing>> {
        let known = directory.known(&self.manifest.store)?;
        let shared = self.place.list(&segments_of(&self.manifest.store))?;
        let shared: BTreeMap<_, _> = shared.into_iter().map(|file| (file.name, file.bytes)).collect();
        let mut missing = Vec::new();
        for (at, segment) in self.manifest.segments.clone().into_iter().enumerate() {
            if segment.sealed && shared.get(&segment.shared_name()) == Some(&segment.bytes) {
                let name = segment.path_in_backup(&self.manifest.store);
                match known.sums.get(&name).filter(|_| reuse == Reuse::Trust) {
                    Some(sum) => {
                        self.sums.insert(name, sum.clone());
                        self.manifest.bytes += segment.bytes;
                        self.manifest.segments[at].holds = known.holds(&segment);
                        self.reused.push(at);
                        continue;
                    }
                    // Left by an interrupted backup, or asked for.
                    None if self.keep_again(at).is_ok() => continue,
                    None => {}
                }
            }
            let begun = self.place.staged(&self.name_of(&segment)).metadata().map_or(0, |file| file.len());
            let from = if segment.sealed && begun <= segment.bytes { begun } else { 0 };
            missing.push(Missing { segment, at, from });
        }
        Ok(missing)
    }

    /// Begins to copy a segment, or goes on.
    ///
    /// # Errors
    /// [`UpkeepError`]
    pub fn open(&self, missing: &Missing) -> Result<File> {
        let path = self.place.staged(&self.name_of(&missing.segment));
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
        let name = self.name_of(&missing.segment);
        let staged = self.staged(&name);
        let failed = |source| UpkeepError::io(staged.path(), source);
        let bytes = file.metadata().map_err(failed)?.len();
        if bytes != missing.segment.bytes {
            let what = format!("{bytes} bytes of segment {}", missing.segment.segment);
            return Err(UpkeepError::Sent { what });
        }
        if let Err(error) = self.keep(missing.at, &staged) {
            std::fs::remove_file(staged.path()).map_err(failed)?;
            return Err(error);
        }
        self.copied += bytes - missing.from;
        self.place.put(&name)
    }

    /// Checks an existing segment.
    fn keep_again(&mut self, at: usize) -> Result<()> {
        let file = self.place.fetch_known(&self.name_of(&self.manifest.segments[at]))?;
        self.keep(at, &file)
    }

    /// Checks a file, takes its sum and counts its events.
    fn keep(&mut self, at: usize, file: &Fetched) -> Result<()> {
        let segment = &self.manifest.segments[at];
        let (kept, all) = self.count(segment, file)?;
        let (sum, bytes) = digest::of_file(file)?;
        self.sums.insert(segment.path_in_backup(&self.manifest.store), sum);
        self.manifest.segments[at].holds = Some(all.into());
        self.manifest.bytes += bytes;
        self.matching.bodies(kept);
        Ok(())
    }

    /// Reads a segment: the events that were not removed, and all.
    fn count(&self, segment: &SegmentFile, file: &Fetched) -> Result<(Sum, Sum)> {
        let (mut kept, mut all) = (Sum::default(), Sum::default());
        segments::read(file, segment.kind(), self.order.header.store, |record, _| {
            all.add_body(record);
            if self.matching.is_kept(record) {
                kept.add_body(record);
            }
            Ok(())
        })?;
        Ok((kept, all))
    }

    /// Counts the events of segments that an earlier backup has copied. In a bucket, those of which every event is known
    /// to be live are not read again.
    fn count_reused(&mut self) -> Result<()> {
        for at in std::mem::take(&mut self.reused) {
            let segment = &self.manifest.segments[at];
            let is_known = self.place.is_far() && !segment.may_hold_removed;
            let kept = match segment.holds.as_ref().and_then(Holds::sum).filter(|_| is_known) {
                Some(all) => all,
                None => {
                    let file = self.place.fetch_known(&self.name_of(segment))?;
                    let (kept, all) = self.count(segment, &file)?;
                    self.manifest.segments[at].holds = Some(all.into());
                    kept
                }
            };
            self.matching.bodies(kept);
        }
        Ok(())
    }

    /// Gives the backup its name, once everything is there and durable.
    ///
    /// # Errors
    /// Something is missing, rows and events do not match, the lock was lost, or the disk or the network failed.
    pub fn finish(mut self, locked: &Locked) -> Result<Added> {
        self.end_rows_file()?;
        let sent = |what: String| UpkeepError::Sent { what };
        if !self.order.is_whole() {
            return Err(sent("too few rows".to_owned()));
        }
        for segment in &self.manifest.segments {
            if !self.sums.contains_key(&segment.path_in_backup(&self.manifest.store)) {
                return Err(sent(format!("no segment {}", segment.segment)));
            }
        }
        self.count_reused()?;
        self.manifest.events =
            self.matching.end().map_err(|what| sent(format!("what does not match: {what}")))?;
        let manifest = serde_json::to_vec_pretty(&self.manifest).map_err(|error| sent(error.to_string()))?;
        self.sums.insert(MANIFEST.to_owned(), digest::of_bytes(&manifest));
        let sums: String = self.sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
        self.place.put_bytes(&self.own(SUMS), sums.as_bytes())?;
        locked.check()?;
        // In a bucket and in a stream, this makes it a backup.
        self.place.put_bytes(&self.own(MANIFEST), &manifest)?;
        self.place.name_backup(&self.name)?;
        if let Err(lost) = locked.check() {
            // Another process may have removed files that it needs.
            self.place.forget_backup(&self.name)?;
            return Err(lost);
        }
        let Manifest { events, bytes, .. } = self.manifest;
        Ok(Added { name: self.name, events, bytes, copied: self.copied })
    }
}

impl Known {
    /// What a segment is known to hold.
    fn holds(&self, segment: &SegmentFile) -> Option<Holds> {
        let is_it = |known: &&SegmentFile| known.sealed && known.shared_name() == segment.shared_name();
        self.segments.iter().find(is_it)?.holds.clone()
    }
}
