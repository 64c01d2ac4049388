//! A fallback for services: a good-enough response when there is no better one.

use super::{BoxError, TimedOut};
use crate::fallback::{Trigger, When, applies};
use crate::guard::CallRejected;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Responds with a function's result when the inner service has no response.
///
/// ```
/// use mainstay_resilience::fallback::When;
/// use mainstay_resilience::tower::{BoxError, FallbackLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let prices = service_fn(|_item: u32| async { Err::<u32, BoxError>("down".into()) });
/// let layer = FallbackLayer::new(When::AnyFailure, |_error: &BoxError| 99);
/// assert_eq!(layer.layer(prices).oneshot(7).await.unwrap(), 99);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct FallbackLayer<F> {
    when: When,
    respond: F,
}

impl<F> FallbackLayer<F> {
    /// Creates a fallback from a function, which receives the error. Where the fallback does not apply, the
    /// error is passed on.
    ///
    /// ```
    /// use mainstay_resilience::fallback::When;
    /// use mainstay_resilience::tower::{BoxError, FallbackLayer};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let prices = service_fn(|_item: u32| async { Err::<u32, BoxError>("no such item".into()) });
    /// // Only if nothing was done: an error of the service itself is passed on.
    /// let layer = FallbackLayer::new(When::Rejected, |_: &BoxError| 99);
    /// let error = layer.layer(prices).oneshot(7).await.unwrap_err();
    /// assert_eq!(error.to_string(), "no such item");
    /// # });
    /// ```
    pub fn new(when: When, respond: F) -> Self {
        Self { when, respond }
    }
}

impl<S, F: Clone> Layer<S> for FallbackLayer<F> {
    type Service = Fallback<S, F>;

    fn layer(&self, inner: S) -> Fallback<S, F> {
        Fallback { inner, when: self.when, respond: self.respond.clone() }
    }
}

/// A service with a fallback, created by a [`FallbackLayer`].
///
/// ```
/// use mainstay_resilience::Reason;
/// use mainstay_resilience::fallback::When;
/// use mainstay_resilience::guard::CallRejected;
/// use mainstay_resilience::tower::{BoxError, Fallback, FallbackLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let reject = service_fn(|(): ()| async {
///     let rejected = CallRejected::new("prices", Reason::BulkheadFull, None);
///     Err::<&str, BoxError>(rejected.into())
/// });
/// let prices: Fallback<_, _> = FallbackLayer::new(When::Rejected, |_: &BoxError| "from the cache").layer(reject);
/// assert_eq!(prices.oneshot(()).await.unwrap(), "from the cache");
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Fallback<S, F> {
    inner: S,
    when: When,
    respond: F,
}

impl<S, F, Request> Service<Request> for Fallback<S, F>
where
    S: Service<Request>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    F: Fn(&BoxError) -> S::Response + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (response, when, respond) = (self.inner.call(request), self.when, self.respond.clone());
        Box::pin(async move {
            response.await.map_err(Into::into).or_else(|error: BoxError| {
                if applies(when, trigger(&error)) { Ok(respond(&error)) } else { Err(error) }
            })
        })
    }
}

fn trigger(error: &BoxError) -> Trigger {
    if let Some(rejected) = super::service::find::<CallRejected>(&**error) {
        return Trigger::Rejected(rejected.reason);
    }
    if super::service::find::<TimedOut>(&**error).is_some() { Trigger::TimedOut } else { Trigger::Failed }
}
