//! Our layer with a given policy.

use mainstay_resilience::Outcome;
use mainstay_resilience::guard::Policy;
use mainstay_resilience::tower::{BoxError, ClassifyWith, GuardLayer};

type Classify = fn(Result<&(), &BoxError>) -> Outcome;

fn classify(result: Result<&(), &BoxError>) -> Outcome {
    if result.is_ok() { Outcome::Success } else { Outcome::Failure }
}

/// Panics if the policy is invalid.
pub(crate) fn layer(policy: Policy) -> GuardLayer<ClassifyWith<Classify>> {
    match GuardLayer::from_policy("bench", policy, ClassifyWith::new(classify as Classify)) {
        Ok(layer) => layer,
        Err(error) => panic!("{error}"),
    }
}
