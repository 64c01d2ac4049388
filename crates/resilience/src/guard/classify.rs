//! What the result of a call means.

use crate::contract::Outcome;
use core::time::Duration;

/// What the result of an attempt means: its outcome, and the pause that the dependency asked for.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::Outcome;
/// use mainstay_resilience::guard::Classification;
///
/// let busy = Classification { retry_after: Some(Duration::from_secs(2)), ..Outcome::Failure.into() };
/// assert_eq!(busy.outcome, Outcome::Failure);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classification {
    /// How the attempt ended. A failure is retried if the policy and the call's options allow it.
    pub outcome: Outcome,
    /// How long the dependency asked not to be called, as with `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl From<Outcome> for Classification {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, retry_after: None }
    }
}

/// Decides what the result of an attempt means.
///
/// Every `Fn(Result<&T, &E>) -> Outcome` is a classifier, and so is one that returns a [`Classification`].
///
/// ```
/// use mainstay_resilience::Outcome;
/// use mainstay_resilience::guard::Classify;
///
/// /// The service works: a lookup that finds nothing is a success.
/// fn lookups(result: Result<&u32, &String>) -> Outcome {
///     match result {
///         Err(error) if error == "not found" => Outcome::Success,
///         Err(_) => Outcome::Failure,
///         Ok(_) => Outcome::Success,
///     }
/// }
/// assert_eq!(lookups.classify(Err(&"not found".to_string())).outcome, Outcome::Success);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not classify results of type `Result<{T}, {E}>`",
    note = "a classifier is a `Fn(Result<&{T}, &{E}>) -> Outcome`, passed to `Guard::builder(..).classify_with(..)`",
    note = "without one, every error counts as a failure, whatever the types"
)]
pub trait Classify<T, E> {
    /// Decides what a result means.
    ///
    /// ```
    /// use mainstay_resilience::Outcome;
    /// use mainstay_resilience::guard::{Classify, ErrorsAreFailures};
    ///
    /// let result: Result<&u32, &String> = Ok(&1);
    /// assert_eq!(ErrorsAreFailures.classify(result).outcome, Outcome::Success);
    /// ```
    fn classify(&self, result: Result<&T, &E>) -> Classification;
}

impl<T, E, O, F> Classify<T, E> for F
where
    F: Fn(Result<&T, &E>) -> O,
    O: Into<Classification>,
{
    fn classify(&self, result: Result<&T, &E>) -> Classification {
        self(result).into()
    }
}

/// The default classifier: an error is a failure, everything else is a success.
///
/// ```
/// use mainstay_resilience::Outcome;
/// use mainstay_resilience::guard::{Classify, ErrorsAreFailures};
///
/// let down: Result<&u32, &str> = Err("connection refused");
/// assert_eq!(ErrorsAreFailures.classify(down.as_ref().map(|it| *it)).outcome, Outcome::Failure);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorsAreFailures;

impl<T, E> Classify<T, E> for ErrorsAreFailures {
    fn classify(&self, result: Result<&T, &E>) -> Classification {
        Classification::from(if result.is_ok() { Outcome::Success } else { Outcome::Failure })
    }
}
