//! Time limits and bounds of the HTTP side. They never decide the outcome of a command.

use crate::access::identities::Identities;
use crate::export::Export;
use crate::origin::WebRules;
use crate::tls::Tls;
use api::response::check::Checks;
use api::subject::SubjectSource;
pub use model::{Allowance, Role, limits};
use std::sync::Arc;
use std::time::Duration;
use subject_keys::SubjectKeys;
use tokio::sync::watch;

/// Who may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone who can connect may do everything.
    Open,
    /// Each request needs a token, except for those that are public.
    Tokens,
}

/// Whether browsers get the page at `/ui`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebPage {
    Served,
    Absent,
}

/// How long the server waits for clients, and how much it holds at a time.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    pub access: Access,
    /// Whom a node that asks for tokens admits besides their holders. The sender may replace the rules at any time.
    pub identities: watch::Receiver<Arc<Identities>>,
    /// Failed attempts with tokens that one address may have at once. One more is possible each second.
    pub attempts_burst: u32,
    /// What all clients together may use. Its subscribers are [`Self::subscribers_max`].
    pub allowance: Allowance,
    pub connections_max: usize,
    pub subscribers_max: usize,
    /// The most time from the first byte of a request head to its last, and for the handshake of TLS together with the
    /// first bytes after it. Then the connection is closed.
    pub head_time: Duration,
    /// A connection without requests is closed after this long.
    pub idle_time: Duration,
    /// A request whose body stalls for this long receives 408.
    pub body_wait: Duration,
    /// The most time for a whole body, or for the next line of a stream of lines.
    pub body_time: Duration,
    /// A connection whose client reads nothing for this long is closed.
    pub write_wait: Duration,
    /// A subscriber is sent something at least this often, unless its request says otherwise.
    pub keep_alive: Duration,
    /// How long requests in progress may take at a graceful stop.
    pub stop_time: Duration,
    /// The most bytes of `POST /v1/events` lines in flight, over all connections.
    pub lines_bytes_max: usize,
    /// The most bytes of request and response bodies in memory, over all connections.
    pub buffered_bytes_max: usize,
    /// The hosts that requests may name, and the web pages that may send them.
    pub web: WebRules,
    pub page: WebPage,
    /// Seals events of subjects; `None` if they are stored as they are sent.
    pub subject_keys: Option<SubjectKeys>,
    /// Where a node that seals looks for the subject of an event that has none of its own.
    pub subject_sources: Vec<SubjectSource>,
    /// What the check of the data has found, as `GET /v1/check` shows it. The sender replaces it after each check.
    pub checks: watch::Receiver<Arc<Checks>>,
    /// Where spans and readings of metrics go; `None` if they go nowhere.
    pub export: Option<Export>,
    /// Connections must use TLS, with this certificate.
    pub tls: Option<Arc<Tls>>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            access: Access::Open,
            identities: watch::channel(Arc::default()).1,
            attempts_burst: limits::ATTEMPTS_BURST,
            allowance: Allowance::default(),
            connections_max: limits::CONNECTIONS_MAX,
            subscribers_max: limits::SUBSCRIBERS_MAX,
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(75),
            body_wait: Duration::from_secs(10),
            body_time: Duration::from_secs(60),
            write_wait: Duration::from_secs(30),
            // Some clients, httpx among them, give up after 5 s without a byte.
            keep_alive: Duration::from_secs(3),
            stop_time: Duration::from_secs(10),
            // Half of what the node accepts, so that lines alone never fill it.
            lines_bytes_max: limits::WAITING_BYTES_MAX / 2,
            buffered_bytes_max: 256 << 20,
            web: WebRules::default(),
            page: WebPage::Served,
            subject_keys: None,
            subject_sources: Vec::new(),
            checks: watch::channel(Arc::default()).1,
            export: None,
            tls: None,
        }
    }
}

impl HttpOptions {
    /// How often a connection checks its time limits: they are exact to a quarter of the shortest.
    pub(crate) fn check_every(&self) -> Duration {
        let shortest = [self.head_time, self.idle_time, self.body_wait, self.body_time, self.write_wait]
            .into_iter()
            .min()
            .unwrap_or(self.head_time);
        (shortest / 4).max(Duration::from_millis(5))
    }
}
