//! A window over the last N calls.

use super::{Count, Tally};
use alloc::vec::Vec;

/// The outcomes of the last N calls. The window slides: each new call pushes out the oldest.
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
    /// The position of the next call.
    next: u32,
    /// One bit per call, 64 calls per word.
    failed: Vec<u64>,
    slow: Vec<u64>,
    total: Tally,
}

impl CountWindow {
    /// Creates a window over the last `length` calls (at least one). It takes two bits per call.
    ///
    /// ```
    /// # use mainstay_resilience::window::CountWindow;
    /// let mut window = CountWindow::new(0);
    /// window.success(7);
    /// assert_eq!(window.total().calls, 1, "the shortest window holds one call");
    /// ```
    #[must_use]
    pub fn new(length: u32) -> Self {
        let length = length.max(1);
        let words = alloc::vec![0; length.div_ceil(64) as usize];
        Self { length, next: 0, failed: words.clone(), slow: words, total: Tally::default() }
    }

    /// Returns whether [`CountWindow::new`] with this length would create a window of this shape.
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

    /// The number of calls in the window, and how many of them failed or were slow.
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

    /// Counts `n` successes.
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
            // No bit is set anywhere, so the position of the next call does not matter.
            let length = u64::from(self.length.max(1));
            self.total.calls = self.total.calls.saturating_add(u64::from(n)).min(length);
            return;
        }
        for _ in 0..n.min(self.length) {
            self.push(Kind::Success);
        }
    }

    /// Counts `n` slow successes.
    ///
    /// ```
    /// # use mainstay_resilience::window::CountWindow;
    /// let mut window = CountWindow::new(10);
    /// window.slow(4);
    /// assert_eq!((window.total().slow, window.total().failures), (4, 0), "a slow call is not a failure");
    /// ```
    pub fn slow(&mut self, n: u32) {
        for _ in 0..n.min(self.length) {
            self.push(Kind::Slow);
        }
    }

    /// Counts `n` failures.
    ///
    /// ```
    /// # use mainstay_resilience::window::CountWindow;
    /// let mut window = CountWindow::new(10);
    /// window.failure(1_000_000);
    /// assert_eq!(window.total().failures, 10, "the window holds ten calls");
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

    /// What the window holds, for [`breaker::Saved`](crate::breaker::Saved).
    pub(crate) fn save(&self) -> SavedCount {
        SavedCount {
            length: self.length,
            next: self.next,
            calls: u32::try_from(self.total.calls).unwrap_or(u32::MAX),
            failed: self.failed.clone(),
            slow: self.slow.clone(),
        }
    }

    /// The window that was saved. Whatever the parts are, the result is a window that this type could reach.
    pub(crate) fn restore(saved: SavedCount) -> Self {
        let length = saved.length.max(1);
        let calls = saved.calls.min(length);
        let words = |mut words: Vec<u64>| {
            words.resize(length.div_ceil(64) as usize, 0);
            let beyond = length % 64;
            if let (Some(last), true) = (words.last_mut(), beyond > 0) {
                *last &= (1 << beyond) - 1;
            }
            words
        };
        let (failed, slow) = (words(saved.failed), words(saved.slow));
        let ones = |words: &[u64]| words.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
        let total = Tally {
            calls: calls.into(),
            failures: ones(&failed).min(calls.into()),
            slow: ones(&slow).min(calls.into()),
        };
        Self { length, next: saved.next % length, failed, slow, total }
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

/// The parts of a [`CountWindow`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SavedCount {
    pub(crate) length: u32,
    pub(crate) next: u32,
    pub(crate) calls: u32,
    pub(crate) failed: Vec<u64>,
    pub(crate) slow: Vec<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Success,
    Slow,
    Failure,
}

/// Sets a bit, and returns its previous value.
fn replace(words: &mut [u64], word: usize, bit: u64, new: bool) -> bool {
    let Some(word) = words.get_mut(word) else { return false };
    let was = *word & bit != 0;
    *word = if new { *word | bit } else { *word & !bit };
    was
}
