//! The layer that guards a service.

use super::Rules;
use crate::contract::ConfigError;
use crate::guard::{Attempt, CallError, CallOptions, CallRejected, Classification, Guard, Policy, Running};
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};
use tower_layer::Layer;
use tower_service::Service;

/// Any error, as in tower's own layers.
///
/// ```
/// use mainstay_resilience::Reason;
/// use mainstay_resilience::guard::CallRejected;
/// use mainstay_resilience::tower::BoxError;
///
/// let rejected = CallRejected::new("billing", Reason::Shed, None);
/// let error: BoxError = rejected.into();
/// assert_eq!(error.downcast_ref::<CallRejected>().map(|rejected| rejected.reason), Some(Reason::Shed));
/// ```
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The service was called, but did not respond within this time.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::guard::Policy;
/// use mainstay_resilience::tower::{BoxError, GuardLayer, HttpRules, TimedOut};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
/// # runtime.unwrap().block_on(async {
/// let timeout = Duration::from_millis(400);
/// let policy = Policy::new().timeout(timeout);
/// let layer = GuardLayer::from_policy("billing", policy, HttpRules::default()).unwrap();
/// let hangs = service_fn(|_: http::Request<()>| {
///     std::future::pending::<Result<http::Response<()>, BoxError>>()
/// });
/// let error = layer.layer(hangs).oneshot(http::Request::new(())).await.unwrap_err();
/// assert_eq!(error.downcast_ref(), Some(&TimedOut(timeout)));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut(pub Duration);

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timed out after {} ms", self.0.as_millis())
    }
}

impl std::error::Error for TimedOut {}

/// Puts a guard in front of a service.
///
/// ```
/// use mainstay_resilience::breaker;
/// use mainstay_resilience::guard::Policy;
/// use mainstay_resilience::tower::{GuardLayer, HttpRules};
///
/// let policy = Policy::new().breaker(breaker::Config::default());
/// let layer = GuardLayer::from_policy("billing", policy, HttpRules::default()).unwrap();
/// // tower::ServiceBuilder::new().layer(layer).service(client)
/// assert_eq!(layer.guard().name(), "billing");
/// ```
#[derive(Clone, Debug)]
pub struct GuardLayer<R> {
    guard: Guard,
    rules: R,
}

impl<R> GuardLayer<R> {
    /// Creates a layer around an existing guard. All services that it creates share the guard; `rules`
    /// replace the guard's classifier.
    ///
    /// ```
    /// use mainstay_resilience::guard::{Guard, Policy};
    /// use mainstay_resilience::tower::{GuardLayer, HttpRules};
    ///
    /// // One guard for two clients of the same dependency.
    /// let guard = Guard::new("billing", Policy::default()).unwrap();
    /// let reads = GuardLayer::new(guard.clone(), HttpRules::default());
    /// let uploads = GuardLayer::new(guard, HttpRules::once());
    /// assert_eq!(reads.guard().name(), uploads.guard().name());
    /// ```
    pub fn new<C>(guard: Guard<C>, rules: R) -> Self {
        Self { guard: guard.without_classifier(), rules }
    }

    /// Creates a layer around a new guard.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::guard::Policy;
    /// use mainstay_resilience::tower::{GuardLayer, HttpRules};
    ///
    /// let policy = Policy::new().total_timeout(Duration::ZERO);
    /// let error = GuardLayer::from_policy("billing", policy, HttpRules::default()).unwrap_err();
    /// assert_eq!(error.field, "total_timeout_ms");
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field of the policy that is out of range.
    pub fn from_policy(name: &str, policy: Policy, rules: R) -> Result<Self, ConfigError> {
        Ok(Self::new(Guard::new(name, policy)?, rules))
    }

    /// The guard, to read its snapshot, replace its policy, and trip or force its breaker.
    ///
    /// ```
    /// use mainstay_resilience::guard::Policy;
    /// use mainstay_resilience::tower::{GuardLayer, HttpRules};
    /// use mainstay_resilience::breaker;
    ///
    /// let policy = Policy::new().breaker(breaker::Config::default());
    /// let layer = GuardLayer::from_policy("billing", policy, HttpRules::default()).unwrap();
    /// layer.guard().force(breaker::Forced::Open);
    /// assert_eq!(layer.guard().snapshot().breaker.unwrap().circuit, breaker::Circuit::Open);
    /// ```
    pub fn guard(&self) -> &Guard {
        &self.guard
    }
}

impl<S, R: Clone> Layer<S> for GuardLayer<R> {
    type Service = Guarded<S, R>;

    fn layer(&self, inner: S) -> Guarded<S, R> {
        Guarded { inner, guard: self.guard.clone(), rules: self.rules.clone() }
    }
}

/// A service behind a guard, created by a [`GuardLayer`]. Its clones share the guard.
///
/// ```
/// use mainstay_resilience::guard::{Policy, CallRejected};
/// use mainstay_resilience::tower::{BoxError, GuardLayer, Guarded, HttpRules};
/// use mainstay_resilience::{Reason, breaker};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let policy = Policy::new().breaker(breaker::Config::default());
/// let layer = GuardLayer::from_policy("billing", policy, HttpRules::default()).unwrap();
/// let billing: Guarded<_, _> = layer.layer(service_fn(|_: http::Request<()>| async {
///     Ok::<_, BoxError>(http::Response::new(()))
/// }));
/// billing.guard().trip();
/// let error = billing.oneshot(http::Request::new(())).await.unwrap_err();
/// assert_eq!(error.downcast_ref::<CallRejected>().unwrap().reason, Reason::BreakerOpen);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Guarded<S, R> {
    inner: S,
    guard: Guard,
    rules: R,
}

impl<S, R> Guarded<S, R> {
    /// The guard, to read its snapshot, replace its policy, and trip or force its breaker.
    ///
    /// ```
    /// use mainstay_resilience::guard::Policy;
    /// use mainstay_resilience::tower::{GuardLayer, HttpRules};
    /// use tower::Layer;
    ///
    /// let layer = GuardLayer::from_policy("billing", Policy::default(), HttpRules::default()).unwrap();
    /// let service = layer.layer("any inner service");
    /// assert_eq!(service.guard().name(), layer.guard().name());
    /// ```
    pub fn guard(&self) -> &Guard {
        &self.guard
    }
}

impl<S, R, Request> Service<Request> for Guarded<S, R>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
    S::Error: Into<BoxError>,
    R: Rules<Request, S::Response> + Clone + Send + Sync + 'static,
    Request: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The instance that was made ready is the one to call first.
        let spare = self.inner.clone();
        let ready = core::mem::replace(&mut self.inner, spare);
        let (running, rules) = (self.guard.running(), self.rules.clone());
        let options = rules.options(&request);
        // Kept only if the request may be sent again.
        let again = if running.may_repeat(&options) { rules.clone_request(&request) } else { None };
        // Two futures, because most calls can be made only once, and theirs is smaller.
        match again {
            None => Box::pin(once(running, rules, options, ready, request)),
            Some(again) => {
                let spare = ready.clone();
                let first = Some((ready, request));
                Box::pin(repeated(running, rules, options, Sender { first, spare, again }))
            }
        }
    }
}

/// A call of one attempt.
async fn once<S, R, Request>(
    running: Arc<Running>,
    rules: R,
    options: CallOptions,
    mut ready: S,
    mut request: Request,
) -> Result<S::Response, BoxError>
where
    S: Service<Request, Error: Into<BoxError>>,
    R: Rules<Request, S::Response>,
{
    let rules = &rules;
    let send = move |attempt| {
        rules.prepare(&mut request, attempt);
        let sent = ready.call(request);
        async move { sent.await.map_err(Into::into) }
    };
    let classify = |result: Result<&S::Response, &BoxError>| classify(rules, result);
    running.call_once(&options, send, &classify).await.map_err(boxed)
}

/// A call of several attempts.
async fn repeated<S, R, Request>(
    running: Arc<Running>,
    rules: R,
    options: CallOptions,
    sender: Sender<S, Request>,
) -> Result<S::Response, BoxError>
where
    S: Service<Request, Error: Into<BoxError>> + Clone,
    R: Rules<Request, S::Response>,
{
    let sender = Mutex::new(sender);
    let send = |attempt| {
        let sent = sender.lock().unwrap_or_else(PoisonError::into_inner).send(&rules, attempt);
        async move {
            match sent {
                Sent::Ready(future) => future.await.map_err(Into::into),
                Sent::Spare(mut service, request) => {
                    poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
                    service.call(request).await.map_err(Into::into)
                }
                // Only if the rules copy a request once and then no more.
                Sent::Nothing => Err("the request cannot be sent again".into()),
            }
        }
    };
    let classify = |result: Result<&S::Response, &BoxError>| classify(&rules, result);
    running.call(&options, send, &classify).await.map_err(boxed)
}

fn boxed(error: CallError<BoxError>) -> BoxError {
    match error {
        CallError::Rejected(rejected) => rejected.into(),
        CallError::TimedOut(after) => TimedOut(after).into(),
        CallError::Failed(error) => error,
    }
}

/// A rejection by an inner policy says nothing about the dependency. The rules decide about everything else.
pub(super) fn classify<R, Req, Res>(rules: &R, result: Result<&Res, &BoxError>) -> Classification
where
    R: Rules<Req, Res>,
{
    match result {
        Err(error) if find::<CallRejected>(&**error).is_some() => {
            Classification::from(crate::Outcome::Neutral)
        }
        result => rules.classify(result),
    }
}

/// The error, or the first of its sources, that has this type.
pub(super) fn find<'a, T: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + Send + Sync + 'static),
) -> Option<&'a T> {
    let mut error: Option<&'a (dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = error {
        if let Some(found) = one.downcast_ref::<T>() {
            return Some(found);
        }
        error = one.source();
    }
    None
}

/// Sends the attempts of one call.
struct Sender<S, Request> {
    /// The service that was made ready, and the request.
    first: Option<(S, Request)>,
    /// What further attempts are made from.
    spare: S,
    again: Request,
}

enum Sent<S: Service<Request>, Request> {
    Ready(S::Future),
    Spare(S, Request),
    Nothing,
}

impl<S: Service<Request> + Clone, Request> Sender<S, Request> {
    fn send(&mut self, rules: &impl Rules<Request, S::Response>, attempt: Attempt) -> Sent<S, Request> {
        if let Some((mut service, mut request)) = self.first.take() {
            rules.prepare(&mut request, attempt);
            return Sent::Ready(service.call(request));
        }
        let Some(mut request) = rules.clone_request(&self.again) else { return Sent::Nothing };
        rules.prepare(&mut request, attempt);
        Sent::Spare(self.spare.clone(), request)
    }
}
