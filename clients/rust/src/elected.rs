//! Work that runs only while a lease is held: the elected leader.
//!
//! ```text
//!             granted                     renewed at a third of the time
//!   waiting ──────────► leading ◄───────────────────────────┐
//!                          │ ──── the work ends ─────────────┼──► released: the result
//!                          │ ──── lease_lost ────────────────┼──► the work is dropped: Lost
//!                          └──── no renewal until the margin ┴──► the work is dropped: Unknown
//! ```

use crate::client::Client;
use crate::error::{Error, Result};
use crate::id::new_id;
use crate::leases::{LeaseGrant, LeaseToken};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long one request waits for the lease.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// The pause after a request for the lease that failed although the client retried it.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs work only while a lease is held. Made by [`Client::elected`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens until the work is run"]
pub struct Elected {
    client: Client,
    lease: String,
    holder: String,
    ttl: Duration,
    abort: Abort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Abort {
    Never,
    BeforeExpiry,
}

/// What the work knows about its lease.
#[derive(Clone, Debug)]
pub struct Leader {
    lease: String,
    token: LeaseToken,
}

/// How the work has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the work may have been stopped"]
pub enum Led<T> {
    /// The work has finished while the lease was held.
    Finished(T),
    /// The node says that the lease is lost: another holder may have it. The work was dropped.
    Lost,
    /// The node could not be reached in time to renew the lease. It may be held yet, by no one else before its time is
    /// over. The work was dropped before that.
    Unknown,
}

impl Client {
    /// Runs work only while this process holds a lease, for example to be the one leader of many processes.
    ///
    /// ```no_run
    /// use mainstay_client::{Client, Expected, Led, NewEvent};
    ///
    /// # async fn example(client: Client) -> Result<(), mainstay_client::Error> {
    /// loop {
    ///     let led = client.elected("biller").run(async |leader| {
    ///         let fenced = client.transaction().check_lease(leader.lease(), leader.token());
    ///         fenced.append("invoice-7", Expected::None, [NewEvent::new("invoice.sent")]).await
    ///     });
    ///     match led.await? {
    ///         Led::Finished(committed) => return committed.map(drop),
    ///         Led::Lost | Led::Unknown => {}
    ///     }
    /// }
    /// # }
    /// ```
    pub fn elected(&self, lease: impl Into<String>) -> Elected {
        Elected {
            client: self.clone(),
            lease: lease.into(),
            holder: format!("{}-{}", std::process::id(), new_id()),
            ttl: Duration::from_secs(30),
            abort: Abort::Never,
        }
    }
}

impl Leader {
    #[must_use]
    pub fn lease(&self) -> &str {
        &self.lease
    }

    /// The fencing token, for [`crate::Transaction::check_lease`] and for other systems that compare tokens.
    #[must_use]
    pub fn token(&self) -> &LeaseToken {
        &self.token
    }
}

impl Elected {
    /// Sets the time of the lease: 30 s by default. It is renewed at a third of that.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets the holder's name. It must differ from that of every other process.
    pub fn holder(mut self, holder: impl Into<String>) -> Self {
        self.holder = holder.into();
        self
    }

    /// Aborts the process if the work is still running shortly before the lease can expire: for work that cannot be
    /// cancelled because it blocks its thread. A thread of its own watches the clock.
    pub fn abort_before_expiry(mut self) -> Self {
        self.abort = Abort::BeforeExpiry;
        self
    }

    /// Waits for the lease without end, and runs `work` while it is held. When the work has finished, the lease is
    /// released. When the lease is lost or in doubt, the work is dropped: it stops at its next `await`.
    ///
    /// The time counts from before each request was sent, by this machine's monotonic clock. A machine that is suspended
    /// as a whole is not helped by its own clock, so check the token in whatever the work writes.
    ///
    /// # Errors
    /// [`Error`] when the lease cannot be had, for a reason that waiting does not change.
    pub async fn run<T>(self, work: impl AsyncFnOnce(&Leader) -> T) -> Result<Led<T>> {
        let grant = self.acquire().await?;
        let leader = Leader { lease: self.lease.clone(), token: grant.token.clone() };
        let held_until = grant.held_until.unwrap_or_else(Instant::now);
        let watchdog = Watchdog::start(self.abort, self.stops_at(held_until, 10));
        let led = tokio::select! {
            biased;
            end = self.keep(&leader, held_until, &watchdog) => return Ok(end.led()),
            done = work(&leader) => Led::Finished(done),
        };
        drop(watchdog);
        // If this fails, the lease ends by its time.
        let _ = self.client.release_lease(&self.lease, &leader.token).await;
        Ok(led)
    }

    async fn acquire(&self) -> Result<LeaseGrant> {
        loop {
            let asked = self.client.acquire_lease(&self.lease, &self.holder, self.ttl).wait(WAIT_MAX).await;
            match asked {
                Err(error) if error.is_lease_held() => {}
                Err(error) if error.is_retryable() => tokio::time::sleep(PAUSE).await,
                grant => return grant,
            }
        }
    }

    /// Renews the lease until it is lost or in doubt.
    async fn keep(&self, leader: &Leader, mut held_until: Instant, watchdog: &Watchdog) -> End {
        let third = self.ttl / 3;
        loop {
            // A third of the time after it was renewed.
            let renew_at = held_until.checked_sub(third * 2).unwrap_or(held_until);
            let stop_at = self.stops_at(held_until, 5);
            tokio::time::sleep_until(renew_at.min(stop_at).into()).await;
            let renewed = async {
                loop {
                    match self.client.renew_lease(&self.lease, &leader.token).await {
                        Ok(until) => return Ok(until),
                        Err(error) if error.is_lease_lost() => return Err(End::Lost),
                        Err(Error::Problem(problem)) if !problem.retryable => return Err(End::Unknown),
                        Err(_) => tokio::time::sleep(PAUSE.min(third / 4)).await,
                    }
                }
            };
            match tokio::time::timeout_at(stop_at.into(), renewed).await {
                Ok(Ok(until)) => held_until = until.max(held_until),
                Ok(Err(end)) => return end,
                Err(_) => return End::Unknown,
            }
            watchdog.moved(self.stops_at(held_until, 10));
        }
    }

    /// The moment at which `1/part` of the time is left.
    fn stops_at(&self, held_until: Instant, part: u32) -> Instant {
        held_until.checked_sub(self.ttl / part).unwrap_or(held_until)
    }
}

#[derive(Clone, Copy, Debug)]
enum End {
    Lost,
    Unknown,
}

impl End {
    fn led<T>(self) -> Led<T> {
        match self {
            Self::Lost => Led::Lost,
            Self::Unknown => Led::Unknown,
        }
    }
}

/// A thread that aborts the process at a moment, unless that is put off or the watchdog is dropped.
#[derive(Debug)]
struct Watchdog(Option<mpsc::Sender<Instant>>);

impl Watchdog {
    fn start(abort: Abort, at: Instant) -> Self {
        if abort == Abort::Never {
            return Self(None);
        }
        let (moved, moves) = mpsc::channel();
        let watch = move || {
            let mut at = at;
            loop {
                match moves.recv_timeout(at.saturating_duration_since(Instant::now())) {
                    Ok(later) => at = later,
                    Err(mpsc::RecvTimeoutError::Disconnected) => return,
                    Err(mpsc::RecvTimeoutError::Timeout) => std::process::abort(),
                }
            }
        };
        match std::thread::Builder::new().name("mainstay-elected".into()).spawn(watch) {
            Ok(_) => Self(Some(moved)),
            // Without the thread, the promise cannot be kept.
            Err(_) => std::process::abort(),
        }
    }

    fn moved(&self, at: Instant) {
        if let Some(moved) = &self.0 {
            // It is there for as long as this is.
            let _ = moved.send(at);
        }
    }
}
