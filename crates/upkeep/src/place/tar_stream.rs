//! A tar stream that is written file by file.
//!
//! The end of the archive is written only by [`TarStream::end`]: a stream that something has interrupted is not a whole
//! archive, not even for `tar`.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tar::{EntryType, Header};

const BLOCK_BYTES: usize = 512;

/// See the module.
pub(crate) struct TarStream {
    out: Box<dyn Write + Send>,
}

impl std::fmt::Debug for TarStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TarStream").finish_non_exhaustive()
    }
}

impl TarStream {
    pub(crate) fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out }
    }

    /// Appends a file under this name, which has at most 100 bytes.
    pub(super) fn append(&mut self, path: &Path, name: &str) -> io::Result<()> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut header = Header::new_ustar();
        header.set_path(name)?;
        header.set_entry_type(EntryType::Regular);
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(seconds);
        header.set_cksum();
        self.out.write_all(header.as_bytes())?;
        let copied = io::copy(&mut file.take(bytes), &mut self.out)?;
        if copied != bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let last = (bytes % BLOCK_BYTES as u64) as usize;
        let padding = if last == 0 { 0 } else { BLOCK_BYTES - last };
        self.out.write_all(&[0; BLOCK_BYTES][..padding])
    }

    /// Ends the archive.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.out.write_all(&[0; 2 * BLOCK_BYTES])?;
        self.out.flush()
    }
}
