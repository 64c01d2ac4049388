//! Reads the frames of a segment one after the other, and finds the headers of frames after a broken one.

use crate::disk::DiskFile;
use format::frame::{FRAME_ALIGN, FRAME_HEADER_BYTES, FrameHeader, FrameSeed, is_intact};
use std::io;
use std::ops::Range;

/// Reads frames in order. Its buffer is as long as the longest frame, and at least one chunk.
pub(super) struct Frames<'a, F> {
    file: &'a F,
    seed: FrameSeed,
    /// Where the next frame begins.
    next: u64,
    /// The offset by which the last frame must end.
    limit: u64,
    chunk: usize,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl<'a, F: DiskFile> Frames<'a, F> {
    pub(super) fn new(file: &'a F, seed: FrameSeed, range: Range<u64>, chunk: usize) -> Self {
        let Range { start, end } = range;
        Self { file, seed, next: start, limit: end, chunk, buffer: Vec::new(), buffer_at: start }
    }

    /// Where the next frame begins, or would begin if there is none.
    pub(super) const fn offset(&self) -> u64 {
        self.next
    }

    /// Continues at a later frame.
    pub(super) fn skip_to(&mut self, offset: u64) {
        self.next = self.next.max(offset);
    }

    /// The next frame; `None` when no intact frame begins here.
    pub(super) fn next(&mut self) -> io::Result<Option<Frame<'_>>> {
        let at = self.next;
        let Some(start) = self.fill(at, FRAME_HEADER_BYTES)? else { return Ok(None) };
        let Some(head) = self.buffer[start..].first_chunk().copied() else { return Ok(None) };
        let Some(header) = FrameHeader::decode(self.seed, &head, at) else { return Ok(None) };
        let whole = FRAME_HEADER_BYTES + header.length as usize;
        let Some(start) = self.fill(at, whole)? else { return Ok(None) };
        let records = &self.buffer[start + FRAME_HEADER_BYTES..start + whole];
        if !is_intact(self.seed, &head, records) {
            return Ok(None);
        }
        self.next = at + header.frame_bytes();
        Ok(Some(Frame { header, records }))
    }

    /// The range of the buffer that holds `length` bytes from `at` on; `None` when the segment ends before.
    fn fill(&mut self, at: u64, length: usize) -> io::Result<Option<usize>> {
        if at + length as u64 > self.limit {
            return Ok(None);
        }
        let start = (at - self.buffer_at) as usize;
        if start + length <= self.buffer.len() {
            return Ok(Some(start));
        }
        let wanted = (self.limit - at).min(length.max(self.chunk) as u64) as usize;
        self.buffer.resize(wanted, 0);
        self.buffer_at = at;
        let read = self.file.read_at(&mut self.buffer, at)?;
        self.buffer.truncate(read);
        Ok((length <= read).then_some(0))
    }
}

/// A frame that is as it was written.
pub(super) struct Frame<'a> {
    pub(super) header: FrameHeader,
    pub(super) records: &'a [u8],
}

/// Looks for frame headers from `from` on, and checks whether any of them says that data beyond
/// `durable_beyond` was on disk when it was written. A header counts even if the rest of its frame is torn.
pub(super) fn search<F: DiskFile>(
    file: &F,
    seed: FrameSeed,
    from: u64,
    durable_beyond: u64,
) -> io::Result<Found> {
    const CHUNK: usize = 1 << 20;
    let mut found = Found::default();
    let mut buffer = vec![0; CHUNK + FRAME_HEADER_BYTES];
    let mut at = from.next_multiple_of(FRAME_ALIGN);
    loop {
        let read = file.read_at(&mut buffer, at)?;
        let mut within = 0;
        while within + FRAME_HEADER_BYTES <= read.min(CHUNK + FRAME_HEADER_BYTES - 1) {
            let offset = at + within as u64;
            let bytes = &buffer[within..];
            // The cheap check comes first: few other bytes contain their own offset.
            if bytes[8..16] == offset.to_le_bytes()
                && let Some(head) = bytes.first_chunk()
                && let Some(header) = FrameHeader::decode(seed, head, offset)
            {
                found.any = true;
                found.opening_max = found.opening_max.max(header.opening);
                found.damage |= header.durable_end > durable_beyond;
            }
            within += FRAME_ALIGN as usize;
        }
        if read < buffer.len() {
            return Ok(found);
        }
        at += CHUNK as u64;
    }
}

/// What [`search`] found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) any: bool,
    pub(super) opening_max: u32,
    /// Data that was synced is broken.
    pub(super) damage: bool,
}
