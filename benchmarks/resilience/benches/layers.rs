//! tower layers over a service that is always ready and responds at once; its own cost is the first row. One
//! adapter per contestant.

mod ours;

use criterion::{Criterion, criterion_group, criterion_main};
use mainstay_resilience::breaker::{self, Window};
use mainstay_resilience::guard::Policy as Guards;
use mainstay_resilience::{bulkhead, retry};
use resilience_bench::service::{Bare, runtime};
use resilience_bench::{Clock, Contest, Row, settings};
use std::future::Ready;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tower::limit::ConcurrencyLimitLayer;
use tower::retry::budget::{Budget, TpsBudget};
use tower::retry::{Policy, RetryLayer};
use tower::timeout::TimeoutLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt as _};
use tower_resilience_bulkhead::BulkheadLayer;
use tower_resilience_circuitbreaker::{
    CircuitBreakerConfigError, CircuitBreakerLayer, DefaultClassifier, SlidingWindowType,
};
use tower_resilience_retry::{RetryBudgetBuilder, RetryLayer as PeerRetryLayer};
use tower_resilience_timelimiter::TimeLimiterLayer;

/// Longer than any call here takes.
const TIMEOUT: Duration = Duration::from_secs(5);
const PERMITS: usize = 64;

const OURS: &str = "mainstay-resilience";

fn permits() -> bulkhead::Config {
    let limit = bulkhead::Limit::Fixed(u32::try_from(PERMITS).unwrap_or(u32::MAX));
    bulkhead::Config::new().limit(limit)
}

fn retry() -> retry::Config {
    retry::Config::default()
}

fn row(contestant: &'static str, semantics: &'static str, clock: Clock) -> Row {
    Row { contestant, semantics, clock }
}

fn breakers(criterion: &mut Criterion) {
    let mut contest = Contest::new(criterion, "breaker, layer");
    contest.service(row("bare service", "no layer", Clock::NotRead), Bare);
    for (window, semantics) in [
        (Window::Calls(100), "sliding count of 100"),
        (Window::Time { length: Duration::from_secs(10), buckets: 10 }, "time window of 10 s in 10 buckets"),
    ] {
        let breaker = breaker::Config::new().window(window);
        let policy = Guards::new().breaker(breaker);
        contest.service(row(OURS, semantics, Clock::Read), ours::layer(policy).layer(Bare));
    }
    let peer = "tower-resilience-circuitbreaker 0.14";
    let count = row(peer, "count of 100 that never slides, a Mutex", Clock::Read);
    contest.service(count, built(peer_breaker().sliding_window_size(100).build()).layer(Bare));
    let consecutive = row(peer, "5 consecutive failures, a Mutex", Clock::Read);
    contest.service(consecutive, built(peer_breaker().consecutive_failures(5).build()).layer(Bare));
    breaker_with_a_time_window(&mut contest);
    contest.finish();
}

fn peer_breaker() -> tower_resilience_circuitbreaker::CircuitBreakerConfigBuilder<DefaultClassifier> {
    CircuitBreakerLayer::builder().failure_rate_threshold(0.5)
}

fn built(layer: Result<CircuitBreakerLayer, CircuitBreakerConfigError>) -> CircuitBreakerLayer {
    match layer {
        Ok(layer) => layer,
        Err(error) => panic!("{error}"),
    }
}

/// It keeps a record of each call in the window and reads all of them on every call, so its cost depends on
/// the number of calls in the window: here 1,000, and up to 500 more during the measurement. At 150 calls per
/// second, 10 s hold as many.
fn breaker_with_a_time_window(contest: &mut Contest<'_>) {
    const BEFORE: u64 = 1000;
    const MEASURED: u64 = 500;
    let peer = "tower-resilience-circuitbreaker 0.14";
    let row = row(peer, "time window of 10 s holding 1,000 to 1,500 calls, a Mutex", Clock::Read);
    let runtime = runtime();
    contest.timed(row, 1, |iterations| {
        let mut took = Duration::ZERO;
        let mut left = iterations;
        while left > 0 {
            let count = left.min(MEASURED);
            let window = peer_breaker().sliding_window_type(SlidingWindowType::TimeBased);
            let layer = built(window.sliding_window_duration(Duration::from_secs(10)).build());
            let mut service = layer.layer(Bare);
            took += runtime.block_on(async {
                calls(&mut service, BEFORE).await;
                let start = Instant::now();
                calls(&mut service, count).await;
                start.elapsed()
            });
            left -= count;
        }
        took
    });
}

async fn calls<S: Service<()>>(service: &mut S, count: u64) {
    for _ in 0..count {
        let Ok(service) = service.ready().await else { panic!("not ready") };
        assert!(service.call(()).await.is_ok());
    }
}

fn single(criterion: &mut Criterion) {
    let mut contest = Contest::new(criterion, "one policy, layer");
    contest.service(row("bare service", "no layer", Clock::NotRead), Bare);
    for (semantics, policy) in [
        ("64 permits, waits in call", Guards::new().bulkhead(permits())),
        ("timeout, tokio's timer, not reached", Guards::new().timeout(TIMEOUT)),
        ("retry, budget: 20 % in 10 slots of 1 s", Guards::new().retry(retry())),
    ] {
        contest.service(row(OURS, semantics, Clock::Read), ours::layer(policy).layer(Bare));
    }
    let limit = row("tower ConcurrencyLimit 0.5", "64 permits", Clock::NotRead);
    contest.service(limit, ConcurrencyLimitLayer::new(PERMITS).layer(Bare));
    let bulkhead = row("tower-resilience-bulkhead 0.14", "64 permits, waits in call", Clock::Read);
    contest.service(bulkhead, peer_bulkhead().layer(Bare));
    let timeout = row("tower Timeout 0.5", "tokio's timer, not reached", Clock::Read);
    contest.service(timeout, TimeoutLayer::new(TIMEOUT).layer(Bare));
    let timelimiter = row("tower-resilience-timelimiter 0.14", "tokio's timer, not reached", Clock::Read);
    contest.service(timelimiter, peer_timeout().layer(Bare));
    let retry = row("tower Retry 0.5", "budget: 20 % in 10 slots of 1 s, a Mutex", Clock::Read);
    contest.service(retry, RetryLayer::new(OnBudget::new()).layer(Bare));
    let peer = row("tower-resilience-retry 0.14", "budget: token bucket, a Mutex; 3 attempts", Clock::Read);
    contest.service(peer, peer_retry().layer(Bare));
    contest.finish();
}

fn stacks(criterion: &mut Criterion) {
    let mut contest = Contest::new(criterion, "stack of layers");
    contest.service(row("bare service", "no layer", Clock::NotRead), Bare);
    let three = Guards::new().retry(retry()).bulkhead(permits()).timeout(TIMEOUT);
    let semantics = "retry + budget, bulkhead, timeout (no breaker), one layer";
    contest.service(row(OURS, semantics, Clock::Read), ours::layer(three.clone()).layer(Bare));
    let four = three.breaker(breaker::Config::new());
    let semantics = "retry + budget, breaker (count of 100), bulkhead, timeout, one layer";
    contest.service(row(OURS, semantics, Clock::Read), ours::layer(four).layer(Bare));
    let tower = ServiceBuilder::new()
        .layer(RetryLayer::new(OnBudget::new()))
        .layer(ConcurrencyLimitLayer::new(PERMITS))
        .layer(TimeoutLayer::new(TIMEOUT))
        .service(Bare);
    contest.service(row("tower 0.5", "retry + budget, limit, timeout (no breaker)", Clock::Read), tower);
    let three =
        ServiceBuilder::new().layer(peer_retry()).layer(peer_bulkhead()).layer(peer_timeout()).service(Bare);
    let semantics = "retry + budget, bulkhead, timeout (no breaker)";
    contest.service(row("tower-resilience 0.14", semantics, Clock::Read), three);
    let four = ServiceBuilder::new()
        .layer(peer_retry())
        .layer(built(peer_breaker().build()))
        .layer(peer_bulkhead())
        .layer(peer_timeout())
        .service(Bare);
    let semantics = "retry + budget, breaker (count of 100), bulkhead, timeout";
    contest.service(row("tower-resilience 0.14", semantics, Clock::Read), four);
    contest.finish();
}

fn peer_bulkhead() -> BulkheadLayer {
    match BulkheadLayer::builder().max_concurrent_calls(PERMITS).build() {
        Ok(layer) => layer,
        Err(error) => panic!("{error}"),
    }
}

fn peer_timeout() -> TimeLimiterLayer<tower_resilience_timelimiter::FixedTimeout> {
    TimeLimiterLayer::builder().timeout_duration(TIMEOUT).build()
}

fn peer_retry<E: Send + 'static>() -> PeerRetryLayer<(), (), E> {
    match RetryBudgetBuilder::new().token_bucket().tokens_per_second(10.0).max_tokens(100).build() {
        Ok(budget) => PeerRetryLayer::builder().max_attempts(3).budget(budget).build(),
        Err(error) => panic!("{error}"),
    }
}

/// tower leaves this policy to its users; this one is from its documentation.
#[derive(Clone)]
struct OnBudget {
    budget: Arc<TpsBudget>,
}

impl OnBudget {
    fn new() -> Self {
        Self { budget: Arc::new(TpsBudget::default()) }
    }
}

impl<E> Policy<(), (), E> for OnBudget {
    type Future = Ready<()>;

    fn retry(&mut self, (): &mut (), result: &mut Result<(), E>) -> Option<Ready<()>> {
        if result.is_ok() {
            self.budget.deposit();
            return None;
        }
        self.budget.withdraw().then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, (): &()) -> Option<()> {
        Some(())
    }
}

criterion_group! { name = benches; config = settings(); targets = breakers, single, stacks }
criterion_main!(benches);
