//! What a policy did with an outcome.

/// What a policy did with an outcome.
///
/// ```
/// use mainstay_resilience::breaker::{Circuit, Config, Request};
/// use mainstay_resilience::{Decide, Input, Outcome, Recorded};
///
/// let config = Config::new().consecutive_failures(1);
/// let (mut state, input) = (config.state(), Input::default());
/// let ticket = config.ask(&mut state, input, Request::default()).admitted().unwrap();
/// let recorded = config.tell(&mut state, input, ticket, Outcome::Failure, 1);
/// assert!(matches!(recorded, Recorded::Changed(change) if change.to == Circuit::Open));
/// // The ticket was issued before the breaker tripped.
/// assert_eq!(config.tell(&mut state, input, ticket, Outcome::Success, 1), Recorded::Stale);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded<C> {
    /// The outcome was counted.
    Counted,
    /// The outcome was ignored: its ticket was issued before the last change, or was used before.
    Stale,
    /// The outcome was counted, and it changed the policy's state.
    Changed(C),
}
