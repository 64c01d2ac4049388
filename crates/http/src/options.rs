//! Time-outs and bounds of the HTTP side. None of them decides an outcome.

use model::limits;
use std::time::Duration;

/// How patient the server is, and how much it holds at once.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    pub connections_max: usize,
    pub subscribers_max: usize,
    /// From the first byte of a head to its last; then the connection is closed.
    pub head_time: Duration,
    /// A connection without a request is closed after this long.
    pub idle_time: Duration,
    /// A body, of which nothing more comes for this long, is answered with 408.
    pub body_wait: Duration,
    /// A whole body, or the next line of a stream of lines, comes within this time.
    pub body_time: Duration,
    /// A connection whose client takes nothing for this long is closed.
    pub write_wait: Duration,
    /// A subscriber is sent something at least this often, unless its request says otherwise.
    pub keep_alive: Duration,
    /// At a graceful stop, requests in flight have this long.
    pub stop_time: Duration,
    /// Bytes of lines of `POST /v1/events` in flight, over all connections.
    pub lines_bytes_max: usize,
    /// Bytes of bodies and answers in memory, over all connections.
    pub buffered_bytes_max: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
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
            // Half of what may wait in the node, so that lines alone never fill it.
            lines_bytes_max: limits::WAITING_BYTES_MAX / 2,
            buffered_bytes_max: 256 << 20,
        }
    }
}

impl HttpOptions {
    /// How often a connection looks at its clocks: time-outs are kept to a quarter of the shortest.
    pub(crate) fn look_every(&self) -> Duration {
        let shortest = [self.head_time, self.idle_time, self.body_wait, self.body_time, self.write_wait]
            .into_iter()
            .min()
            .unwrap_or(self.head_time);
        (shortest / 4).max(Duration::from_millis(5))
    }
}
