//! How a caller makes its outgoing calls: the one place where the two halves of an experiment differ.

use super::Trouble;
use super::client::{Client, NoAnswer};
use http::StatusCode;
use mainstay_resilience::Outcome;
use mainstay_resilience::guard::{Call, Classification, Guard, Policy};
use std::net::SocketAddr;

/// Calls to one dependency.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    client: Client,
    to: SocketAddr,
    guard: Option<Guard>,
}

impl Outgoing {
    /// Calls as many programs make them: no limit of any kind.
    pub(crate) fn plain(to: SocketAddr) -> Self {
        Self { client: Client::new(), to, guard: None }
    }

    /// Calls under a policy.
    pub(crate) fn guarded(to: SocketAddr, name: &str, policy: Policy) -> Result<Self, Trouble> {
        Ok(Self { guard: Some(Guard::new(name, policy)?), ..Self::plain(to) })
    }

    pub(crate) fn guard(&self) -> Option<&Guard> {
        self.guard.as_ref()
    }

    /// The answer's status, if there was one.
    pub(crate) async fn ask(&self, path: &str, call: Call) -> Option<StatusCode> {
        let Some(guard) = &self.guard else { return self.client.get(self.to, path).await.ok() };
        guard.call(call, |_attempt| self.client.get(self.to, path), classify).await.ok()
    }
}

/// No answer, or a 5xx, is the dependency's failure.
fn classify(result: Result<&StatusCode, &NoAnswer>) -> Classification {
    let is_good = result.is_ok_and(|status| !status.is_server_error());
    Classification::from(if is_good { Outcome::Success } else { Outcome::Failure })
}

/// A caller's own answer: its dependency's, or 503 if there is none.
pub(crate) fn passed_on(status: Option<StatusCode>) -> StatusCode {
    status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}
