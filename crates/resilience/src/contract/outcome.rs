//! How a call ended.

/// How a call ended, as its caller sees it.
///
/// The caller decides what counts as a failure. A 404, for example, is usually a success of the service.
///
/// ```
/// use mainstay_resilience::Outcome;
///
/// fn classify(status: u16) -> Outcome {
///     match status {
///         500..=599 => Outcome::Failure,
///         400 => Outcome::Neutral,
///         _ => Outcome::Success,
///     }
/// }
/// assert_eq!(classify(404), Outcome::Success, "the service works: it has no such item");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Outcome {
    /// The dependency did its work.
    Success,
    /// The dependency did its work, but took too long.
    Slow,
    /// The dependency did not do its work.
    Failure,
    /// The call says nothing about the dependency: the request was invalid, for example, or another policy
    /// rejected it.
    Neutral,
    /// The caller stopped waiting before the call ended.
    Cancelled,
}

impl Outcome {
    /// The outcome as a stable word for logs and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::Outcome;
    /// assert_eq!(Outcome::Failure.code(), "failure");
    /// ```
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Slow => "slow",
            Self::Failure => "failure",
            Self::Neutral => "neutral",
            Self::Cancelled => "cancelled",
        }
    }
}
