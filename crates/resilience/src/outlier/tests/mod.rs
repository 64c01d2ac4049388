//! Outlier ejection as tables of cases, and against a model that recounts everything it was told.

use super::{Config, Ejected, Request, State, Ticket};
use crate::contract::{Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time};
use crate::test_rng::{Clock, Rng, steps};
use core::time::Duration;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn at(millis: u64) -> Input {
    Input::at(Time::from_millis(millis))
}

fn some_state(config: &Config, hosts: u32) -> State {
    let mut state = config.state();
    for host in 0..hosts {
        assert!(config.ask(&mut state, at(0), Request { host }).admitted().is_some());
    }
    state
}

fn ticket(config: &Config, state: &mut State, millis: u64, host: u32) -> Ticket {
    config.ask(state, at(millis), Request { host }).admitted().unwrap()
}

/// Makes one call to a host. Returns the end of the ejection, if the call caused one.
fn call(config: &Config, state: &mut State, millis: u64, host: u32, outcome: Outcome) -> Option<u64> {
    let ticket = ticket(config, state, millis, host);
    match config.tell(state, at(millis), ticket, outcome, 1) {
        Recorded::Counted => None,
        Recorded::Changed(Ejected { host: ejected, until }) => {
            assert_eq!(ejected, host);
            Some(until.as_nanos() / 1_000_000)
        }
        Recorded::Stale => panic!("it was admitted just now"),
    }
}

fn rejected(config: &Config, state: &mut State, millis: u64, host: u32) -> Option<u64> {
    match config.ask(state, at(millis), Request { host }) {
        Decision::Admit(_) => None,
        Decision::Reject(Rejected { reason: Reason::Outlier, retry_at: Some(retry_at) }) => {
            Some(retry_at.as_nanos() / 1_000_000)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn consecutive_failures_eject_a_host_unless_a_success_comes_between() {
    use Outcome::{Cancelled, Failure, Neutral, Slow, Success};
    let config = Config { consecutive_failures: Some(3), ..Config::default() };
    for (outcomes, ejects) in [
        (&[Failure, Failure, Failure][..], true),
        (&[Failure, Failure, Success, Failure, Failure], false),
        (&[Failure, Failure, Slow, Failure, Failure], false),
        (&[Failure, Failure, Neutral, Cancelled, Failure], true),
    ] {
        let mut state = some_state(&config, 2);
        let mut ejected = None;
        for outcome in outcomes {
            assert_eq!(ejected, None);
            ejected = call(&config, &mut state, 10, 0, *outcome);
        }
        assert_eq!(ejected, ejects.then_some(30_010), "{outcomes:?}");
        assert_eq!(rejected(&config, &mut state, 30_009, 0), ejects.then_some(30_010), "{outcomes:?}");
        assert_eq!(rejected(&config, &mut state, 30_010, 0), None, "{outcomes:?}");
    }
}

#[test]
fn a_share_of_failures_ejects_once_the_window_holds_enough_calls() {
    let config =
        Config { consecutive_failures: None, failure_percent: Some(50), calls_min: 4, ..Config::default() };
    let mut state = some_state(&config, 2);
    let outcomes = [Outcome::Failure, Outcome::Failure, Outcome::Success, Outcome::Success];
    // The fourth call reaches the minimum, but a success never ejects a host.
    assert!(outcomes.iter().all(|outcome| call(&config, &mut state, 100, 0, *outcome).is_none()));
    assert_eq!(call(&config, &mut state, 200, 0, Outcome::Failure), Some(30_200));
    // Old calls leave the window.
    assert_eq!(call(&config, &mut state, 100, 1, Outcome::Failure), None);
    assert_eq!(call(&config, &mut state, 40_000, 1, Outcome::Failure), None);
    assert_eq!(call(&config, &mut state, 40_000, 1, Outcome::Failure), None);
    assert_eq!(call(&config, &mut state, 40_000, 1, Outcome::Failure), None);
    assert_eq!(call(&config, &mut state, 40_000, 1, Outcome::Failure), Some(70_000));
}

#[test]
fn at_most_the_configured_share_is_ejected_and_never_the_last_host() {
    for (hosts, percent, ejected) in [
        (1, 50, 0),
        (1, 100, 0),
        (2, 50, 1),
        (2, 100, 1),
        (3, 50, 1),
        (4, 50, 2),
        (10, 10, 1),
        (9, 10, 0),
        (5, 0, 0),
    ] {
        let config = Config { ejected_percent_max: percent, ..Config::default() };
        let mut state = some_state(&config, hosts);
        for host in 0..hosts {
            for _ in 0..20 {
                if config.ask(&mut state, at(1), Request { host }).admitted().is_some() {
                    call(&config, &mut state, 1, host, Outcome::Failure);
                }
            }
        }
        let snapshot = config.snapshot(&state, Time::from_millis(1));
        assert_eq!(snapshot.ejected, ejected, "{hosts} hosts, {percent} of a hundred");
        assert!((0..hosts).any(|host| state.admits(host, Time::from_millis(1))));
    }
}

#[test]
fn ejections_get_longer_up_to_a_maximum_and_are_forgotten() {
    let config = Config {
        consecutive_failures: Some(1),
        eject_for: Duration::from_secs(30),
        eject_for_max: Duration::from_secs(100),
        ..Config::default()
    };
    let (mut state, mut now) = (some_state(&config, 2), 0);
    for seconds in [30, 60, 90, 100, 100] {
        let until = call(&config, &mut state, now, 0, Outcome::Failure);
        assert_eq!(until, Some(now + seconds * 1_000));
        now += seconds * 1_000 + 1;
    }
    // It is admitted for almost long enough to start again, then for long enough.
    now += 99_000;
    assert_eq!(call(&config, &mut state, now, 0, Outcome::Failure), Some(now + 100_000));
    now += 200_000;
    assert_eq!(call(&config, &mut state, now, 0, Outcome::Failure), Some(now + 30_000));
}

#[test]
fn a_returning_host_starts_afresh() {
    let config = Config { consecutive_failures: Some(2), ..Config::default() };
    let mut state = some_state(&config, 2);
    let (old, other) = (ticket(&config, &mut state, 0, 0), ticket(&config, &mut state, 0, 0));
    assert_eq!(call(&config, &mut state, 1, 0, Outcome::Failure), None);
    assert_eq!(call(&config, &mut state, 1, 0, Outcome::Failure), Some(30_001));
    assert_eq!(config.tell(&mut state, at(2), old, Outcome::Failure, 1), Recorded::Stale);
    assert_eq!(call(&config, &mut state, 30_001, 0, Outcome::Failure), None);
    assert_eq!(config.tell(&mut state, at(30_002), other, Outcome::Success, 1), Recorded::Stale);
    assert_eq!(call(&config, &mut state, 30_002, 0, Outcome::Failure), Some(90_002));
    assert_eq!(config.snapshot(&state, Time::ZERO).stale, 2);
}

#[test]
fn the_number_of_known_hosts_is_bounded_and_ejected_ones_are_kept() {
    let config = Config { hosts_max: 3, ..Config::default() };
    let mut state = some_state(&config, 3);
    let failures = [Outcome::Failure; 5];
    let ejected = failures.iter().filter_map(|outcome| call(&config, &mut state, 1, 0, *outcome));
    assert_eq!(ejected.count(), 1);
    let lost = ticket(&config, &mut state, 2, 1);
    ticket(&config, &mut state, 3, 2);
    for host in 100..200 {
        ticket(&config, &mut state, u64::from(host), host);
        let known: Vec<_> = config.snapshot(&state, Time::ZERO).hosts.iter().map(|host| host.host).collect();
        assert_eq!(known.len(), 3);
        assert_eq!((known[0], known[2]), (0, host));
    }
    assert_eq!(config.tell(&mut state, at(300), lost, Outcome::Failure, 1), Recorded::Stale);
    // A configuration that allows fewer takes effect with the next new host.
    let fewer = Config { hosts_max: 1, ..config };
    ticket(&fewer, &mut state, 400, 7);
    assert_eq!(fewer.snapshot(&state, Time::ZERO).hosts.len(), 1);
}

#[test]
fn when_all_others_are_forgotten_an_ejected_host_returns() {
    let config = Config { consecutive_failures: Some(1), ..Config::default() };
    let mut state = some_state(&config, 2);
    assert_eq!(call(&config, &mut state, 1, 0, Outcome::Failure), Some(30_001));
    assert_eq!(rejected(&config, &mut state, 2, 0), Some(30_001));
    assert!(state.forget(1));
    assert!(state.admits(0, Time::from_millis(3)));
    assert_eq!(state.pick(&[0], at(3)), Some(0));
    assert_eq!(rejected(&config, &mut state, 3, 0), None);
}

#[test]
fn picks_are_spread_over_the_admitted_hosts() {
    let config = Config { consecutive_failures: Some(1), ..Config::default() };
    let mut state = some_state(&config, 4);
    call(&config, &mut state, 1, 2, Outcome::Failure);
    let (mut rng, mut picked) = (Rng(3), BTreeMap::<u32, u32>::new());
    for _ in 0..4_000 {
        let input = Input { random: rng.next(), ..at(2) };
        // The last of them is unknown, so it is admitted.
        *picked.entry(state.pick(&[0, 1, 2, 9], input).unwrap()).or_default() += 1;
    }
    assert_eq!(picked.keys().copied().collect::<Vec<_>>(), [0, 1, 9]);
    assert!(picked.values().all(|times| (1_200..1_500).contains(times)), "{picked:?}");
    assert_eq!(state.pick(&[2], at(2)), None);
    assert_eq!(state.pick(&[], at(2)), None);
    assert_eq!(state.pick(&[2], at(30_001)), Some(2));
}

#[test]
fn counters_saturate_and_a_jump_of_a_year_is_one_step() {
    let config =
        Config { consecutive_failures: Some(u32::MAX), failure_percent: Some(100), ..Config::default() };
    let mut state = some_state(&config, 2);
    let year = 365 * 24 * 60 * 60 * 1_000;
    for round in 0..5 {
        let ticket = ticket(&config, &mut state, round * year, 1);
        config.tell(&mut state, at(round * year), ticket, Outcome::Success, u32::MAX);
        let told = config.tell(&mut state, at(round * year), ticket, Outcome::Failure, u32::MAX);
        let until = at(round * year + 30_000).now;
        assert_eq!(told, Recorded::Changed(Ejected { host: 1, until }));
    }
}

#[test]
fn a_clock_that_steps_back_does_not_end_an_ejection() {
    let config = Config { consecutive_failures: Some(1), ..Config::default() };
    let mut state = some_state(&config, 2);
    assert_eq!(call(&config, &mut state, 100_000, 0, Outcome::Failure), Some(130_000));
    assert_eq!(rejected(&config, &mut state, 0, 0), Some(130_000));
    assert!(!state.admits(0, Time::ZERO));
    assert_eq!(rejected(&config, &mut state, 130_000, 0), None);
    assert_eq!(rejected(&config, &mut state, 0, 0), None);
}

/// A host, as everything recorded about it since its last ejection.
#[derive(Clone, Default)]
struct Log {
    /// The generation; tickets of other generations are stale.
    slate: u64,
    asked: u64,
    /// Time, number of calls, and whether they failed.
    told: Vec<(u64, u64, bool)>,
    /// Ejections in a row, and the end of the last.
    ejections: u64,
    until: u64,
}

impl Log {
    fn is_too_much(&self, config: &Config, now: u64) -> bool {
        let in_a_row: u64 = self.told.iter().rev().take_while(|told| told.2).map(|told| told.1).sum();
        let part = config.window.as_nanos() as u64 / 10;
        let inside = || self.told.iter().filter(|(at, ..)| now / part - at / part < 10);
        let calls: u64 = inside().map(|told| told.1).sum();
        let failures: u64 = inside().filter(|told| told.2).map(|told| told.1).sum();
        config.consecutive_failures.is_some_and(|most| in_a_row >= most.into())
            || config.failure_percent.is_some_and(|percent| {
                calls >= config.calls_min.into() && failures * 100 >= u64::from(percent) * calls
            })
    }
}

/// All hosts that are known.
#[derive(Default)]
struct Model {
    hosts: BTreeMap<u32, Log>,
    slates: u64,
    now: u64,
}

impl Model {
    fn ejected(&self) -> u64 {
        self.hosts.values().filter(|host| self.now < host.until).count() as u64
    }

    /// The generation of an admitted call, or when the ejection ends.
    fn ask(&mut self, config: &Config, number: u32) -> Result<u64, u64> {
        let now = self.now;
        let stays = self.ejected() < self.hosts.len() as u64;
        if !self.hosts.contains_key(&number) {
            if self.hosts.len() == config.hosts_max as usize {
                let key = |(number, host): &(&u32, &Log)| {
                    (if now < host.until { host.until } else { 0 }, host.asked, **number)
                };
                let oldest = *self.hosts.iter().min_by_key(key).unwrap().0;
                self.hosts.remove(&oldest);
            }
            self.slates += 1;
            self.hosts.insert(number, Log { slate: self.slates, ..Log::default() });
        }
        let host = self.hosts.get_mut(&number).unwrap();
        host.asked = now;
        if now < host.until && stays {
            return Err(host.until);
        }
        host.until = host.until.min(now);
        Ok(host.slate)
    }

    fn tell(
        &mut self,
        config: &Config,
        (number, slate): (u32, u64),
        outcome: Outcome,
        n: u64,
    ) -> Recorded<Ejected> {
        let (now, all, ejected) = (self.now, self.hosts.len() as u64, self.ejected() + 1);
        let Some(host) = self.hosts.get_mut(&number).filter(|host| host.slate == slate) else {
            return Recorded::Stale;
        };
        let fails = outcome == Outcome::Failure;
        host.told.push((now, n, fails));
        let may = ejected * 100 <= u64::from(config.ejected_percent_max) * all && ejected < all;
        if !fails || !may || !host.is_too_much(config, now) {
            return Recorded::Counted;
        }
        let (step, most) = (config.eject_for.as_nanos() as u64, config.eject_for_max.as_nanos() as u64);
        let is_calm = host.ejections > 0 && now - host.until >= most;
        let ejections = if is_calm { 1 } else { host.ejections + 1 };
        self.slates += 1;
        let until = now + (step * ejections).min(most);
        *host = Log { slate: self.slates, asked: host.asked, told: Vec::new(), ejections, until };
        Recorded::Changed(Ejected { host: number, until: Time::from_nanos(until) })
    }
}

fn some_config(rng: &mut Rng) -> Config {
    Config {
        consecutive_failures: rng.one_in(2).then_some(1 + rng.below(5) as u32),
        failure_percent: rng.one_in(2).then_some(1 + rng.below(100) as u8),
        calls_min: 1 + rng.below(10) as u32,
        window: Duration::from_millis(100 + rng.below(100)),
        eject_for: Duration::from_millis(1 + rng.below(50)),
        eject_for_max: Duration::from_millis(50 + rng.below(200)),
        ejected_percent_max: rng.below(101) as u8,
        hosts_max: 4 + rng.below(6) as u32,
    }
}

#[test]
fn it_ejects_exactly_the_hosts_that_a_full_recount_ejects() {
    let mut rng = Rng(17);
    let (walks, mut ejections, mut rejections) = (100, 0, 0);
    for walk in 0..walks {
        let config = some_config(&mut rng);
        assert_eq!(config.check(), Ok(()));
        let (mut state, mut model, mut tickets) = (config.state(), Model::default(), Vec::new());
        let mut clock = Clock { now: 0, stride: 1_000_000 };
        // The number of hosts.
        let hosts = 1 + rng.below(12);
        for step in 0..steps(750_000) / walks {
            let (input, asks) = (clock.step(&mut rng), rng.one_in(2));
            if !asks && tickets.is_empty() {
                continue;
            }
            model.now = model.now.max(clock.now);
            let message = format!("walk {walk}, step {step}");
            if asks {
                let host = rng.below(hosts) as u32;
                let expected = model.ask(&config, host);
                match (config.ask(&mut state, input, Request { host }), expected) {
                    (Decision::Admit(ticket), Ok(slate)) => tickets.push((ticket, slate)),
                    (Decision::Reject(Rejected { reason: Reason::Outlier, retry_at }), Err(until)) => {
                        assert_eq!(retry_at, Some(Time::from_nanos(until)), "{message}");
                        rejections += 1;
                    }
                    different => panic!("{message}: {different:?}"),
                }
            } else {
                let place = rng.below(tickets.len() as u64) as usize;
                let (ticket, slate): (Ticket, u64) = tickets.swap_remove(place);
                // The larger a host's number, the more often it fails.
                let fails = rng.below(12) < u64::from(ticket.host());
                let (n, outcome) =
                    (1 + rng.below(3), if fails { Outcome::Failure } else { Outcome::Success });
                let told = config.tell(&mut state, input, ticket, outcome, n as u32);
                assert_eq!(told, model.tell(&config, (ticket.host(), slate), outcome, n), "{message}");
                ejections += u64::from(matches!(told, Recorded::Changed(_)));
            }
            if rng.one_in(8) {
                let snapshot = config.snapshot(&state, Time::from_nanos(model.now));
                let seen = snapshot.hosts.iter().map(|host| (host.host, host.ejected_until.is_some()));
                let expected = model.hosts.iter().map(|(number, host)| (*number, model.now < host.until));
                assert!(seen.eq(expected), "{message}");
            }
        }
    }
    // A full walk must have reached the interesting cases; a short one may not.
    let enough =
        steps(750_000) < 100_000 || ejections * 1_000 > steps(750_000) && rejections * 100 > steps(750_000);
    assert!(enough, "{ejections}, {rejections}");
}

fn some_number() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), 0..50_u32, any::<u32>(), Just(u32::MAX)]
}

fn some_nanos() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..5_000_u64, any::<u64>(), Just(u64::MAX)]
}

prop_compose! {
    fn any_config()(
        (consecutive_failures, failure_percent) in (prop::option::of(some_number()), prop::option::of(any::<u8>())),
        (calls_min, hosts_max, ejected_percent_max) in (some_number(), some_number(), any::<u8>()),
        (window, eject_for, eject_for_max) in (some_nanos(), some_nanos(), some_nanos()),
    ) -> Config {
        Config {
            consecutive_failures,
            failure_percent,
            calls_min,
            window: Duration::from_nanos(window),
            eject_for: Duration::from_nanos(eject_for),
            eject_for_max: Duration::from_nanos(eject_for_max),
            ejected_percent_max,
            hosts_max,
        }
    }
}

proptest! {
    #[test]
    fn no_configuration_and_no_sequence_of_requests_panics(
        configs in prop::collection::vec(any_config(), 1..3),
        inputs in prop::collection::vec((some_nanos(), 0..4_u32, 0..5_usize, some_number(), any::<bool>()), 1..60),
    ) {
        let outcomes = [Outcome::Success, Outcome::Slow, Outcome::Failure, Outcome::Neutral, Outcome::Cancelled];
        let (mut state, mut tickets) = (State::default(), Vec::new());
        for (number, (now, host, outcome, n, asks)) in inputs.into_iter().enumerate() {
            let config = &configs[number % configs.len()];
            let input = Input { now: Time::from_nanos(now), random: n.into() };
            let _ = (config.check(), config.snapshot(&state, input.now), state.pick(&[0, 1, 2, 9], input));
            if asks {
                tickets.extend(config.ask(&mut state, input, Request { host }).admitted());
            } else if let Some(ticket) = tickets.pop() {
                config.tell(&mut state, input, ticket, outcomes[outcome], n);
            }
            let snapshot = config.snapshot(&state, input.now);
            prop_assert!(snapshot.hosts.is_empty() || (snapshot.ejected as usize) < snapshot.hosts.len());
        }
    }
}

#[test]
fn a_configuration_error_names_its_field() {
    let field = |config: Config| config.check().map_err(|error| error.field.into_owned());
    let good = Config::default;
    assert_eq!(field(good()), Ok(()));
    assert_eq!(field(Config { consecutive_failures: Some(0), ..good() }), Err("consecutive_failures".into()));
    assert_eq!(field(Config { failure_percent: Some(101), ..good() }), Err("failure_percent".into()));
    assert_eq!(field(Config { calls_min: 0, ..good() }), Err("calls_min".into()));
    assert_eq!(field(Config { window: Duration::from_millis(9), ..good() }), Err("window_ms".into()));
    assert_eq!(field(Config { eject_for: Duration::ZERO, ..good() }), Err("eject_for_ms".into()));
    assert_eq!(
        field(Config { eject_for_max: Duration::from_secs(1), ..good() }),
        Err("eject_for_max_ms".into())
    );
    assert_eq!(field(Config { ejected_percent_max: 101, ..good() }), Err("ejected_percent_max".into()));
    assert_eq!(field(Config { hosts_max: 0, ..good() }), Err("hosts_max".into()));
}

#[cfg(feature = "serde")]
#[test]
fn configurations_and_states_survive_serialization() {
    let read = |written: &str| serde_json::from_str::<Config>(written);
    assert_eq!(read("{}").unwrap(), Config::default());
    assert_eq!(
        serde_json::to_string(&Config::default()).unwrap(),
        concat!(
            r#"{"consecutive_failures":5,"failure_percent":null,"calls_min":20,"window_ms":10000,"#,
            r#""eject_for_ms":30000,"eject_for_max_ms":300000,"ejected_percent_max":50,"hosts_max":256}"#
        )
    );
    assert!(read(r#"{"window":1}"#).is_err());
    let config = Config { consecutive_failures: Some(1), ..Config::default() };
    let mut state = some_state(&config, 3);
    call(&config, &mut state, 1, 1, Outcome::Failure);
    let restored: State = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
    assert_eq!(restored, state);
}

#[test]
fn slow_calls_are_shown_but_eject_no_host() {
    let config = Config { consecutive_failures: Some(1), ..Config::default() };
    let (mut state, input) = (config.state(), Input::default());
    for outcome in [Outcome::Slow, Outcome::Success, Outcome::Slow] {
        let ticket = config.ask(&mut state, input, Request { host: 7 }).admitted().expect("admitted");
        assert_eq!(config.tell(&mut state, input, ticket, outcome, 1), Recorded::Counted);
    }
    let window = config.snapshot(&state, input.now).hosts[0].window;
    assert_eq!((window.calls, window.failures, window.slow), (3, 0, 2));
}
