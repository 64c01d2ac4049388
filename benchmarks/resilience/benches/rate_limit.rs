//! Rate limits that always have a token. One adapter per contestant. Layers are over a service that is always
//! ready and responds at once; its own cost is the first of their rows.

mod ours;

use criterion::{Criterion, criterion_group, criterion_main};
use governor::clock::{Clock as GovernorClock, FakeRelativeClock, MonotonicClock, QuantaClock};
use governor::{Quota, RateLimiter};
use mainstay_resilience::guard::Policy;
use mainstay_resilience::policy::RateLimit;
use mainstay_resilience::rate::{self, token_bucket};
use mainstay_resilience::sync;
use mainstay_resilience::{Input, Time};
use resilience_bench::service::{Bare, runtime};
use resilience_bench::{Clock, Contest, Row, settings};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};
use tower::Layer as _;
use tower::limit::RateLimitLayer;
use tower_resilience_ratelimiter::{RateLimiterLayer, WindowType};

/// More than any contestant grants in a second.
const RATE: u32 = 1_000_000_000;

fn direct(criterion: &mut Criterion) {
    let mut contest = Contest::new(criterion, "rate limit: take");
    ours_direct(&mut contest);
    governor(&mut contest, "GCRA in one word; quanta's clock (rdtsc)", Clock::Read, QuantaClock::default());
    governor(&mut contest, "GCRA in one word; std's Instant", Clock::Read, MonotonicClock);
    governor(&mut contest, "GCRA in one word", Clock::NotRead, FakeRelativeClock::default());
    contest.finish();
}

/// Ten tokens per microsecond, its maximum, and a burst larger than a round takes.
fn ours_direct(contest: &mut Contest<'_>) {
    let config = token_bucket::Config::new()
        .tokens(10_000_000)
        .per(Duration::from_secs(1))
        .burst(u32::MAX)
        .wait_max(Duration::ZERO);
    let row = |clock| Row {
        contestant: "mainstay-resilience",
        semantics: "GCRA in one word; std's Instant",
        clock,
    };
    let ask = |limit: &sync::RateLimiter, now| {
        assert!(limit.try_acquire_at(Input::at(now), rate::Request::default()).is_ok());
    };
    let build = || match sync::RateLimiter::new(RateLimit::TokenBucket(config.clone())) {
        Ok(limit) => limit,
        Err(error) => panic!("{error}"),
    };
    let origin = Instant::now();
    // One bucket for each of the two, because a bucket never refills while the clock stands still.
    let standing = [build(), build()];
    let still = |clock| Row { semantics: "GCRA in one word", ..row(clock) };
    contest.alone(still(Clock::NotRead), || ask(&standing[0], Time::from_millis(1)));
    contest.together(still(Clock::NotRead), || ask(&standing[1], Time::from_millis(1)));
    let running = [build(), build()];
    contest.alone(row(Clock::Read), || ask(&running[0], Time::ZERO + origin.elapsed()));
    contest.together(row(Clock::Read), || ask(&running[1], Time::ZERO + origin.elapsed()));
}

/// One token per nanosecond and a burst of four seconds: even with the clock stopped, no round uses it up.
fn governor<C>(contest: &mut Contest<'_>, semantics: &'static str, clock: Clock, source: C)
where
    C: GovernorClock + Clone + Sync,
    C::Instant: Sync,
{
    let row = Row { contestant: "governor 0.10", semantics, clock };
    let Some(rate) = NonZeroU32::new(RATE) else { return };
    let quota = Quota::per_second(rate).allow_burst(NonZeroU32::MAX);
    let build = || RateLimiter::direct_with_clock(quota, source.clone());
    let limit = build();
    contest.alone(row, || assert!(limit.check().is_ok()));
    let limit = build();
    contest.together(row, || assert!(limit.check().is_ok()));
}

fn layers(criterion: &mut Criterion) {
    let mut contest = Contest::new(criterion, "rate limit, layer");
    let bare = Row { contestant: "bare service", semantics: "no limit", clock: Clock::NotRead };
    contest.service(bare, Bare);
    // It cannot be cloned: a limit for many callers needs a `Buffer` in front of it, with a task and a
    // channel.
    let fixed = "fixed window of 1 s, one owner";
    let row = Row { contestant: "tower::limit::RateLimit 0.5", semantics: fixed, clock: Clock::Read };
    // It creates its timer when it is built.
    let timers = runtime();
    let limit = {
        let _inside = timers.enter();
        RateLimitLayer::new(u64::from(RATE), Duration::from_secs(1)).layer(Bare)
    };
    contest.service_alone(row, limit);
    ours_as_a_layer(&mut contest);
    tower_resilience(&mut contest, "fixed window of 1 s, a Mutex", |second| {
        second.window_type(WindowType::Fixed)
    });
    tower_resilience(&mut contest, "sliding counter of two windows of 1 s, a Mutex", |second| {
        second.window_type(WindowType::SlidingCounter)
    });
    tower_resilience(&mut contest, "token bucket, a Mutex", |second| second.burst_size(1000));
    contest.finish();
}

fn ours_as_a_layer(contest: &mut Contest<'_>) {
    let bucket = token_bucket::Config::new().tokens(10_000_000).burst(10_000_000);
    let policy = Policy::new().rate_limit(RateLimit::TokenBucket(bucket));
    let row =
        Row { contestant: "mainstay-resilience", semantics: "token bucket in one word", clock: Clock::Read };
    contest.service(row, ours::layer(policy).layer(Bare));
}

type Builder = tower_resilience_ratelimiter::RateLimiterConfigBuilder;

fn tower_resilience(contest: &mut Contest<'_>, semantics: &'static str, window: impl Fn(Builder) -> Builder) {
    let row = Row { contestant: "tower-resilience-ratelimiter 0.14", semantics, clock: Clock::Read };
    let limit = RateLimiterLayer::builder();
    let limit = limit.limit_for_period(RATE as usize).refresh_period(Duration::from_secs(1));
    match window(limit).build() {
        Ok(layer) => contest.service(row, layer.layer(Bare)),
        Err(error) => panic!("{error}"),
    }
}

criterion_group! { name = benches; config = settings(); targets = direct, layers }
criterion_main!(benches);
