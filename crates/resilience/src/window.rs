//! What the last calls came to: a window over the last so-many calls, or over the last so-much time.
//!
//! Both keep running totals, so a question costs the same whatever the window's length, and forgetting costs
//! what is forgotten: nothing is ever scanned again.
//!
//! ```
//! use core::time::Duration;
//! use mainstay_resilience::Time;
//! use mainstay_resilience::window::{CountWindow, Tally, TimeWindow};
//!
//! // A day later nothing of it matters any more to the one; to the other these still are the last calls.
//! let mut seconds = TimeWindow::new(Duration::from_secs(10), 10);
//! let mut calls = CountWindow::new(100);
//! seconds.add(Time::ZERO, Tally { calls: 2, failures: 2, slow: 0 });
//! calls.failure(2);
//! assert_eq!(seconds.total(Time::from_millis(86_400_000)).failures, 0);
//! assert_eq!(calls.total().failures, 2);
//! ```

use crate::contract::{Time, nanos};
use alloc::vec::Vec;
use core::fmt::Debug;
use core::time::Duration;

/// Numbers that can be summed up in a window.
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
    /// Adds what fits: each number stays at its largest value.
    ///
    /// ```
    /// # use mainstay_resilience::window::{Count, Tally};
    /// let mut tally = Tally { calls: u64::MAX - 1, failures: 1, slow: 0 };
    /// tally.add(Tally { calls: 5, failures: 1, slow: 0 });
    /// assert_eq!(tally, Tally { calls: u64::MAX, failures: 2, slow: 0 });
    /// ```
    fn add(&mut self, more: Self);
    /// Takes away what was added.
    ///
    /// ```
    /// # use mainstay_resilience::window::{Count, Tally};
    /// let mut tally = Tally { calls: 5, failures: 2, slow: 1 };
    /// tally.take(Tally { calls: 3, failures: 2, slow: 0 });
    /// assert_eq!(tally, Tally { calls: 2, failures: 0, slow: 1 });
    /// ```
    fn take(&mut self, less: Self);
}

/// What calls came to.
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
    /// All that said something of the dependency.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
    /// Successes that took too long.
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

/// What was counted in the last so-much time, forgotten bucket by bucket: with 10 buckets, between nine and ten
/// tenths of the length are in it.
///
/// A moment before the newest bucket counts into that one; a leap of any length forgets everything at the cost
/// of one pass over the buckets.
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
    /// At least 1.
    bucket_nanos: u64,
    /// The newest bucket, counted from the origin of time.
    newest: u64,
    /// At least one; bucket number `n` lies at `n % len`.
    buckets: Vec<T>,
    total: T,
}

impl<T: Count> TimeWindow<T> {
    /// A window of that length, in that many buckets (at least one).
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

    /// Is it the window that [`TimeWindow::new`] would make of these?
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mainstay_resilience::window::{Tally, TimeWindow};
    /// let window = TimeWindow::<Tally>::new(Duration::from_secs(60), 6);
    /// assert!(window.fits(Duration::from_secs(60), 6));
    /// // Another configuration wants another window.
    /// assert!(!window.fits(Duration::from_secs(60), 12));
    /// ```
    #[must_use]
    pub fn fits(&self, length: Duration, buckets: u32) -> bool {
        self.buckets.len() == buckets.max(1) as usize
            && self.bucket_nanos == Self::bucket_nanos(length, buckets)
    }

    /// Counts more, at that moment; costs what is forgotten by it.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mainstay_resilience::Time;
    /// # use mainstay_resilience::window::{Tally, TimeWindow};
    /// let mut window = TimeWindow::new(Duration::from_secs(10), 10);
    /// let one = Tally { calls: 1, ..Tally::default() };
    /// window.add(Time::from_millis(5_000), one);
    /// // A clock that has gone back: it counts as now.
    /// window.add(Time::from_millis(1_000), one);
    /// assert_eq!(window.total(Time::from_millis(14_000)).calls, 2);
    /// ```
    pub fn add(&mut self, now: Time, more: T) {
        self.advance(now);
        let place = self.place(self.newest);
        if let Some(bucket) = self.buckets.get_mut(place) {
            // A bucket that is full to its last number takes less: the total must take as little.
            let before = *bucket;
            bucket.add(more);
            let mut added = *bucket;
            added.take(before);
            self.total.add(added);
        }
    }

    /// What is in the window at that moment; what is older is forgotten.
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

    /// The same without forgetting anything, for display: costs one pass over the buckets.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mainstay_resilience::Time;
    /// # use mainstay_resilience::window::{Tally, TimeWindow};
    /// let mut window = TimeWindow::new(Duration::from_secs(10), 10);
    /// window.add(Time::ZERO, Tally { calls: 1, ..Tally::default() });
    /// assert_eq!(window.peek(Time::from_millis(10_000)).calls, 0);
    /// assert_eq!(window.peek(Time::from_millis(9_000)).calls, 1, "it is still there");
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

    /// The moment when the newest bucket ends.
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

    /// How many buckets a moment is beyond the newest, at most all.
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
        // After a leap, only as many buckets are cleared as there are: which ones does not matter then.
        for number in 1..=passed {
            let place = self.place(self.newest.saturating_add(number));
            if let Some(bucket) = self.buckets.get_mut(place) {
                self.total.take(core::mem::take(bucket));
            }
        }
        self.newest = now.as_nanos() / self.bucket_nanos.max(1);
    }
}

/// What the last so-many calls came to. It slides: with each call past its length, the oldest is forgotten.
///
/// ```
/// use mainstay_resilience::window::CountWindow;
///
/// let mut window = CountWindow::new(100);
/// window.success(100_000);
/// window.failure(50);
/// assert_eq!(window.total().failures, 50);
/// assert_eq!(window.total().calls, 100);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CountWindow {
    length: u32,
    /// Where the next call goes.
    next: u32,
    /// A bit a call, 64 calls a word.
    failed: Vec<u64>,
    slow: Vec<u64>,
    total: Tally,
}

impl CountWindow {
    /// A window over that many calls (at least one): two bits each.
    ///
    /// ```
    /// # use mainstay_resilience::window::CountWindow;
    /// let mut window = CountWindow::new(0);
    /// window.success(7);
    /// assert_eq!(window.total().calls, 1, "a window of none holds one");
    /// ```
    #[must_use]
    pub fn new(length: u32) -> Self {
        let length = length.max(1);
        let words = alloc::vec![0; length.div_ceil(64) as usize];
        Self { length, next: 0, failed: words.clone(), slow: words, total: Tally::default() }
    }

    /// Is it the window that [`CountWindow::new`] would make of this?
    ///
    /// ```
    /// # use mainstay_resilience::window::CountWindow;
    /// let window = CountWindow::new(100);
    /// assert!(window.fits(100) && !window.fits(50));
    /// ```
    #[must_use]
    pub fn fits(&self, length: u32) -> bool {
        self.length == length.max(1)
    }

    /// What is in the window.
    ///
    /// ```
    /// # use mainstay_resilience::window::{CountWindow, Tally};
    /// let mut window = CountWindow::new(10);
    /// window.success(6);
    /// window.slow(1);
    /// window.failure(2);
    /// assert_eq!(window.total(), Tally { calls: 9, failures: 2, slow: 1 });
    /// ```
    #[must_use]
    pub const fn total(&self) -> Tally {
        self.total
    }

    /// Counts successes.
    ///
    /// ```
    /// # use mainstay_resilience::window::CountWindow;
    /// let mut window = CountWindow::new(3);
    /// window.failure(2);
    /// window.success(2);
    /// // The first failure was pushed out.
    /// assert_eq!((window.total().calls, window.total().failures), (3, 1));
    /// ```
    pub fn success(&mut self, n: u32) {
        if self.total.failures == 0 && self.total.slow == 0 {
            // No bit is set anywhere, so it does not matter where the next goes.
            let length = u64::from(self.length.max(1));
            self.total.calls = self.total.calls.saturating_add(u64::from(n)).min(length);
            return;
        }
        for _ in 0..n.min(self.length) {
            self.push(Kind::Success);
        }
    }

    /// Counts successes that took too long.
    ///
    /// ```
    /// # use mainstay_resilience::window::CountWindow;
    /// let mut window = CountWindow::new(10);
    /// window.slow(4);
    /// assert_eq!((window.total().slow, window.total().failures), (4, 0), "slow is no failure");
    /// ```
    pub fn slow(&mut self, n: u32) {
        for _ in 0..n.min(self.length) {
            self.push(Kind::Slow);
        }
    }

    /// Counts failures.
    ///
    /// ```
    /// # use mainstay_resilience::window::CountWindow;
    /// let mut window = CountWindow::new(10);
    /// window.failure(1_000_000);
    /// assert_eq!(window.total().failures, 10, "no more than it holds");
    /// ```
    pub fn failure(&mut self, n: u32) {
        for _ in 0..n.min(self.length) {
            self.push(Kind::Failure);
        }
    }

    /// Forgets everything.
    ///
    /// ```
    /// # use mainstay_resilience::window::{CountWindow, Tally};
    /// let mut window = CountWindow::new(10);
    /// window.failure(3);
    /// window.clear();
    /// assert_eq!(window.total(), Tally::default());
    /// ```
    pub fn clear(&mut self) {
        self.failed.fill(0);
        self.slow.fill(0);
        self.next = 0;
        self.total = Tally::default();
    }

    fn push(&mut self, kind: Kind) {
        let (word, bit) = ((self.next / 64) as usize, 1_u64 << (self.next % 64));
        let forgotten = Tally {
            calls: u64::from(self.total.calls >= u64::from(self.length)),
            failures: u64::from(replace(&mut self.failed, word, bit, kind == Kind::Failure)),
            slow: u64::from(replace(&mut self.slow, word, bit, kind == Kind::Slow)),
        };
        self.total.take(forgotten);
        self.total.add(Tally {
            calls: 1,
            failures: u64::from(kind == Kind::Failure),
            slow: u64::from(kind == Kind::Slow),
        });
        self.next = self.next.wrapping_add(1) % self.length.max(1);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Success,
    Slow,
    Failure,
}

/// Puts a bit in place of the one that is there, and returns that one.
fn replace(words: &mut [u64], word: usize, bit: u64, new: bool) -> bool {
    let Some(word) = words.get_mut(word) else { return false };
    let was = *word & bit != 0;
    *word = if new { *word | bit } else { *word & !bit };
    was
}
