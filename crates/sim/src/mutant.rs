//! Deliberate bugs. The checkers must catch each of them.

use std::str::FromStr;

/// The deliberate bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mutant {
    #[default]
    None,
    /// The log reports a write as durable when it was only submitted, before its sync.
    AnswerBeforeSync,
    /// A start believes that the state is older than it is, and applies entries a second time.
    ForgottenAppliedIndex,
}

impl FromStr for Mutant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "none" => Ok(Self::None),
            "answer-before-sync" => Ok(Self::AnswerBeforeSync),
            "forgotten-applied-index" => Ok(Self::ForgottenAppliedIndex),
            other => Err(format!("unknown mutant {other}")),
        }
    }
}
