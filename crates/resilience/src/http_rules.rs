//! What HTTP says about repeating requests, about failures, and about deadlines. Shared by the tower layers
//! and the reqwest integration.

use crate::contract::Outcome;
use crate::guard::{Attempt, CallOptions, Classification};
use crate::retry::{IdempotencyKey, Safety};
use crate::shed::Priority;
use crate::sync::clock;
use crate::timeout::Deadline;
use core::time::Duration;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const DEADLINE: HeaderName = HeaderName::from_static("x-deadline-ms");

/// The options of a request. Its method and its `Idempotency-Key` decide whether it is safe to repeat, and it
/// may carry a deadline.
pub(crate) fn options(method: &Method, headers: &HeaderMap, priority: Priority) -> CallOptions {
    let key =
        if headers.contains_key(IDEMPOTENCY_KEY) { IdempotencyKey::Present } else { IdempotencyKey::Missing };
    let left = headers.get(DEADLINE).and_then(|value| value.to_str().ok());
    let deadline = left.and_then(|left| Deadline::from_header(left, clock::now()));
    CallOptions {
        safety: Safety::of_http(method.as_str(), key),
        deadline: deadline.map(|deadline| clock::instant_of(deadline.0)),
        priority,
        ..CallOptions::default()
    }
}

/// Tells the dependency how much time is left.
pub(crate) fn pass_deadline(headers: &mut HeaderMap, attempt: Attempt) {
    let Some(deadline) = attempt.deadline else { return };
    let left = Deadline(clock::time_of(deadline)).to_header(clock::now());
    if let Ok(value) = HeaderValue::from_str(&left) {
        headers.insert(DEADLINE, value);
    }
}

/// 5xx and 429 are failures, and 429 and 503 may say when to come back. Every other response shows that the
/// service works.
pub(crate) fn classify(status: StatusCode, headers: Option<&HeaderMap>) -> Classification {
    let is_busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    if !is_busy && !status.is_server_error() {
        return Outcome::Success.into();
    }
    let seconds = headers.filter(|_| is_busy).and_then(|headers| headers.get(header::RETRY_AFTER));
    let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse::<u32>().ok());
    let retry_after = seconds.map(|seconds| Duration::from_secs(seconds.into()));
    Classification { outcome: Outcome::Failure, retry_after }
}
