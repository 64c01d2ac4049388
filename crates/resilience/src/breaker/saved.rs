//! The state of a breaker in parts, to be stored and read again.

use super::sources::Sources;
use super::state::{Calls, Forced, Mode, Probe, State, Ticket};
use crate::contract::Time;
use crate::window::{CountWindow, SavedCount, Tally, TimeWindow};
use alloc::vec::Vec;

/// Everything that a breaker's [`State`] remembers, in parts that can be written in any format: for a program
/// that keeps breakers in a database, or in the state of a replicated machine. What is restored decides like
/// what was saved.
///
/// Two counters are left out, because they are only shown and never decide:
/// [`Snapshot::stale`](super::Snapshot::stale) and [`Snapshot::would_reject`](super::Snapshot::would_reject)
/// start again at 0.
///
/// ```
/// use mainstay_resilience::breaker::{Circuit, Config, Request, State};
/// use mainstay_resilience::{Decide, Input, Time};
///
/// let config = Config::new().open_jitter_percent(0);
/// let at = |millis| Input::at(Time::from_millis(millis));
/// let mut state = config.state();
/// config.trip(&mut state, at(1_000));
///
/// // In another process, as long as both count time from the same moment.
/// let mut restored = State::restore(state.save());
/// assert_eq!(restored.circuit(), Circuit::Open);
/// assert!(config.ask(&mut restored, at(5_999), Request::default()).admitted().is_none());
/// assert!(config.ask(&mut restored, at(6_000), Request::default()).admitted().unwrap().is_probe());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Whether it admits calls.
    pub mode: Mode,
    /// Whether an operator holds it open or closed.
    pub forced: Forced,
    /// The number of transitions so far, wrapping after 2^32.
    pub generation: u32,
    /// When the last transition was.
    pub since: Time,
    /// The outcomes in the window.
    pub calls: SavedCalls,
    /// Failures since the last success.
    pub consecutive: u32,
    /// Trips without a calm time between them.
    pub trips: u32,
    /// The sources that failed of late, each with the time of its last failure.
    pub sources: Vec<(u32, Time)>,
    /// The probes under way: their numbers, and when each is given up.
    pub probes: Vec<(u32, Time)>,
    /// The number of the last probe.
    pub probe_last: u32,
    /// Probes of this half-open phase that have succeeded.
    pub probes_succeeded: u32,
    /// Probes of this half-open phase that have failed.
    pub probes_failed: u32,
}

/// The outcomes in a breaker's window.
///
/// ```
/// use mainstay_resilience::breaker::{Config, SavedCalls, Window};
/// use mainstay_resilience::Decide;
///
/// let SavedCalls::Count { length, .. } = Config::new().window(Window::Calls(50)).state().save().calls else {
///     unreachable!("this window counts calls")
/// };
/// assert_eq!(length, 50);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SavedCalls {
    /// The last N calls.
    Count {
        /// How many calls the window holds at most.
        length: u32,
        /// The place of the next call.
        next: u32,
        /// How many calls it holds.
        calls: u32,
        /// One bit per place, 64 in each word: the call there failed.
        failed: Vec<u64>,
        /// One bit per place: the call there was slow.
        slow: Vec<u64>,
    },
    /// The calls of the last N seconds.
    Time {
        /// The length of a bucket.
        bucket_nanos: u64,
        /// The number of the newest bucket, counted from the origin of time.
        newest: u64,
        /// Bucket `n` is at index `n % len`.
        buckets: Vec<Tally>,
    },
}

impl State {
    /// Takes the state apart, to be stored.
    ///
    /// ```
    /// # use mainstay_resilience::breaker::{Config, State};
    /// # use mainstay_resilience::Decide;
    /// let state = Config::default().state();
    /// assert_eq!(State::restore(state.save()), state);
    /// ```
    #[must_use]
    pub fn save(&self) -> Saved {
        Saved {
            mode: self.mode,
            forced: self.forced,
            generation: self.generation,
            since: self.since,
            calls: self.calls.save(),
            consecutive: self.consecutive,
            trips: self.trips,
            sources: self.sources.save(),
            probes: self.probes.iter().map(|probe| (probe.id, probe.until)).collect(),
            probe_last: self.probe_last,
            probes_succeeded: self.probes_succeeded,
            probes_failed: self.probes_failed,
        }
    }

    /// Puts a state together again. It never panics, whatever the parts are: a window of another shape than
    /// the configuration's starts empty when it is next used.
    ///
    /// ```
    /// # use mainstay_resilience::breaker::{Config, State};
    /// # use mainstay_resilience::Decide;
    /// let saved = Config::default().state().save();
    /// assert_eq!(State::restore(saved.clone()).save(), saved);
    /// ```
    #[must_use]
    pub fn restore(saved: Saved) -> Self {
        Self {
            mode: saved.mode,
            forced: saved.forced,
            generation: saved.generation,
            since: saved.since,
            clock: saved.since,
            calls: Calls::restore(saved.calls),
            consecutive: saved.consecutive,
            trips: saved.trips,
            sources: Sources::restore(saved.sources),
            probes: saved.probes.into_iter().map(|(id, until)| Probe { id, until }).collect(),
            probe_last: saved.probe_last,
            probes_succeeded: saved.probes_succeeded,
            probes_failed: saved.probes_failed,
            stale: 0,
            would_reject: 0,
        }
    }
}

impl Calls {
    fn save(&self) -> SavedCalls {
        match self {
            Self::Count(window) => {
                let SavedCount { length, next, calls, failed, slow } = window.save();
                SavedCalls::Count { length, next, calls, failed, slow }
            }
            Self::Time(window) => {
                let (bucket_nanos, newest, buckets) = window.save();
                SavedCalls::Time { bucket_nanos, newest, buckets }
            }
        }
    }

    fn restore(saved: SavedCalls) -> Self {
        match saved {
            SavedCalls::Count { length, next, calls, failed, slow } => {
                Self::Count(CountWindow::restore(SavedCount { length, next, calls, failed, slow }))
            }
            SavedCalls::Time { bucket_nanos, newest, buckets } => {
                Self::Time(TimeWindow::restore(bucket_nanos, newest, buckets))
            }
        }
    }
}

impl Ticket {
    /// The parts of the ticket: the generation, the probe's number or 0, and the source.
    ///
    /// ```
    /// # use mainstay_resilience::breaker::{Config, Request, Ticket};
    /// # use mainstay_resilience::{Decide, Input};
    /// let config = Config::default();
    /// let ticket = config.ask(&mut config.state(), Input::default(), Request { source: 7 }).admitted().unwrap();
    /// let (generation, probe, source) = ticket.parts();
    /// assert_eq!((generation, probe, source), (0, 0, 7));
    /// assert_eq!(Ticket::from_parts(generation, probe, source), ticket);
    /// ```
    #[must_use]
    pub const fn parts(self) -> (u32, u32, u32) {
        (self.generation, self.probe, self.source)
    }

    /// A ticket from its parts, for a program that sends tickets to other processes. Parts that no breaker
    /// has issued make a ticket that is stale, or one that counts like that of an ordinary call.
    ///
    /// ```
    /// # use mainstay_resilience::breaker::Ticket;
    /// assert!(Ticket::from_parts(2, 1, 0).is_probe());
    /// ```
    #[must_use]
    pub const fn from_parts(generation: u32, probe: u32, source: u32) -> Self {
        Self { generation, probe, source }
    }
}
