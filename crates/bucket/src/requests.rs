//! Reads, writes, lists and removes objects.

use crate::failure;
use crate::lock::Lock;
use crate::settings::Location;
use bytes::Bytes;
use futures_util::StreamExt as _;
use object_store::aws::AmazonS3;
use object_store::path::Path as Key;
use object_store::{Error, MultipartUpload as _, ObjectStore as _, ObjectStoreExt as _, PutPayload};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use tokio::runtime::{Handle, Runtime};
use upkeep::place::{HeldLock, Listed, Objects};
use upkeep::{BucketCause, Result, UpkeepError};

/// An object of more bytes is written in parts of this length.
pub(crate) const PART_BYTES: u64 = 8 << 20;
/// S3 takes no more parts.
const PARTS_MAX: u64 = 10_000;

/// A bucket, or the part of one with a prefix.
#[derive(Debug)]
pub struct Bucket {
    inner: Arc<Inner>,
}

/// What the bucket and its locks share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Arc<AmazonS3>,
    pub(crate) location: Location,
    /// Its thread does what is asked of the store. `None` while this is dropped.
    runtime: Mutex<Option<Runtime>>,
    handle: Handle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let runtime = self.runtime.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        // Without waiting, so that this may be dropped by async code.
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

impl Bucket {
    /// Prepares to use a bucket. Nothing is sent yet.
    ///
    /// # Errors
    /// [`UpkeepError::Bucket`]: the environment does not say who asks, or says it wrongly.
    pub fn new(location: &Location) -> Result<Self> {
        let failed = |error: std::io::Error| UpkeepError::Bucket {
            bucket: location.label.clone(),
            what: error.to_string(),
            cause: BucketCause::Failed,
        };
        let store = Arc::new(location.client()?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("bucket")
            .enable_all()
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let runtime = Mutex::new(Some(runtime));
        Ok(Self { inner: Arc::new(Inner { store, location: location.clone(), runtime, handle }) })
    }
}

impl Inner {
    /// Runs a future on the bucket's thread, and waits for it.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        let (send, receive) = sync_channel(1);
        self.handle.spawn(async move {
            let _ = send.send(future.await);
        });
        receive.recv().map_err(|_| self.failure(BucketCause::Failed, "its thread has ended"))
    }

    /// Lets a future run on the bucket's thread.
    pub(crate) fn spawn(
        &self,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.handle.spawn(future)
    }

    pub(crate) fn key(&self, name: &str) -> Key {
        name.split('/')
            .filter(|part| !part.is_empty())
            .fold(self.location.prefix.clone(), |key, part| key.join(part))
    }

    pub(crate) fn failed(&self, error: &Error) -> UpkeepError {
        failure::of(&self.location.label, error)
    }

    pub(crate) fn failure(&self, cause: BucketCause, what: &str) -> UpkeepError {
        UpkeepError::Bucket { bucket: self.location.label.clone(), what: what.to_owned(), cause }
    }

    fn local(&self, path: &Path, error: std::io::Error) -> UpkeepError {
        UpkeepError::Io { path: path.display().to_string(), source: error }
    }

    /// What is directly in a folder: objects and folders.
    fn listed(&self, folder: &str) -> Result<object_store::ListResult> {
        let (store, key) = (Arc::clone(&self.store), self.key(folder));
        let listed = self.wait(async move { store.list_with_delimiter(Some(&key)).await })?;
        listed.map_err(|error| self.failed(&error))
    }
}

impl Objects for Bucket {
    fn label(&self) -> &str {
        &self.inner.location.label
    }

    fn folders(&self) -> Result<Vec<String>> {
        let folders = self.inner.listed("")?.common_prefixes;
        let mut names: Vec<_> = folders.iter().filter_map(|key| Some(key.filename()?.to_owned())).collect();
        names.sort();
        Ok(names)
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let objects = self.inner.listed(folder)?.objects;
        let file = |object: &object_store::ObjectMeta| {
            Some(Listed { name: object.location.filename()?.to_owned(), bytes: object.size })
        };
        let mut files: Vec<_> = objects.iter().filter_map(file).collect();
        files.sort();
        Ok(files)
    }

    fn get(&self, name: &str, into: &mut File) -> Result<bool> {
        let inner = &self.inner;
        let (store, key) = (Arc::clone(&inner.store), inner.key(name));
        let mut into = into.try_clone().map_err(|error| inner.local(Path::new(name), error))?;
        let read = inner.wait(async move {
            let got = store.get(&key).await?;
            let bytes = got.meta.size;
            let (mut stream, mut read) = (got.into_stream(), 0);
            while let Some(part) = stream.next().await {
                let part = part?;
                read += part.len() as u64;
                into.write_all(&part).map_err(|source| generic(Box::new(source)))?;
            }
            if read == bytes {
                Ok(())
            } else {
                Err(generic(format!("{read} of {bytes} bytes of {key}").into()))
            }
        })?;
        match read {
            Ok(()) => Ok(true),
            Err(error @ Error::NotFound { .. }) => match inner.failed(&error) {
                missing @ UpkeepError::Bucket { cause: BucketCause::Missing, .. } => Err(missing),
                _ => Ok(false),
            },
            Err(error) => Err(inner.failed(&error)),
        }
    }

    fn put(&self, file: &Path, name: &str) -> Result<()> {
        let inner = &self.inner;
        let opened = File::open(file).and_then(|opened| Ok((opened.metadata()?.len(), opened)));
        let (bytes, opened) = opened.map_err(|error| inner.local(file, error))?;
        let (store, key) = (Arc::clone(&inner.store), inner.key(name));
        let put = inner.wait(async move {
            if bytes <= PART_BYTES {
                store.put(&key, part(&opened, bytes)?).await.map(drop)
            } else {
                put_in_parts(&store, &key, &opened, bytes).await
            }
        })?;
        put.map_err(|error| inner.failed(&error))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let (store, key) = (Arc::clone(&self.inner.store), self.inner.key(name));
        match self.inner.wait(async move { store.delete(&key).await })? {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.inner.failed(&error)),
        }
    }

    fn lock(&self, name: &str) -> Result<Box<dyn HeldLock>> {
        Ok(Box::new(Lock::take(&self.inner, name)?))
    }
}

/// Writes an object of which nobody sees a part.
async fn put_in_parts(store: &AmazonS3, key: &Key, file: &File, bytes: u64) -> Result<(), Error> {
    let part_bytes = PART_BYTES.max(bytes.div_ceil(PARTS_MAX));
    let mut upload = store.put_multipart(key).await?;
    let mut at = 0;
    while at < bytes {
        let length = part_bytes.min(bytes - at);
        let sent = match part(file, length) {
            Ok(part) => upload.put_part(part).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            // If this fails, the store keeps the parts until a rule of the bucket removes them.
            let _ = upload.abort().await;
            return Err(error);
        }
        at += length;
    }
    upload.complete().await.map(drop)
}

/// The next bytes of a file.
fn part(mut file: &File, bytes: u64) -> Result<PutPayload, Error> {
    let mut buffer = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
    file.read_exact(&mut buffer).map_err(|source| generic(Box::new(source)))?;
    Ok(Bytes::from(buffer).into())
}

fn generic(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Generic { store: "S3", source }
}
