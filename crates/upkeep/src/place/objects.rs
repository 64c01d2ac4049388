//! What a bucket must be able to do.

use super::Listed;
use crate::error::Result;
use std::fmt::Debug;
use std::fs::File;
use std::path::Path;

/// A bucket of an object store, or a part of one: objects with names such as `segments-STORE/x.bodies`.
///
/// Every call may take as long as the network needs. It repeats what can be repeated, and fails in the end.
pub trait Objects: Debug + Send + Sync {
    /// What it is called in messages.
    fn label(&self) -> &str;

    /// The folders: what names have before their first `/`. Sorted.
    ///
    /// # Errors
    /// [`UpkeepError::Bucket`](crate::UpkeepError::Bucket), as for all that follow.
    fn folders(&self) -> Result<Vec<String>>;

    /// The objects in a folder, sorted; with an empty name those in no folder.
    ///
    /// # Errors
    /// As above.
    fn list(&self, folder: &str) -> Result<Vec<Listed>>;

    /// Reads an object into an empty file. False: there is none.
    ///
    /// # Errors
    /// As above.
    fn get(&self, name: &str, into: &mut File) -> Result<bool>;

    /// Writes an object. Nobody sees a part of it, and it is durable when this returns.
    ///
    /// # Errors
    /// As above.
    fn put(&self, file: &Path, name: &str) -> Result<()>;

    /// Removes an object, if it is there.
    ///
    /// # Errors
    /// As above.
    fn remove(&self, name: &str) -> Result<()>;

    /// Takes a lock, which is an object with this name. One that its holder has left, because it was killed, is taken over.
    ///
    /// # Errors
    /// [`UpkeepError::InUse`](crate::UpkeepError::InUse), or as above.
    fn lock(&self, name: &str) -> Result<Box<dyn HeldLock>>;
}

/// A lock that is held until this is dropped.
pub trait HeldLock: Debug + Send + Sync {
    /// # Errors
    /// It could not be renewed in time: another process may have taken it over.
    fn check(&self) -> Result<()>;
}
