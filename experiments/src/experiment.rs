//! An experiment: the same requests twice, without a policy and with it, and the texts that explain both.

use crate::half::Half;
use crate::harness::SetupError;
use crate::harness::chart::Mark;
use crate::harness::outgoing::Side;
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub(crate) type Running = Pin<Box<dyn Future<Output = Result<Half, SetupError>>>>;

/// One experiment. Its texts are written for a reader who has never heard of the pattern.
#[derive(Debug)]
pub struct Experiment {
    /// The name on the command line.
    pub name: &'static str,
    /// The failure, in a few words.
    pub title: &'static str,
    /// A drawing of the services: who calls whom, and what fails.
    pub topology: &'static str,
    /// What will happen, without the policy and with it.
    pub expect: &'static str,
    /// How the calls of the first half are made.
    pub without: &'static str,
    /// What the second half adds.
    pub with: &'static str,
    /// What to remember.
    pub lesson: &'static str,
    /// The page about the pattern, from the root of the repository.
    pub page: &'static str,
    /// How long each half lasts.
    pub(crate) lasts: Duration,
    pub(crate) marks: &'static [Mark],
    pub(crate) half: fn(Side, u64) -> Running,
    pub(crate) compare: fn(&Half, &Half) -> String,
}

impl Experiment {
    /// How long each half lasts.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        self.lasts
    }

    /// Runs one half to its end. Everything that it starts ends with it.
    ///
    /// # Errors
    /// The experiment could not be set up.
    pub fn run(&self, side: Side, seed: u64) -> Result<Half, SetupError> {
        // One thread is enough: the services sleep most of the time.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on((self.half)(side, seed))
    }

    /// Both halves as JSON, for programs.
    #[must_use]
    pub fn json(&self, seed: u64, without: &Half, with: &Half) -> Value {
        json!({ "experiment": self.name, "seed": seed, "without": without.json(), "with": with.json() })
    }
}
