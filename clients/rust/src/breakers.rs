//! Shared circuit breakers: what all workers ask before they call something that may be down.

use crate::client::{Client, encode};
use crate::error::{Error, Result};
use crate::queue::duration;
use crate::transport::{Call, Repeat};
use crate::watch::Watch;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, Instant};

/// What a longer call is said to have taken.
const TOOK_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// When a breaker trips, how long it stays open, and how it closes. An absent member has its default. Times are a
/// number and `ms`, `s`, `m` or `h`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct BreakerSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<BreakerWindow>,
    /// Calls that the window must hold before a share of them trips it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_min: Option<u32>,
    /// The share of failed calls that trips it; 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_percent: Option<u8>,
    /// Successes that take at least this long count as slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_after: Option<String>,
    /// The share of slow calls that trips it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_percent: Option<u8>,
    /// Failures in a row that trip it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_failures: Option<u32>,
    /// Different workers that must have failed before it trips.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers_min: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers_within: Option<String>,
    /// How long the first trip keeps it open. Each further trip doubles that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_for_max: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forget_after: Option<String>,
    /// Probes that decide whether it closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<u32>,
    /// How many of them may run at once, in the whole cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes_at_once: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_success_percent: Option<u8>,
    /// A probe without an outcome for this long is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_for: Option<String>,
    /// The time after closing in which the share of admitted calls grows to all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp_from_percent: Option<u8>,
    /// Classes of failures that say nothing about what is called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
}

/// The recent calls that a breaker judges by.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerWindow {
    /// The last ones.
    Calls(u32),
    /// Those of this time, such as `10s`.
    Time(String),
}

/// The breaker of a queue's tasks: its name is `breaker`, followed by the task's key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct QueueBreaker {
    /// May be empty if there is a key.
    pub breaker: String,
    /// Which key a task has, such as `type` or `payload.host`; `None` for one breaker for all tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Only tasks of these types; all if it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
}

/// Whether calls are admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BreakerState {
    Closed,
    Open,
    HalfOpen,
}

/// How an operator holds a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BreakerForced {
    Open,
    Closed,
}

/// A breaker as it is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct BreakerInfo {
    pub breaker: String,
    pub state: BreakerState,
    /// `None`: it decides for itself.
    pub forced: Option<BreakerForced>,
    /// The share of calls that it admits: less than 100 for a while after it has closed.
    pub admitted_percent: u8,
    /// How often it has opened by itself.
    pub opened: u64,
    /// Calls in its window, and how many of them failed.
    pub calls: u64,
    pub failures: u64,
    /// How many of them were slow; 0 if the settings do not say what slow is.
    #[serde(default)]
    pub slow: u64,
    /// Probes that run.
    pub probing: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<FailedCall>,
    /// Those that have recorded outcomes last.
    pub workers: Vec<BreakerWorker>,
    pub settings: BreakerSettings,
    /// All other members: see the API's description.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

/// The last failure that counted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct FailedCall {
    pub class: String,
    pub worker: String,
    pub at: String,
}

/// The last calls of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct BreakerWorker {
    pub worker: String,
    pub calls: u32,
    pub failures: u32,
    /// It fails where others succeed.
    pub suspect: bool,
}

/// How a call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    Ok,
    /// It succeeded, in this time. The breaker's settings say after which time a call is slow.
    OkIn(Duration),
    /// With the kind of failure, which may be empty.
    Failed(String),
    /// The call says nothing about what was called.
    Ignored,
}

/// The reply to a call that asks for a permit.
#[derive(Clone, Debug)]
pub enum Decision {
    Admitted(BreakerPermit),
    Rejected(Rejected),
}

/// Why a call is not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    pub by: RejectedBy,
    /// After how long to ask again.
    pub retry_in: Duration,
}

/// What rejects a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RejectedBy {
    /// The breaker is open.
    Open,
    /// As many probes run as may.
    Probing,
    /// It has closed a while ago, and admits a share of calls.
    Ramp,
    /// An operator holds it open.
    Forced,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.by {
            RejectedBy::Open => "the breaker is open",
            RejectedBy::Probing => "a probe is under way",
            RejectedBy::Ramp => "the breaker admits only a share of calls yet",
            RejectedBy::Forced => "an operator holds the breaker open",
        };
        write!(f, "{why}: retry in {:?}", self.retry_in)
    }
}

impl StdError for Rejected {}

/// What an admitted call holds until its outcome is recorded. One that is dropped is given up: a probe after a while,
/// any other at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerPermit {
    token: String,
    is_probe: bool,
}

impl BreakerPermit {
    /// Whether the call tests if what is called has recovered.
    #[must_use]
    pub const fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// The token, to be recorded by another process.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// What has become of recorded outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Recorded {
    /// Outcomes that were counted now.
    pub recorded: u32,
    /// Outcomes that were recorded before.
    pub replayed: u32,
    /// Outcomes from before the breaker last opened or closed, or of probes that were given up.
    pub stale: u32,
    pub state: BreakerState,
}

/// The result of a guarded call that has none of its own.
#[derive(Debug)]
#[non_exhaustive]
pub enum GuardError<E> {
    /// The call was not made.
    Rejected(Rejected),
    /// The call was made, and failed.
    Call(E),
}

impl<E: fmt::Display> fmt::Display for GuardError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::Call(error) => error.fmt(f),
        }
    }
}

impl<E: StdError + 'static> StdError for GuardError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Rejected(_) => None,
            Self::Call(error) => error.source(),
        }
    }
}

/// A breaker that all workers of all systems share. Made by [`Client::breaker`].
#[derive(Clone, Debug)]
pub struct Breaker {
    client: Client,
    name: String,
    worker: String,
}

impl Client {
    /// The breaker with this name: a host, a type of report, or whatever fails together. It exists when it is first
    /// used.
    ///
    /// ```no_run
    /// use mainstay_client::{CallOutcome, Client, GuardError};
    ///
    /// # async fn send() -> Result<(), std::io::Error> { Ok(()) }
    /// # async fn example(client: Client) -> Result<(), mainstay_client::Error> {
    /// let partner = client.breaker("partner.example").worker("w-1");
    /// let sent = partner.call(send(), |error| CallOutcome::Failed(error.kind().to_string())).await;
    /// match sent {
    ///     Ok(()) => println!("sent"),
    ///     Err(GuardError::Rejected(rejected)) => println!("not sent: {rejected}"),
    ///     Err(error) => println!("failed: {error}"),
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn breaker(&self, name: impl Into<String>) -> Breaker {
        Breaker { client: self.clone(), name: name.into(), worker: String::new() }
    }

    /// The names of all breakers, in no particular order.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn breakers(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Listed {
            breaker: String,
        }
        let listed: Vec<Listed> = self.list("/v1/breakers", "breakers").await?;
        Ok(listed.into_iter().map(|listed| listed.breaker).collect())
    }
}

impl Breaker {
    /// Names the process that makes the calls, so that the breaker can tell workers apart.
    #[must_use]
    pub fn worker(mut self, worker: impl Into<String>) -> Self {
        self.worker = worker.into();
        self
    }

    /// Asks before a call.
    ///
    /// # Errors
    /// [`Error`]. A call that is not admitted is a [`Decision`], and no error.
    pub async fn permit(&self) -> Result<Decision> {
        #[derive(Deserialize)]
        struct Reply {
            token: Option<String>,
            #[serde(default)]
            probe: bool,
            reason: Option<RejectedBy>,
            retry_in: Option<String>,
        }
        let reply: Reply = self.client.call_json(&Call::new(Method::POST, self.path("/permit"))).await?;
        Ok(match reply.token {
            Some(token) => Decision::Admitted(BreakerPermit { token, is_probe: reply.probe }),
            None => Decision::Rejected(Rejected {
                by: reply.reason.unwrap_or(RejectedBy::Open),
                retry_in: reply
                    .retry_in
                    .as_deref()
                    .and_then(duration::parse)
                    .unwrap_or(Duration::from_secs(1)),
            }),
        })
    }

    /// Records the outcome of a call.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn record(&self, permit: &BreakerPermit, outcome: CallOutcome) -> Result<Recorded> {
        self.record_all([(permit, outcome)]).await
    }

    /// Records the outcomes of several calls, at most 1,000. One sync covers them all.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn record_all<'a>(
        &self,
        outcomes: impl IntoIterator<Item = (&'a BreakerPermit, CallOutcome)>,
    ) -> Result<Recorded> {
        #[derive(Serialize)]
        struct Record<'a> {
            token: &'a str,
            outcome: &'static str,
            #[serde(skip_serializing_if = "String::is_empty")]
            class: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            took: Option<String>,
            #[serde(skip_serializing_if = "str::is_empty")]
            worker: &'a str,
        }
        #[derive(Serialize)]
        struct Body<'a> {
            records: Vec<Record<'a>>,
        }
        let record = |(permit, outcome): (&'a BreakerPermit, CallOutcome)| {
            let took = match outcome {
                CallOutcome::OkIn(took) => Some(format!("{}ms", took.min(TOOK_MAX).as_millis())),
                _ => None,
            };
            let (outcome, class) = match outcome {
                CallOutcome::Ok | CallOutcome::OkIn(_) => ("ok", String::new()),
                CallOutcome::Failed(class) => ("failed", class),
                CallOutcome::Ignored => ("ignored", String::new()),
            };
            Record { token: &permit.token, outcome, class, took, worker: &self.worker }
        };
        let body = Body { records: outcomes.into_iter().map(record).collect() };
        let body = serde_json::to_vec(&body).map_err(Error::Encode)?;
        let call = Call::new(Method::POST, self.path("/record")).body("application/json", body);
        self.client.call_json(&call).await
    }

    /// Makes a call if the breaker admits it, and records its outcome, with the time of a success: an error is a
    /// failure unless `judge` says otherwise. If the breaker itself cannot be reached, the call is still made, and
    /// not recorded: a breaker protects, and must not become one more thing that fails.
    ///
    /// # Errors
    /// [`GuardError`]
    pub async fn call<T, E>(
        &self,
        call: impl Future<Output = std::result::Result<T, E>>,
        judge: impl FnOnce(&E) -> CallOutcome,
    ) -> std::result::Result<T, GuardError<E>> {
        let permit = match self.permit().await {
            Ok(Decision::Admitted(permit)) => Some(permit),
            Ok(Decision::Rejected(rejected)) => return Err(GuardError::Rejected(rejected)),
            Err(_) => None,
        };
        let began = Instant::now();
        let result = call.await;
        if let Some(permit) = permit {
            let outcome = result.as_ref().map_or_else(judge, |_| CallOutcome::OkIn(began.elapsed()));
            // What cannot be recorded is lost. The result of the call matters more.
            drop(self.record(&permit, outcome).await);
        }
        result.map_err(GuardError::Call)
    }

    /// The breaker as it is.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn info(&self) -> Result<BreakerInfo> {
        self.client.call_json(&Call::get(self.path(""))).await
    }

    /// Watches the breaker: it is returned as it is, and again after each change of its state or its settings.
    pub fn watch(&self) -> Watch<BreakerInfo> {
        Watch::new(self.client.clone(), self.path(""), "breaker")
    }

    /// Replaces its settings.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn set(&self, settings: &BreakerSettings) -> Result<()> {
        let body = serde_json::to_vec(settings).map_err(Error::Encode)?;
        let call = Call::new(Method::PUT, self.path("")).body("application/json", body);
        self.client.call(&call).await.map(drop)
    }

    /// Holds it open or closed; `None` lets it decide for itself again.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn force(&self, forced: Option<BreakerForced>) -> Result<()> {
        let below = match forced {
            Some(BreakerForced::Open) => "/open",
            Some(BreakerForced::Closed) => "/close",
            None => "/auto",
        };
        self.client.call(&Call::new(Method::POST, self.path(below))).await.map(drop)
    }

    /// Removes its settings, and all that it remembers.
    ///
    /// # Errors
    /// [`Error`], with the code `breaker_not_found` when it was never used.
    pub async fn delete(&self) -> Result<()> {
        let call = Call::new(Method::DELETE, self.path(""));
        self.client.call(&call.repeat(Repeat::IfUnchanged)).await.map(drop)
    }

    fn path(&self, below: &str) -> String {
        format!("/v1/breakers/{}{below}", encode(&self.name))
    }
}
