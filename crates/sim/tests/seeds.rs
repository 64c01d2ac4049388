//! The simulation that runs for every commit: many seeds, the same run in every process, and mutants that
//! must be caught.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use std::process::{Command, Output};

/// How many seeds must count in each half. A seed counts if it crashed after at least ten acknowledgements.
const SEEDS: &str = "1000";

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sim")).args(arguments).output().expect("sim runs")
}

/// Every promise holds under many seeds. Two tests share the work, so that it takes two processors.
fn every_promise_holds(from: &str) {
    let output = sim(&["--from", from, "--seeds", SEEDS]);
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.starts_with(&format!("{SEEDS} seeds held")), "{said}");
}

#[test]
fn every_promise_holds_under_the_first_thousand_seeds() {
    every_promise_holds("1");
}

#[test]
fn every_promise_holds_under_another_thousand_seeds() {
    every_promise_holds("1000001");
}

#[test]
fn a_seed_gives_the_same_run_in_every_process() {
    let hashes = || String::from_utf8(sim(&["--from", "1", "--seeds", "20", "--hash"]).stdout).expect("text");
    let (first, second) = (hashes(), hashes());
    assert!(first.lines().count() >= 20);
    assert_eq!(first, second);
}

/// The mutant must fail within a few seeds. The failure names its seed, which must fail again alone.
fn is_caught(mutant: &str) {
    let output = sim(&["--from", "1", "--seeds", "60", "--mutant", mutant]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{mutant} was not caught: {said}");
    let seed = said.strip_prefix("seed ").and_then(|rest| rest.split(' ').next()).expect("a seed is named");
    let again = sim(&["--from", seed, "--seeds", "1", "--mutant", mutant]);
    assert_eq!(String::from_utf8_lossy(&again.stderr), said, "a seed replays exactly");
}

#[test]
fn a_log_without_its_sync_is_caught() {
    is_caught("log-without-sync");
}

#[test]
fn a_flush_without_the_sync_of_the_bodies_is_caught() {
    is_caught("bodies-without-sync");
}

#[test]
fn a_directory_without_its_sync_is_caught() {
    is_caught("directories-without-sync");
}

#[test]
fn a_forgotten_applied_index_is_caught() {
    is_caught("forgotten-applied-index");
}

#[test]
fn a_state_that_loses_a_row_is_caught() {
    is_caught("lost-row");
}

#[test]
fn a_state_that_hides_how_far_it_lags_is_caught() {
    is_caught("hidden-pressure");
}

#[test]
fn a_reaction_that_loses_an_event_is_caught() {
    is_caught("lost-reaction");
}

#[test]
fn a_schedule_that_forgets_a_tick_is_caught() {
    is_caught("forgotten-tick");
}

#[test]
fn a_monotonic_clock_that_follows_the_wall_is_caught() {
    is_caught("monotonic-from-wall");
}
