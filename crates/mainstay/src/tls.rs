//! The files of TLS: the node's certificate and key, and the authorities of clients.
//!
//! The files are read again on SIGHUP and when they change, which a look every 10 seconds notices. If the new files are not
//! usable, the node keeps the certificate that it has, says why in the log, and counts it.

use crate::watched::{LOOK_EVERY, ReadError, Versions, read};
use http_server::{Certificate, Pem, Tls, TlsError};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use telemetry::Metrics;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How long before its end the log begins to warn about a certificate, and how often it does.
const WARN_BEFORE: Duration = Duration::from_secs(14 * 86_400);
const WARN_EVERY: Duration = Duration::from_secs(86_400);

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_authorities: Option<PathBuf>,
}

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Unread(#[from] ReadError),
    #[error("cannot use {} with {}: {source}", certificate.display(), key.display())]
    Unusable { certificate: PathBuf, key: PathBuf, source: TlsError },
    #[error("{} has expired, and the certificate in use has not", path.display())]
    Expired { path: PathBuf },
}

impl Files {
    /// Reads and checks the files.
    pub(crate) fn load(&self) -> Result<Certificate, LoadError> {
        let certificates = read(&self.certificate)?;
        let key = read(&self.key)?;
        let client_authorities = self.client_authorities.as_deref().map(read).transpose()?;
        let pem =
            Pem { certificates: &certificates, key: &key, client_authorities: client_authorities.as_deref() };
        Certificate::from_pem(&pem).map_err(|source| LoadError::Unusable {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })
    }

    fn versions(&self) -> Versions {
        let paths = [Some(&self.certificate), Some(&self.key), self.client_authorities.as_ref()];
        Versions::of(paths.into_iter().flatten())
    }
}

/// Keeps the certificate in use that of the files.
#[derive(Debug)]
pub(crate) struct Keeper {
    files: Files,
    tls: Arc<Tls>,
    metrics: Arc<Metrics>,
    hangup: Signal,
    look: Interval,
    /// What was read last, whether it was usable or not.
    read: Versions,
    warned: Option<SystemTime>,
}

impl Keeper {
    /// Reads the files for the first time.
    pub(crate) fn begin(files: &Files, metrics: &Arc<Metrics>) -> Result<Self, LoadError> {
        // Before the files are read: what changes meanwhile is read again.
        let read = files.versions();
        let certificate = files.load()?;
        metrics.tls.certificate_expires(certificate.expires());
        let hangup = signal(SignalKind::hangup())
            .map_err(|source| ReadError::Unreadable { path: files.certificate.clone(), source })?;
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let tls = Arc::new(Tls::new(certificate));
        let metrics = Arc::clone(metrics);
        Ok(Self { files: files.clone(), tls, metrics, hangup, look, read, warned: None })
    }

    /// The certificate in use.
    pub(crate) fn tls(&self) -> Arc<Tls> {
        Arc::clone(&self.tls)
    }

    /// Does not end.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                received = self.hangup.recv() => {
                    if received.is_some() {
                        self.reload();
                    }
                }
                _ = self.look.tick() => {
                    if self.files.versions() != self.read {
                        self.reload();
                    }
                }
            }
            self.warn_before_the_end(SystemTime::now());
        }
    }

    fn reload(&mut self) {
        self.read = self.files.versions();
        match self.load_better(SystemTime::now()) {
            Ok(certificate) => {
                self.metrics.tls.certificate_expires(certificate.expires());
                self.tls.replace(certificate);
                self.warned = None;
                tracing::info!("new connections use the certificate as it is on disk now");
            }
            Err(error) => {
                self.metrics.tls.reloads_failed.inc();
                tracing::error!(%error, "the certificate could not be read again: the node keeps the one that it has");
            }
        }
    }

    /// A certificate that has expired does not replace one that has not.
    fn load_better(&self, now: SystemTime) -> Result<Certificate, LoadError> {
        let certificate = self.files.load()?;
        if certificate.expires() <= now && self.tls.expires() > now {
            return Err(LoadError::Expired { path: self.files.certificate.clone() });
        }
        Ok(certificate)
    }

    fn warn_before_the_end(&mut self, now: SystemTime) {
        let left = self.tls.expires().duration_since(now).unwrap_or_default();
        let recent =
            self.warned.is_some_and(|at| now.duration_since(at).is_ok_and(|since| since < WARN_EVERY));
        if left > WARN_BEFORE || recent {
            return;
        }
        self.warned = Some(now);
        let days = left.as_secs() / 86_400;
        let file = self.files.certificate.display();
        if left.is_zero() {
            tracing::error!(%file, "the certificate has expired: clients refuse to connect; replace the file");
        } else {
            tracing::warn!(%file, days, "the certificate expires soon: replace the file");
        }
    }
}
