//! Unpacks a tar stream with a backup into a new directory of backups.
//!
//! Nothing in the stream is trusted: it may hold files, of as many bytes as their headers say, under names of one or two
//! plain parts, each of them once. Whether they are a backup is checked when they are restored.

use crate::error::{Result, UpkeepError};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use tar::{Archive, Entry, EntryType};
use tempfile::TempDir;

/// More files than any backup has.
const FILES_MAX: u64 = 1 << 20;
/// An archive ends with two blocks of zeros. A file is followed by less than one.
const END_BYTES: u64 = 2 * BLOCK_BYTES;
const BLOCK_BYTES: u64 = 512;

/// A directory of backups that is removed when this is dropped.
#[derive(Debug)]
pub struct Unpacked {
    directory: TempDir,
}

impl Unpacked {
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Reads a stream to its end and unpacks it into a temporary directory in `parent`. `label` is what it is called in messages.
///
/// # Errors
/// [`UpkeepError::NotAStream`]: it is no tar stream, or holds something that no backup has; then nothing was changed.
pub fn unpack(stream: impl Read, label: &str, parent: &Path) -> Result<Unpacked> {
    let made = tempfile::Builder::new().prefix(".mainstay-unpacked-").tempdir_in(parent);
    let directory = made.map_err(|source| UpkeepError::io(parent, source))?;
    let refused = |what: String| UpkeepError::NotAStream { stream: label.to_owned(), what };
    let mut archive = Archive::new(Counted { stream, bytes: 0, zeros: 0 });
    let entries = archive.entries().map_err(|error| refused(error.to_string()))?;
    let mut files = 0;
    // Raw: what extends names or lengths is refused, and never read into memory.
    for entry in entries.raw(true) {
        let mut entry = entry.map_err(|error| refused(error.to_string()))?;
        files += 1;
        if files > FILES_MAX {
            return Err(refused(format!("more than {FILES_MAX} files")));
        }
        unpack_entry(&mut entry, directory.path(), &refused)?;
    }
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(|error| refused(error.to_string()))?;
    if rest.zeros < END_BYTES || !rest.bytes.is_multiple_of(BLOCK_BYTES) {
        return Err(refused("no end: it was interrupted".to_owned()));
    }
    Ok(Unpacked { directory })
}

/// Counts the bytes that were read, and the zeros at their end.
struct Counted<R> {
    stream: R,
    bytes: u64,
    zeros: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        let zeros = buffer[..read].iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = if zeros == read { self.zeros + read as u64 } else { zeros as u64 };
        self.bytes += read as u64;
        Ok(read)
    }
}

fn unpack_entry<R: Read>(
    entry: &mut Entry<'_, R>,
    directory: &Path,
    refused: &impl Fn(String) -> UpkeepError,
) -> Result<()> {
    let name = entry.path_bytes().into_owned();
    let shown = String::from_utf8_lossy(&name).into_owned();
    let name = plain_name(&name).ok_or_else(|| refused(format!("a file called `{shown}`")))?;
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous => {}
        // As `tar` writes them. Those that are needed are made.
        EntryType::Directory => return Ok(()),
        other => return Err(refused(format!("`{shown}`, which is not a file but {other:?}"))),
    }
    if name.is_empty() {
        return Err(refused("a file without a name".to_owned()));
    }
    let path = directory.join(&name);
    let failed = |source| UpkeepError::io(&path, source);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = match File::create_new(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(refused(format!("`{shown}` twice")));
        }
        file => file.map_err(failed)?,
    };
    let bytes = entry.size();
    let copied =
        io::copy(entry, &mut file).map_err(|error| refused(format!("`{shown}`, and then: {error}")))?;
    if copied == bytes { Ok(()) } else { Err(refused(format!("{copied} of the {bytes} bytes of `{shown}`"))) }
}

/// A name of one or two plain parts, without a leading `./`; empty for the directory itself.
fn plain_name(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let name = name.strip_prefix("./").unwrap_or(name);
    let name = name.strip_suffix('/').unwrap_or(name);
    if name.is_empty() || name == "." {
        return Some(String::new());
    }
    let is_plain = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(allowed)
    };
    let parts: Vec<_> = name.split('/').collect();
    (parts.len() <= 2 && parts.iter().all(|part| is_plain(part))).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::{Builder, Header};

    fn header(size: u64, kind: EntryType) -> Header {
        let mut header = Header::new_ustar();
        header.set_size(size);
        header.set_entry_type(kind);
        header
    }

    /// A name as it is, which `tar` would not write.
    fn named(mut header: Header, name: &str) -> Header {
        let field = &mut header.as_old_mut().name;
        field.fill(0);
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        header
    }

    fn unpacked(entries: &[(Header, &[u8])]) -> Result<Vec<String>> {
        let mut builder = Builder::new(Vec::new());
        for (header, bytes) in entries {
            builder.append(header, *bytes).unwrap();
        }
        let stream = builder.into_inner().unwrap();
        let parent = tempfile::tempdir().unwrap();
        let unpacked = unpack(&stream[..], "b.tar", parent.path());
        let found = unpacked.map(|unpacked| {
            let place = super::super::Place::Directory {
                path: unpacked.path().to_owned(),
                shown: unpacked.path().to_owned(),
            };
            let files = place.list("").unwrap().into_iter().map(|file| file.name);
            files.chain(place.folders().unwrap()).collect()
        });
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "nothing is left");
        found
    }

    #[test]
    fn files_with_plain_names_are_unpacked() {
        let file = |name| named(header(2, EntryType::Regular), name);
        let folder = named(header(0, EntryType::Directory), "./");
        let entries: [(Header, &[u8]); 3] =
            [(folder, b""), (file("./BACKUPS"), b"ab"), (file("a/b-c.part"), b"cd")];
        assert_eq!(unpacked(&entries).unwrap(), ["BACKUPS", "a"]);
    }

    #[test]
    fn what_leads_elsewhere_or_is_no_file_is_refused_and_nothing_is_left() {
        for name in
            ["/etc/passwd", "../a", "a/../b", "a/../../b", "a/b/c", ".hidden", "a//b", "a\\b", "a b", "a/."]
        {
            let refused = unpacked(&[(named(header(2, EntryType::Regular), name), b"ab")]).unwrap_err();
            assert!(refused.to_string().contains(name), "{refused}");
        }
        for kind in [
            EntryType::Link,
            EntryType::Symlink,
            EntryType::Char,
            EntryType::Fifo,
            EntryType::GNULongName,
            EntryType::GNUSparse,
            EntryType::XHeader,
        ] {
            let refused = unpacked(&[(named(header(0, kind), "a"), b"")]).unwrap_err();
            assert!(matches!(refused, UpkeepError::NotAStream { .. }), "{kind:?}: {refused}");
        }
        let file = || (named(header(2, EntryType::Regular), "a"), &b"ab"[..]);
        assert!(unpacked(&[file(), file()]).unwrap_err().to_string().contains("`a` twice"));
        let mut builder = Builder::new(Vec::new());
        let (header, bytes) = file();
        builder.append(&header, bytes).unwrap();
        let stream = builder.into_inner().unwrap();
        let cut = unpack(&stream[..stream.len() - 1], "b.tar", &std::env::temp_dir()).unwrap_err();
        assert!(cut.to_string().contains("interrupted"), "{cut}");
        let not_tar = unpack(&[7_u8; 4_096][..], "b.tar", &std::env::temp_dir()).unwrap_err();
        assert!(matches!(not_tar, UpkeepError::NotAStream { .. }), "{not_tar}");
    }
}
