//! What a layer must know of the requests and responses that pass.

use super::BoxError;
use crate::contract::Outcome;
use crate::guard::clock;
use crate::guard::{Attempt, Call, Classification};
use crate::retry::{self, Safety};
use crate::shed::Priority;
use crate::timeout::Deadline;
use core::time::Duration;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};

/// What a layer must know of the requests and responses that pass.
///
/// ```
/// use mainstay_resilience::Outcome;
/// use mainstay_resilience::guard::{Call, Classification};
/// use mainstay_resilience::tower::{BoxError, Rules};
///
/// /// Reads of a store by key: they may be repeated, and an empty value is no failure.
/// #[derive(Clone)]
/// struct Reads;
///
/// impl Rules<String, Vec<u8>> for Reads {
///     fn call(&self, _: &String) -> Call {
///         Call::safe()
///     }
///     fn again(&self, key: &String) -> Option<String> {
///         Some(key.clone())
///     }
///     fn classify(&self, result: Result<&Vec<u8>, &BoxError>) -> Classification {
///         Classification::from(if result.is_ok() { Outcome::Success } else { Outcome::Failure })
///     }
/// }
/// assert_eq!(Reads.classify(Ok(&Vec::new())).outcome, Outcome::Success);
/// ```
pub trait Rules<Req, Res> {
    /// What the guard should know of this request. Unless said otherwise: that it is not safe to repeat.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use mainstay_resilience::retry::Safety;
    /// use mainstay_resilience::tower::{HttpRules, Rules};
    ///
    /// let call = |method| {
    ///     let request = Request::builder().method(method).body(()).unwrap();
    ///     Rules::<_, Response<()>>::call(&HttpRules::default(), &request)
    /// };
    /// assert_eq!(call("GET").safety, Safety::Safe);
    /// assert_eq!(call("POST").safety, Safety::Unsafe);
    /// ```
    fn call(&self, request: &Req) -> Call {
        let _ = request;
        Call::default()
    }

    /// Another one like it, for another attempt, if that can be had.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use mainstay_resilience::tower::{HttpRules, Rules};
    ///
    /// let request = Request::builder().uri("/orders/17").body("order").unwrap();
    /// let again = Rules::<_, Response<()>>::again(&HttpRules::default(), &request).unwrap();
    /// assert_eq!((again.uri().path(), *again.body()), ("/orders/17", "order"));
    /// // What cannot be cloned cannot be sent again.
    /// assert!(Rules::<_, Response<()>>::again(&HttpRules::once(), &request).is_none());
    /// ```
    fn again(&self, request: &Req) -> Option<Req>;

    /// The last touch before it is sent, in each attempt: a deadline to pass on, say. Unless said otherwise: none.
    ///
    /// ```
    /// use mainstay_resilience::Outcome;
    /// use mainstay_resilience::guard::{Attempt, Policy, Classification};
    /// use mainstay_resilience::tower::{BoxError, GuardLayer, Rules};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// /// Requests that carry the number of their attempt.
    /// #[derive(Clone)]
    /// struct Numbered;
    ///
    /// impl Rules<u32, u32> for Numbered {
    ///     fn again(&self, request: &u32) -> Option<u32> {
    ///         Some(*request)
    ///     }
    ///     fn prepare(&self, request: &mut u32, attempt: Attempt) {
    ///         *request = attempt.number;
    ///     }
    ///     fn classify(&self, _: Result<&u32, &BoxError>) -> Classification {
    ///         Outcome::Success.into()
    ///     }
    /// }
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let echo = service_fn(|request: u32| async move { Ok::<u32, BoxError>(request) });
    /// let layer = GuardLayer::from_policy("echo", Policy::default(), Numbered).unwrap();
    /// assert_eq!(layer.layer(echo).oneshot(0).await.unwrap(), 1);
    /// # });
    /// ```
    fn prepare(&self, request: &mut Req, attempt: Attempt) {
        let _ = (request, attempt);
    }

    /// What came of it. Not asked of a rejection by a policy of this crate further in: that one is neutral.
    ///
    /// ```
    /// use core::time::Duration;
    /// use http::{Request, Response};
    /// use mainstay_resilience::Outcome;
    /// use mainstay_resilience::tower::{HttpRules, Rules};
    ///
    /// let busy = Response::builder().status(503).header("retry-after", "3").body(()).unwrap();
    /// let classification = Rules::<Request<()>, _>::classify(&HttpRules::default(), Ok(&busy));
    /// assert_eq!(classification.outcome, Outcome::Failure);
    /// assert_eq!(classification.retry_after, Some(Duration::from_secs(3)));
    /// ```
    fn classify(&self, result: Result<&Res, &BoxError>) -> Classification;
}

/// A judgement by a function, for requests that can be cloned and are safe to repeat.
///
/// ```
/// use mainstay_resilience::Outcome;
/// use mainstay_resilience::tower::{ClassifyWith, Rules};
///
/// let rules = ClassifyWith::new(|result: Result<&u32, &_>| match result {
///     Ok(0) => Outcome::Failure,
///     Ok(_) => Outcome::Success,
///     Err(_) => Outcome::Failure,
/// });
/// assert_eq!(Rules::<u32, u32>::classify(&rules, Ok(&0)).outcome, Outcome::Failure);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ClassifyWith<F>(F);

impl<F> ClassifyWith<F> {
    /// A judgement by that function.
    ///
    /// ```
    /// use mainstay_resilience::Outcome;
    /// use mainstay_resilience::retry::Safety;
    /// use mainstay_resilience::tower::{BoxError, ClassifyWith, Rules};
    ///
    /// let rules = ClassifyWith::new(|_: Result<&(), &BoxError>| Outcome::Success);
    /// // Made for requests that may be sent twice.
    /// assert_eq!(Rules::<u32, ()>::call(&rules, &7).safety, Safety::Safe);
    /// assert_eq!(Rules::<u32, ()>::again(&rules, &7), Some(7));
    /// ```
    pub fn new<Res>(classify: F) -> Self
    where
        F: Fn(Result<&Res, &BoxError>) -> Outcome,
    {
        Self(classify)
    }
}

impl<Req: Clone, Res, F: Fn(Result<&Res, &BoxError>) -> Outcome> Rules<Req, Res> for ClassifyWith<F> {
    fn call(&self, _: &Req) -> Call {
        Call::safe()
    }

    fn again(&self, request: &Req) -> Option<Req> {
        Some(request.clone())
    }

    fn classify(&self, result: Result<&Res, &BoxError>) -> Classification {
        (self.0)(result).into()
    }
}

/// HTTP as it is meant: a request is safe to repeat by its method or its `Idempotency-Key`; 5xx, and errors of the
/// connection, are failures; 429 and 503 are, with their `Retry-After` in seconds; the deadline travels as
/// `x-deadline-ms`, the milliseconds that are left. A time-out ends with the response's head: a body that trickles is the
/// reader's to bound.
///
/// Only a request whose body can be cloned can be sent again. For others (a streamed upload) use [`once`]: all but
/// retries and hedges.
///
/// [`once`]: HttpRules::once
///
/// ```
/// use http::{Request, Response};
/// use mainstay_resilience::Outcome;
/// use mainstay_resilience::tower::{HttpRules, Rules};
///
/// let classify = |status: u16| {
///     let response = Response::builder().status(status).body(()).unwrap();
///     Rules::<Request<()>, _>::classify(&HttpRules::default(), Ok(&response)).outcome
/// };
/// assert_eq!([200, 404, 429, 500].map(classify), [
///     Outcome::Success,
///     Outcome::Success,
///     Outcome::Failure,
///     Outcome::Failure,
/// ]);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpRules(());

/// The same as [`HttpRules`] for bodies that cannot be cloned. Made by [`HttpRules::once`].
///
/// ```
/// use http::{Request, Response};
/// use mainstay_resilience::retry::Safety;
/// use mainstay_resilience::tower::{HttpOnce, HttpRules, Rules};
///
/// /// A body that is gone once it is sent.
/// struct Upload;
///
/// let rules: HttpOnce = HttpRules::once();
/// let request = Request::builder().method("PUT").body(Upload).unwrap();
/// assert_eq!(Rules::<_, Response<()>>::call(&rules, &request).safety, Safety::Safe);
/// assert!(Rules::<_, Response<()>>::again(&rules, &request).is_none());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HttpOnce(());

impl HttpRules {
    /// The same for bodies that cannot be cloned: nothing is sent twice.
    ///
    /// ```
    /// use mainstay_resilience::guard::Policy;
    /// use mainstay_resilience::tower::{GuardLayer, HttpRules};
    ///
    /// let layer = GuardLayer::from_policy("uploads", Policy::default(), HttpRules::once());
    /// assert_eq!(layer.unwrap().guard().name(), "uploads");
    /// ```
    #[must_use]
    pub fn once() -> HttpOnce {
        HttpOnce(())
    }
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const DEADLINE: HeaderName = HeaderName::from_static("x-deadline-ms");

impl<B: Clone, C> Rules<Request<B>, Response<C>> for HttpRules {
    fn call(&self, request: &Request<B>) -> Call {
        call(request)
    }

    fn again(&self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }

    fn prepare(&self, request: &mut Request<B>, attempt: Attempt) {
        pass_on(request.headers_mut(), attempt);
    }

    fn classify(&self, result: Result<&Response<C>, &BoxError>) -> Classification {
        classify(result)
    }
}

impl<B, C> Rules<Request<B>, Response<C>> for HttpOnce {
    fn call(&self, request: &Request<B>) -> Call {
        call(request)
    }

    fn again(&self, _: &Request<B>) -> Option<Request<B>> {
        None
    }

    fn prepare(&self, request: &mut Request<B>, attempt: Attempt) {
        pass_on(request.headers_mut(), attempt);
    }

    fn classify(&self, result: Result<&Response<C>, &BoxError>) -> Classification {
        classify(result)
    }
}

fn call<B>(request: &Request<B>) -> Call {
    let key = if request.headers().contains_key(IDEMPOTENCY_KEY) {
        retry::IdempotencyKey::Present
    } else {
        retry::IdempotencyKey::Missing
    };
    let now = clock::now();
    let left = request.headers().get(DEADLINE).and_then(|value| value.to_str().ok());
    let deadline = left.and_then(|left| Deadline::from_header(left, now));
    Call {
        safety: Safety::of_http(request.method().as_str(), key),
        deadline: deadline.map(|deadline| clock::instant_of(deadline.0)),
        priority: request.extensions().get::<Priority>().copied().unwrap_or_default(),
        ..Call::default()
    }
}

/// What is left travels with the request.
fn pass_on(headers: &mut HeaderMap, attempt: Attempt) {
    let Some(deadline) = attempt.deadline else { return };
    let left = Deadline(clock::time_of(deadline)).to_header(clock::now());
    if let Ok(value) = HeaderValue::from_str(&left) {
        headers.insert(DEADLINE, value);
    }
}

fn classify<C>(result: Result<&Response<C>, &BoxError>) -> Classification {
    let Ok(response) = result else { return Outcome::Failure.into() };
    let status = response.status();
    let is_busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    if !is_busy && !status.is_server_error() {
        return Outcome::Success.into();
    }
    let seconds = response.headers().get(header::RETRY_AFTER).filter(|_| is_busy);
    let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse::<u32>().ok());
    Classification {
        outcome: Outcome::Failure,
        retry_after: seconds.map(|seconds| Duration::from_secs(seconds.into())),
    }
}
