//! What a layer knows about the requests and responses that pass through it.

use super::BoxError;
use crate::contract::Outcome;
use crate::guard::{Attempt, CallOptions, Classification};
use crate::http_rules;
use crate::shed::Priority;
use http::{Request, Response};

/// What a layer knows about the requests and responses that pass through it.
///
/// ```
/// use mainstay_resilience::Outcome;
/// use mainstay_resilience::guard::{CallOptions, Classification};
/// use mainstay_resilience::tower::{BoxError, Rules};
///
/// /// Reads from a store by key: they may be repeated, and an empty value is not a failure.
/// #[derive(Clone)]
/// struct Reads;
///
/// impl Rules<String, Vec<u8>> for Reads {
///     fn options(&self, _: &String) -> CallOptions {
///         CallOptions::safe()
///     }
///     fn clone_request(&self, key: &String) -> Option<String> {
///         Some(key.clone())
///     }
///     fn classify(&self, result: Result<&Vec<u8>, &BoxError>) -> Classification {
///         Classification::from(if result.is_ok() { Outcome::Success } else { Outcome::Failure })
///     }
/// }
/// assert_eq!(Reads.classify(Ok(&Vec::new())).outcome, Outcome::Success);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no rules for a service that takes `{Req}` and returns `{Res}`",
    note = "`HttpRules` is for `http::Request<B>` with a body that is `Clone` and `http::Response<_>`, and for reqwest's types (feature `reqwest`)",
    note = "for a body that cannot be cloned, use `HttpRules::once()`; for other types, implement `Rules` or use `ClassifyWith`"
)]
pub trait Rules<Req, Res> {
    /// The options of a call with this request. By default, the call is not safe to repeat.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use mainstay_resilience::retry::Safety;
    /// use mainstay_resilience::tower::{HttpRules, Rules};
    ///
    /// let options = |method| {
    ///     let request = Request::builder().method(method).body(()).unwrap();
    ///     Rules::<_, Response<()>>::options(&HttpRules::default(), &request)
    /// };
    /// assert_eq!(options("GET").safety, Safety::Safe);
    /// assert_eq!(options("POST").safety, Safety::Unsafe);
    /// ```
    fn options(&self, request: &Req) -> CallOptions {
        let _ = request;
        CallOptions::default()
    }

    /// A copy of the request for another attempt, or `None` if it cannot be copied. Such a request is sent
    /// once.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use mainstay_resilience::tower::{HttpRules, Rules};
    ///
    /// let request = Request::builder().uri("/orders/17").body("order").unwrap();
    /// let again = Rules::<_, Response<()>>::clone_request(&HttpRules::default(), &request).unwrap();
    /// assert_eq!((again.uri().path(), *again.body()), ("/orders/17", "order"));
    /// // What cannot be cloned cannot be sent again.
    /// assert!(Rules::<_, Response<()>>::clone_request(&HttpRules::once(), &request).is_none());
    /// ```
    fn clone_request(&self, request: &Req) -> Option<Req>;

    /// Changes the request before each attempt, for example to pass on a deadline. By default, it changes
    /// nothing.
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
    ///     fn clone_request(&self, request: &u32) -> Option<u32> {
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

    /// Decides what a result means. Not called for a rejection by an inner policy of this crate, which is
    /// always neutral.
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

/// Classifies results with a function, for requests that can be cloned and are safe to repeat.
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
    /// Creates rules from a function that classifies results.
    ///
    /// ```
    /// use mainstay_resilience::Outcome;
    /// use mainstay_resilience::retry::Safety;
    /// use mainstay_resilience::tower::{BoxError, ClassifyWith, Rules};
    ///
    /// let rules = ClassifyWith::new(|_: Result<&(), &BoxError>| Outcome::Success);
    /// // Only for requests that may be sent twice.
    /// assert_eq!(Rules::<u32, ()>::options(&rules, &7).safety, Safety::Safe);
    /// assert_eq!(Rules::<u32, ()>::clone_request(&rules, &7), Some(7));
    /// ```
    pub fn new<Res>(classify: F) -> Self
    where
        F: Fn(Result<&Res, &BoxError>) -> Outcome,
    {
        Self(classify)
    }
}

impl<Req: Clone, Res, F: Fn(Result<&Res, &BoxError>) -> Outcome> Rules<Req, Res> for ClassifyWith<F> {
    fn options(&self, _: &Req) -> CallOptions {
        CallOptions::safe()
    }

    fn clone_request(&self, request: &Req) -> Option<Req> {
        Some(request.clone())
    }

    fn classify(&self, result: Result<&Res, &BoxError>) -> Classification {
        (self.0)(result).into()
    }
}

/// The rules of HTTP. A request is safe to repeat if its method is idempotent or if it carries an
/// `Idempotency-Key`. 5xx, 429 and connection errors are failures; 429 and 503 may say when to come back
/// (`Retry-After`, in seconds). A deadline is sent as `x-deadline-ms`, the number of milliseconds that are
/// left. A timeout covers the call up to the head of the response; the code that reads the body must limit how
/// long that takes.
///
/// Only a request whose body can be cloned can be sent again. For others, such as a streamed upload, use
/// [`once`], which does everything except retries and hedges.
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

/// [`HttpRules`] for bodies that cannot be cloned. Created by [`HttpRules::once`].
///
/// ```
/// use http::{Request, Response};
/// use mainstay_resilience::retry::Safety;
/// use mainstay_resilience::tower::{HttpOnce, HttpRules, Rules};
///
/// /// A body that can be sent once.
/// struct Upload;
///
/// let rules: HttpOnce = HttpRules::once();
/// let request = Request::builder().method("PUT").body(Upload).unwrap();
/// assert_eq!(Rules::<_, Response<()>>::options(&rules, &request).safety, Safety::Safe);
/// assert!(Rules::<_, Response<()>>::clone_request(&rules, &request).is_none());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HttpOnce(());

impl HttpRules {
    /// The same rules for bodies that cannot be cloned: nothing is sent twice.
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

impl<B: Clone, C> Rules<Request<B>, Response<C>> for HttpRules {
    fn options(&self, request: &Request<B>) -> CallOptions {
        options(request)
    }

    fn clone_request(&self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }

    fn prepare(&self, request: &mut Request<B>, attempt: Attempt) {
        http_rules::pass_deadline(request.headers_mut(), attempt);
    }

    fn classify(&self, result: Result<&Response<C>, &BoxError>) -> Classification {
        classify(result)
    }
}

impl<B, C> Rules<Request<B>, Response<C>> for HttpOnce {
    fn options(&self, request: &Request<B>) -> CallOptions {
        options(request)
    }

    fn clone_request(&self, _: &Request<B>) -> Option<Request<B>> {
        None
    }

    fn prepare(&self, request: &mut Request<B>, attempt: Attempt) {
        http_rules::pass_deadline(request.headers_mut(), attempt);
    }

    fn classify(&self, result: Result<&Response<C>, &BoxError>) -> Classification {
        classify(result)
    }
}

/// A `reqwest::Client` is a tower service. A streamed body is sent at most once.
#[cfg(feature = "reqwest")]
impl Rules<::reqwest::Request, ::reqwest::Response> for HttpRules {
    fn options(&self, request: &::reqwest::Request) -> CallOptions {
        http_rules::options(request.method(), request.headers(), Priority::default())
    }

    fn clone_request(&self, request: &::reqwest::Request) -> Option<::reqwest::Request> {
        request.try_clone()
    }

    fn prepare(&self, request: &mut ::reqwest::Request, attempt: Attempt) {
        http_rules::pass_deadline(request.headers_mut(), attempt);
    }

    fn classify(&self, result: Result<&::reqwest::Response, &BoxError>) -> Classification {
        match result {
            Ok(response) => http_rules::classify(response.status(), Some(response.headers())),
            Err(_) => Outcome::Failure.into(),
        }
    }
}

fn options<B>(request: &Request<B>) -> CallOptions {
    let priority = request.extensions().get::<Priority>().copied().unwrap_or_default();
    http_rules::options(request.method(), request.headers(), priority)
}

fn classify<C>(result: Result<&Response<C>, &BoxError>) -> Classification {
    match result {
        Ok(response) => http_rules::classify(response.status(), Some(response.headers())),
        Err(_) => Outcome::Failure.into(),
    }
}
