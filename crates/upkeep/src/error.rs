//! Why something could not be done.

use std::io;
use std::path::Path;
use storage::bodies::BodyError;
use storage::directory::DirectoryError;
use storage::snapshot::InstallError;
use storage::state::StateError;

pub type Result<T, E = UpkeepError> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    /// A directory for backups holds something else.
    #[error("{path} is not empty and is not a directory of backups: it holds `{found}`")]
    NotBackups { path: String, found: String },
    #[error("{path} holds no backups")]
    NoBackups { path: String },
    /// Another process is adding or removing a backup.
    #[error("another process is adding to {path}")]
    InUse { path: String },
    /// A bucket cannot be used.
    #[error("{bucket}: {what}")]
    Bucket { bucket: String, what: String, cause: BucketCause },
    /// A stream is not one with a backup.
    #[error("{stream} is not a stream that `mainstay backup -` has written to its end: it has {what}")]
    NotAStream { stream: String, what: String },
    /// A newer version of the program has written it.
    #[error("{path} has layout {found}, which this version of Mainstay does not know")]
    Newer { path: String, found: u32 },
    #[error("{path} holds no backup `{name}`; it has {known}")]
    Unknown { path: String, name: String, known: String },
    /// A backup of another store has the name of the one that was to be added: they are of the same millisecond.
    #[error("{path} holds a backup `{name}` of another store")]
    Taken { path: String, name: String },
    /// The wanted moment is before all backups.
    #[error("no backup in {path} is from before that moment; the oldest is {oldest}")]
    BeforeBackups { path: String, oldest: String },
    /// The wanted moment is after all that was archived.
    #[error("the archive ends with entry {last}, before cursor {cursor}")]
    BeyondArchive { cursor: model::Cursor, last: u64 },
    /// The data directory of a lost node is not of the store that the backup is of.
    #[error("{path} is of store {found}, and the backup is of store {wanted}")]
    LogOfOther { path: String, found: format::header::StoreId, wanted: format::header::StoreId },
    #[error("{path} holds no log")]
    NoLog { path: String },
    /// The log of a lost node cannot be read.
    #[error("{path}: {source}")]
    LostLog { path: String, source: storage::log::LogError },
    /// The log of a lost node begins too late.
    #[error(
        "the log of {path} begins with entry {first}; what was backed up and archived ends with entry {last}"
    )]
    LogBegins { path: String, first: u64, last: u64 },
    /// An archived entry cannot be applied.
    #[error(transparent)]
    Replay(#[from] node::EngineError),
    /// It is not what was written.
    #[error("{file} is damaged: {what}")]
    Damaged { file: String, what: String },
    /// What a node has sent is not what it should have sent.
    #[error("the node has sent {what}")]
    Sent { what: String },
    /// There is no copy of the subject keys.
    #[error(
        "{path} is not there: it is the copy of the keys that events of {subjects} subjects are sealed with"
    )]
    NoKeys { path: String, subjects: usize },
    /// The copy of the subject keys is older than the events.
    #[error("{path} lacks {missing} of the keys that events are sealed with; the first of them is key {}", first.0)]
    MissingKeys { path: String, first: model::KeyId, missing: usize },
    /// The file of subject keys, or its copy.
    #[error(transparent)]
    SubjectKeys(#[from] subject_keys::KeysError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error(transparent)]
    Bodies(#[from] BodyError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the state cannot be read: {0}")]
    View(#[from] model::ViewError),
}

/// What to do about a bucket that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketCause {
    /// Credentials, a region or a URL are missing or cannot be read.
    Settings,
    /// The store does not accept the credentials, or they may not do this.
    Denied,
    /// There is no such bucket.
    Missing,
    /// The store cannot be reached, or does not respond.
    Unreachable,
    /// The store has failed, or has responded with something unexpected.
    Failed,
    /// The store cannot do what is needed.
    Unsupported,
}

impl UpkeepError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }

    pub(crate) fn damaged(file: &Path, what: impl ToString) -> Self {
        Self::Damaged { file: file.display().to_string(), what: what.to_string() }
    }
}
