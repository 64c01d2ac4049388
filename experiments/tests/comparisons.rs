//! Each experiment shows what it says it shows: the two halves compared, from the JSON that the command prints.
//! They measure time, so nothing runs beside them (`.config/nextest.toml`), and the margins are wide.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's panic is its failure")]

use experiments::{ALL, Side, find};
use serde_json::Value;
use std::time::Duration;

const SEED: u64 = 1;

/// Both halves of an experiment, by way of text.
struct Halves {
    json: Value,
}

impl Halves {
    fn of(name: &str) -> Self {
        let experiment = find(name).unwrap();
        let without = experiment.run(Side::Without, SEED).unwrap();
        let with = experiment.run(Side::With, SEED).unwrap();
        for half in [&without, &with] {
            assert!(experiment.show(half).lines().all(|line| line.chars().count() <= 80));
        }
        assert!(!experiment.compare(&without, &with).is_empty());
        let text = experiment.json(SEED, &without, &with).to_string();
        let halves = Self { json: serde_json::from_str(&text).unwrap() };
        assert_eq!(halves.json["experiment"], name);
        assert_eq!(halves.json["seed"], SEED);
        for half in ["without", "with"] {
            assert_eq!(halves.at(half, "requests"), halves.at(half, "ok") + halves.at(half, "failed"));
            assert!(
                halves.at(half, "p50_ms") > 0.0 && halves.at(half, "p99_ms") >= halves.at(half, "p50_ms")
            );
        }
        assert_eq!(halves.at("without", "requests"), halves.at("with", "requests"), "the same load");
        halves
    }

    /// A number that must be there.
    #[track_caller]
    fn at(&self, half: &str, path: &str) -> f64 {
        let value = self.json.pointer(&format!("/{half}/{path}")).and_then(Value::as_f64);
        value.unwrap_or_else(|| panic!("no {path} in {half}: {}", self.json))
    }

    /// Of the requests under a name, how many in a hundred were served.
    #[track_caller]
    fn served(&self, half: &str, name: &str) -> f64 {
        100.0 * self.at(half, &format!("{name}/ok")) / self.at(half, &format!("{name}/requests"))
    }

    #[track_caller]
    fn holds(&self, promise: &str, is_kept: impl Into<bool>) {
        assert!(is_kept.into(), "{promise}: {}", self.json);
    }
}

#[test]
fn none_lasts_longer_than_20_s() {
    for experiment in &ALL {
        assert!(experiment.lasts() * 2 <= Duration::from_secs(18), "{}", experiment.name);
    }
}

#[test]
fn cascade_ends_at_the_breakers_and_heals_by_itself() {
    let halves = Halves::of("cascade");
    halves.holds("pages that need no store die too", halves.served("without", "plain_while_dead") <= 10.0);
    halves.holds("and stay dead", halves.served("without", "end") <= 10.0);
    halves.holds("with breakers they live", halves.served("with", "plain_while_dead") >= 90.0);
    halves.holds("all answers come at once", halves.at("with", "all_while_dead/p50_ms") <= 50.0);
    halves.holds("none waits for a client's patience", halves.at("with", "all_while_dead/p99_ms") <= 500.0);
    halves.holds("all is well when the store is", halves.served("with", "end") >= 90.0);
}

#[test]
fn a_hanging_dependency_leaves_the_healthy_one_alone() {
    let halves = Halves::of("slow-dependency");
    halves.holds("healthy pages die", halves.served("without", "healthy_while_one_hangs") <= 10.0);
    halves.holds("with bulkheads they live", halves.served("with", "healthy_while_one_hangs") >= 99.0);
    let calm = halves.at("with", "healthy_while_calm/p99_ms");
    let p99 = halves.at("with", "healthy_while_one_hangs/p99_ms");
    halves.holds("and are as quick", p99 <= calm * 1.5 || p99 <= calm + 10.0);
}

#[test]
fn a_retry_storm_ends_with_a_budget_and_not_without() {
    let halves = Halves::of("retry-storm");
    for half in ["without", "with"] {
        halves.holds("calm before the hiccup", halves.served(half, "calm") >= 99.0);
    }
    halves.holds(
        "naive retries are several times the load",
        halves.at("without", "end_offered_per_second") >= 400.0,
    );
    halves.holds("and nothing is served", halves.at("without", "end_goodput_per_second") <= 20.0);
    halves.holds("a budget keeps the load", halves.at("with", "end_offered_per_second") <= 200.0);
    halves.holds("and all is served", halves.at("with", "end_goodput_per_second") >= 160.0);
}

#[test]
fn hedging_cuts_the_tail_within_its_budget() {
    let halves = Halves::of("tail");
    halves.holds("the p99 is the slow answer's", halves.at("without", "p99_ms") >= 390.0);
    halves.holds("with hedges it is not half of it", halves.at("with", "p99_ms") <= 200.0);
    halves.holds("for at most 5 % more", halves.at("with", "extra_load_percent") <= 5.0);
    halves.holds("nothing fails", halves.at("with", "failed") == 0.0);
}

#[test]
fn a_convalescent_service_survives_the_crowd_only_behind_a_breaker() {
    let halves = Halves::of("recovery");
    halves.holds("it dies again and again", halves.at("without", "crashes_again") >= 4.0);
    halves.holds("and serves nobody", halves.served("without", "end") <= 10.0);
    halves.holds("with a breaker it stays up", halves.at("with", "crashes_again") <= 1.0);
    halves.holds("and serves all", halves.served("with", "end") >= 90.0);
    let (without, with) = (halves.at("without", "hits_while_weak"), halves.at("with", "hits_while_weak"));
    halves.holds("little hits it while it is weak", with * 4.0 <= without);
}

#[test]
fn the_important_half_is_served_in_time_under_twice_the_capacity() {
    let halves = Halves::of("overload");
    halves.holds("all are late", halves.served("without", "important") <= 10.0);
    halves.holds("with limits the important are not", halves.served("with", "important") >= 85.0);
    halves.holds("at the p99", halves.at("with", "important/p99_ms") <= 450.0);
    let served = |half| halves.at(half, "important/ok") + halves.at(half, "other/ok");
    halves.holds("more work is of use", served("with") >= served("without") * 4.0);
}
