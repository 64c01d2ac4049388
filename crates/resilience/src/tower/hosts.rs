//! One service made of several hosts, which avoids the hosts that fail.

use super::{BoxError, Rules};
use crate::contract::{ConfigError, Rejected};
use crate::guard::CallRejected;
use crate::outlier;
use crate::sync::{HostPermit, OutlierDetector, now};
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;
use tower_service::Service;

/// Several hosts that do the same work. Each request goes to a random host among those that are not ejected.
/// If there is none, the error is a [`CallRejected`] with [`Reason::Outlier`](crate::Reason::Outlier). This
/// only happens if there are no hosts at all, because the last host is never ejected.
///
/// Put a guard's layer *around* it: for retries, which may then reach another host, and for a bulkhead and a
/// timeout of the whole. Do not give each host a breaker of its own. Ejection does that work, and a rejection
/// by an inner policy says nothing about the host, so a host whose breaker is open would be picked again.
///
/// ```
/// use mainstay_resilience::outlier;
/// use mainstay_resilience::tower::{BoxError, Hosts, ClassifyWith};
/// use mainstay_resilience::Outcome;
/// use tower::{ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let host = |number: u32| service_fn(move |_: ()| async move { Ok::<u32, BoxError>(number) });
/// let classify = ClassifyWith::new(|result: Result<&u32, &BoxError>| match result {
///     Ok(_) => Outcome::Success,
///     Err(_) => Outcome::Failure,
/// });
/// let hosts = Hosts::new("search", outlier::Config::default(), vec![host(1), host(2)], classify).unwrap();
/// assert!(hosts.oneshot(()).await.unwrap() > 0);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Hosts<S, R> {
    name: Arc<str>,
    services: Arc<[S]>,
    numbers: Arc<[u32]>,
    outlier: Arc<OutlierDetector>,
    rules: R,
}

impl<S, R> Hosts<S, R> {
    /// Creates a service from these hosts, which are numbered by their index.
    ///
    /// ```
    /// use mainstay_resilience::tower::{BoxError, Hosts, HttpRules};
    /// use mainstay_resilience::{Reason, guard::CallRejected, outlier};
    /// use tower::{ServiceExt, service_fn};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let host = service_fn(|_: http::Request<()>| async { Ok::<_, BoxError>(http::Response::new(())) });
    /// // A configuration may list no hosts at all.
    /// let hosts = vec![host; 0];
    /// let nobody = Hosts::new("search", outlier::Config::default(), hosts, HttpRules::default()).unwrap();
    /// let error = nobody.oneshot(http::Request::new(())).await.unwrap_err();
    /// assert_eq!(error.downcast_ref::<CallRejected>().unwrap().reason, Reason::Outlier);
    /// # });
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range.
    pub fn new(name: &str, config: outlier::Config, services: Vec<S>, rules: R) -> Result<Self, ConfigError> {
        let numbers = (0..u32::try_from(services.len()).unwrap_or(u32::MAX)).collect();
        let outlier = Arc::new(OutlierDetector::new(config)?);
        Ok(Self { name: name.into(), services: services.into(), numbers, outlier, rules })
    }

    /// The hosts, and which of them are ejected, for display and metrics.
    ///
    /// ```
    /// use mainstay_resilience::outlier;
    /// use mainstay_resilience::tower::{BoxError, Hosts, HttpRules};
    /// use tower::{ServiceExt, service_fn};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let host = service_fn(|_: http::Request<()>| async { Ok::<_, BoxError>(http::Response::new(())) });
    /// let config = outlier::Config::default();
    /// let hosts = Hosts::new("search", config, vec![host], HttpRules::default()).unwrap();
    /// hosts.clone().oneshot(http::Request::new(())).await.unwrap();
    /// let snapshot = hosts.snapshot();
    /// assert_eq!((snapshot.hosts[0].host, snapshot.hosts[0].window.calls), (0, 1));
    /// # });
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> outlier::Snapshot {
        self.outlier.snapshot()
    }
}

/// Picks a random host that may be called.
fn pick<'a, S: Clone>(
    name: &Arc<str>,
    outlier: &'a OutlierDetector,
    services: &[S],
    numbers: &[u32],
) -> Result<(S, HostPermit<'a>), BoxError> {
    let rejected = |rejected: Rejected| {
        BoxError::from(CallRejected::new(name.clone(), rejected.reason, rejected.retry_after(now())))
    };
    let permit = outlier.pick(numbers).map_err(rejected)?;
    let service = services.get(permit.host() as usize).cloned();
    service.map(|service| (service, permit)).ok_or_else(|| "the host does not exist".into())
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

    /// Always ready: the host is picked in `call`, which waits until that host is ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { name, services, numbers, outlier, rules } = self.clone();
        Box::pin(async move {
            let (mut service, permit) = pick(&name, &outlier, &services, &numbers)?;
            let made_ready = poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into);
            let result = match made_ready {
                Ok(()) => service.call(request).await.map_err(Into::into),
                Err(error) => Err(error),
            };
            permit.record(super::service::classify(&rules, result.as_ref()).outcome);
            result
        })
    }
}
