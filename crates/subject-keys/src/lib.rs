//! Keys of subjects: what makes the data of one person unreadable for good, wherever it was copied to.
//!
//! An event of a subject is sealed, before it goes anywhere, with a key that only this subject's events have. So the log,
//! the bodies, backups and archives hold bytes that mean nothing without the key. The keys are in a file of their own,
//! wrapped with a key that an operator keeps elsewhere. To erase a subject is to write over one record of that file.
//!
//! ```text
//!   subject ─► tag ─► key id, key ─┬─► seal (stream, type, envelope) ─► the node
//!              │ none yet          └─◄ open ◄─ readers
//!              ▼
//!           keeper's thread: a new record, synced, before the key seals anything
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`wrapping`] | the operator's key: it wraps keys, and hides whose they are |
//! | [`sealing`] | a subject's key: it seals envelopes and fingerprints |
//! | [`file`] | the file of wrapped keys |
//! | [`keeper`] | the keys in memory, and the thread that changes the file |
//! | [`replacing`] | wraps the keys of a file with another key of the operator |

pub mod file;
pub mod keeper;
pub mod replacing;
pub mod sealing;
pub mod wrapping;

pub use file::{Examined, KeysError};
pub use keeper::{KeysState, SavedKeys, SubjectKeys};
pub use replacing::{Replaced, replace_key};
pub use sealing::{Event, Opened};
pub use wrapping::{BadWrappingKey, WrappingKey};

#[cfg(test)]
mod tests;
