//! Moments in time.

use super::arithmetic::nanos;
use core::fmt;
use core::time::Duration;

/// A moment: nanoseconds since an origin that the caller chooses.
///
/// Time should only move forward: a policy treats a moment that is earlier than one it has already seen as if
/// it were the later one. Arithmetic saturates instead of wrapping; [`Time::FAR`] is 584 years after the
/// origin.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::Time;
///
/// let start = Time::from_millis(1_000);
/// let now = start + Duration::from_millis(250);
/// assert_eq!(now.since(start), Duration::from_millis(250));
/// assert_eq!(start.since(now), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Time(u64);

impl Time {
    /// The origin.
    ///
    /// ```
    /// # use mainstay_resilience::Time;
    /// assert_eq!(Time::default(), Time::ZERO);
    /// assert_eq!(Time::ZERO.as_nanos(), 0);
    /// ```
    pub const ZERO: Self = Self(0);
    /// The latest moment: "never".
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mainstay_resilience::Time;
    /// assert_eq!(Time::FAR + Duration::from_secs(1), Time::FAR);
    /// assert!(Time::FAR > Time::from_millis(u64::MAX / 1_000_000_000));
    /// ```
    pub const FAR: Self = Self(u64::MAX);

    /// The moment `nanos` nanoseconds after the origin.
    ///
    /// ```
    /// # use mainstay_resilience::Time;
    /// assert_eq!(Time::from_nanos(1_500_000).as_nanos(), 1_500_000);
    /// assert_eq!(Time::from_nanos(0), Time::ZERO);
    /// ```
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The moment `millis` milliseconds after the origin, at most [`Time::FAR`].
    ///
    /// ```
    /// # use mainstay_resilience::Time;
    /// assert_eq!(Time::from_millis(2), Time::from_nanos(2_000_000));
    /// assert_eq!(Time::from_millis(u64::MAX), Time::FAR);
    /// ```
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the origin.
    ///
    /// ```
    /// # use mainstay_resilience::Time;
    /// // A moment fits in one atomic word.
    /// let word = Time::from_millis(3).as_nanos();
    /// assert_eq!(Time::from_nanos(word), Time::from_millis(3));
    /// ```
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this moment, or zero if `earlier` is later.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mainstay_resilience::Time;
    /// let (early, late) = (Time::from_millis(10), Time::from_millis(25));
    /// assert_eq!(late.since(early), Duration::from_millis(15));
    /// assert_eq!(early.since(late), Duration::ZERO);
    /// ```
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl core::ops::Add<Duration> for Time {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::FAR {
            f.write_str("never")
        } else {
            write!(f, "{:?}", Duration::from_nanos(self.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_as_the_time_since_the_origin() {
        assert_eq!(alloc::format!("{:?} {:?}", Time::from_millis(1_500), Time::FAR), "1.5s never");
    }

    #[test]
    fn a_moment_past_the_end_of_time_is_the_end_of_time() {
        assert_eq!(Time::from_nanos(5) + Duration::MAX, Time::FAR);
    }
}
