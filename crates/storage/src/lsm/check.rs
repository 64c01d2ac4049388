//! Checks files of the tree before its library reads them.
//!
//! The library checks the rows it reads, because each block has a checksum. It trusts what leads to the
//! blocks: it reads the manifest without verifying the checksum stored beside it, asserts what it finds
//! there, and allocates as many sections as the end of a table says before it has checked that end. One
//! flipped bit could therefore abort the process, so both are checked here first, in their own format (`sfa`:
//! sections, then a table of contents, then a trailer with the contents' location and checksum; all checksums
//! are XXH3-128).

use super::error::{at, io_error, state_error};
use super::flush::PROGRESS_KEY;
use super::open::progress_of;
use crate::state::{Progress, StateError};
use format::FormatError;
use format::wire::Reader;
use lsm_tree::table::filter::standard_bloom::Builder as Bloom;
use lsm_tree::{Cache, Checksum, SeqNo, Table};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

/// The library's pointer to its manifest: number (8 bytes), the manifest's checksum (16), its type (1).
const CURRENT: &str = "current";
const TABLES: &str = "tables";
/// Magic, version, type of checksum, checksum of the contents, their location, their length.
const TRAILER_BYTES: u64 = 4 + 1 + 1 + 16 + 8 + 8;
const TRAILER_MAGIC: &[u8] = b"SFA!";
const CONTENTS_MAGIC: &[u8] = b"TOC!";
/// The most that any table has: about ten sections with short names.
const CONTENTS_BYTES_MAX: u64 = 64 << 10;
/// The cache of a reader of the stored tables.
const READ_CACHE_BYTES: u64 = 1 << 20;
/// Bytes of a table that are read at once to verify it.
const VERIFY_BYTES: usize = 1 << 20;
/// The type of all checksums.
const XXH3: u8 = 0;

/// A table, as the manifest names it.
#[derive(Clone, Debug)]
pub struct TableFile {
    id: u64,
    path: PathBuf,
    /// The checksum of the whole file.
    checksum: u128,
}

impl TableFile {
    pub(super) fn new(id: u64, path: &Path, checksum: u128) -> Self {
        Self { id, path: path.to_owned(), checksum }
    }

    /// Reads the file completely and compares it with what was written. Calls `was_read` with the number of bytes after each
    /// read, of at most 1 MiB.
    ///
    /// # Errors
    /// `Damaged` when the file is missing or is not what was written; `Failed` with the error of the disk or of
    /// `was_read`.
    pub fn verify(&self, mut was_read: impl FnMut(usize) -> io::Result<()>) -> Result<(), StateError> {
        let failed = |error: io::Error| missing_or(&self.path, &error);
        let mut file = File::open(&self.path).map_err(failed)?;
        let (mut hasher, mut buffer) = (Xxh3Default::new(), vec![0; VERIFY_BYTES]);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    hasher.update(&buffer[..read]);
                    was_read(read).map_err(failed)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        if hasher.digest128() == self.checksum { Ok(()) } else { Err(damaged(&self.path)) }
    }
}

/// Checks the manifest, and the end of each table that it names: a few small reads for each table.
pub(super) fn check(tree: &Path) -> Result<(), StateError> {
    for table in read_manifest(tree)? {
        check_end(&table.path)?;
    }
    Ok(())
}

/// Checks the tree like [`check`], and reads its progress without opening it: opening would delete files that
/// the manifest does not name.
pub(super) fn stored_progress(tree: &Path) -> Result<Progress, StateError> {
    let failed = |error| state_error("reading the progress", &error);
    let tables = stored_tables(tree)?;
    // The newest table comes first, and every flush writes a progress. Its key is the smallest of all.
    for table in &tables {
        let row = table.get(PROGRESS_KEY, SeqNo::MAX, Bloom::get_hash(PROGRESS_KEY)).map_err(failed)?;
        if let Some(row) = row {
            return progress_of(Some(&*row.value), tables.len());
        }
    }
    progress_of(None, tables.len())
}

/// The tables that the manifest names, newest first. Checks the tree like [`check`].
pub(super) fn stored_tables(tree: &Path) -> Result<Vec<Table>, StateError> {
    check(tree)?;
    let cache = Arc::new(Cache::with_capacity_bytes(READ_CACHE_BYTES));
    let tables = read_manifest(tree)?.into_iter().map(|TableFile { path, checksum, .. }| {
        let checksum = Checksum::from_raw(checksum);
        let table = Table::recover(path.clone(), checksum, 0, 0, Arc::clone(&cache), None, false, false);
        table.map_err(|error| state_error(&at("opening", &path), &error))
    });
    tables.collect()
}

/// Reads every table completely and compares it with what was written.
pub(super) fn verify(tree: &Path) -> Result<(), StateError> {
    read_manifest(tree)?.iter().try_for_each(|table| table.verify(|_| Ok(())))
}

fn damaged(path: &Path) -> StateError {
    StateError::Damaged(format!("{} is not what was written", path.display()))
}

/// Maps an error of a file that a complete directory contains. If the file is missing, the directory is
/// damaged.
fn missing_or(path: &Path, error: &io::Error) -> StateError {
    match error.kind() {
        io::ErrorKind::NotFound => StateError::Damaged(format!("{} is missing", path.display())),
        _ => io_error(&at("reading", path), error),
    }
}

/// Reads a file; see [`missing_or`] for its errors.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, StateError> {
    fs::read(path).map_err(|error| missing_or(path, &error))
}

/// The numbers of the tables that the manifest on disk names.
pub(super) fn named_tables(tree: &Path) -> Result<BTreeSet<u64>, StateError> {
    Ok(read_manifest(tree)?.into_iter().map(|table| table.id).collect())
}

/// The number of the manifest on disk.
pub(super) fn manifest_number(tree: &Path) -> Result<u64, StateError> {
    let path = tree.join(CURRENT);
    decode_current(&read(&path)?).map(|(number, _)| number).map_err(|_| damaged(&path))
}

fn read_manifest(tree: &Path) -> Result<Vec<TableFile>, StateError> {
    let current_path = tree.join(CURRENT);
    let current = read(&current_path)?;
    let (number, checksum) = decode_current(&current).map_err(|_| damaged(&current_path))?;
    let manifest_path = tree.join(format!("v{number}"));
    let manifest = read(&manifest_path)?;
    if xxh3_128(&manifest) != checksum {
        return Err(damaged(&manifest_path));
    }
    // The bytes are intact, so if they cannot be decoded, another version wrote them.
    let tables = decode_tables(&manifest).map_err(|error| {
        StateError::Refused(format!("{} has an unknown format: {error}", manifest_path.display()))
    })?;
    let path = |id: u64| tree.join(TABLES).join(id.to_string());
    Ok(tables.into_iter().map(|(id, checksum)| TableFile { id, path: path(id), checksum }).collect())
}

fn decode_current(bytes: &[u8]) -> Result<(u64, u128), FormatError> {
    let mut reader = Reader::new(bytes);
    let (number, checksum, kind) = (reader.u64()?, reader.u128()?, reader.u8()?);
    reader.end()?;
    if kind == XXH3 { Ok((number, checksum)) } else { Err(FormatError::Checksum) }
}

/// The id and checksum of each table, by level and run.
fn decode_tables(manifest: &[u8]) -> Result<Vec<(u64, u128)>, FormatError> {
    let trailer_at = (manifest.len() as u64).checked_sub(TRAILER_BYTES).ok_or(FormatError::Truncated)?;
    let contents = decode_trailer(part(manifest, trailer_at, TRAILER_BYTES)?)?;
    let mut reader = Reader::new(section(manifest, &contents, b"tables")?);
    let mut tables = Vec::new();
    for _level in 0..reader.u8()? {
        for _run in 0..reader.u8()? {
            for _table in 0..reader.u32()? {
                let (id, _kind, checksum, _seqno) =
                    (reader.u64()?, reader.u8()?, reader.u128()?, reader.u64()?);
                tables.push((id, checksum));
            }
        }
    }
    reader.end()?;
    Ok(tables)
}

/// Where a file's table of contents is, and its checksum.
struct Contents {
    at: u64,
    bytes: u64,
    checksum: u128,
}

fn decode_trailer(trailer: &[u8]) -> Result<Contents, FormatError> {
    let mut reader = Reader::new(trailer);
    let known =
        reader.bytes(TRAILER_MAGIC.len())? == TRAILER_MAGIC && reader.u8()? == 1 && reader.u8()? == XXH3;
    let (checksum, at, bytes) = (reader.u128()?, reader.u64()?, reader.u64()?);
    reader.end()?;
    if known { Ok(Contents { at, bytes, checksum }) } else { Err(FormatError::Checksum) }
}

fn part(bytes: &[u8], at: u64, len: u64) -> Result<&[u8], FormatError> {
    let part = usize::try_from(at).ok().zip(usize::try_from(len).ok());
    let part = part.and_then(|(at, len)| bytes.get(at..)?.get(..len));
    part.ok_or(FormatError::Truncated)
}

fn section<'a>(file: &'a [u8], contents: &Contents, wanted: &[u8]) -> Result<&'a [u8], FormatError> {
    let mut reader = Reader::new(part(file, contents.at, contents.bytes)?);
    if reader.bytes(CONTENTS_MAGIC.len())? != CONTENTS_MAGIC {
        return Err(FormatError::Checksum);
    }
    for _section in 0..reader.u32()? {
        let (at, bytes, name_bytes) = (reader.u64()?, reader.u64()?, reader.u16()?);
        if reader.bytes(name_bytes.into())? == wanted {
            return part(file, at, bytes);
        }
    }
    Err(FormatError::Truncated)
}

/// Checks that a table's contents end at its trailer and are as they were written.
fn check_end(path: &Path) -> Result<(), StateError> {
    let file = File::open(path).map_err(|error| missing_or(path, &error))?;
    let read_at = |at: u64, bytes: u64| -> Result<Vec<u8>, StateError> {
        let mut buffer = vec![0; usize::try_from(bytes).map_err(|_| damaged(path))?];
        file.read_exact_at(&mut buffer, at).map_err(|error| missing_or(path, &error))?;
        Ok(buffer)
    };
    let file_bytes = file.metadata().map_err(|error| missing_or(path, &error))?.len();
    let trailer_at = file_bytes.checked_sub(TRAILER_BYTES).ok_or_else(|| damaged(path))?;
    let contents = decode_trailer(&read_at(trailer_at, TRAILER_BYTES)?).map_err(|_| damaged(path))?;
    let placed = contents.at.checked_add(contents.bytes) == Some(trailer_at);
    if !placed || contents.bytes > CONTENTS_BYTES_MAX {
        return Err(damaged(path));
    }
    if xxh3_128(&read_at(contents.at, contents.bytes)?) != contents.checksum {
        return Err(damaged(path));
    }
    Ok(())
}
