//! The node's certificate and its handshakes.

use crate::instrument::Counter;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Figures about TLS.
#[derive(Debug, Default)]
pub struct TlsMetrics {
    pub handshakes_failed: Counter,
    pub reloads_failed: Counter,
    expires: Mutex<Option<SystemTime>>,
}

impl TlsMetrics {
    /// A certificate came into use.
    pub fn certificate_expires(&self, at: SystemTime) {
        *self.expires.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// Seconds until the certificate expires, negative once it has. `None` without TLS.
    pub(crate) fn expires_in(&self) -> Option<f64> {
        let expires = (*self.expires.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(match expires.duration_since(SystemTime::now()) {
            Ok(left) => left.as_secs_f64(),
            Err(passed) => -passed.duration().as_secs_f64(),
        })
    }
}
