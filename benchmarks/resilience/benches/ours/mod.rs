//! Our layer, of whatever the policy holds.

use mainstay_resilience::Outcome;
use mainstay_resilience::guard::Policy;
use mainstay_resilience::tower::{BoxError, GuardLayer, JudgeBy};

type Judge = fn(Result<&(), &BoxError>) -> Outcome;

fn judge(result: Result<&(), &BoxError>) -> Outcome {
    if result.is_ok() { Outcome::Success } else { Outcome::Failure }
}

/// Panics at a policy that makes no sense.
pub(crate) fn layer(policy: Policy) -> GuardLayer<JudgeBy<Judge>> {
    match GuardLayer::from_policy("bench", policy, JudgeBy::new(judge as Judge)) {
        Ok(layer) => layer,
        Err(error) => panic!("{error}"),
    }
}
