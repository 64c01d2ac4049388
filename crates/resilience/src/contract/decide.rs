//! The shape of a policy.

use super::{ConfigError, Decision, Input, Outcome, Recorded, Time};

/// The shape of a policy. The implementing type is the policy's configuration.
///
/// ```
/// use mainstay_resilience::{Decide, Decision, Input, Time, rate};
///
/// /// Every policy can be asked in the same way.
/// fn admits<D: Decide>(policy: &D, state: &mut D::State, request: D::Request) -> bool {
///     matches!(policy.ask(state, Input::at(Time::ZERO), request), Decision::Admit(_))
/// }
/// let limit = rate::token_bucket::Config::new().burst(1);
/// let mut state = limit.state();
/// assert!(admits(&limit, &mut state, rate::Request::default()));
/// assert!(!admits(&limit, &mut state, rate::Request::default()));
/// ```
///
/// No method panics, fails or blocks, whatever the configuration, the state or the input. A configuration
/// that passes [`check`](Decide::check) also behaves sensibly.
pub trait Decide {
    /// What the policy remembers between calls. Its size is bounded by the configuration.
    type State;
    /// What a caller asks for.
    type Request;
    /// What an admitted call holds and returns with its outcome.
    type Ticket;
    /// How an outcome can change the state.
    type Change;
    /// The state, for display.
    type Snapshot;

    /// The state before the first call.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, Time, bulkhead};
    ///
    /// let config = bulkhead::Config::default();
    /// assert_eq!(config.snapshot(&config.state(), Time::ZERO).in_use, 0);
    /// ```
    fn state(&self) -> Self::State;

    /// Decides whether a call may be made. Only a call that was admitted has an outcome to
    /// [`tell`](Decide::tell).
    ///
    /// ```
    /// use mainstay_resilience::{Decide, Decision, Input, Reason, Rejected, Time, bulkhead};
    ///
    /// let limit = bulkhead::Limit::Fixed(1);
    /// let config = bulkhead::Config::new().limit(limit).queue_max(0);
    /// let (mut state, input) = (config.state(), Input::at(Time::ZERO));
    /// let caller = |caller| bulkhead::Request { caller, ..Default::default() };
    /// assert!(matches!(config.ask(&mut state, input, caller(1)), Decision::Admit(_)));
    /// let full = Decision::Reject(Rejected { reason: Reason::BulkheadFull, retry_at: None });
    /// assert_eq!(config.ask(&mut state, input, caller(2)), full);
    /// ```
    fn ask(&self, state: &mut Self::State, input: Input, request: Self::Request) -> Decision<Self::Ticket>;

    /// Records `n` equal outcomes of calls whose tickets are alike.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, Input, Outcome, Recorded, breaker};
    ///
    /// let config = breaker::Config::default();
    /// let (mut state, input) = (config.state(), Input::default());
    /// let ticket = config.ask(&mut state, input, breaker::Request::default()).admitted().unwrap();
    /// // Forty successes in one step.
    /// assert_eq!(config.tell(&mut state, input, ticket, Outcome::Success, 40), Recorded::Counted);
    /// assert_eq!(config.snapshot(&state, input.now).window.calls, 40);
    /// ```
    fn tell(
        &self,
        state: &mut Self::State,
        input: Input,
        ticket: Self::Ticket,
        outcome: Outcome,
        n: u32,
    ) -> Recorded<Self::Change>;

    /// The state at `now`, for display and metrics. Changes nothing.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, Input, Time, rate};
    ///
    /// let config = rate::token_bucket::Config::new().tokens(1).burst(2);
    /// let mut state = config.state();
    /// let _ = config.ask(&mut state, Input::at(Time::ZERO), rate::Request::default());
    /// assert_eq!(config.snapshot(&state, Time::ZERO).available, 1);
    /// assert_eq!(config.snapshot(&state, Time::from_millis(1_000)).available, 2);
    /// ```
    fn snapshot(&self, state: &Self::State, now: Time) -> Self::Snapshot;

    /// Checks that every field is in its range.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, hedge};
    ///
    /// let config = hedge::Config::new().quantile_percent(100);
    /// assert_eq!(config.check().unwrap_err().field, "quantile_percent");
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range.
    fn check(&self) -> Result<(), ConfigError>;
}
