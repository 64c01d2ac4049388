//! Every target over the inputs that fuzzers have found interesting, and over mutations of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

use fuzzing::memory::{Counting, peak_of};
use fuzzing::{TARGETS, Target, corpus, target};
use seeded_rng::Rng;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Mutations of all inputs of one target.
const MUTATIONS: usize = 100_000;
/// Fewer for the target whose inputs take longest: a search for a day that no month has goes through thousands of years.
const MUTATIONS_OF_CRON: usize = 5_000;

fn inputs(of: &Target) -> Vec<Vec<u8>> {
    let file = corpus::file(of.name);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    corpus::parse(&text).unwrap_or_else(|| panic!("{} is not lines of hex", file.display()))
}

/// Checks one input. A failure shows it in the form of the corpora.
fn check(of: &Target, bytes: &[u8]) {
    let result = std::panic::catch_unwind(|| of.check(bytes));
    if result.is_err() {
        panic!("{}: {}", of.name, corpus::render(vec![bytes.to_vec()]));
    }
}

/// A few edits: bits, bytes, numbers at their ends, parts cut out, doubled or taken from another input.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    for _ in 0..=rng.below(3) {
        if bytes.is_empty() {
            bytes.push(0);
        }
        let at = rng.index(bytes.len());
        let upto = at + rng.index(bytes.len() - at + 1).min(32);
        match rng.below(7) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = rng.next_u64() as u8,
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'\\'][rng.index(8)],
            3 => drop(bytes.drain(at..upto)),
            4 => {
                let part = bytes[at..upto].to_vec();
                bytes.splice(at..at, part);
            }
            5 if !other.is_empty() => {
                let from = rng.index(other.len());
                let part = &other[from..(from + rng.index(32)).min(other.len())];
                bytes.splice(at..upto, part.iter().copied());
            }
            _ => bytes.truncate(at + 1),
        }
    }
}

fn holds(name: &str) {
    let target = target(name).unwrap();
    let inputs = inputs(target);
    assert!(inputs.len() >= 10, "{name} has only {} inputs", inputs.len());
    inputs.iter().for_each(|input| check(target, input));
    let mut rng = Rng::new(1);
    let mutations = if name == "cron" { MUTATIONS_OF_CRON } else { MUTATIONS };
    for _ in 0..mutations {
        let mut bytes = inputs[rng.index(inputs.len())].clone();
        let other = &inputs[rng.index(inputs.len())];
        mutate(&mut bytes, other, &mut rng);
        check(target, &bytes);
    }
}

#[test]
fn any_entry_is_read_or_refused() {
    holds("entry");
}

#[test]
fn any_outcome_is_read_or_refused() {
    holds("outcome");
}

#[test]
fn any_row_is_read_or_refused() {
    holds("row");
}

#[test]
fn any_header_index_or_membership_is_read_or_refused() {
    holds("small");
}

#[test]
fn any_frame_is_read_or_refused() {
    holds("frame");
}

#[test]
fn any_chunk_of_a_snapshot_is_read_or_refused() {
    holds("snapshot");
}

#[test]
fn any_body_of_a_request_is_read_or_the_client_s_problem() {
    holds("request");
}

#[test]
fn any_path_parameter_or_header_is_read_or_the_client_s_problem() {
    holds("query");
}

#[test]
fn any_json_is_read_as_another_reader_reads_it() {
    holds("json");
}

#[test]
fn any_cron_expression_has_ticks_in_order() {
    holds("cron");
}

#[test]
fn every_target_has_a_test_and_a_corpus() {
    let tests = include_str!("targets.rs");
    for target in &TARGETS {
        assert!(tests.contains(&format!("holds(\"{}\")", target.name)), "{}", target.name);
        assert!(corpus::file(target.name).exists(), "{}", target.name);
    }
}

#[test]
fn memory_is_counted() {
    let taken = peak_of(|| {
        drop(vec![1_u8; 100_000]);
        drop(vec![1_u8; 50_000]);
    });
    assert!((100_000..110_000).contains(&taken), "{taken}");
    assert_eq!(peak_of(|| {}), 0);
}
