//! Why a reader has no result: its disk failed, or a promise is broken.

use model::ViewError;
use storage::bodies::BodyError;
use storage::log::LogError;

#[derive(Debug)]
pub enum Unread {
    /// The disk failed, or the data on it is damaged. The node must stop.
    Disk(Box<dyn std::error::Error + Send + Sync>),
    /// A promise does not hold.
    Broken(String),
}

impl From<BodyError> for Unread {
    fn from(error: BodyError) -> Self {
        Self::Disk(error.into())
    }
}

impl From<LogError> for Unread {
    fn from(error: LogError) -> Self {
        Self::Disk(error.into())
    }
}

impl From<String> for Unread {
    fn from(what: String) -> Self {
        Self::Broken(what)
    }
}

/// The state in memory never fails.
impl From<ViewError> for Unread {
    fn from(error: ViewError) -> Self {
        Self::Broken(error.to_string())
    }
}
