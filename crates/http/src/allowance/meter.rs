//! What one holder of a token has left, or all clients together.

use crate::response::Result;
use api::{Code, Problem};
use mainstay_resilience::rate::Request;
use mainstay_resilience::rate::token_bucket::{Config, State};
use mainstay_resilience::{Decide as _, Decision, Input, Time};
use model::{Allowance, limits};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use telemetry::{LimitMetrics, LimitOf, Limited};

/// Bytes that one token of a bucket stands for.
const UNIT_BYTES: u64 = 1 << 10;

/// Counts what one holder uses. It is shared by the holder's requests.
#[derive(Debug)]
pub(crate) struct Meter {
    of: LimitOf,
    allowance: Allowance,
    requests: Option<Bucket>,
    bytes: Option<Bucket>,
    /// Bytes that were used and are not a whole unit yet.
    odd_bytes: AtomicU64,
    subscribers: AtomicU64,
    began: Instant,
}

#[derive(Debug)]
struct Bucket {
    config: Config,
    state: AtomicU64,
}

impl Bucket {
    /// As much at once as in one second.
    fn new(per_second: u64) -> Self {
        let tokens = u32::try_from(per_second.max(1)).unwrap_or(u32::MAX);
        let config = Config::new().tokens(tokens).per(Duration::from_secs(1)).burst(tokens);
        let state = AtomicU64::new(config.state().to_bits());
        Self { config, state }
    }

    /// The state after one token is taken, or how long there will be none.
    fn after(&self, bits: u64, now: Time) -> Result<u64, Duration> {
        let mut state = State::from_bits(bits);
        match self.config.ask(&mut state, Input::at(now), Request::default()) {
            Decision::Admit(_) => Ok(state.to_bits()),
            Decision::Wait { until } => Err(until.since(now)),
            Decision::Reject(rejected) => Err(rejected.retry_at.map_or(Duration::MAX, |at| at.since(now))),
        }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// How long there will be none.
    fn take(&self, now: Time) -> Result<(), Duration> {
        let taken = self.state.fetch_update(Relaxed, Relaxed, |bits| self.after(bits, now).ok());
        taken.map(drop).map_err(|bits| self.after(bits, now).err().unwrap_or(Duration::ZERO))
    }

    /// How long there will be no token; zero if there is one.
    fn debt(&self, now: Time) -> Duration {
        self.after(self.state.load(Relaxed), now).err().unwrap_or(Duration::ZERO)
    }

    fn spend(&self, now: Time, tokens: u64) {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        let spent = |bits| {
            let mut state = State::from_bits(bits);
            self.config.spend(&mut state, now, tokens);
            Some(state.to_bits())
        };
        // It always has a new state.
        let _ = self.state.fetch_update(Relaxed, Relaxed, spent);
    }
}

impl Meter {
    /// `None` if nothing is limited.
    pub(crate) fn new(of: LimitOf, allowance: Allowance) -> Option<Arc<Self>> {
        (!allowance.is_unlimited()).then(|| {
            Arc::new(Self {
                of,
                allowance,
                requests: allowance.requests_per_second.map(Bucket::new),
                bytes: allowance.bytes_per_second.map(|bytes| Bucket::new(bytes / UNIT_BYTES)),
                odd_bytes: AtomicU64::new(0),
                subscribers: AtomicU64::new(0),
                began: Instant::now(),
            })
        })
    }

    /// Whether it counts for this allowance.
    pub(crate) fn is_for(&self, allowance: &Allowance) -> bool {
        self.allowance == *allowance
    }

    fn now(&self) -> Time {
        Time::from_nanos(u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn check_request(&self, metrics: &LimitMetrics) -> Result<()> {
        let now = self.now();
        for (limited, bucket) in [(Limited::Requests, &self.requests), (Limited::Bytes, &self.bytes)] {
            if let Some(Err(wait)) = bucket.as_ref().map(|bucket| bucket.take(now)) {
                return Err(self.reached(limited, wait, metrics));
            }
        }
        Ok(())
    }

    fn spend_bytes(&self, bytes: u64) {
        let Some(bucket) = &self.bytes else { return };
        let all = self.odd_bytes.fetch_add(bytes, Relaxed).saturating_add(bytes);
        if all >= UNIT_BYTES {
            let units = all / UNIT_BYTES;
            self.odd_bytes.fetch_sub(units * UNIT_BYTES, Relaxed);
            bucket.spend(self.now(), units);
        }
    }

    fn debt(&self) -> Duration {
        self.bytes.as_ref().map_or(Duration::ZERO, |bucket| bucket.debt(self.now()))
    }

    fn take_seat(self: &Arc<Self>, metrics: &LimitMetrics) -> Result<Option<Seat>> {
        let Some(max) = self.allowance.subscribers_max else { return Ok(None) };
        let one_more = |taken: u64| (taken < max).then_some(taken + 1);
        match self.subscribers.fetch_update(Relaxed, Relaxed, one_more) {
            Ok(_) => Ok(Some(Seat(Arc::clone(self)))),
            Err(_) => Err(self.reached(Limited::Subscribers, Duration::from_secs(1), metrics)),
        }
    }

    fn reached(&self, limited: Limited, wait: Duration, metrics: &LimitMetrics) -> Box<Problem> {
        metrics.of(limited, self.of).inc();
        let holder = match self.of {
            LimitOf::Token => "the token has",
            LimitOf::Node => "all clients together have",
        };
        let at = Limited::ALL.iter().position(|one| *one == limited).unwrap_or_default();
        let max = self.allowance.parts()[at].unwrap_or_default();
        let detail = format!("{holder} reached the limit of `{}`, which is {max}", limited.as_str());
        let mut problem = Problem::new(Code::LimitReached, detail)
            .text("limit", limited.as_str())
            .text("of", self.of.as_str())
            .number("max", max);
        problem.retry_after_s =
            Some(u32::try_from(wait.as_millis().div_ceil(1_000).max(1)).unwrap_or(u32::MAX));
        problem
    }
}

/// One of the subscribers that a holder may have at the same time, until it is dropped.
#[derive(Debug)]
struct Seat(Arc<Meter>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.subscribers.fetch_sub(1, Relaxed);
    }
}

/// The seats of one subscriber.
#[derive(Debug, Default)]
pub(super) struct Seats {
    _taken: [Option<Seat>; 2],
}

/// What counts for one request: the limits of its token, and those of all clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meters([Option<Arc<Meter>>; 2]);

impl Meters {
    /// `None` if nothing counts.
    pub(crate) fn new(own: Option<Arc<Meter>>, all: Option<Arc<Meter>>) -> Option<Self> {
        (own.is_some() || all.is_some()).then_some(Self([own, all]))
    }

    fn each(&self) -> impl Iterator<Item = &Arc<Meter>> {
        self.0.iter().flatten()
    }

    pub(super) fn check_request(&self, metrics: &LimitMetrics) -> Result<()> {
        self.each().try_for_each(|meter| meter.check_request(metrics))
    }

    /// The most bytes that the body of a request may have.
    fn body_bytes_max(&self) -> (u64, Option<LimitOf>) {
        let node = (limits::BODY_BYTES_MAX as u64, None);
        let own = |meter: &Arc<Meter>| Some((meter.allowance.body_bytes_max?, Some(meter.of)));
        self.each().filter_map(own).chain([node]).min_by_key(|(bytes, _)| *bytes).unwrap_or(node)
    }

    /// # Errors
    /// When a body of this length, or of what has arrived of it, is too long.
    pub(super) fn check_body(&self, bytes: u64, metrics: &LimitMetrics) -> Result<()> {
        let (max, of) = self.body_bytes_max();
        if bytes <= max {
            return Ok(());
        }
        if let Some(of) = of {
            metrics.of(Limited::Body, of).inc();
        }
        Err(Problem::new(Code::BodyTooLarge, format!("the body has more than {max} bytes"))
            .number("limit", max))
    }

    pub(super) fn take_seats(&self, metrics: &LimitMetrics) -> Result<Seats> {
        let mut taken = [None, None];
        for (seat, meter) in taken.iter_mut().zip(self.each()) {
            *seat = meter.take_seat(metrics)?;
        }
        Ok(Seats { _taken: taken })
    }

    pub(super) fn spend_bytes(&self, bytes: u64) {
        self.each().for_each(|meter| meter.spend_bytes(bytes));
    }

    /// How long a stream must wait before its next part, and counts that it must.
    pub(super) fn wait(&self, metrics: &LimitMetrics) -> Option<Duration> {
        let (debt, of) = self.each().map(|meter| (meter.debt(), meter.of)).max_by_key(|(debt, _)| *debt)?;
        if debt.is_zero() {
            return None;
        }
        metrics.of(Limited::Bytes, of).inc();
        Some(debt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket_of(meter: &Meter) -> &Bucket {
        meter.bytes.as_ref().unwrap()
    }

    #[test]
    fn bytes_are_charged_in_whole_units_and_none_is_lost() {
        let allowance = Allowance { bytes_per_second: Some(1 << 20), ..Allowance::default() };
        let meter = Meter::new(LimitOf::Token, allowance).unwrap();
        let left = || {
            bucket_of(&meter)
                .config
                .snapshot(&State::from_bits(bucket_of(&meter).state.load(Relaxed)), Time::ZERO)
        };
        for _ in 0..1_023 {
            meter.spend_bytes(1);
        }
        assert_eq!(left().full_at, None, "less than a unit");
        meter.spend_bytes(1);
        assert!(left().full_at.is_some());
        assert_eq!(meter.odd_bytes.load(Relaxed), 0);
        meter.spend_bytes(5_000_000);
        assert_eq!(meter.odd_bytes.load(Relaxed), 5_000_000 % 1_024);
        assert!(meter.debt() > Duration::from_secs(3), "{:?}", meter.debt());
    }

    #[test]
    fn the_smallest_limit_of_a_body_counts() {
        let of =
            |of, bytes| Meter::new(of, Allowance { body_bytes_max: Some(bytes), ..Allowance::default() });
        let metrics = LimitMetrics::default();
        for (own, all, max) in [
            (of(LimitOf::Token, 2_000), of(LimitOf::Node, 3_000), 2_000),
            (of(LimitOf::Token, 3_000), of(LimitOf::Node, 2_000), 2_000),
            (None, of(LimitOf::Node, 4_000), 4_000),
        ] {
            let meters = Meters::new(own, all).unwrap();
            assert!(meters.check_body(max, &metrics).is_ok());
            assert_eq!(meters.check_body(max + 1, &metrics).unwrap_err().code, Code::BodyTooLarge);
        }
        let counted = |of| metrics.of(Limited::Body, of).get();
        assert_eq!((counted(LimitOf::Token), counted(LimitOf::Node)), (1, 2));
        assert!(Meters::new(None, None).is_none());
        assert!(Meter::new(LimitOf::Token, Allowance::default()).is_none(), "no limit costs nothing");
    }
}
