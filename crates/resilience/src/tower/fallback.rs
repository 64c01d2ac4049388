//! An answer that is good enough, when there is no better one.

use super::{BoxError, TimedOut};
use crate::fallback::{Trigger, When, applies};
use crate::guard::CallRejected;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Answers by a function where the services further in have no answer.
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
    answer: F,
}

impl<F> FallbackLayer<F> {
    /// A fallback by that function, which is given the error. Where it may not answer, the error stays.
    ///
    /// ```
    /// use mainstay_resilience::fallback::When;
    /// use mainstay_resilience::tower::{BoxError, FallbackLayer};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let prices = service_fn(|_item: u32| async { Err::<u32, BoxError>("no such item".into()) });
    /// // Only where nothing was done: an error of the service itself is passed on.
    /// let layer = FallbackLayer::new(When::Rejected, |_: &BoxError| 99);
    /// let error = layer.layer(prices).oneshot(7).await.unwrap_err();
    /// assert_eq!(error.to_string(), "no such item");
    /// # });
    /// ```
    pub fn new(when: When, answer: F) -> Self {
        Self { when, answer }
    }
}

impl<S, F: Clone> Layer<S> for FallbackLayer<F> {
    type Service = Fallback<S, F>;

    fn layer(&self, inner: S) -> Fallback<S, F> {
        Fallback { inner, when: self.when, answer: self.answer.clone() }
    }
}

/// A service with a fallback, made by a [`FallbackLayer`].
///
/// ```
/// use mainstay_resilience::Reason;
/// use mainstay_resilience::fallback::When;
/// use mainstay_resilience::guard::CallRejected;
/// use mainstay_resilience::tower::{BoxError, Fallback, FallbackLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let refuse = service_fn(|(): ()| async {
///     let rejected = CallRejected::new("prices", Reason::BulkheadFull, None);
///     Err::<&str, BoxError>(rejected.into())
/// });
/// let prices: Fallback<_, _> = FallbackLayer::new(When::Rejected, |_: &BoxError| "from the cache").layer(refuse);
/// assert_eq!(prices.oneshot(()).await.unwrap(), "from the cache");
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Fallback<S, F> {
    inner: S,
    when: When,
    answer: F,
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
        let (answered, when, answer) = (self.inner.call(request), self.when, self.answer.clone());
        Box::pin(async move {
            answered.await.map_err(Into::into).or_else(|error: BoxError| {
                if applies(when, trigger(&error)) { Ok(answer(&error)) } else { Err(error) }
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
