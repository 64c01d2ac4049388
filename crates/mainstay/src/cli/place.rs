//! Where backups are, as the command line names it: a directory, a URL of a bucket, or `-` for a stream.

use super::failure::{Failure, Result};
use bucket::{Bucket, Location};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use upkeep::backups::BackupDirectory;
use upkeep::place::{Unpacked, unpack};

/// What standard input and output are called.
const STANDARD: &str = "-";
const READ_BYTES: usize = 1 << 20;

/// A directory of backups to restore from. What was unpacked for it is removed when this is dropped.
pub(super) struct Source {
    pub(super) directory: BackupDirectory,
    _unpacked: Option<Unpacked>,
}

pub(super) fn is_stream(place: &Path) -> bool {
    place.as_os_str() == STANDARD
}

fn bucket(place: &Path) -> Result<Option<Arc<Bucket>>> {
    match place.to_str().filter(|text| Location::is_url(text)) {
        Some(url) => Ok(Some(Arc::new(Bucket::new(&Location::parse(url)?)?))),
        None => Ok(None),
    }
}

/// Opens existing backups.
pub(super) fn open(place: &Path) -> Result<BackupDirectory> {
    if is_stream(place) {
        return Err(Failure::usage("this needs a directory of backups or a bucket, not a stream"));
    }
    match bucket(place)? {
        Some(bucket) => Ok(BackupDirectory::open_bucket(bucket)?),
        None => Ok(BackupDirectory::open(place)?),
    }
}

/// Opens backups, or makes an empty place one for backups.
pub(super) fn create(place: &Path) -> Result<BackupDirectory> {
    if is_stream(place) {
        return Err(Failure::usage("this needs a directory of backups or a bucket, not a stream"));
    }
    match bucket(place)? {
        Some(bucket) => Ok(BackupDirectory::create_bucket(bucket)?),
        None => Ok(BackupDirectory::create(place)?),
    }
}

/// Standard output, as a place for one backup.
pub(super) fn stream() -> Result<BackupDirectory> {
    if io::stdout().is_terminal() {
        return Err(Failure::usage("a backup is not written to a terminal").advice(
            "Send it elsewhere, such as `mainstay backup - > backup.tar`, or give a directory or a bucket.",
        ));
    }
    Ok(BackupDirectory::stream(Box::new(BufWriter::with_capacity(READ_BYTES, io::stdout())))?)
}

/// Opens what a restore reads: also a stream, in a file or on standard input, which is unpacked beside `target` first.
pub(super) fn source(place: &Path, target: &Path) -> Result<Source> {
    let is_standard = is_stream(place);
    if !is_standard && !place.is_file() {
        return Ok(Source { directory: open(place)?, _unpacked: None });
    }
    let (shown, input): (PathBuf, Box<dyn Read>) = if is_standard {
        if io::stdin().is_terminal() {
            return Err(Failure::usage("standard input is a terminal").advice(
                "Give a file that `mainstay backup -` has written, such as `mainstay restore - < backup.tar`.",
            ));
        }
        (PathBuf::from("standard input"), Box::new(io::stdin().lock()))
    } else {
        (place.to_owned(), Box::new(File::open(place)?))
    };
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent)?;
    let unpacked = unpack(BufReader::with_capacity(READ_BYTES, input), &shown.display().to_string(), parent)?;
    let directory = BackupDirectory::open_as(unpacked.path(), &shown)?;
    Ok(Source { directory, _unpacked: Some(unpacked) })
}
