//! One service out of several hosts, of which those that fail are left out.

use super::{BoxError, Rules};
use crate::contract::{Decision, Outcome, Reason, Rejected};
use crate::guard::{CallRejected, clock};
use crate::{outlier, sync};
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;
use tower_service::Service;

/// Several hosts that do the same work: each request goes to one of them by chance, but not to those that were
/// ejected. When none may be asked, the answer is a [`CallRejected`] by [`Reason::Outlier`]: that only happens when there is
/// no host at all, since the last ones are never ejected.
///
/// Put a guard's layer *around* it for retries, which then meet another host, and for a bulkhead and a timeout of the
/// whole. A host needs no breaker of its own: ejection is that, and a rejection from further in says nothing of the host,
/// so it would be picked again.
///
/// ```
/// use mainstay_resilience::outlier;
/// use mainstay_resilience::tower::{BoxError, Hosts, ClassifyWith};
/// use mainstay_resilience::Outcome;
/// use tower::{ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let host = |answer: u32| service_fn(move |_: ()| async move { Ok::<u32, BoxError>(answer) });
/// let classify = ClassifyWith::new(|result: Result<&u32, &BoxError>| match result {
///     Ok(_) => Outcome::Success,
///     Err(_) => Outcome::Failure,
/// });
/// let hosts = Hosts::new("search", outlier::Config::default(), vec![host(1), host(2)], classify);
/// assert!(hosts.oneshot(()).await.unwrap() > 0);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Hosts<S, R> {
    name: Arc<str>,
    services: Arc<[S]>,
    numbers: Arc<[u32]>,
    outlier: Arc<sync::Outlier>,
    rules: R,
}

impl<S, R> Hosts<S, R> {
    /// A service out of those; the hosts are known by their place, from 0.
    ///
    /// ```
    /// use mainstay_resilience::tower::{BoxError, Hosts, HttpRules};
    /// use mainstay_resilience::{Reason, guard::CallRejected, outlier};
    /// use tower::{ServiceExt, service_fn};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let host = service_fn(|_: http::Request<()>| async { Ok::<_, BoxError>(http::Response::new(())) });
    /// // None of them: somebody has said so in a configuration, perhaps.
    /// let hosts = vec![host; 0];
    /// let nobody = Hosts::new("search", outlier::Config::default(), hosts, HttpRules::default());
    /// let error = nobody.oneshot(http::Request::new(())).await.unwrap_err();
    /// assert_eq!(error.downcast_ref::<CallRejected>().unwrap().reason, Reason::Outlier);
    /// # });
    /// ```
    pub fn new(name: &str, config: outlier::Config, services: Vec<S>, rules: R) -> Self {
        let numbers = (0..u32::try_from(services.len()).unwrap_or(u32::MAX)).collect();
        let outlier = Arc::new(sync::Outlier::new(config));
        Self { name: name.into(), services: services.into(), numbers, outlier, rules }
    }

    /// The host whose turn it is.
    fn pick(&self) -> Result<(S, outlier::Ticket), BoxError>
    where
        S: Clone,
    {
        let now = clock::now();
        let picked = self.outlier.pick(clock::input_at(now), &self.numbers);
        let picked = picked.and_then(|(host, answer)| Some((self.services.get(host as usize)?, answer)));
        let retry_at = match picked {
            Some((service, Decision::Admit(ticket))) => return Ok((service.clone(), ticket)),
            Some((_, Decision::Wait { until })) => Some(until),
            Some((_, Decision::Reject(Rejected { retry_at, .. }))) => retry_at,
            None => None,
        };
        let retry_after = retry_at.map(|at| at.since(now));
        Err(CallRejected { guard: self.name.clone(), reason: Reason::Outlier, retry_after }.into())
    }

    /// Who is ejected, to look at.
    ///
    /// ```
    /// use mainstay_resilience::tower::{BoxError, Hosts, HttpRules};
    /// use mainstay_resilience::{Time, outlier};
    /// use tower::{ServiceExt, service_fn};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let host = service_fn(|_: http::Request<()>| async { Ok::<_, BoxError>(http::Response::new(())) });
    /// let hosts = Hosts::new("search", outlier::Config::default(), vec![host], HttpRules::default());
    /// hosts.clone().oneshot(http::Request::new(())).await.unwrap();
    /// let seen = hosts.outlier().snapshot(Time::ZERO);
    /// assert_eq!((seen.hosts[0].host, seen.hosts[0].window.calls), (0, 1));
    /// # });
    /// ```
    pub fn outlier(&self) -> &sync::Outlier {
        &self.outlier
    }
}

/// A host's ticket, told once, whatever ends the call.
#[derive(Debug)]
struct Asked<'a> {
    outlier: &'a sync::Outlier,
    ticket: Option<outlier::Ticket>,
}

impl Asked<'_> {
    fn tell(&mut self, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            self.outlier.tell(clock::input(), ticket, outcome);
        }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.tell(if std::thread::panicking() { Outcome::Failure } else { Outcome::Cancelled });
    }
}

impl<S, R, Request> Service<Request> for Hosts<S, R>
where
    S: Service<Request> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
    S::Error: Into<BoxError>,
    R: Rules<Request, S::Response> + Clone + Send + Sync + 'static,
    Request: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    /// Which host it will be is not known before the call: its readiness is waited for there.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let picked = self.pick();
        let (outlier, rules) = (self.outlier.clone(), self.rules.clone());
        Box::pin(async move {
            let (mut service, ticket) = picked?;
            let mut asked = Asked { outlier: &outlier, ticket: Some(ticket) };
            let made_ready = poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into);
            let answered = match made_ready {
                Ok(()) => service.call(request).await.map_err(Into::into),
                Err(error) => Err(error),
            };
            asked.tell(super::service::classify(&rules, answered.as_ref()).outcome);
            answered
        })
    }
}
