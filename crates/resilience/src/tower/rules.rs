//! What a layer must know of the requests and responses that pass.

use super::BoxError;
use crate::contract::Outcome;
use crate::guard::clock;
use crate::guard::{Attempt, Call, Verdict};
use crate::retry::{self, Safety};
use crate::shed::Priority;
use crate::timeout::Deadline;
use core::time::Duration;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};

/// What a layer must know of the requests and responses that pass.
pub trait Rules<Req, Res> {
    /// What the guard should know of this request.
    fn call(&self, request: &Req) -> Call {
        let _ = request;
        Call::default()
    }

    /// Another one like it, for another attempt, if that can be had.
    fn again(&self, request: &Req) -> Option<Req>;

    /// The last touch before it is sent: a deadline to pass on, say.
    fn prepare(&self, request: &mut Req, attempt: Attempt) {
        let _ = (request, attempt);
    }

    /// What came of it.
    fn judge(&self, result: Result<&Res, &BoxError>) -> Verdict;
}

/// A judgement by a function, for requests that can be cloned and are safe to repeat.
///
/// ```
/// use mainstay_resilience::Outcome;
/// use mainstay_resilience::tower::JudgeBy;
///
/// let rules = JudgeBy::new(|result: Result<&u32, &_>| match result {
///     Ok(0) => Outcome::Failure,
///     Ok(_) => Outcome::Success,
///     Err(_) => Outcome::Failure,
/// });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct JudgeBy<F>(F);

impl<F> JudgeBy<F> {
    /// A judgement by that function.
    pub fn new<Res>(judge: F) -> Self
    where
        F: Fn(Result<&Res, &BoxError>) -> Outcome,
    {
        Self(judge)
    }
}

impl<Req: Clone, Res, F: Fn(Result<&Res, &BoxError>) -> Outcome> Rules<Req, Res> for JudgeBy<F> {
    fn call(&self, _: &Req) -> Call {
        Call::safe()
    }

    fn again(&self, request: &Req) -> Option<Req> {
        Some(request.clone())
    }

    fn judge(&self, result: Result<&Res, &BoxError>) -> Verdict {
        (self.0)(result).into()
    }
}

/// HTTP as it is meant: a request is safe to repeat by its method or its `Idempotency-Key`; 5xx, and errors of the
/// connection, are failures; 429 and 503 are, with their `Retry-After` in seconds; the deadline travels as
/// `x-deadline-ms`, the milliseconds that are left.
///
/// Only a request whose body can be cloned can be sent again. For others (a streamed upload) use [`once`]: all but
/// retries and hedges.
///
/// [`once`]: HttpRules::once
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpRules(());

/// The same for bodies that cannot be cloned.
#[derive(Clone, Copy, Debug)]
pub struct HttpOnce(());

impl HttpRules {
    /// The same for bodies that cannot be cloned: nothing is sent twice.
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

    fn judge(&self, result: Result<&Response<C>, &BoxError>) -> Verdict {
        judge(result)
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

    fn judge(&self, result: Result<&Response<C>, &BoxError>) -> Verdict {
        judge(result)
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

fn judge<C>(result: Result<&Response<C>, &BoxError>) -> Verdict {
    let Ok(response) = result else { return Outcome::Failure.into() };
    let status = response.status();
    let is_busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    if !is_busy && !status.is_server_error() {
        return Outcome::Success.into();
    }
    let seconds = response.headers().get(header::RETRY_AFTER).filter(|_| is_busy);
    let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse::<u32>().ok());
    Verdict {
        outcome: Outcome::Failure,
        retry_after: seconds.map(|seconds| Duration::from_secs(seconds.into())),
    }
}
