//! The layers around real services: hyper clients and axum servers on loopback, and deliberately awkward
//! services.
#![cfg(feature = "tower")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's panic is its failure")]

mod awkward;
mod http;
mod metrics;
mod reqwest;

use mainstay_resilience::{breaker, budget, bulkhead, retry};
use std::time::Duration;

/// Opens for a minute on the second failure in a row.
fn tripping() -> breaker::Config {
    breaker::Config::new().consecutive_failures(2).open_for(Duration::from_secs(60))
}

fn permits(permits: u32) -> bulkhead::Config {
    bulkhead::Config::new().limit(bulkhead::Limit::Fixed(permits)).queue_max(0)
}

fn retrying() -> retry::Config {
    retry::Config::new()
        .backoff(
            retry::Backoff::new()
                .first(Duration::from_millis(1))
                .max(Duration::from_millis(2))
                .jitter(retry::Jitter::Full),
        )
        .budget(budget::Config::new().per_second_min(1_000))
}
