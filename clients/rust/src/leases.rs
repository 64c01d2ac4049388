//! Leases: leader election, locks and semaphores with fencing tokens.

use crate::client::{Client, encode};
use crate::error::{Error, Result};
use crate::transport::Call;
use crate::watch::Watch;
use http::Method;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// The fencing token of a lease. A later grant of the lease always has a greater one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct LeaseToken(pub String);

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A lease that was granted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct LeaseGrant {
    pub lease: String,
    pub holder: String,
    pub token: LeaseToken,
    /// How long the holder has the lease, as of the grant.
    pub remaining_ms: u64,
    /// How long the request waited for its turn.
    #[serde(default)]
    pub waited_ms: u64,
    /// Whether the holder had the lease already.
    #[serde(default)]
    pub replayed: bool,
    /// The moment up to which the holder may count on the lease, by this machine's monotonic clock. `None` in a grant that was
    /// read from JSON.
    #[serde(skip)]
    pub held_until: Option<Instant>,
}

/// Who holds a lease, and who waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct LeaseState {
    pub lease: String,
    /// How many may hold it at the same time; `None` when no one has used it of late.
    pub permits: Option<u64>,
    pub holders: Vec<LeaseHolder>,
    /// How many wait.
    pub waiting: u64,
    /// The first waiting holders, in order.
    pub queue: Vec<String>,
}

/// A holder of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct LeaseHolder {
    pub holder: String,
    pub token: LeaseToken,
    pub remaining_ms: u64,
}

/// A request for a lease, which is sent when it is awaited. Made by [`Client::acquire_lease`].
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is awaited"]
pub struct AcquireLease {
    client: Client,
    lease: String,
    body: Body,
}

#[derive(Clone, Debug, Serialize)]
struct Body {
    holder: String,
    ttl_ms: u64,
    #[serde(skip_serializing_if = "is_zero")]
    wait_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    permits: Option<u32>,
    #[serde(skip_serializing_if = "is_zero")]
    hold_off_ms: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Client {
    /// Asks for a lease. Nothing is sent until it is awaited.
    ///
    /// `holder` must be a name of its own for each process: a process that asks with the same name gets what that
    /// holder has.
    ///
    /// ```no_run
    /// use mainstay_client::{Client, Expected, NewEvent};
    /// use std::time::Duration;
    ///
    /// # async fn example(client: Client) -> Result<(), mainstay_client::Error> {
    /// let ttl = Duration::from_secs(30);
    /// let lease = client.acquire_lease("biller", "host-1-4711", ttl).wait(Duration::from_secs(60)).await?;
    /// client
    ///     .transaction()
    ///     .check_lease("biller", &lease.token)
    ///     .append("invoice-7", Expected::None, [NewEvent::new("invoice.sent")])
    ///     .await?;
    /// client.release_lease("biller", &lease.token).await?;
    /// # Ok(()) }
    /// ```
    pub fn acquire_lease(
        &self,
        lease: impl Into<String>,
        holder: impl Into<String>,
        ttl: Duration,
    ) -> AcquireLease {
        let body =
            Body { holder: holder.into(), ttl_ms: millis(ttl), wait_ms: 0, permits: None, hold_off_ms: 0 };
        AcquireLease { client: self.clone(), lease: lease.into(), body }
    }

    /// Restarts the time of a lease, and returns the moment up to which the holder may count on it, by this machine's
    /// monotonic clock.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_lease_lost`] when the lease is not held with this token any more. After any
    /// other error, the lease may still be held: until the moment that is known.
    pub async fn renew_lease(&self, lease: &str, token: &LeaseToken) -> Result<Instant> {
        #[derive(Deserialize)]
        struct Renewed {
            remaining_ms: u64,
        }
        let sent = Instant::now();
        let renewed: Renewed = self.call_json(&token_call(lease, "/renew", token)?).await?;
        Ok(sent + Duration::from_millis(renewed.remaining_ms))
    }

    /// Gives a lease back. The holder that has waited longest gets it at once.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_lease_lost`] when the lease is not held with this token any more, which may
    /// also be because an earlier attempt of this call has released it.
    pub async fn release_lease(&self, lease: &str, token: &LeaseToken) -> Result<()> {
        self.call(&token_call(lease, "/release", token)?).await.map(drop)
    }

    /// Reads who holds a lease.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn lease(&self, lease: &str) -> Result<LeaseState> {
        self.call_json(&Call::get(lease_path(lease, ""))).await
    }
}

impl Client {
    /// The leases that someone holds or waits for, in no particular order.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn leases(&self) -> Result<Vec<LeaseState>> {
        self.list("/v1/leases", "leases").await
    }

    /// Watches a lease: it is returned as it is, and again after each change of its holders or its queue. Changes in
    /// quick succession may be returned as one, and a renewal is not a change.
    pub fn watch_lease(&self, lease: &str) -> Watch<LeaseState> {
        Watch::new(self.clone(), lease_path(lease, ""), "lease")
    }
}

impl AcquireLease {
    /// Waits for a turn, for up to this long. Who asks first gets the lease first.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.body.wait_ms = millis(wait);
        self
    }

    /// Sets how many may hold the lease at the same time: one by default. Everyone must ask with the same number.
    pub fn permits(mut self, permits: u32) -> Self {
        self.body.permits = Some(permits);
        self
    }

    /// Gives the lease to no one for this long after it has expired, for work that cannot check tokens.
    pub fn hold_off(mut self, hold_off: Duration) -> Self {
        self.body.hold_off_ms = millis(hold_off);
        self
    }

    /// Sends the request. Awaiting it does the same.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_lease_held`] when others have the lease, also after the wait.
    pub async fn send(self) -> Result<LeaseGrant> {
        let body = serde_json::to_vec(&self.body).map_err(Error::Encode)?;
        let call = Call::new(Method::POST, lease_path(&self.lease, "/acquire"))
            .body("application/json", body)
            .wait(Duration::from_millis(self.body.wait_ms));
        let sent = Instant::now();
        let mut grant: LeaseGrant = self.client.call_json(&call).await?;
        let held_ms = grant.waited_ms.saturating_add(grant.remaining_ms);
        grant.held_until = sent.checked_add(Duration::from_millis(held_ms));
        Ok(grant)
    }
}

impl IntoFuture for AcquireLease {
    type Output = Result<LeaseGrant>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

fn token_call(lease: &str, below: &str, token: &LeaseToken) -> Result<Call> {
    #[derive(Serialize)]
    struct Body<'a> {
        token: &'a LeaseToken,
    }
    let body = serde_json::to_vec(&Body { token }).map_err(Error::Encode)?;
    Ok(Call::new(Method::POST, lease_path(lease, below)).body("application/json", body))
}

fn lease_path(lease: &str, below: &str) -> String {
    format!("/v1/leases/{}{below}", encode(lease))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
