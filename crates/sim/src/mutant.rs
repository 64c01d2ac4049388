//! Deliberate bugs. If one of them is not caught, the checkers prove nothing.

use std::str::FromStr;

/// The deliberate bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mutant {
    #[default]
    None,
    /// The log reports a write as durable once it was submitted, before its sync.
    AnswerBeforeSync,
    /// A start takes the state to be older than it is, and applies entries a second time.
    ForgottenAppliedIndex,
}

impl FromStr for Mutant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "none" => Ok(Self::None),
            "answer-before-sync" => Ok(Self::AnswerBeforeSync),
            "forgotten-applied-index" => Ok(Self::ForgottenAppliedIndex),
            other => Err(format!("no mutant is called {other}")),
        }
    }
}
