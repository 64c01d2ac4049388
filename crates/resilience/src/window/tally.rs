//! What a window counts.

use core::fmt::Debug;

/// Numbers that a [`TimeWindow`](super::TimeWindow) can add up.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::Time;
/// use mainstay_resilience::window::{Count, TimeWindow};
///
/// #[derive(Clone, Copy, Debug, Default, PartialEq)]
/// struct Bytes(u64);
///
/// impl Count for Bytes {
///     fn add(&mut self, more: Self) {
///         self.0 = self.0.saturating_add(more.0);
///     }
///     fn take(&mut self, less: Self) {
///         self.0 = self.0.saturating_sub(less.0);
///     }
/// }
///
/// let mut sent = TimeWindow::new(Duration::from_secs(60), 6);
/// sent.add(Time::ZERO, Bytes(1_500));
/// sent.add(Time::from_millis(30_000), Bytes(500));
/// assert_eq!(sent.total(Time::from_millis(59_999)), Bytes(2_000));
/// assert_eq!(sent.total(Time::from_millis(60_000)), Bytes(500));
/// ```
pub trait Count: Copy + Default + Debug + PartialEq {
    /// Adds `more`. Each number saturates at its maximum.
    ///
    /// ```
    /// # use mainstay_resilience::window::{Count, Tally};
    /// let mut tally = Tally { calls: u64::MAX - 1, failures: 1, slow: 0 };
    /// tally.add(Tally { calls: 5, failures: 1, slow: 0 });
    /// assert_eq!(tally, Tally { calls: u64::MAX, failures: 2, slow: 0 });
    /// ```
    fn add(&mut self, more: Self);
    /// Subtracts `less`, which was added before. Each number saturates at zero.
    ///
    /// ```
    /// # use mainstay_resilience::window::{Count, Tally};
    /// let mut tally = Tally { calls: 5, failures: 2, slow: 1 };
    /// tally.take(Tally { calls: 3, failures: 2, slow: 0 });
    /// assert_eq!(tally, Tally { calls: 2, failures: 0, slow: 1 });
    /// ```
    fn take(&mut self, less: Self);
}

/// The number of calls, and how many of them failed or were slow.
///
/// ```
/// use mainstay_resilience::window::Tally;
///
/// let seen = Tally { calls: 200, failures: 30, slow: 10 };
/// assert_eq!(seen.failures * 100 / seen.calls, 15, "percent");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Tally {
    /// Calls that say something about the dependency: successes, slow calls and failures.
    pub calls: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Calls that succeeded but were slow.
    pub slow: u64,
}

impl Count for Tally {
    fn add(&mut self, more: Self) {
        self.calls = self.calls.saturating_add(more.calls);
        self.failures = self.failures.saturating_add(more.failures);
        self.slow = self.slow.saturating_add(more.slow);
    }

    fn take(&mut self, less: Self) {
        self.calls = self.calls.saturating_sub(less.calls);
        self.failures = self.failures.saturating_sub(less.failures);
        self.slow = self.slow.saturating_sub(less.slow);
    }
}
