//! Tables of cases for the breakers of queues. The lines are those of `limit/tests.rs`, and with `breaker NAME` before
//! them, some of those of `breaker/tests.rs`.

use super::tests::settings;
use crate::limit::tests::Script;
use crate::query;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use model::{
    AskBreaker, BreakerForced, BreakerName, BreakerPermit, BreakerRecord, CallOutcome, Command,
    ControlBreaker, Outcome, PutBreaker, RecordBreaker,
};

/// Runs lines, and returns the outcome of the last one.
fn run(script: &mut Script, lines: &str) -> String {
    let mut outcome = String::new();
    for line in lines.split(';').map(str::trim).filter(|line| !line.is_empty()) {
        outcome = match line.strip_prefix("breaker ") {
            Some(line) => breaker(script, line),
            None => script.run(line),
        };
    }
    outcome
}

fn breaker(script: &mut Script, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let name = BreakerName::new(words[0].to_string()).unwrap();
    let control = |forced| Command::ControlBreaker(ControlBreaker { breaker: name.clone(), forced });
    let command = match words[1..] {
        ["put", ref words @ ..] => {
            Command::PutBreaker(PutBreaker { breaker: name, settings: settings(words) })
        }
        ["open"] => control(BreakerForced::Open),
        ["close"] => control(BreakerForced::Closed),
        ["auto"] => control(BreakerForced::No),
        // A caller elsewhere gets a probe, and is never heard of again.
        ["ask"] => Command::AskBreaker(AskBreaker { breaker: name, random: 0 }),
        // A call that was admitted elsewhere has failed.
        ["failed"] => {
            let view = query::breaker(&script.store.rows, &name, script.store.elapsed).unwrap();
            let permit = BreakerPermit::new(&name, view.generation, 0, script.store.elapsed.0);
            let outcome = CallOutcome::Failed { class: "E".into() };
            let records = [BreakerRecord { permit, worker: "".into(), outcome }].to_vec();
            Command::RecordBreaker(RecordBreaker { breaker: name, records })
        }
        _ => panic!("{line} is not a line"),
    };
    script.store.apply(command);
    assert!(!matches!(script.store.applied.outcomes[0], Outcome::Refused(_)));
    String::new()
}

/// One breaker for each host. It trips after a failure, for 100 ms, and a probe closes it.
const HOSTS: &str = "set q breaker=:payload.host; breaker x put row=1 open=100 max=400 probes=1; \
     add q a host x; add q b host x; add q c host y";
/// That of x is open.
const OPEN: &str = "set q breaker=:payload.host; breaker x put row=1 open=100 max=400 probes=1; \
     add q a host x; add q b host x; add q c host y; claim q 1; fail a";

#[track_caller]
fn check(cases: &[(&str, &str, &str)]) {
    for (before, line, outcome) in cases {
        let mut script = Script::default();
        run(&mut script, before);
        assert_eq!(run(&mut script, line), *outcome, "the outcome of {line:?} after {before:?}");
    }
}

#[test]
fn tasks_of_an_open_breaker_wait_and_others_go_on() {
    check(&[
        (HOSTS, "claim q 9", "a c b"),
        (OPEN, "claim q 9", "c"),
        (&format!("{OPEN}; claim q 9; tick 99"), "claim q 9", ""),
        (&format!("{OPEN}; claim q 9; tick 100"), "claim q 9", "b"),
        (&format!("{HOSTS}; breaker x failed"), "claim q 9", "c"),
        (&format!("{HOSTS}; breaker x open"), "claim q 9", "c"),
        (&format!("{HOSTS}; breaker x open; claim q 9; breaker x auto"), "claim q 9", "a b"),
    ]);
}

#[test]
fn waiting_spends_no_attempts() {
    let mut script = Script::default();
    run(&mut script, OPEN);
    for _ in 0..20 {
        run(&mut script, "claim q 9; tick 3");
    }
    assert_eq!((script.attempts("a"), script.attempts("b")), (1, 0));
    let waits = |opens_ms: u64| format!("Breaker {{ breaker: \"x\", opens_ms: Some({opens_ms}) }}");
    assert_eq!(script.blocked_on("b"), waits(40));
}

#[test]
fn one_task_is_the_probe_and_closes_the_breaker_or_opens_it_again() {
    let probing = &format!("{OPEN}; claim q 9; tick 100; claim q 9");
    check(&[
        (probing, "claim q 9", ""),
        (&format!("{probing}; done b"), "claim q 9", "a"),
        // It is closed, and not only looking for another probe.
        (&format!("{probing}; done b; add q d host x"), "claim q 9", "a d"),
        (&format!("{probing}; fail b; tick 199"), "claim q 9", ""),
        (&format!("{probing}; fail b; tick 200"), "claim q 9", "a"),
    ]);
}

#[test]
fn a_probe_ends_with_its_claim() {
    let probing = &format!("{OPEN}; claim q 9; done c; tick 100; claim q 9");
    check(&[
        (&format!("{probing}; tick 999"), "claim q 9", ""),
        // Its worker is lost: that is a failure.
        (&format!("{probing}; tick 1000; tick 199"), "claim q 9", ""),
        (&format!("{probing}; tick 1000; tick 200"), "claim q 9", "a"),
        (&format!("{probing}; tick 900; beat b; tick 900; beat b"), "claim q 9", ""),
        // These say nothing, so the next task is the probe.
        (&format!("{probing}; return b"), "claim q 9", "b"),
        (&format!("{probing}; defer b 500"), "claim q 9", "a"),
        (&format!("{probing}; cancel b; fail b"), "claim q 9", "a"),
    ]);
}

#[test]
fn after_it_has_closed_more_and_more_tasks_run() {
    let mut script = Script::default();
    run(
        &mut script,
        "set q breaker=x; breaker x put row=1 open=100 probes=1 ramp=10000; add q probe; claim q 1",
    );
    run(&mut script, "bug probe; add q again; tick 100; claim q 1; done again");
    for number in 0..40 {
        run(&mut script, &format!("add q t{number}"));
    }
    for more in [1, 2, 4, 8] {
        let claimed = run(&mut script, "claim q 99");
        assert_eq!(claimed.split(' ').count(), more, "{claimed}");
        assert_eq!(run(&mut script, "claim q 99"), "", "a second claim gets none");
        for task in claimed.split(' ') {
            run(&mut script, &format!("done {task}"));
        }
    }
    run(&mut script, "tick 10000");
    assert_eq!(run(&mut script, "claim q 99").split(' ').count(), 40 - 15);
}

#[test]
fn a_breaker_holds_for_what_is_in_the_queue_already() {
    check(&[
        ("breaker x open; add q a; add q b; set q breaker=x", "claim q 9", ""),
        ("breaker x open; set q breaker=x; add q a; claim q 9; set q", "claim q 9", "a"),
        ("breaker x open; set q breaker=x; add q a; claim q 9; set q breaker=y", "claim q 9", "a"),
        ("breaker h/x open; set q breaker=h/:payload.host; add q a host x; add q b host y", "claim q 9", "b"),
        ("breaker api open; limit api 1; set q api; add q a; add q b", "claim q 9", "a"),
    ]);
}

#[test]
fn a_queue_without_a_breaker_reads_and_writes_nothing_for_it() {
    let mut script = Script::default();
    run(&mut script, "set q; add q a; claim q 1; done a");
    assert!(script.store.rows.keys().all(|key| !matches!(key[6], 30 | 48 | 49)));
}

#[test]
fn no_more_probes_begin_than_the_breaker_still_asks_for() {
    // `b` has succeeded, and `c` has said nothing.
    let one = "set q breaker=x; breaker x put row=1 open=100 probes=2 at-once=2; add q a; claim q 1; bug a; \
         add q b; add q c; add q d; tick 100; claim q 9; done b; return c";
    check(&[
        (one, "claim q 9", "c"),
        // Fewer are asked for than have ended. Nothing would decide, so it begins again.
        (&format!("{one}; breaker x put row=1 open=100 probes=1"), "claim q 9", "c"),
    ]);
    // Each task has limits of its own. As many go on as probes may begin, and `c` is ready as well.
    let mut script = Script::default();
    run(
        &mut script,
        "set q breaker=x db:payload.host; breaker x put row=1 open=100 probes=2 at-once=2; add q a; claim q 1; bug a",
    );
    run(&mut script, "add q b host b; add q c host c; add q d host d; add q e host e; tick 100");
    assert_eq!(run(&mut script, "claim q 9; done b; claim q 9; return c"), "settled");
    assert_eq!(script.announced("q"), 2);
}

#[test]
fn a_task_takes_the_place_of_a_probe_elsewhere_whose_time_is_over() {
    let probing = "set q breaker=x; breaker x put row=1 open=100 probes=1 probe=50; add q a; claim q 1; bug a; \
         add q b; tick 100; breaker x ask";
    check(&[
        (probing, "claim q 9", ""),
        (&format!("{probing}; tick 49"), "claim q 9", ""),
        (&format!("{probing}; tick 50"), "claim q 9", "b"),
    ]);
}

#[test]
fn the_node_does_nothing_when_a_breaker_may_probe_and_no_task_waits_for_it_any_more() {
    let mut script = Script::default();
    run(&mut script, &format!("{OPEN}; claim q 9; done c; cancel a; cancel b"));
    script.store.run("wait 100");
    assert!(script.store.agenda.next().are_due(script.store.entry_clock()));
    assert_eq!(script.store.due(), None);
}
