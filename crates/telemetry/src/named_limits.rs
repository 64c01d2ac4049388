//! Metrics of named limits. They are read from the state for each scrape, not counted.

/// A limit, and what its keys have in use. Each key has the whole limit for itself.
#[derive(Clone, Debug, Default)]
pub struct NamedLimitFigures {
    pub limit: String,
    /// Tasks of a key that may run at the same time, if the limit says so.
    pub concurrency: Option<u64>,
    /// What may begin at once after a pause, if the limit has a rate.
    pub rate_burst: Option<u64>,
    /// Keys in use.
    pub keys: u64,
    /// Tasks that run.
    pub running: u64,
    /// Tasks that run of the key that has most of them.
    pub running_max: u64,
    /// Tasks that wait for a key to open.
    pub waiting: u64,
    /// Keys that workers have closed for a time.
    pub throttled: u64,
    /// What still fits the rate in the key that has least left, if the limit has a rate.
    pub rate_left_min: Option<u64>,
}

/// What a scrape shows of all limits.
#[derive(Clone, Debug, Default)]
pub struct NamedLimits {
    /// At most a bounded number; the rest is left out.
    pub limits: Vec<NamedLimitFigures>,
    /// How many of them have more keys or tasks that wait than were read.
    pub cut: u64,
}
