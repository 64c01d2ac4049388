//! How a caller makes its outgoing calls. The two halves of an experiment differ here and nowhere else.

use super::SetupError;
use super::client::{Client, NoResponse};
use http::StatusCode;
use mainstay_resilience::Outcome;
use mainstay_resilience::guard::{CallOptions, Classification, Guard, Policy, Snapshot};
use std::future::Future;
use std::net::SocketAddr;

/// Which half of an experiment: without the policy that it is about, or with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Without,
    With,
}

/// Decides what a result means for the dependency.
type Classifier = fn(Result<&StatusCode, &NoResponse>) -> Classification;

/// Calls to one dependency.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    client: Client,
    to: SocketAddr,
    guard: Option<Guard<Classifier>>,
}

impl Outgoing {
    /// Calls to a dependency: direct ones on the side without the policy, guarded by it on the other.
    pub(crate) fn new(side: Side, to: SocketAddr, name: &str, policy: Policy) -> Result<Self, SetupError> {
        let guard = match side {
            Side::Without => None,
            Side::With => {
                Some(Guard::builder(name).policy(policy).classify_with(classify as Classifier).build()?)
            }
        };
        Ok(Self { guard, ..Self::direct(to) })
    }

    /// Calls without any limit, as in a program that does not expect failures.
    pub(crate) fn direct(to: SocketAddr) -> Self {
        Self { client: Client::new(), to, guard: None }
    }

    /// What the guard has counted; `None` for direct calls.
    pub(crate) fn snapshot(&self) -> Option<Snapshot> {
        self.guard.as_ref().map(Guard::snapshot)
    }

    /// Sends a GET. Returns the response's status, or `None` if there was no response or the guard made no call.
    pub(crate) async fn get(&self, path: &str, options: CallOptions) -> Option<StatusCode> {
        let Some(guard) = &self.guard else { return self.client.get(self.to, path).await.ok() };
        guard.call_with(options, |_attempt| self.client.get(self.to, path)).await.ok()
    }

    /// Sends a GET and says whether the response was a success. The future owns all that it needs.
    pub(crate) fn succeeds(
        &self,
        path: &'static str,
        options: CallOptions,
    ) -> impl Future<Output = bool> + Send + use<> {
        let outgoing = self.clone();
        async move { outgoing.get(path, options).await.is_some_and(|status| status.is_success()) }
    }
}

/// No response and a 5xx are failures of the dependency.
fn classify(result: Result<&StatusCode, &NoResponse>) -> Classification {
    let is_good = result.is_ok_and(|status| !status.is_server_error());
    Classification::from(if is_good { Outcome::Success } else { Outcome::Failure })
}

/// The response of a service that passes on its dependency's status: the same one, or 503 if there was no response.
pub(crate) fn passed_on(status: Option<StatusCode>) -> StatusCode {
    status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}
