//! The keys of subjects, as the process opens them: the key that wraps them is in a file that the operator names, and they
//! are in the data directory.

use crate::admin_token;
use crate::cli::failure::{Failure, Result};
use crate::config::Config;
use runtime::Handle;
use shard::query;
use std::path::Path;
use subject_keys::{SubjectKeys, WrappingKey, file};

/// Opens the keys, if the node is to seal events. The data must be open.
///
/// # Errors
/// The key cannot be read or is another one, or the keys are damaged; or no key is given, and there are sealed events.
pub(crate) fn open(config: &Config, handle: &Handle) -> Result<Option<SubjectKeys>> {
    let Some(path) = &config.subject_key_file else {
        let keys = config.data.join(file::NAME);
        if keys.exists() {
            let what =
                format!("{} holds keys of subjects, and `subject-key-file` is not set", keys.display());
            return Err(Failure::usage(what).advice(
                "Start the node with the key that it had. Without it, sealed events cannot be read.",
            ));
        }
        return Ok(None);
    };
    let wrapping = read(path)?;
    let opened = SubjectKeys::open(&config.data, handle.store(), wrapping);
    opened.map(Some).map_err(|error| Failure::local(format!("the keys of subjects cannot be used: {error}")))
}

/// Reads the operator's key.
///
/// # Errors
/// The file cannot be read, or holds something else.
pub(crate) fn read(path: &Path) -> Result<WrappingKey> {
    let cannot = |why: &dyn std::fmt::Display| {
        format!("the key of subjects in {} cannot be used: {why}", path.display())
    };
    let text = admin_token::read(path).map_err(|error| Failure::usage(cannot(&error)))?;
    WrappingKey::parse(&text).map_err(|error| Failure::usage(cannot(&error)))
}

/// Erases what the state says is erased, and an earlier process had no time for. Waits until the node is ready.
///
/// # Errors
/// The file of keys cannot be written.
pub(crate) async fn catch_up(keys: &SubjectKeys, handle: &Handle) -> Result {
    if !handle.ready().await {
        return Ok(());
    }
    let read = |snapshot: &runtime::Snapshot| Ok(query::erased_keys(&snapshot.state, snapshot.slots.first)?);
    let erased = handle.read(read).await;
    let erased =
        erased.map_err(|error| Failure::local(format!("erased subjects cannot be read: {error}")))?;
    for key in erased.into_iter().filter(|key| !keys.is_erased(*key)) {
        let done = keys.erase(key).await;
        done.map_err(|error| Failure::local(format!("a subject cannot be erased: {error}")))?;
        tracing::info!(key = key.0, "a subject was erased that the last process had not erased yet");
    }
    Ok(())
}
