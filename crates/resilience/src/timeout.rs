//! Timeouts and deadlines, as plain functions.
//!
//! A *timeout* is how long one attempt may take. A *deadline* is the moment by which a result is needed. It
//! is set once, where a request enters the system, and passed on to dependencies, so that they stop when it
//! has passed instead of working on a result that nobody reads. Clocks differ between machines, so a request
//! carries the time *left*, not the moment.
//!
//! ```
//! use core::time::Duration;
//! use mainstay_resilience::Time;
//! use mainstay_resilience::timeout::{Deadline, limit};
//!
//! // The request arrived with two seconds left. After 1.7 s, an attempt may take the remaining 0.3 s.
//! let deadline = Deadline::after(Time::ZERO, Duration::from_secs(2));
//! let timeout = Some(Duration::from_millis(400));
//! let now = Time::from_millis(1_700);
//! assert_eq!(limit(now, timeout, Some(deadline)), Some(Duration::from_millis(300)));
//! assert_eq!(deadline.to_header(now), "300");
//! ```

use crate::contract::{Time, nanos};
use alloc::string::{String, ToString};
use core::time::Duration;

/// The moment by which a result is needed.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::Time;
/// use mainstay_resilience::timeout::Deadline;
///
/// let received = Time::from_millis(1_000);
/// let deadline = Deadline::from_header("250", received).unwrap();
/// assert_eq!(deadline.left(Time::from_millis(1_100)), Some(Duration::from_millis(150)));
/// assert_eq!(deadline.left(Time::from_millis(1_250)), None);
/// assert_eq!(deadline.to_header(Time::from_millis(1_100)), "150");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Deadline(pub Time);

/// The longest time that a header can ask for: a day.
const HEADER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

impl Deadline {
    /// The deadline that is `span` after `now`.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::Time;
    /// use mainstay_resilience::timeout::Deadline;
    ///
    /// let deadline = Deadline::after(Time::from_millis(10), Duration::from_millis(5));
    /// assert_eq!(deadline, Deadline(Time::from_millis(15)));
    /// ```
    #[must_use]
    pub fn after(now: Time, span: Duration) -> Self {
        Self(now + span)
    }

    /// The time left at `now`, or `None` once the deadline has passed.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::Time;
    /// use mainstay_resilience::timeout::Deadline;
    ///
    /// let deadline = Deadline(Time::from_millis(15));
    /// assert_eq!(deadline.left(Time::from_millis(14)), Some(Duration::from_millis(1)));
    /// assert_eq!(deadline.left(Time::from_millis(15)), None);
    /// ```
    #[must_use]
    pub fn left(self, now: Time) -> Option<Duration> {
        let left = self.0.since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Returns the earlier of two deadlines. A part of a call may have an earlier deadline than the whole
    /// call, never a later one.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::Time;
    /// use mainstay_resilience::timeout::Deadline;
    ///
    /// let (now, whole) = (Time::ZERO, Deadline(Time::from_millis(100)));
    /// let part = |millis| Deadline::after(now, Duration::from_millis(millis)).or_earlier(Some(whole));
    /// assert_eq!(part(30), Deadline(Time::from_millis(30)));
    /// assert_eq!(part(300), whole);
    /// ```
    #[must_use]
    pub fn or_earlier(self, other: Option<Self>) -> Self {
        other.map_or(self, |other| self.min(other))
    }

    /// The time left in whole milliseconds, rounded down; `"0"` once the deadline has passed.
    ///
    /// ```
    /// use mainstay_resilience::Time;
    /// use mainstay_resilience::timeout::Deadline;
    ///
    /// let deadline = Deadline(Time::from_millis(15));
    /// assert_eq!(deadline.to_header(Time::from_nanos(4_500_000)), "10");
    /// assert_eq!(deadline.to_header(Time::from_millis(20)), "0");
    /// ```
    #[must_use]
    pub fn to_header(self, now: Time) -> String {
        self.0.since(now).as_millis().to_string()
    }

    /// Parses the time left from a header: whole milliseconds, digits only. More than a day counts as a day.
    /// Returns `None` for any other text.
    ///
    /// ```
    /// use mainstay_resilience::Time;
    /// use mainstay_resilience::timeout::Deadline;
    ///
    /// let now = Time::from_millis(5);
    /// assert_eq!(Deadline::from_header("10", now), Some(Deadline(Time::from_millis(15))));
    /// assert_eq!(Deadline::from_header("10ms", now), None);
    /// ```
    #[must_use]
    pub fn from_header(text: &str, now: Time) -> Option<Self> {
        let millis = digits(text, 19)?;
        Some(Self(now + Duration::from_millis(millis).min(HEADER_MAX)))
    }

    /// The time left as a `grpc-timeout` header: at most eight digits and a unit, rounded down.
    ///
    /// ```
    /// use mainstay_resilience::Time;
    /// use mainstay_resilience::timeout::Deadline;
    ///
    /// let now = Time::ZERO;
    /// assert_eq!(Deadline::from_grpc("250m", now).unwrap().to_grpc(now), "250000u");
    /// assert_eq!(Deadline::from_grpc("250", now), None);
    /// ```
    #[must_use]
    pub fn to_grpc(self, now: Time) -> String {
        const DIGITS: u64 = 99_999_999;
        let left = nanos(self.0.since(now));
        let units = [(1, 'n'), (1_000, 'u'), (1_000_000, 'm'), (1_000_000_000, 'S')];
        let fits = units.into_iter().find(|(size, _)| left / size <= DIGITS && (*size > 1 || left < 1_000));
        let (size, unit) = fits.unwrap_or((1_000_000_000, 'S'));
        alloc::format!("{}{unit}", (left / size).min(DIGITS))
    }

    /// Parses a `grpc-timeout` header: one to eight digits followed by one of `H M S m u n`. More than a day
    /// counts as a day. Returns `None` for any other text.
    ///
    /// ```
    /// use mainstay_resilience::Time;
    /// use mainstay_resilience::timeout::Deadline;
    ///
    /// assert_eq!(Deadline::from_grpc("2S", Time::ZERO), Some(Deadline(Time::from_millis(2_000))));
    /// assert_eq!(Deadline::from_grpc("2s", Time::ZERO), None);
    /// ```
    #[must_use]
    pub fn from_grpc(text: &str, now: Time) -> Option<Self> {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let number = digits(number, 8)?;
        let span = match unit {
            "H" => Duration::from_secs(number * 3_600),
            "M" => Duration::from_secs(number * 60),
            "S" => Duration::from_secs(number),
            "m" => Duration::from_millis(number),
            "u" => Duration::from_micros(number),
            "n" => Duration::from_nanos(number),
            _ => return None,
        };
        Some(Self(now + span.min(HEADER_MAX)))
    }
}

/// Parses a number of at most `most` digits. Anything but digits is `None`.
fn digits(text: &str, most: usize) -> Option<u64> {
    let are_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits || text.len() > most { None } else { text.parse().ok() }
}

/// How long an attempt that starts at `now` may take: its timeout or the time left until the deadline,
/// whichever is shorter. Returns `None` when the deadline has passed, in which case the attempt should not
/// start.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::Time;
/// use mainstay_resilience::timeout::{Deadline, limit};
///
/// let (now, second) = (Time::from_millis(500), Duration::from_secs(1));
/// let deadline = |millis| Some(Deadline(Time::from_millis(millis)));
/// assert_eq!(limit(now, Some(second), None), Some(second));
/// assert_eq!(limit(now, Some(second), deadline(800)), Some(Duration::from_millis(300)));
/// assert_eq!(limit(now, Some(second), deadline(500)), None);
/// ```
#[must_use]
pub fn limit(now: Time, timeout: Option<Duration>, deadline: Option<Deadline>) -> Option<Duration> {
    let timeout = timeout.unwrap_or(Duration::MAX);
    match deadline {
        Some(deadline) => deadline.left(now).map(|_| ends(now, Some(timeout), deadline.0).since(now)),
        None => Some(timeout),
    }
}

/// The moment at which an attempt that begins at `begun` is cut short: [`Time::FAR`] without a timeout or a
/// deadline.
pub(crate) fn ends(begun: Time, timeout: Option<Duration>, deadline: Time) -> Time {
    timeout.map_or(deadline, |timeout| deadline.min(begun + timeout))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_accepts_only_digits_and_caps_the_time_at_a_day() {
        let now = Time::from_millis(10);
        let cases = [
            ("0", Some(0)),
            ("250", Some(250)),
            ("00250", Some(250)),
            ("86400000", Some(86_400_000)),
            ("86400001", Some(86_400_000)),
            ("9999999999999999999", Some(86_400_000)),
            ("99999999999999999999", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            (" 1", None),
            ("１", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|millis| Deadline(now + Duration::from_millis(millis)));
            assert_eq!(Deadline::from_header(text, now), expected, "{text:?}");
        }
    }

    #[test]
    fn grpc_headers_are_parsed_and_formatted() {
        let now = Time::from_millis(10);
        let read = [
            ("1H", Some(Duration::from_secs(3_600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("4m", Some(Duration::from_millis(4))),
            ("5u", Some(Duration::from_micros(5))),
            ("6n", Some(Duration::from_nanos(6))),
            ("99999999H", Some(HEADER_MAX)),
            ("999999999S", None),
            ("S", None),
            ("", None),
            ("1s", None),
            ("1é", None),
        ];
        for (text, expected) in read {
            assert_eq!(Deadline::from_grpc(text, now), expected.map(|span| Deadline(now + span)), "{text:?}");
        }
        let written = [
            (Duration::ZERO, "0n"),
            (Duration::from_nanos(999), "999n"),
            (Duration::from_nanos(1_000), "1u"),
            (Duration::from_nanos(1_500), "1u"),
            (Duration::from_secs(99), "99000000u"),
            (Duration::from_nanos(99_999_999_999), "99999999u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::MAX, "99999999S"),
        ];
        for (span, expected) in written {
            assert_eq!(Deadline::after(Time::ZERO, span).to_grpc(Time::ZERO), expected);
        }
    }

    #[test]
    fn an_attempt_may_take_its_timeout_or_the_time_left_whichever_is_shorter() {
        let span = Duration::from_millis;
        let deadline = |millis| Some(Deadline(Time::from_millis(millis)));
        let cases = [
            // now, timeout, deadline, expected
            (500, None, None, Some(Duration::MAX)),
            (500, Some(100), None, Some(span(100))),
            (500, None, deadline(800), Some(span(300))),
            (500, Some(100), deadline(800), Some(span(100))),
            (500, Some(900), deadline(800), Some(span(300))),
            (799, Some(900), deadline(800), Some(span(1))),
            (800, Some(900), deadline(800), None),
            (801, None, deadline(800), None),
            (500, Some(0), deadline(800), Some(span(0))),
        ];
        for (now, timeout, deadline, expected) in cases {
            let found = limit(Time::from_millis(now), timeout.map(span), deadline);
            assert_eq!(found, expected, "{now} {timeout:?} {deadline:?}");
        }
        assert_eq!(limit(Time::FAR, None, Some(Deadline(Time::FAR))), None);
        assert_eq!(Deadline::after(Time::FAR, Duration::MAX), Deadline(Time::FAR));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

        #[test]
        fn a_deadline_is_never_later_after_a_round_trip_through_a_header(now in any::<u64>(), end in any::<u64>(), small in 0..64) {
            let (now, deadline) = (Time::from_nanos(now >> small), Deadline(Time::from_nanos(end >> (small / 2))));
            let left = deadline.left(now).unwrap_or_default();
            let passed_on = [
                (Deadline::from_header(&deadline.to_header(now), now), Duration::from_millis(1)),
                // Rounding loses less than one unit, which is at most a 100,000th of the value, or a microsecond.
                (Deadline::from_grpc(&deadline.to_grpc(now), now), (left / 99_999).max(Duration::from_micros(1))),
            ];
            for (received, lost_most) in passed_on {
                let received = received.expect("what is written can be read").left(now).unwrap_or_default();
                prop_assert!(received <= left);
                prop_assert!(received >= HEADER_MAX.min(left.saturating_sub(lost_most)), "{:?} of {:?}", received, left);
            }
        }

        #[test]
        fn no_header_panics(text in ".{0,24}", digits in "[0-9]{0,21}[HMSmun]?", now in any::<u64>()) {
            for text in [text, digits] {
                let now = Time::from_nanos(now);
                for deadline in [Deadline::from_header(&text, now), Deadline::from_grpc(&text, now)] {
                    prop_assert!(deadline.is_none_or(|deadline| deadline.0 >= now));
                }
            }
        }
    }

    #[test]
    fn the_earlier_deadline_wins() {
        let (one, two) = (Deadline(Time::from_millis(1)), Deadline(Time::from_millis(2)));
        assert_eq!(one.or_earlier(Some(two)), one);
        assert_eq!(two.or_earlier(Some(one)), one);
        assert_eq!(two.or_earlier(None), two);
    }
}
