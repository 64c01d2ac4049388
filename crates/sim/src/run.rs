//! Runs one seed from beginning to end.

use crate::mutant::Mutant;
use crate::trace::Echo;
use crate::world::World;

#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    pub seed: u64,
    pub mutant: Mutant,
    pub echo: Echo,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub seed: u64,
    /// A hash over all steps.
    pub hash: u64,
    pub steps: u64,
    pub acknowledgements: u64,
    pub refusals: u64,
    pub replays: u64,
    /// Events that followers received.
    pub followed: u64,
    /// Damaged copies that did not start, or whose damage a reader reported.
    pub damage_reported: u64,
    /// Backups that were restored.
    pub restores: u64,
    /// Entries of archives that were applied to restored backups.
    pub replayed: u64,
    pub crashes: u64,
    /// Whether it crashed after enough acknowledgements to count.
    pub counts: bool,
}

/// A promise was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub seed: u64,
    pub step: u64,
    pub what: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seed {} failed at step {}: {}", self.seed, self.step, self.what)
    }
}

/// Runs a seed.
///
/// # Errors
/// [`Failure`]: a promise was broken. The same seed breaks it again.
pub fn run(options: RunOptions) -> Result<Report, Failure> {
    let mut world = World::new(options);
    match world.run() {
        Ok(()) => Ok(world.report()),
        Err(what) => Err(Failure { seed: options.seed, step: world.steps(), what }),
    }
}
