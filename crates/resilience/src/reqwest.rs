//! Guarded calls with [reqwest](https://docs.rs/reqwest) (feature `reqwest`).
//!
//! [`Guard::send`] sends a request under a guard and classifies the response by its status. 5xx and 429 are
//! failures: they are retried if the request is safe to repeat, and may say when to come back
//! (`Retry-After`). A 404 comes from a service that works. Call `error_for_status` after the guard has seen
//! the response:
//!
//! ```
//! use mainstay_resilience::guard::{Guard, Policy};
//! use mainstay_resilience::reqwest::StatusClassifier;
//! use mainstay_resilience::{breaker, retry};
//! use std::time::Duration;
//!
//! async fn fetch(client: &reqwest::Client, url: &str) -> Result<String, Box<dyn std::error::Error>> {
//!     let policy = Policy::new()
//!         .timeout(Duration::from_millis(800))
//!         .retry(retry::Config::default())
//!         .breaker(breaker::Config::default());
//!     // Make the guard once, and keep it: it learns from every call.
//!     let guard = Guard::builder("prices").policy(policy).classify_with(StatusClassifier).build()?;
//!     let response = guard.send(client.get(url)).await?;
//!     Ok(response.error_for_status()?.text().await?)
//! }
//! ```
//!
//! With [`StatusClassifier`], an operation may also call `error_for_status` itself, inside
//! [`Guard::call`](crate::guard::Guard::call): the error keeps the status. It loses the headers, and with
//! them `Retry-After`.

use crate::contract::Outcome;
use crate::guard::{CallError, Classification, Classify, Guard};
use crate::http_rules;
use crate::shed::Priority;
use ::reqwest::{Error, RequestBuilder, Response};
use core::any::Any;

/// Classifies a response, or an error that stands for one, by its HTTP status.
///
/// 5xx, 429, broken connections and timeouts are failures. Any other status is a success, whether as a
/// response or as the error that `error_for_status` makes of it. An error on the caller's side (a URL that
/// cannot be used, a body that cannot be parsed) says nothing about the service.
///
/// ```
/// use mainstay_resilience::Outcome;
/// use mainstay_resilience::guard::Classify;
/// use mainstay_resilience::reqwest::StatusClassifier;
///
/// let outcome = |status: u16| {
///     let response = http::Response::builder().status(status).body("").unwrap();
///     let result = reqwest::Response::from(response).error_for_status();
///     StatusClassifier.classify(result.as_ref()).outcome
/// };
/// assert_eq!([200, 404, 429, 500].map(outcome), [
///     Outcome::Success,
///     Outcome::Success,
///     Outcome::Failure,
///     Outcome::Failure,
/// ]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusClassifier;

impl<T: 'static> Classify<T, Error> for StatusClassifier {
    fn classify(&self, result: Result<&T, &Error>) -> Classification {
        match result {
            Ok(value) => match (value as &dyn Any).downcast_ref::<Response>() {
                Some(response) => http_rules::classify(response.status(), Some(response.headers())),
                None => Outcome::Success.into(),
            },
            Err(error) => match error.status() {
                Some(status) => http_rules::classify(status, None),
                None if error.is_builder() || error.is_decode() => Outcome::Neutral.into(),
                None => Outcome::Failure.into(),
            },
        }
    }
}

impl<C: Classify<Response, Error>> Guard<C> {
    /// Sends a request under this guard.
    ///
    /// The request's method and its `Idempotency-Key` header decide whether it is safe to repeat. A streamed
    /// body is sent at most once. Each attempt carries the time that it has left in the `x-deadline-ms`
    /// header.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{CallError, Guard};
    /// # use mainstay_resilience::reqwest::StatusClassifier;
    /// # async fn example(client: reqwest::Client, guard: Guard<StatusClassifier>)
    /// # -> Result<(), CallError<reqwest::Error>> {
    /// let payment = client.post("http://billing.internal/payments").header("idempotency-key", "order-17");
    /// let response = guard.send(payment.body("{}")).await?;
    /// println!("{}", response.status());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The same errors as [`call_with`](Guard::call_with). A response is not an error, whatever its status.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, CallError<Error>> {
        let (client, request) = request.build_split();
        let request = request.map_err(CallError::Failed)?;
        let options = http_rules::options(request.method(), request.headers(), Priority::default());
        let spare = if self.may_repeat(&options) { request.try_clone() } else { None };
        let Some(spare) = spare else {
            let send = |attempt| {
                let mut request = request;
                http_rules::pass_deadline(request.headers_mut(), attempt);
                client.execute(request)
            };
            return self.call_once(options, send).await;
        };
        self.call_with(options, |attempt| {
            let request = spare.try_clone().map(|mut request| {
                http_rules::pass_deadline(request.headers_mut(), attempt);
                request
            });
            let client = &client;
            async move {
                match request {
                    Some(request) => client.execute(request).await,
                    // It was cloned before, so it can be cloned again.
                    None => client.get("").send().await,
                }
            }
        })
        .await
    }
}
