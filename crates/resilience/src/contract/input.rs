//! What a decision knows about the world.

use super::Time;

/// What a decision knows about the world: the time and a random number.
///
/// ```
/// use mainstay_resilience::{Input, Time};
///
/// // A test, a simulation or a replicated state machine passes in whatever it needs.
/// let input = Input { now: Time::from_millis(5), random: 42 };
/// assert_eq!(input.now, Time::from_millis(5));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The current time.
    pub now: Time,
    /// Evenly distributed over all of `u64`, and fresh for each question. It decides jitter, which calls a
    /// ramp admits, and which host is picked.
    pub random: u64,
}

impl Input {
    /// An input at `now`, with the random number 0.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time};
    /// let now = Time::from_millis(7);
    /// assert_eq!(Input::at(now), Input { now, random: 0 });
    /// ```
    #[must_use]
    pub const fn at(now: Time) -> Self {
        Self { now, random: 0 }
    }
}
