//! One file of the log: its name, its header, and its first bytes.
//!
//! A file keeps its name forever, and its header says what it is now. Each use has its own generation, so
//! recycling a segment renames nothing and syncs no directory.

use super::LogError;
use crate::disk::DiskFile;
use format::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, FrameSeed, frame_bytes};
use format::header::{HEADER_BYTES_MAX, HeaderError, LogSegmentHeader};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The unit of all writes: to write part of a block, the system would have to read the rest of it first.
pub(super) const BLOCK_BYTES: usize = 4096;
/// Where a segment's first frame begins.
pub(super) const FRAMES_AT: u64 = BLOCK_BYTES as u64;

const PREFIX: &str = "log-";
const SUFFIX: &str = ".segment";

/// The name of the file with this number.
pub(super) fn file_name(number: u64) -> String {
    format!("{PREFIX}{number:08}{SUFFIX}")
}

pub(super) fn file_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    digits.parse().ok().filter(|number| file_name(*number) == name)
}

/// A segment in use.
#[derive(Debug)]
pub(super) struct Segment<F> {
    pub(super) name: String,
    pub(super) file: Arc<F>,
    pub(super) header: LogSegmentHeader,
    pub(super) seed: FrameSeed,
    /// Up to this offset, the file can be written without asking the disk for space.
    pub(super) space: AtomicU64,
}

/// A file that no segment uses.
#[derive(Debug)]
pub(super) struct Spare<F> {
    pub(super) name: String,
    pub(super) file: Arc<F>,
    /// The generation in its header; 0 if the file was never used.
    pub(super) generation: u64,
    /// How many bytes can be written without asking the disk for space.
    pub(super) space: u64,
}

impl<F: DiskFile> Segment<F> {
    pub(super) fn new(name: String, file: Arc<F>, header: LogSegmentHeader, space: u64) -> Self {
        let seed = FrameSeed::new(header.store, header.generation);
        Self { name, file, header, seed, space: AtomicU64::new(space) }
    }

    pub(super) fn space(&self) -> u64 {
        self.space.load(Ordering::Relaxed)
    }

    /// Returns the file for another use. Readers may still have it open: the generation tells them that it
    /// has changed.
    pub(super) fn to_spare(&self) -> Spare<F> {
        Spare {
            name: self.name.clone(),
            file: Arc::clone(&self.file),
            generation: self.header.generation,
            space: self.space(),
        }
    }

    pub(super) fn damaged(&self, offset: u64, what: &'static str) -> LogError {
        LogError::Damaged { file: self.name.clone(), offset, what }
    }
}

/// Rewrites only a header, which is one sector: a crash leaves the old one or the new one.
pub(super) fn rewrite_header<F: DiskFile>(file: &F, header: &LogSegmentHeader) -> io::Result<()> {
    let mut sector = header.encode();
    sector.resize(HEADER_BYTES_MAX, 0);
    file.write_at(&sector, 0)
}

/// Reads a file's header.
pub(super) fn read_header<F: DiskFile>(name: &str, file: &F) -> Result<Option<LogSegmentHeader>, LogError> {
    let mut sector = [0; HEADER_BYTES_MAX];
    let read = file.read_at(&mut sector, 0).map_err(|source| LogError::io(name, source))?;
    match LogSegmentHeader::decode(&sector[..read]) {
        Ok(header) => Ok(Some(header)),
        Err(HeaderError::Blank) => Ok(None),
        Err(HeaderError::Damaged) => {
            Err(LogError::Damaged { file: name.to_owned(), offset: 0, what: "the segment's header" })
        }
        Err(why) => Err(LogError::Refused { file: name.to_owned(), why }),
    }
}

/// The first bytes of a segment: its header and a carry frame with these `records`, in whole blocks.
pub(super) fn beginning(header: &LogSegmentHeader, opening: u32, records: &[u8]) -> Vec<u8> {
    let mut bytes = header.encode();
    bytes.resize(BLOCK_BYTES, 0);
    let carry = FrameHeader {
        kind: FrameKind::Carry,
        length: records.len() as u32,
        offset: FRAMES_AT,
        durable_end: 0,
        opening,
    };
    bytes.extend_from_slice(&carry.encode(FrameSeed::new(header.store, header.generation), records));
    bytes.extend_from_slice(records);
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
    bytes
}

/// Where the frames after the carry frame begin.
pub(super) fn carry_end(records: &[u8]) -> u64 {
    FRAMES_AT + frame_bytes(records.len())
}

const _: () = assert!(FRAME_HEADER_BYTES < BLOCK_BYTES);
