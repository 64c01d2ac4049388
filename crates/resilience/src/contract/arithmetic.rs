//! Integer arithmetic that saturates instead of overflowing.

use core::time::Duration;

/// Milliseconds in a day: the longest duration a configuration accepts.
pub(crate) const DAY_MILLIS: u64 = 86_400_000;

/// A duration in nanoseconds, at most [`u64::MAX`].
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// `percent` hundredths of `number`, rounded down.
pub(crate) fn percent_of(number: u64, percent: u64) -> u64 {
    u64::try_from(u128::from(number) * u128::from(percent) / 100).unwrap_or(u64::MAX)
}

/// Maps a random number to `0..bound`, evenly. Returns 0 for a bound of 0.
pub(crate) fn below(random: u64, bound: u64) -> u64 {
    // Multiply and shift (Lemire, "Fast random integer generation in an interval", 2019) without the
    // rejection step: the bias is below bound / 2^64.
    ((u128::from(random) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_do_not_fit_saturate() {
        assert_eq!(percent_of(u64::MAX, 1_000), u64::MAX);
        assert_eq!((percent_of(250, 10), percent_of(99, 1)), (25, 0));
        assert_eq!(nanos(Duration::MAX), u64::MAX);
        assert_eq!((below(u64::MAX, 10), below(0, 10), below(u64::MAX, 0)), (9, 0, 0));
    }
}
