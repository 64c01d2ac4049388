//! A window over the last N seconds.

use super::Count;
use crate::contract::{Time, nanos};
use alloc::vec::Vec;
use core::time::Duration;

/// The sum of the last N seconds, in buckets that are forgotten one at a time. With 10 buckets, the window
/// covers between nine tenths of its length and its full length.
///
/// A time before the newest bucket counts toward the newest bucket. A jump forward of any size costs one pass
/// over the buckets.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::Time;
/// use mainstay_resilience::window::{Tally, TimeWindow};
///
/// let mut window = TimeWindow::new(Duration::from_secs(10), 10);
/// window.add(Time::from_millis(500), Tally { calls: 3, failures: 1, slow: 0 });
/// assert_eq!(window.total(Time::from_millis(9_999)).calls, 3);
/// assert_eq!(window.total(Time::from_millis(10_000)).calls, 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TimeWindow<T> {
    /// The length of a bucket; at least 1.
    bucket_nanos: u64,
    /// The number of the newest bucket, counted from the origin of time.
    newest: u64,
    /// At least one. Bucket `n` is at index `n % len`.
    buckets: Vec<T>,
    total: T,
}

impl<T: Count> TimeWindow<T> {
    /// Creates a window of the given length with the given number of buckets (at least one).
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mainstay_resilience::Time;
    /// # use mainstay_resilience::window::{Tally, TimeWindow};
    /// // Six buckets of ten seconds each.
    /// let window = TimeWindow::<Tally>::new(Duration::from_secs(60), 6);
    /// assert_eq!(window.bucket_end(), Time::from_millis(10_000));
    /// ```
    #[must_use]
    pub fn new(length: Duration, buckets: u32) -> Self {
        let buckets = buckets.max(1);
        Self {
            bucket_nanos: Self::bucket_nanos(length, buckets),
            newest: 0,
            buckets: alloc::vec![T::default(); buckets as usize],
            total: T::default(),
        }
    }

    fn bucket_nanos(length: Duration, buckets: u32) -> u64 {
        (nanos(length) / u64::from(buckets.max(1))).max(1)
    }

    /// Returns whether [`TimeWindow::new`] with these arguments would create a window of this shape.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mainstay_resilience::window::{Tally, TimeWindow};
    /// let window = TimeWindow::<Tally>::new(Duration::from_secs(60), 6);
    /// assert!(window.fits(Duration::from_secs(60), 6));
    /// // A changed configuration needs a new window.
    /// assert!(!window.fits(Duration::from_secs(60), 12));
    /// ```
    #[must_use]
    pub fn fits(&self, length: Duration, buckets: u32) -> bool {
        self.buckets.len() == buckets.max(1) as usize
            && self.bucket_nanos == Self::bucket_nanos(length, buckets)
    }

    /// Adds `more` at `now`, and forgets the buckets that have left the window.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mainstay_resilience::Time;
    /// # use mainstay_resilience::window::{Tally, TimeWindow};
    /// let mut window = TimeWindow::new(Duration::from_secs(10), 10);
    /// let one = Tally { calls: 1, ..Tally::default() };
    /// window.add(Time::from_millis(5_000), one);
    /// // The clock has stepped back; the call counts as of the latest time seen.
    /// window.add(Time::from_millis(1_000), one);
    /// assert_eq!(window.total(Time::from_millis(14_000)).calls, 2);
    /// ```
    pub fn add(&mut self, now: Time, more: T) {
        self.advance(now);
        let place = self.place(self.newest);
        if let Some(bucket) = self.buckets.get_mut(place) {
            // A saturated bucket takes less than `more`. The total must grow by the same amount.
            let before = *bucket;
            bucket.add(more);
            let mut added = *bucket;
            added.take(before);
            self.total.add(added);
        }
    }

    /// The sum of the window at `now`. Forgets the buckets that have left it.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mainstay_resilience::Time;
    /// # use mainstay_resilience::window::{Tally, TimeWindow};
    /// let mut window = TimeWindow::new(Duration::from_secs(10), 10);
    /// for second in 0..20 {
    ///     window.add(Time::from_millis(second * 1_000), Tally { calls: 1, ..Tally::default() });
    /// }
    /// assert_eq!(window.total(Time::from_millis(19_000)).calls, 10);
    /// ```
    #[must_use]
    pub fn total(&mut self, now: Time) -> T {
        self.advance(now);
        self.total
    }

    /// The sum of the window at `now`, without forgetting anything. For display: costs one pass over the
    /// buckets.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mainstay_resilience::Time;
    /// # use mainstay_resilience::window::{Tally, TimeWindow};
    /// let mut window = TimeWindow::new(Duration::from_secs(10), 10);
    /// window.add(Time::ZERO, Tally { calls: 1, ..Tally::default() });
    /// assert_eq!(window.peek(Time::from_millis(10_000)).calls, 0);
    /// assert_eq!(window.peek(Time::from_millis(9_000)).calls, 1, "nothing was forgotten");
    /// ```
    #[must_use]
    pub fn peek(&self, now: Time) -> T {
        let gone = self.passed(now);
        let mut total = self.total;
        for number in 1..=gone {
            if let Some(bucket) = self.buckets.get(self.place(self.newest.saturating_add(number))) {
                total.take(*bucket);
            }
        }
        total
    }

    /// The end of the newest bucket.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mainstay_resilience::Time;
    /// # use mainstay_resilience::window::{Tally, TimeWindow};
    /// let mut window = TimeWindow::new(Duration::from_secs(10), 10);
    /// window.add(Time::from_millis(2_500), Tally::default());
    /// assert_eq!(window.bucket_end(), Time::from_millis(3_000));
    /// ```
    #[must_use]
    pub fn bucket_end(&self) -> Time {
        Time::from_nanos(self.newest.saturating_add(1).saturating_mul(self.bucket_nanos))
    }

    /// Forgets everything.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mainstay_resilience::Time;
    /// # use mainstay_resilience::window::{Tally, TimeWindow};
    /// let mut window = TimeWindow::new(Duration::from_secs(10), 10);
    /// window.add(Time::ZERO, Tally { calls: 9, failures: 4, slow: 0 });
    /// window.clear();
    /// assert_eq!(window.total(Time::ZERO), Tally::default());
    /// ```
    pub fn clear(&mut self) {
        self.buckets.fill(T::default());
        self.total = T::default();
    }

    /// The length of a bucket, the number of the newest one, and the buckets.
    pub(crate) fn save(&self) -> (u64, u64, Vec<T>) {
        (self.bucket_nanos, self.newest, self.buckets.clone())
    }

    /// The window that was saved. The total follows from the buckets.
    pub(crate) fn restore(bucket_nanos: u64, newest: u64, mut buckets: Vec<T>) -> Self {
        if buckets.is_empty() {
            buckets.push(T::default());
        }
        let mut total = T::default();
        buckets.iter().for_each(|bucket| total.add(*bucket));
        Self { bucket_nanos: bucket_nanos.max(1), newest, buckets, total }
    }

    /// The number of buckets between the newest one and `now`, at most the number of buckets.
    fn passed(&self, now: Time) -> u64 {
        let number = now.as_nanos() / self.bucket_nanos.max(1);
        number.saturating_sub(self.newest).min(self.buckets.len() as u64)
    }

    fn place(&self, number: u64) -> usize {
        (number % (self.buckets.len().max(1) as u64)) as usize
    }

    fn advance(&mut self, now: Time) {
        let passed = self.passed(now);
        if passed == 0 {
            return;
        }
        // After a long jump every bucket is cleared once; their order does not matter then.
        for number in 1..=passed {
            let place = self.place(self.newest.saturating_add(number));
            if let Some(bucket) = self.buckets.get_mut(place) {
                self.total.take(core::mem::take(bucket));
            }
        }
        self.newest = now.as_nanos() / self.bucket_nanos.max(1);
    }
}
