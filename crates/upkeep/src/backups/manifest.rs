//! What a backup says about itself, as JSON.

use super::{PART_SUFFIX, SEGMENT_SUFFIX, SEGMENTS_PREFIX};
use crate::error::{Result, UpkeepError};
use crate::matching::Sum;
use crate::place::Fetched;
use format::header::StoreId;
use serde::{Deserialize, Serialize};
use storage::bodies::CopyKind;

/// The newest form that this program writes and reads.
pub(super) const FORM: u32 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of this manifest.
    pub form: u32,
    /// The version of the program that made the backup.
    pub mainstay: String,
    /// The identity of the store.
    pub store: String,
    /// The backup has everything that had happened up to this cursor.
    pub cursor: String,
    /// The time of day of its last entry, in RFC 3339.
    pub time: String,
    /// The number of its last entry.
    pub entry: u64,
    /// How many events it has, removed ones not counted.
    pub events: u64,
    /// The bytes of all its files.
    pub bytes: u64,
    /// The files with the rows, in order.
    pub state: Vec<String>,
    /// The files with the events, in order.
    pub segments: Vec<SegmentFile>,
}

/// A file with events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentFile {
    pub segment: String,
    pub bytes: u64,
    /// Backups share it. Otherwise it is the first part of a segment, and belongs to one backup.
    pub sealed: bool,
    /// It may hold events that were removed. They are not restored.
    pub may_hold_removed: bool,
    /// What it holds, removed events included, so that a later backup need not read it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Holds>,
}

/// The events of a segment, summed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    pub events: u64,
    /// A sum of hashes of them, in hex digits.
    pub hashes: String,
}

impl From<Sum> for Holds {
    fn from(sum: Sum) -> Self {
        Self { events: sum.events, hashes: format!("{:016x}", sum.hashes) }
    }
}

impl Holds {
    /// `None` if it is not what this program writes.
    pub(super) fn sum(&self) -> Option<Sum> {
        let hashes = u64::from_str_radix(&self.hashes, 16).ok()?;
        Some(Sum { events: self.events, hashes })
    }
}

impl SegmentFile {
    #[must_use]
    pub fn kind(&self) -> CopyKind {
        if self.sealed { CopyKind::Sealed } else { CopyKind::Part }
    }

    /// The name of the shared file. The length is part of it: after a crash, a node may end a segment elsewhere.
    pub(super) fn shared_name(&self) -> String {
        format!("{}-{:x}{SEGMENT_SUFFIX}", self.segment, self.bytes)
    }

    /// What it is called in its place, for a backup whose own files are in this folder.
    pub(super) fn name_in_place(&self, store: &str, folder: &str) -> String {
        if self.sealed {
            format!("{SEGMENTS_PREFIX}{store}/{}", self.shared_name())
        } else {
            format!("{folder}/{}{PART_SUFFIX}", self.segment)
        }
    }

    /// Where it is, seen from the backup's directory.
    pub(super) fn path_in_backup(&self, store: &str) -> String {
        if self.sealed {
            format!("../{SEGMENTS_PREFIX}{store}/{}", self.shared_name())
        } else {
            format!("{}{PART_SUFFIX}", self.segment)
        }
    }

    /// Whether the name is one that a node gives to segments, and nothing that leads elsewhere.
    pub(super) fn has_valid_name(&self) -> bool {
        let is_hex = |text: &str, digits| text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
        self.segment
            .split_once('-')
            .is_some_and(|(first, generation)| is_hex(first, 16) && is_hex(generation, 8))
    }
}

impl Manifest {
    pub(super) fn read(file: &Fetched) -> Result<Self> {
        let path = &file.shown;
        let manifest: Self =
            serde_json::from_slice(&file.bytes()?).map_err(|error| UpkeepError::damaged(path, error))?;
        if manifest.form > FORM {
            return Err(UpkeepError::Newer { path: path.display().to_string(), found: manifest.form });
        }
        // Names in a manifest become paths.
        let is_rows = |file: &String| !file.contains('/') && file.starts_with("state-");
        let valid = manifest.segments.iter().all(SegmentFile::has_valid_name)
            && manifest.state.iter().all(is_rows)
            && manifest.store_id().is_some();
        if valid {
            Ok(manifest)
        } else {
            Err(UpkeepError::damaged(path, "it names files that no backup has"))
        }
    }

    /// The identity of the store, if the manifest has one.
    #[must_use]
    pub fn store_id(&self) -> Option<StoreId> {
        let is_hex = self.store.len() == 32 && self.store.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u128::from_str_radix(&self.store, 16).ok().map(StoreId)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_that_names_files_elsewhere_is_refused() {
        let segment = SegmentFile {
            segment: "0000000000000000-00000000".to_owned(),
            bytes: 512,
            sealed: true,
            may_hold_removed: false,
            holds: None,
        };
        let manifest = Manifest {
            form: FORM,
            mainstay: "0".to_owned(),
            store: "0123456789abcdef0123456789abcdef".to_owned(),
            cursor: String::new(),
            time: String::new(),
            entry: 1,
            events: 0,
            bytes: 0,
            state: vec!["state-00000.rows".to_owned()],
            segments: vec![segment.clone()],
        };
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("manifest.json");
        let read = |manifest: &Manifest| {
            std::fs::write(&path, serde_json::to_vec(manifest).unwrap()).unwrap();
            Manifest::read(&Fetched::local(&path))
        };
        read(&manifest).unwrap();
        for (state, segment_name, store) in [
            ("../state-0", "0000000000000000-00000000", &manifest.store[..]),
            ("/etc/passwd", "0000000000000000-00000000", &manifest.store),
            ("state-0", "../../0000000000000000-00000000", &manifest.store),
            ("state-0", "0000000000000000-00000000", "../elsewhere"),
        ] {
            let segments = vec![SegmentFile { segment: segment_name.to_owned(), ..segment.clone() }];
            let (state, store) = (vec![state.to_owned()], store.to_owned());
            let refused = read(&Manifest { state, store, segments, ..manifest.clone() });
            assert!(matches!(refused, Err(UpkeepError::Damaged { .. })), "{refused:?}");
        }
        let newer = read(&Manifest { form: FORM + 1, ..manifest });
        assert!(matches!(newer, Err(UpkeepError::Newer { .. })), "{newer:?}");
    }
}
