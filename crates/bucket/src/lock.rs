//! A lock in a bucket: an object that its holder writes again every few seconds.
//!
//! ```text
//!   PUT if there is none ──► mine ──► PUT if it is as I left it, every 3 s ──► DELETE
//!        │ there is one
//!        └─► watch it: is it written again within 15 s?  yes: in use
//!                                                        no: PUT if it is as I saw it ──► mine
//! ```
//!
//! Nobody compares clocks: each process measures how long it has seen no change. A holder that could not write for 10 s takes
//! the lock for lost, before anyone else may take it over. Between the last look at the lock and the write that follows it
//! there is no protection by the lock, so a process that is stopped for longer right there could still write. Therefore the lock is
//! looked at again after a backup has got its name, and the backup is taken back if the lock was lost.

use crate::requests::Inner;
use object_store::path::Path as Key;
use object_store::{
    Error, ObjectStore as _, ObjectStoreExt as _, PutMode, PutPayload, PutResult, UpdateVersion,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use upkeep::place::HeldLock;
use upkeep::{BucketCause, Result, UpkeepError};

const RENEW_EVERY: Duration = Duration::from_secs(3);
const LOST_AFTER: Duration = Duration::from_secs(10);
const TAKEN_OVER_AFTER: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Lock {
    inner: Arc<Inner>,
    key: Key,
    shared: Arc<Mutex<State>>,
    renewing: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    /// When it was last known to be ours: the beginning of the request that has written it.
    held_at: Instant,
    is_lost: bool,
}

/// What is written into the object.
#[derive(Clone, Debug)]
struct Content {
    holder: String,
    count: u64,
}

/// A lock as it was written.
#[derive(Debug)]
struct Written {
    version: UpdateVersion,
    at: Instant,
}

enum Attempt {
    Written(Written),
    /// It is ours, but not as it should have been written now.
    Older(UpdateVersion),
    /// Another process has written it.
    Other,
}

impl Lock {
    pub(crate) fn take(inner: &Arc<Inner>, name: &str) -> Result<Self> {
        let failed = |error: std::io::Error| inner.failure(BucketCause::Failed, &error.to_string());
        let holder = upkeep::backups::draw_name().map_err(failed)?;
        let (shared, key) = (Arc::clone(inner), inner.key(name));
        let mut content = Content { holder, count: 0 };
        let (written, content) = {
            let key = key.clone();
            inner.wait(async move {
                let written = take(&shared, &key, &mut content).await?;
                Ok::<_, UpkeepError>((written, content))
            })??
        };
        let state = Arc::new(Mutex::new(State { held_at: written.at, is_lost: false }));
        let renewing = renew(Arc::clone(inner), key.clone(), content, written, Arc::clone(&state));
        let renewing = inner.spawn(renewing);
        Ok(Self { inner: Arc::clone(inner), key, shared: state, renewing })
    }
}

impl HeldLock for Lock {
    fn check(&self) -> Result<()> {
        let state = state(&self.shared);
        if state.is_lost || state.held_at.elapsed() > LOST_AFTER {
            let what = "the lock could not be renewed in time, and another process may have taken it";
            return Err(self.inner.failure(BucketCause::Failed, what));
        }
        Ok(())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewing.abort();
        if self.check().is_ok() {
            let (store, key) = (Arc::clone(&self.inner.store), self.key.clone());
            // If this fails, the next process waits until it may take the lock over.
            let _ =
                self.inner.wait(async move { timeout(LOST_AFTER / 2, store.delete(&key)).await.map(drop) });
        }
    }
}

fn state(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the lock, or watches it and takes it over.
async fn take(inner: &Inner, key: &Key, content: &mut Content) -> Result<Written> {
    let written = match write(inner, key, content, PutMode::Create).await? {
        Attempt::Written(written) => written,
        Attempt::Older(_) | Attempt::Other => take_over(inner, key, content).await?,
    };
    // A store that ignores the condition would let everyone have the lock.
    let probe = Content { holder: content.holder.clone(), count: u64::MAX };
    let payload = PutPayload::from(probe.text());
    match inner.store.put_opts(key, payload, PutMode::Create.into()).await {
        Err(Error::AlreadyExists { .. }) => Ok(written),
        Ok(_) => {
            let what = "the store ignores the condition of a write (`If-None-Match`), so nothing keeps two processes from \
                        changing the same backups";
            Err(inner.failure(BucketCause::Unsupported, what))
        }
        Err(error) => Err(inner.failed(&error)),
    }
}

async fn take_over(inner: &Inner, key: &Key, content: &mut Content) -> Result<Written> {
    let in_use = || UpkeepError::InUse { path: inner.location.label.clone() };
    let mut seen: Option<Option<String>> = None;
    let until = Instant::now() + TAKEN_OVER_AFTER;
    loop {
        let e_tag = match inner.store.get(key).await {
            Ok(got) => got.meta.e_tag,
            Err(Error::NotFound { .. }) => match write(inner, key, content, PutMode::Create).await? {
                Attempt::Written(written) => return Ok(written),
                Attempt::Older(_) | Attempt::Other => return Err(in_use()),
            },
            Err(error) => return Err(inner.failed(&error)),
        };
        if seen.as_ref().is_some_and(|seen| *seen != e_tag) {
            return Err(in_use());
        }
        if Instant::now() >= until {
            let mode = PutMode::Update(UpdateVersion { e_tag, version: None });
            return match write(inner, key, content, mode).await? {
                Attempt::Written(written) => Ok(written),
                Attempt::Older(_) | Attempt::Other => Err(in_use()),
            };
        }
        seen = Some(e_tag);
        sleep(LOOK_EVERY).await;
    }
}

/// Writes the lock again and again, until it is lost or this is aborted.
async fn renew(
    inner: Arc<Inner>,
    key: Key,
    mut content: Content,
    mut written: Written,
    shared: Arc<Mutex<State>>,
) {
    let mut wait = RENEW_EVERY;
    loop {
        sleep(wait).await;
        wait = RENEW_EVERY;
        let mode = PutMode::Update(written.version.clone());
        match timeout(LOST_AFTER / 2, write(&inner, &key, &mut content, mode)).await {
            Ok(Ok(Attempt::Written(again))) => {
                state(&shared).held_at = again.at;
                written = again;
            }
            // An earlier write was cut off, and has succeeded.
            Ok(Ok(Attempt::Older(version))) => {
                written.version = version;
                wait = Duration::ZERO;
            }
            Ok(Ok(Attempt::Other)) => {
                state(&shared).is_lost = true;
                return;
            }
            // Until it takes too long.
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

/// Writes the lock, if the condition of the mode holds.
async fn write(inner: &Inner, key: &Key, content: &mut Content, mode: PutMode) -> Result<Attempt> {
    content.count += 1;
    let is_update = matches!(mode, PutMode::Update(_));
    let (at, text) = (Instant::now(), content.text());
    match inner.store.put_opts(key, text.clone().into(), mode.into()).await {
        Ok(PutResult { e_tag, version, .. }) => {
            Ok(Attempt::Written(Written { version: UpdateVersion { e_tag, version }, at }))
        }
        // Of a request that was repeated, because its response was lost, the first may have written it.
        Err(Error::NotFound { .. }) if is_update => Ok(Attempt::Other),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => match inner.store.get(key).await {
            Ok(got) => {
                let version = UpdateVersion { e_tag: got.meta.e_tag.clone(), version: None };
                let found = got.bytes().await.map_err(|error| inner.failed(&error))?;
                if found == text.as_bytes() {
                    Ok(Attempt::Written(Written { version, at }))
                } else if found.starts_with(content.holder.as_bytes()) {
                    Ok(Attempt::Older(version))
                } else {
                    Ok(Attempt::Other)
                }
            }
            Err(Error::NotFound { .. }) => Ok(Attempt::Other),
            Err(error) => Err(inner.failed(&error)),
        },
        Err(error) => Err(inner.failed(&error)),
    }
}

impl Content {
    fn text(&self) -> String {
        format!("{} {}\n", self.holder, self.count)
    }
}
