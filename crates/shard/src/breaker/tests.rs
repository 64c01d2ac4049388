//! Tables of cases for breakers. A script is a list of lines:
//!
//! ```text
//! put row=2 workers=2 window=4 min=2 share=50 open=100 max=400 probes=2 at-once=2 probe=50 ramp=0 ignore=E slow=80 slow-share=50
//! ask a                       ask for a permit that the script calls a
//! ok a | failed a E | ignored a      record the outcome of a; "by w" says who made the call
//! ok-in a 80                  a success that took 80 ms
//! open | close | auto | delete
//! wait 50
//! ```
//!
//! An outcome is `admitted`, `probe`, why and for how long a call is rejected, or what has become of a record.

use crate::query::{self, PermitRead};
use crate::testing::{Store, play};
use crate::{Shard, ShardOptions};
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use model::{
    AskBreaker, BreakerDecision, BreakerForced, BreakerName, BreakerPermit, BreakerReason, BreakerRecord,
    BreakerSettings, BreakerWindow, CallOutcome, Command, ControlBreaker, DeleteBreaker, Effect, Namespace,
    Outcome, PutBreaker, RecordBreaker, SlotRange, SlowCalls,
};

fn name() -> BreakerName<'static> {
    BreakerName::new("partner").unwrap()
}

#[derive(Default)]
struct Script {
    store: Store,
    permits: BTreeMap<String, BreakerPermit>,
    /// Commands that asked for a permit.
    asked: u32,
}

impl Script {
    fn run(&mut self, script: &str) -> String {
        play(script, |line| self.line(line))
    }

    fn line(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let forced = |forced| Command::ControlBreaker(ControlBreaker { breaker: name(), forced });
        match words[..] {
            ["put", ref words @ ..] => {
                let settings = settings(words);
                self.apply(Command::PutBreaker(PutBreaker { breaker: name(), settings }))
            }
            ["ask", called] => self.ask(called),
            ["open"] => self.apply(forced(BreakerForced::Open)),
            ["close"] => self.apply(forced(BreakerForced::Closed)),
            ["auto"] => self.apply(forced(BreakerForced::No)),
            ["delete"] => self.apply(Command::DeleteBreaker(DeleteBreaker { breaker: name() })),
            ["wait", _] => self.store.run(line),
            [verb, called, ref rest @ ..] => {
                let (class, worker) = match *rest {
                    [] => ("", ""),
                    ["by", worker] => ("", worker),
                    [class] => (class, ""),
                    [class, "by", worker] => (class, worker),
                    _ => panic!("{line} is not a line"),
                };
                self.record(verb, called, class, worker)
            }
            _ => panic!("{line} is not a line"),
        }
    }

    fn apply(&mut self, command: Command<'_>) -> String {
        self.store.apply(command);
        match &self.store.applied.outcomes[0] {
            Outcome::BreakerRecorded(recorded) => match (recorded.counted, recorded.replayed, recorded.stale)
            {
                (1, 0, 0) => "counted".to_string(),
                (0, 1, 0) => "replayed".to_string(),
                (0, 0, 1) => "stale".to_string(),
                other => format!("{other:?}"),
            },
            other => format!("{other:?}"),
        }
    }

    /// As the node does it: a read, and the command only if a probe may be free.
    fn ask(&mut self, called: &str) -> String {
        let now = self.store.elapsed;
        let decision = match query::breaker_permit(&self.store.rows, &name(), now, 0).unwrap() {
            PermitRead::Decided(decision) => decision,
            PermitRead::Ask => {
                self.asked += 1;
                self.store.apply(Command::AskBreaker(AskBreaker { breaker: name(), random: 0 }));
                match self.store.applied.outcomes[0] {
                    Outcome::BreakerAsked(decision) => decision,
                    ref other => panic!("{other:?}"),
                }
            }
        };
        match decision {
            BreakerDecision::Admitted { generation, probe } => {
                let nonce = 1_000 + self.permits.len() as u64;
                let permit = BreakerPermit::new(&name(), generation, probe, nonce);
                self.permits.insert(called.to_string(), permit);
                if probe == 0 { "admitted".to_string() } else { "probe".to_string() }
            }
            BreakerDecision::Rejected { reason, retry_ms } => {
                format!("{} for {retry_ms}", format!("{reason:?}").to_lowercase())
            }
        }
    }

    fn record(&mut self, verb: &str, called: &str, class: &str, worker: &str) -> String {
        let outcome = match verb {
            "ok" => CallOutcome::Ok,
            "ok-in" => CallOutcome::OkIn { took_ms: class.parse().unwrap() },
            "failed" => CallOutcome::Failed { class: Cow::Owned(class.to_string()) },
            "ignored" => CallOutcome::Ignored,
            other => panic!("{other} is not a line"),
        };
        let worker = Cow::Owned(worker.to_string());
        let records = [BreakerRecord { permit: self.permits[called], worker, outcome }].to_vec();
        self.apply(Command::RecordBreaker(RecordBreaker { breaker: name(), records }))
    }

    /// The state, and the workers, with `!` at those that fail where others succeed.
    fn shown(&self) -> String {
        let view = query::breaker(&self.store.rows, &name(), self.store.elapsed).unwrap();
        let mut shown = format!("{:?}", view.circuit).to_lowercase();
        for worker in &view.workers {
            let suspect = if worker.is_suspect { "!" } else { "" };
            shown += &format!(" {}{suspect} {}/{}", worker.name, worker.failures, worker.calls);
        }
        shown
    }
}

pub(super) fn settings(words: &[&str]) -> BreakerSettings {
    let mut settings = BreakerSettings { ramp_ms: 0, forget_after_ms: 60_000, ..BreakerSettings::default() };
    for word in words {
        let (name, value) = word.split_once('=').unwrap();
        let number: u32 = value.parse().unwrap_or(0);
        let ms = u64::from(number);
        match name {
            "row" => settings.consecutive_failures = Some(number),
            "workers" => settings.workers_min = number,
            "window" => settings.window = BreakerWindow::Calls(number),
            "min" => settings.calls_min = number,
            "share" => settings.failure_percent = Some(number as u8),
            "slow" => settings.slow = Some(SlowCalls { after_ms: ms, percent: 50 }),
            "slow-share" => {
                settings.slow = settings.slow.map(|slow| SlowCalls { percent: number as u8, ..slow });
            }
            "open" => settings.open_ms = ms,
            "max" => settings.open_ms_max = ms,
            "probes" => settings.probes = number,
            "at-once" => settings.probes_at_once = number,
            "probe" => settings.probe_ms = ms,
            "ramp" => settings.ramp_ms = ms,
            "ignore" => settings.ignore.push(value.to_string()),
            other => panic!("{other} is not a setting"),
        }
    }
    settings
}

/// Before, line, outcome.
#[track_caller]
fn check(cases: &[(&str, &str, &str)]) {
    for (before, line, outcome) in cases {
        let mut script = Script::default();
        script.run(before);
        assert_eq!(script.run(line), *outcome, "the outcome of {line:?} after {before:?}");
    }
}

/// It trips after two failures in a row, for 100 ms, and one probe closes it.
const TWO: &str = "put row=2 open=100 max=400 probes=1 probe=50";
const TRIPPED: &str = "put row=2 open=100 max=400 probes=1 probe=50; ask a; ask b; failed a; failed b";

#[test]
fn a_breaker_trips_probes_and_closes() {
    check(&[
        ("", "ask a", "admitted"),
        (&format!("{TWO}; ask a; ask b; failed a; ok b"), "ask c", "admitted"),
        (TRIPPED, "ask c", "open for 100"),
        (&format!("{TRIPPED}; wait 99"), "ask c", "open for 1"),
        (&format!("{TRIPPED}; wait 100"), "ask c", "probe"),
        (&format!("{TRIPPED}; wait 100; ask c; ok c"), "ask d", "admitted"),
        (&format!("{TRIPPED}; wait 100; ask c; failed c"), "ask d", "open for 200"),
        (&format!("{TRIPPED}; wait 100; ask c; ignored c"), "ask d", "probe"),
    ]);
}

#[test]
fn as_many_probes_run_as_the_settings_allow() {
    let two = "put row=1 open=100 probes=2 at-once=2 probe=50; ask a; failed a; wait 100";
    check(&[
        (&format!("{TRIPPED}; wait 100; ask c"), "ask d", "probing for 50"),
        (&format!("{two}; ask b"), "ask c", "probe"),
        (&format!("{two}; ask b; ask c"), "ask d", "probing for 50"),
        (&format!("{two}; ask b; ask c; ok b"), "ask d", "probing for 50"),
        (&format!("{two}; ask b; ask c; ok b; ok c"), "ask d", "admitted"),
    ]);
}

#[test]
fn a_probe_whose_worker_has_vanished_is_given_up() {
    check(&[
        (&format!("{TRIPPED}; wait 100; ask c; wait 49"), "ask d", "probing for 1"),
        (&format!("{TRIPPED}; wait 100; ask c; wait 50"), "ask d", "probe"),
        (&format!("{TRIPPED}; wait 100; ask c; wait 50; ask d"), "ok c", "stale"),
        (&format!("{TRIPPED}; wait 100; ask c; wait 50; ask d; ok c; ok d"), "ask e", "admitted"),
    ]);
}

#[test]
fn an_outcome_counts_once() {
    check(&[
        (&format!("{TWO}; ask a; failed a"), "failed a", "replayed"),
        (&format!("{TWO}; ask a; failed a; failed a"), "ask b", "admitted"),
        (&format!("{TWO}; ask a; failed a; ok a; ask b; failed b"), "ask c", "open for 100"),
        (&format!("{TRIPPED}; wait 100; ask c; ok c"), "ok c", "replayed"),
    ]);
}

#[test]
fn an_outcome_from_before_a_transition_is_stale() {
    check(&[
        (&format!("{TWO}; ask x; ask a; ask b; failed a; failed b"), "ok x", "stale"),
        (&format!("{TWO}; ask x; ask a; ask b; failed a; failed b; wait 100; ask c"), "ok x", "stale"),
        (&format!("{TWO}; ask a; open; auto"), "failed a", "stale"),
    ]);
}

#[test]
fn a_share_of_slow_calls_trips_it_and_a_slow_probe_has_failed() {
    let four = "put window=4 min=4 share=0 slow=80 open=100 probes=1; ask a; ask b; ask c; ask d";
    let tripped = format!("{four}; ok-in a 80; ok-in b 79; ok c; ok-in d 900");
    check(&[
        (&format!("{four}; ok-in a 80; ok-in b 79; ok c; ok-in d 79"), "ask e", "admitted"),
        (&tripped, "ask e", "open for 100"),
        (&format!("{tripped}; wait 100; ask e; ok-in e 80"), "ask f", "open for 200"),
        (&format!("{tripped}; wait 100; ask e; ok-in e 79"), "ask f", "admitted"),
        (
            &format!("{four}; put window=4 min=4; ok-in a 80; ok-in b 80; ok-in c 80; ok-in d 80"),
            "ask e",
            "admitted",
        ),
        (
            &format!("{four}; ok-in a 80; ok-in b 80; ok-in c 80; put window=4 min=4; ok-in d 80"),
            "ask e",
            "admitted",
        ),
    ]);
    let mut script = Script::default();
    script.run(&format!("{four}; ok-in a 80; ok b"));
    let view = query::breaker(&script.store.rows, &name(), script.store.elapsed).unwrap();
    assert_eq!((view.calls, view.failures, view.slow), (2, 0, 1));
}

#[test]
fn slow_calls_of_a_time_are_forgotten_with_it() {
    let mut script = Script::default();
    let settings = BreakerSettings {
        window: BreakerWindow::Time(1_000),
        slow: Some(SlowCalls { after_ms: 80, percent: 100 }),
        ..settings(&["min=2"])
    };
    script.apply(Command::PutBreaker(PutBreaker { breaker: name(), settings }));
    script.run("ask a; ask b; ask c; ok-in a 80; wait 1000; ok-in b 80");
    assert_eq!(script.shown(), "closed", "the first is forgotten");
    script.run("ok-in c 80");
    assert_eq!(script.shown(), "open");
}

#[test]
fn a_share_of_the_calls_trips_it_too() {
    let four = "put window=4 min=4 share=50 open=100; ask a; ask b; ask c; ask d";
    check(&[
        (&format!("{four}; ok a; ok b; ok c; failed d"), "ask e", "admitted"),
        (&format!("{four}; ok a; ok b; failed c; failed d"), "ask e", "open for 100"),
        (&format!("{four}; failed a; failed b; ok c; ok d"), "ask e", "admitted"),
        (&format!("{four}; failed a; failed b; failed c"), "ask e", "admitted"),
    ]);
}

#[test]
fn a_trip_may_need_failures_of_several_workers() {
    let two = "put row=2 workers=2 open=100; ask a; ask b; ask c; ask d";
    check(&[
        (&format!("{two}; failed a by v; failed b by v; failed c by v"), "ask e", "admitted"),
        (&format!("{two}; failed a by v; failed b by w"), "ask e", "open for 100"),
        (&format!("{two}; failed a by v; failed b by v; wait 60001; failed c by w"), "ask e", "admitted"),
    ]);
}

#[test]
fn a_failure_of_an_ignored_class_counts_neither_way() {
    let ignore = "put row=1 open=100 probes=1 ignore=E; ask a; ask b";
    check(&[
        (&format!("{ignore}; failed a E"), "ask c", "admitted"),
        (&format!("{ignore}; failed a F"), "ask c", "open for 100"),
        (&format!("{ignore}; failed a F; wait 100; ask c; failed c E"), "ask d", "probe"),
    ]);
}

#[test]
fn an_operator_holds_it_open_or_closed() {
    check(&[
        ("put open=700; open", "ask a", "forced for 700"),
        (&format!("{TWO}; close; ask a; ask b; failed a; failed b"), "ask c", "admitted"),
        (&format!("{TRIPPED}; close"), "ask c", "admitted"),
        (&format!("{TRIPPED}; open; auto"), "ask c", "admitted"),
        (&format!("{TRIPPED}; auto"), "ask c", "open for 100"),
        (&format!("{TWO}; open; wait 100000"), "ask a", "forced for 100"),
    ]);
}

#[test]
fn a_deleted_breaker_begins_anew() {
    check(&[
        ("", "delete", "Refused(NoBreaker)"),
        (&format!("{TRIPPED}; delete"), "ask c", "admitted"),
        (&format!("{TRIPPED}; delete"), "delete", "Refused(NoBreaker)"),
        (
            "put row=1 open=1 probes=1; ask a; failed a; wait 1; ask old; delete; wait 9; \
             put row=1 open=1 probes=1; ask b; failed b; wait 1; ask new",
            "ok old",
            "stale",
        ),
    ]);
    let mut script = Script::default();
    script.run(&format!("{TRIPPED}; delete"));
    assert!(script.store.rows.keys().all(|key| key[6] != 48 && key[6] != 49), "it leaves no rows");
}

#[test]
fn changed_settings_leave_it_as_it_is() {
    check(&[
        (&format!("{TRIPPED}; put row=9 open=1"), "ask c", "open for 100"),
        (&format!("{TWO}; ask a; failed a; put row=1; ask b"), "failed b", "counted"),
        (&format!("{TWO}; ask a; failed a; put row=2 open=5; ask b; failed b"), "ask c", "open for 5"),
    ]);
}

#[test]
fn probes_are_judged_by_the_settings_of_when_one_ends_even_if_that_one_says_nothing() {
    let two_of_three = "put row=1 open=100 probes=3 at-once=3; ask a; failed a; wait 100; ask b; ask c; ok b";
    let fewer = format!("{two_of_three}; put row=1 open=100 probes=1 ignore=E");
    check(&[(&format!("{fewer}; failed c E"), "ask d", "admitted"), (&fewer, "ask d", "probing for 1000")]);
}

#[test]
fn a_recovered_breaker_admits_a_growing_share() {
    let ramp = "put row=1 open=100 probes=1 ramp=1000; ask a; failed a; wait 100; ask b; ok b";
    let mut script = Script::default();
    script.run(ramp);
    let admitted = |script: &Script| {
        let draws = (0..100_u64).map(|number| number << 57 | number << 50);
        let permits =
            draws.map(|draw| query::breaker_permit(&script.store.rows, &name(), script.store.elapsed, draw));
        let admitted =
            |read: &PermitRead| matches!(read, PermitRead::Decided(BreakerDecision::Admitted { .. }));
        permits.map(Result::unwrap).filter(admitted).count()
    };
    let mut before = 0;
    for _ in 0..4 {
        let now = admitted(&script);
        assert!(now > before && now < 100, "{now} after {before}");
        before = now;
        script.run("wait 250");
    }
    assert_eq!(admitted(&script), 100);
}

#[test]
fn a_call_that_a_recovered_breaker_does_not_admit_is_told_so_and_soon_asks_again() {
    let mut script = Script::default();
    script.run("put row=1 open=100 probes=1 ramp=60000; ask a; failed a; wait 100; ask b; ok b");
    let read = query::breaker_permit(&script.store.rows, &name(), script.store.elapsed, u64::MAX).unwrap();
    let rejected = BreakerDecision::Rejected { reason: BreakerReason::Ramp, retry_ms: 1_000 };
    assert_eq!(read, PermitRead::Decided(rejected));
}

#[test]
fn a_permit_of_a_closed_breaker_writes_nothing() {
    let mut script = Script::default();
    script.run(&format!("{TWO}; ask a; failed a"));
    let rows = script.store.rows.clone();
    for called in ["b", "c", "d"] {
        assert_eq!(script.run(&format!("ask {called}")), "admitted");
    }
    assert_eq!((script.asked, &script.store.rows), (0, &rows));
    script.run("failed b");
    assert_eq!(script.run("ask e"), "open for 100");
    assert_eq!(script.asked, 0, "a rejection needs no command either");
}

#[test]
fn a_worker_that_fails_where_others_succeed_is_shown() {
    let mut script = Script::default();
    for at in 0..20 {
        script.run(&format!("ask {at}"));
        let line = if at % 2 == 0 { format!("ok {at} by v") } else { format!("failed {at} by w") };
        script.run(&line);
    }
    assert_eq!(script.shown(), "open v 0/10 w! 10/10");
    let mut script = Script::default();
    for at in 0..10 {
        script.run(&format!("ask {at}; failed {at} by {}", if at % 2 == 0 { "v" } else { "w" }));
    }
    assert_eq!(script.shown(), "closed v 5/5 w 5/5", "all of them fail");
}

#[test]
fn who_watches_a_breaker_is_told_of_changes_but_not_of_outcomes() {
    let told = [Effect::Notify { key: query::breaker_row_key(&name()) }];
    let mut script = Script::default();
    for (line, is_told) in [
        (TWO, true),
        ("ask a; ok a", false),
        ("ask b; failed b", false),
        ("ask c; failed c", true),
        ("wait 100; ask d", true),
        ("ok d", true),
        ("open", true),
        ("open", false),
        ("delete", true),
    ] {
        script.run(line);
        assert_eq!(script.store.applied.effects == told, is_told, "{line}");
    }
}

#[test]
fn old_calls_of_a_worker_count_less_and_less() {
    let mut script = Script::default();
    script.run("put row=1000 window=100 min=100 share=100");
    for at in 0..100 {
        let verb = if at % 5 < 3 { "failed" } else { "ok" };
        script.run(&format!("ask {at}; {verb} {at} by w"));
    }
    assert_eq!(script.shown(), "closed w 60/100");
    script.run("ask a; ok a by w");
    assert_eq!(script.shown(), "closed w 30/51");
}

#[test]
fn breakers_of_one_slot_know_their_own_permits() {
    let mut script = Script::default();
    for _ in 0..2 {
        for (name, counted) in [("a{t}", [1, 0]), ("b{t}", [1, 0]), ("a{t}", [0, 1]), ("b{t}", [0, 1])] {
            let name = BreakerName::new(name).unwrap();
            let permit = BreakerPermit::new(&name, 0, 0, 7);
            let records = [BreakerRecord { permit, worker: "".into(), outcome: CallOutcome::Ok }].to_vec();
            script.store.apply(Command::RecordBreaker(RecordBreaker { breaker: name.clone(), records }));
            let Outcome::BreakerRecorded(recorded) = script.store.applied.outcomes[0] else { panic!() };
            assert_eq!([recorded.counted, recorded.replayed], counted, "{name:?}");
        }
        for name in ["a{t}", "b{t}"] {
            let breaker = BreakerName::new(name).unwrap();
            script.store.apply(Command::DeleteBreaker(DeleteBreaker { breaker }));
        }
    }
}

#[test]
fn a_shard_counts_its_breakers_by_state_and_how_often_they_have_opened() {
    // The counts are in a slot of the shard, wherever those begin.
    let first = name().slot(Namespace::ROOT);
    let slots = SlotRange { first, last: SlotRange::ALL.last };
    let mut script = Script::default();
    script.store.shard = Shard::new(ShardOptions { slots, ..ShardOptions::default() });
    for (lines, counts) in [
        (TWO, [1, 0, 0, 0]),
        ("ask a; ask b; failed a; failed b", [0, 1, 0, 1]),
        ("wait 100; ask c", [0, 0, 1, 1]),
        ("failed c", [0, 1, 0, 2]),
        ("wait 200; ask d; ok d", [1, 0, 0, 2]),
        ("delete", [0, 0, 0, 2]),
    ] {
        script.run(lines);
        let tally = query::breaker_tally(&script.store.rows, first).unwrap();
        assert_eq!([tally.closed, tally.open, tally.half_open, tally.opened], counts, "{lines}");
    }
}
