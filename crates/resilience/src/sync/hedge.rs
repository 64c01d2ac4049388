//! Hedging shared by threads.

use super::clock;
use super::primitives::{Mutex, lock};
use crate::contract::{ConfigError, Decide, Decision, Input, Outcome, Time};
use crate::hedge::{Config, Request, Snapshot, State, Ticket};
use crate::retry::Safety;
use core::mem;

/// Decides when a slow call gets a second attempt, with one budget and one measure of what is slow for all
/// threads.
///
/// ```
/// use mainstay_resilience::retry::Safety;
/// use mainstay_resilience::{Decision, Outcome, hedge, sync};
///
/// let hedge = sync::Hedge::new(hedge::Config::default())?;
/// let begun = sync::now();
/// let first = hedge.first();
/// match hedge.second(begun, Safety::Safe) {
///     Decision::Admit(second) => drop(second), // Send it, and record whichever responds first.
///     Decision::Wait { until } => println!("not slow before {until:?}"),
///     Decision::Reject(rejected) => println!("no second attempt: {rejected}"),
/// }
/// first.record(Outcome::Success);
/// # Ok::<(), mainstay_resilience::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct Hedge {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    state: State,
}

/// An attempt of a call that may be hedged. If it is dropped without an outcome, it counts as cancelled after
/// the time it took: without the attempts that lose, slow calls would never be seen.
///
/// ```
/// use mainstay_resilience::{Outcome, hedge, sync};
///
/// let hedge = sync::Hedge::new(hedge::Config::new().calls_min(1))?;
/// hedge.first().record(Outcome::Success);
/// assert!(hedge.snapshot().delay.is_some());
/// # Ok::<(), mainstay_resilience::ConfigError>(())
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped at once counts as a cancelled attempt"]
pub struct HedgePermit<'a> {
    hedge: &'a Hedge,
    ticket: Option<Ticket>,
    /// The input of its acquisition, if it came from the caller and not from the clock.
    acquired: Option<Input>,
}

impl HedgePermit<'_> {
    /// Records how the attempt ended.
    ///
    /// ```
    /// # use mainstay_resilience::{Outcome, hedge, sync};
    /// let hedge = sync::Hedge::new(hedge::Config::default())?;
    /// hedge.first().record(Outcome::Failure);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn record(self, outcome: Outcome) {
        self.record_at(clock::input(), outcome);
    }

    /// Like [`record`](Self::record), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Outcome, Time, hedge, sync};
    /// let hedge = sync::Hedge::new(hedge::Config::new().calls_min(1))?;
    /// let first = hedge.first_at(Input::at(Time::ZERO));
    /// first.record_at(Input::at(Time::from_millis(40)), Outcome::Success);
    /// let delay = hedge.snapshot_at(Time::from_millis(40)).delay;
    /// assert!(delay.is_some_and(|delay| delay.as_millis() >= 40));
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn record_at(self, input: Input, outcome: Outcome) {
        let (hedge, ticket) = (self.hedge, self.ticket);
        mem::forget(self);
        hedge.tell(input, ticket, outcome);
    }
}

impl Drop for HedgePermit<'_> {
    fn drop(&mut self) {
        let input = self.acquired.unwrap_or_else(clock::input);
        self.hedge.tell(input, self.ticket, Outcome::Cancelled);
    }
}

impl Hedge {
    /// Creates a hedge that has seen no calls yet.
    ///
    /// ```
    /// # use mainstay_resilience::{hedge, sync};
    /// let config = hedge::Config::new().quantile_percent(100);
    /// assert_eq!(sync::Hedge::new(config).unwrap_err().field, "quantile_percent");
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let state = config.state();
        Ok(Self { inner: Mutex::new(Inner { config, state }) })
    }

    /// Begins the first attempt of a call, which adds its share to the budget.
    ///
    /// ```
    /// # use mainstay_resilience::{hedge, sync};
    /// let hedge = sync::Hedge::new(hedge::Config::default())?;
    /// for _ in 0..100 {
    ///     drop(hedge.first());
    /// }
    /// assert_eq!(hedge.snapshot().budget.left, 5, "five percent of the calls");
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn first(&self) -> HedgePermit<'_> {
        self.first_with(clock::input(), None)
    }

    /// Like [`first`](Self::first), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, hedge, sync};
    /// let hedge = sync::Hedge::new(hedge::Config::default())?;
    /// drop(hedge.first_at(Input::default()));
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn first_at(&self, input: Input) -> HedgePermit<'_> {
        self.first_with(input, Some(input))
    }

    /// Begins a first attempt. Its permit reads the clock when it is dropped, unless an input is given for
    /// that.
    pub(crate) fn first_with(&self, input: Input, given: Option<Input>) -> HedgePermit<'_> {
        let ticket = self.ask(input, Request::First).admitted();
        HedgePermit { hedge: self, ticket, acquired: given }
    }

    /// Asks for a second attempt of a call that began at `begun`. The decision is to make it now, to ask
    /// again later, or not to make it.
    ///
    /// ```
    /// # use mainstay_resilience::{Decision, Reason, hedge, retry::Safety, sync};
    /// let hedge = sync::Hedge::new(hedge::Config::default())?;
    /// // A call that is not safe to repeat gets no second attempt.
    /// let Decision::Reject(rejected) = hedge.second(sync::now(), Safety::Unsafe) else { unreachable!() };
    /// assert_eq!(rejected.reason, Reason::RetryUnsafe);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn second(&self, begun: Time, safety: Safety) -> Decision<HedgePermit<'_>> {
        self.second_with(clock::input(), begun, safety, None)
    }

    /// Like [`second`](Self::second), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Decision, Input, Time, hedge, retry::Safety, sync};
    /// let hedge = sync::Hedge::new(hedge::Config::default())?;
    /// let decision = hedge.second_at(Input::default(), Time::ZERO, Safety::Safe);
    /// assert!(matches!(decision, Decision::Reject(_)), "too few calls were seen");
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn second_at(&self, input: Input, begun: Time, safety: Safety) -> Decision<HedgePermit<'_>> {
        self.second_with(input, begun, safety, Some(input))
    }

    fn second_with(
        &self,
        input: Input,
        begun: Time,
        safety: Safety,
        given: Option<Input>,
    ) -> Decision<HedgePermit<'_>> {
        match self.ask(input, Request::Second { begun, safety }) {
            Decision::Admit(ticket) => {
                Decision::Admit(HedgePermit { hedge: self, ticket: Some(ticket), acquired: given })
            }
            Decision::Wait { until } => Decision::Wait { until },
            Decision::Reject(rejected) => Decision::Reject(rejected),
        }
    }

    fn ask(&self, input: Input, request: Request) -> Decision<Ticket> {
        let Inner { config, state } = &mut *lock(&self.inner);
        config.ask(state, input, request)
    }

    fn tell(&self, input: Input, ticket: Option<Ticket>, outcome: Outcome) {
        if let Some(ticket) = ticket {
            let Inner { config, state } = &mut *lock(&self.inner);
            config.tell(state, input, ticket, outcome, 1);
        }
    }

    /// Replaces the configuration. The recorded calls are kept.
    ///
    /// ```
    /// # use mainstay_resilience::{hedge, sync};
    /// let hedge = sync::Hedge::new(hedge::Config::default())?;
    /// hedge.configure(hedge::Config::new().quantile_percent(99))?;
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range. The configuration is then unchanged.
    pub fn configure(&self, config: Config) -> Result<(), ConfigError> {
        config.check()?;
        lock(&self.inner).config = config;
        Ok(())
    }

    /// The current state, for display and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::{hedge, sync};
    /// let hedge = sync::Hedge::new(hedge::Config::default())?;
    /// assert_eq!(hedge.snapshot().sent, 0);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_at(clock::now())
    }

    /// Like [`snapshot`](Self::snapshot), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Time, hedge, sync};
    /// let hedge = sync::Hedge::new(hedge::Config::default())?;
    /// assert_eq!(hedge.snapshot_at(Time::ZERO).delay, None, "nothing was seen yet");
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn snapshot_at(&self, now: Time) -> Snapshot {
        let Inner { config, state } = &*lock(&self.inner);
        config.snapshot(state, now)
    }
}
