//! Each experiment shows what it claims: the two halves, compared through the JSON that the command prints.
//!
//! A promise of the cure is checked twice, by the same function: it must hold with the cure, and must fail without it.
//! A check that the control passes too would prove nothing about the cure.
//!
//! The experiments measure time, so they run alone (`.config/nextest.toml`), and the margins are wide.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's panic is its failure")]

use experiments::report::how_to_read;
use experiments::{ALL, Side, find};
use serde_json::Value;
use std::time::Duration;

const SEED: u64 = 1;

/// Both halves of an experiment, as JSON.
struct Halves {
    without: Half,
    with: Half,
}

struct Half {
    json: Value,
}

impl Halves {
    fn of(name: &str) -> Self {
        let experiment = find(name).unwrap();
        let without = experiment.run(Side::Without, SEED).unwrap();
        let with = experiment.run(Side::With, SEED).unwrap();
        let comparison = experiment.comparison(&without, &with);
        for text in [experiment.show(&without), experiment.show(&with), comparison.clone()] {
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
        assert!(!comparison.is_empty() && !comparison.contains('?'), "an unknown key: {comparison}");
        let text = experiment.json(SEED, &without, &with).to_string();
        let mut json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["experiment"], name);
        assert_eq!(json["seed"], SEED);
        let halves =
            Self { without: Half { json: json["without"].take() }, with: Half { json: json["with"].take() } };
        for half in [&halves.without, &halves.with] {
            half.adds_up("");
            for (key, group) in half.json.as_object().unwrap() {
                if group.is_object() {
                    half.adds_up(&format!("{key}/"));
                }
            }
        }
        assert_eq!(halves.without.at("requests"), halves.with.at("requests"), "the same load");
        halves
    }

    /// Checks that a promise holds with the cure, and does not hold without it.
    #[track_caller]
    fn cured(&self, promise: &str, check: impl Fn(&Half) -> bool) {
        self.with.holds(promise, &check);
        assert!(!check(&self.without), "{promise}, but also without the cure: {}", self.without.json);
    }
}

impl Half {
    /// A number that must be there.
    #[track_caller]
    fn at(&self, path: &str) -> f64 {
        let value = self.json.pointer(&format!("/{path}")).and_then(Value::as_f64);
        value.unwrap_or_else(|| panic!("no {path}: {}", self.json))
    }

    /// Of the requests of a group, the percentage that was served.
    #[track_caller]
    fn served(&self, group: &str) -> f64 {
        100.0 * self.at(&format!("{group}/ok")) / self.at(&format!("{group}/requests"))
    }

    /// Whether a group has a latency, and it is at most this many milliseconds.
    fn within(&self, path: &str, ms: f64) -> bool {
        self.json.pointer(&format!("/{path}")).and_then(Value::as_f64).is_some_and(|value| value <= ms)
    }

    #[track_caller]
    fn holds(&self, promise: &str, check: impl Fn(&Self) -> bool) {
        assert!(check(self), "{promise}: {}", self.json);
    }

    /// A group's figures agree with each other: latencies are those of the requests that were served, or failed.
    #[track_caller]
    fn adds_up(&self, group: &str) {
        let at = |name: &str| self.at(&format!("{group}{name}"));
        let latency = |name: &str| self.json.pointer(&format!("/{group}{name}")).unwrap().as_f64();
        assert_eq!(at("requests"), at("ok") + at("failed"), "{group}: {}", self.json);
        let (p50, p99) = (latency("p50_ms"), latency("p99_ms"));
        assert_eq!(at("ok") > 0.0, p50.is_some_and(|p50| p50 > 0.0), "{group}: {}", self.json);
        assert!(p50 <= p99 && p50.is_some() == p99.is_some(), "{group}: {}", self.json);
        let (p50, p99) = (latency("failed_p50_ms"), latency("failed_p99_ms"));
        assert!(p50 <= p99 && p50.is_some() == (at("failed") > 0.0), "{group}: {}", self.json);
    }
}

#[test]
fn none_lasts_longer_than_20_s() {
    for experiment in &ALL {
        assert!(experiment.lasts() * 2 <= Duration::from_secs(18), "{}", experiment.name);
    }
}

#[test]
fn the_terms_of_the_tables_are_explained() {
    for word in ["served", "failed", "p50", "p99", "fail p99", "dash", "WITHOUT", "WITH "] {
        assert!(how_to_read().contains(word), "{word}");
    }
}

#[test]
fn cascade_ends_at_the_breakers_and_heals_by_itself() {
    let halves = Halves::of("cascade");
    let Halves { without, with } = &halves;
    without
        .holds("pages that need only the shop die too", |half| half.served("shop_only_while_down") <= 10.0);
    without.holds("nothing served has no latency", |half| half.json["store_while_down"]["p50_ms"].is_null());
    without.holds("and the shop stays dead", |half| half.served("end") <= 10.0);
    halves.cured("shop-only pages live", |half| half.served("shop_only_while_down") >= 90.0);
    halves.cured("and are quick", |half| half.within("shop_only_while_down/p50_ms", 50.0));
    with.holds("pages that need the store fail", |half| half.served("store_while_down") <= 10.0);
    with.holds("by quick rejections", |half| half.within("store_while_down/failed_p50_ms", 50.0));
    with.holds("and none waits for long", |half| half.within("store_while_down/failed_p99_ms", 500.0));
    halves.cured("all is well when the store is", |half| half.served("end") >= 90.0);
}

#[test]
fn a_hanging_dependency_leaves_the_healthy_one_alone() {
    let halves = Halves::of("slow-dependency");
    halves.without.holds("healthy pages die", |half| half.served("healthy_while_one_hangs") <= 10.0);
    halves.cured("healthy pages live", |half| half.served("healthy_while_one_hangs") >= 99.0);
    halves.cured("and are as quick as before", |half| {
        let calm = half.at("healthy_while_calm/p99_ms");
        half.within("healthy_while_one_hangs/p99_ms", f64::max(calm * 1.5, calm + 10.0))
    });
    for half in [&halves.without, &halves.with] {
        half.holds("a bulkhead does not repair", |half| half.served("hanging_while_one_hangs") <= 1.0);
    }
}

#[test]
fn a_retry_storm_ends_with_a_budget_and_not_without() {
    let halves = Halves::of("retry-storm");
    let Halves { without, with } = &halves;
    for half in [without, with] {
        half.holds("calm before the pause", |half| half.served("calm") >= 99.0);
    }
    without.holds("immediate retries are far more than it can serve", |half| {
        half.at("end_offered_per_second") >= 250.0
    });
    without.holds("and nothing is served", |half| half.at("end_goodput_per_second") <= 20.0);
    halves.cured("a budget bounds the load", |half| half.at("end_offered_per_second") <= 200.0);
    halves.cured("and all is served", |half| half.at("end_goodput_per_second") >= 160.0);
}

#[test]
fn hedging_cuts_the_tail_within_its_budget() {
    let halves = Halves::of("tail");
    let Halves { without, with } = &halves;
    without.holds("the p99 is the slow response's", |half| half.at("p99_ms") >= 390.0);
    halves.cured("with hedges it is not half of it", |half| half.within("p99_ms", 200.0));
    with.holds("for at most 5 % more", |half| half.at("extra_load_percent") <= 5.0);
    with.holds("nothing fails", |half| half.at("failed") == 0.0);
}

#[test]
fn a_recovering_service_survives_its_traffic_only_behind_a_breaker() {
    let halves = Halves::of("recovery");
    let without = &halves.without;
    without.holds("it crashes again and again", |half| half.at("crashes_again") >= 4.0);
    without.holds("and serves nobody", |half| half.served("end") <= 10.0);
    halves.cured("a breaker keeps it up", |half| half.at("crashes_again") <= 1.0);
    halves.cured("and everybody is served", |half| half.served("end") >= 90.0);
    let quarter = without.at("hits_while_cold") / 4.0;
    halves.cured("few requests reach it while it is cold", |half| half.at("hits_while_cold") <= quarter);
}

#[test]
fn the_important_half_is_served_in_time_and_the_other_half_is_rejected() {
    let halves = Halves::of("overload");
    let Halves { without, with } = &halves;
    without.holds("all are late", |half| half.served("important") <= 10.0 && half.served("other") <= 10.0);
    halves.cured("the important are served in time", |half| half.served("important") >= 85.0);
    halves.cured("at the p99", |half| half.within("important/p99_ms", 450.0));
    with.holds("the other half pays", |half| half.served("other") <= 30.0);
    halves.cured("but learns it at once", |half| half.within("other/failed_p99_ms", 200.0));
    halves.cured("nearly all capacity does useful work", |half| half.at("goodput_per_second") >= 150.0);
    for half in [without, with] {
        let both = half.at("important/ok") + half.at("other/ok");
        half.holds("the goodput is of both halves", |half| {
            (half.at("goodput_per_second") * 6.0 - both).abs() < 1.0
        });
    }
}
