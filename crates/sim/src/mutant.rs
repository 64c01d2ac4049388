//! Deliberate bugs. The checkers must catch each of them.

use std::str::FromStr;

/// The deliberate bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mutant {
    #[default]
    None,
    /// The syncs of the log do nothing.
    LogWithoutSync,
    /// The syncs of the bodies do nothing.
    BodiesWithoutSync,
    /// The syncs of a directory do nothing: new names may be lost.
    DirectoriesWithoutSync,
    /// A start believes that the state is older than it is, and applies entries a second time.
    ForgottenAppliedIndex,
    /// Now and then a commit loses one of its rows.
    LostRow,
    /// The state never says that its disk work lags.
    HiddenPressure,
    /// Now and then, what was read for a reaction lacks an event.
    LostReaction,
    /// Now and then, a commit forgets how far a schedule has come.
    ForgottenTick,
    /// The monotonic clock follows the steps of the wall clock.
    MonotonicFromWall,
}

impl FromStr for Mutant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "none" => Ok(Self::None),
            "log-without-sync" => Ok(Self::LogWithoutSync),
            "bodies-without-sync" => Ok(Self::BodiesWithoutSync),
            "directories-without-sync" => Ok(Self::DirectoriesWithoutSync),
            "forgotten-applied-index" => Ok(Self::ForgottenAppliedIndex),
            "lost-row" => Ok(Self::LostRow),
            "hidden-pressure" => Ok(Self::HiddenPressure),
            "lost-reaction" => Ok(Self::LostReaction),
            "forgotten-tick" => Ok(Self::ForgottenTick),
            "monotonic-from-wall" => Ok(Self::MonotonicFromWall),
            other => Err(format!("unknown mutant {other}")),
        }
    }
}
