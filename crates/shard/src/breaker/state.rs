//! The library's configuration and state, from and to what is stored.

use alloc::vec::Vec;
use core::iter::repeat;
use core::time::Duration;
use format::row::{BreakerCalls, BreakerMode, BreakerState};
use mainstay_resilience::Time;
use mainstay_resilience::breaker::{Config, Forced, Mode, Saved, SavedCalls, State, Window};
use mainstay_resilience::window::Tally;
use model::{BreakerForced, BreakerSettings, BreakerWindow};

/// Into how many parts a window of time is divided.
const BUCKETS: u32 = 10;

/// Open times have no jitter: of all callers in the cluster, one gets the probe.
pub(super) fn config(settings: &BreakerSettings) -> Config {
    let ms = Duration::from_millis;
    Config::new()
        .window(match settings.window {
            BreakerWindow::Calls(calls) => Window::Calls(calls),
            BreakerWindow::Time(length_ms) => Window::Time { length: ms(length_ms), buckets: BUCKETS },
        })
        .calls_min(settings.calls_min)
        .failure_percent(settings.failure_percent)
        .slow_percent(settings.slow.map(|slow| slow.percent))
        .slow_after(settings.slow.map(|slow| ms(slow.after_ms)))
        .consecutive_failures(settings.consecutive_failures)
        .sources_min(settings.workers_min)
        .sources_within(ms(settings.workers_within_ms))
        .open_for(ms(settings.open_ms))
        .open_for_max(ms(settings.open_ms_max))
        .open_jitter_percent(0)
        .forget_after(ms(settings.forget_after_ms))
        .probes(settings.probes)
        .probes_at_once(settings.probes_at_once)
        .probe_success_percent(settings.probe_success_percent)
        .probe_for(ms(settings.probe_ms))
        .ramp_for(ms(settings.ramp_ms))
        .ramp_from_percent(settings.ramp_from_percent)
}

pub(super) fn save(state: &State) -> BreakerState {
    let saved = state.save();
    let pairs =
        |pairs: Vec<(u32, Time)>| pairs.into_iter().map(|(number, time)| (number, time.as_nanos())).collect();
    BreakerState {
        mode: match saved.mode {
            Mode::Closed => BreakerMode::Closed,
            Mode::Ramp => BreakerMode::Ramp,
            Mode::Open { until } => BreakerMode::Open(until.as_nanos()),
            Mode::HalfOpen => BreakerMode::HalfOpen,
        },
        forced: match saved.forced {
            Forced::No => BreakerForced::No,
            Forced::Open => BreakerForced::Open,
            Forced::Closed => BreakerForced::Closed,
        },
        generation: saved.generation,
        since: saved.since.as_nanos(),
        calls: match saved.calls {
            SavedCalls::Count { length, next, calls, failed, slow } => {
                BreakerCalls::Count { length, next, calls, failed, slow: if_any(slow) }
            }
            SavedCalls::Time { bucket_nanos, newest, buckets } => BreakerCalls::Time {
                bucket_nanos,
                newest,
                slow: if_any(buckets.iter().map(|bucket| bucket.slow).collect()),
                buckets: buckets.into_iter().map(|bucket| (bucket.calls, bucket.failures)).collect(),
            },
        },
        consecutive: saved.consecutive,
        trips: saved.trips,
        sources: pairs(saved.sources),
        probes: pairs(saved.probes),
        probe_last: saved.probe_last,
        probes_succeeded: saved.probes_succeeded,
        probes_failed: saved.probes_failed,
    }
}

/// Nothing, if all of it is 0: the row of a breaker whose calls are never slow does not grow.
fn if_any(slow: Vec<u64>) -> Vec<u64> {
    if slow.iter().all(|slow| *slow == 0) { Vec::new() } else { slow }
}

pub(super) fn restore(state: &BreakerState) -> State {
    let pairs = |pairs: &[(u32, u64)]| {
        pairs.iter().map(|(number, nanos)| (*number, Time::from_nanos(*nanos))).collect()
    };
    State::restore(Saved {
        mode: match state.mode {
            BreakerMode::Closed => Mode::Closed,
            BreakerMode::Ramp => Mode::Ramp,
            BreakerMode::Open(until) => Mode::Open { until: Time::from_nanos(until) },
            BreakerMode::HalfOpen => Mode::HalfOpen,
        },
        forced: match state.forced {
            BreakerForced::No => Forced::No,
            BreakerForced::Open => Forced::Open,
            BreakerForced::Closed => Forced::Closed,
        },
        generation: state.generation,
        since: Time::from_nanos(state.since),
        calls: match &state.calls {
            BreakerCalls::Count { length, next, calls, failed, slow } => SavedCalls::Count {
                length: *length,
                next: *next,
                calls: *calls,
                failed: failed.clone(),
                slow: slow.clone(),
            },
            BreakerCalls::Time { bucket_nanos, newest, buckets, slow } => SavedCalls::Time {
                bucket_nanos: *bucket_nanos,
                newest: *newest,
                buckets: buckets
                    .iter()
                    .zip(slow.iter().copied().chain(repeat(0)))
                    .map(|((calls, failures), slow)| Tally { calls: *calls, failures: *failures, slow })
                    .collect(),
            },
        },
        consecutive: state.consecutive,
        trips: state.trips,
        sources: pairs(&state.sources),
        probes: pairs(&state.probes),
        probe_last: state.probe_last,
        probes_succeeded: state.probes_succeeded,
        probes_failed: state.probes_failed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstay_resilience::Decide;

    #[test]
    fn the_default_settings_are_those_of_the_library() {
        let config = config(&BreakerSettings::default());
        assert_eq!(config, Config::new().open_jitter_percent(0));
        assert!(config.check().is_ok());
    }
}
