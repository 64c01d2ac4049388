//! One command, one outcome and one row of every shape of breakers, by name.

use crate::golden::check;
use crate::queue::bare_task_row;
use crate::samples::{CLOCK, Sample};
use format::row::{
    BreakerCalls, BreakerFailure, BreakerMode, BreakerRow, BreakerState, BreakerTally, BreakerWorker,
    RecentRow, TaskRow, breaker_key, breaker_recent_key, breaker_tally_key,
};
use model::{
    AskBreaker, Behaviour, BreakerCircuit, BreakerDecision, BreakerForced, BreakerName, BreakerPermit,
    BreakerReason, BreakerRecord, BreakerRecorded, BreakerSettings, BreakerWindow, CallOutcome, Command,
    ControlBreaker, DeleteBreaker, Elapsed, KeyExpression, Outcome, PutBreaker, PutQueue, QueueBreaker,
    QueueName, QueueOptions, QueueSettings, RecordBreaker, Refusal, Slot, SlowCalls, Wall,
};

const SLOT: Slot = Slot(51_197);

const SLOW: SlowCalls = SlowCalls { after_ms: 800, percent: 60 };

fn name() -> BreakerName<'static> {
    BreakerName::new("żółw").unwrap()
}

fn settings() -> BreakerSettings {
    BreakerSettings {
        window: BreakerWindow::Time(10_000),
        calls_min: 300,
        failure_percent: None,
        consecutive_failures: Some(500),
        ignore: vec!["timeout".to_owned(), "E".to_owned()],
        ..BreakerSettings::default()
    }
}

pub(crate) fn commands() -> Vec<(&'static str, Command<'static>)> {
    let put = |settings| Command::PutBreaker(PutBreaker { breaker: name(), settings });
    let control = |forced| Command::ControlBreaker(ControlBreaker { breaker: name(), forced });
    let permit = |generation, probe| BreakerPermit::new(&name(), generation, probe, u64::MAX / 3);
    let record =
        |permit, worker: &'static str, outcome| BreakerRecord { permit, worker: worker.into(), outcome };
    let records = vec![
        record(permit(300, 0), "w-1", CallOutcome::Ok),
        record(permit(300, 400), "", CallOutcome::Failed { class: "timeout".into() }),
        record(permit(0, 0), "w-2", CallOutcome::Ignored),
    ];
    let key = KeyExpression::new("payload.to.host").unwrap();
    let types = vec!["send-mail".to_owned(), "t".to_owned()];
    let of_queue = QueueBreaker { prefix: "żółw/".to_owned(), key, types };
    let options = QueueOptions { breaker: Some(of_queue), ..QueueOptions::NONE };
    let queue = QueueName::new("żółw").unwrap();
    let with_breaker = PutQueue { queue, settings: QueueSettings { options, ..QueueSettings::default() } };
    vec![
        ("put-queue-with-breaker", Command::PutQueue(with_breaker)),
        ("put-breaker", put(settings())),
        ("put-breaker-default", put(BreakerSettings::default())),
        ("delete-breaker", Command::DeleteBreaker(DeleteBreaker { breaker: name() })),
        ("hold-breaker-open", control(BreakerForced::Open)),
        ("hold-breaker-closed", control(BreakerForced::Closed)),
        ("release-breaker", control(BreakerForced::No)),
        ("ask-breaker", Command::AskBreaker(AskBreaker { breaker: name(), random: u64::MAX / 7 })),
        ("record-breaker", Command::RecordBreaker(RecordBreaker { breaker: name(), records })),
    ]
}

/// Those of slow calls. They came later, so they are last in the file.
fn slow_commands() -> [(&'static str, Command<'static>); 2] {
    let settings = BreakerSettings { slow: Some(SLOW), ..settings() };
    let permit = BreakerPermit::new(&name(), 300, 0, u64::MAX / 3);
    let outcome = CallOutcome::OkIn { took_ms: 1_200 };
    let records = vec![BreakerRecord { permit, worker: "w-1".into(), outcome }];
    [
        ("put-breaker-slow", Command::PutBreaker(PutBreaker { breaker: name(), settings })),
        ("record-breaker-in", Command::RecordBreaker(RecordBreaker { breaker: name(), records })),
    ]
}

pub(crate) fn outcomes() -> Vec<(&'static str, Outcome)> {
    let rejected = |reason, retry_ms| Outcome::BreakerAsked(BreakerDecision::Rejected { reason, retry_ms });
    let recorded =
        |circuit| Outcome::BreakerRecorded(BreakerRecorded { counted: 300, replayed: 2, stale: 1, circuit });
    let admitted = BreakerDecision::Admitted { generation: 300, probe: 400 };
    vec![
        ("breaker-put", Outcome::BreakerPut),
        ("breaker-deleted", Outcome::BreakerDeleted),
        ("breaker-controlled", Outcome::BreakerControlled),
        ("breaker-admitted", Outcome::BreakerAsked(admitted)),
        ("breaker-open", rejected(BreakerReason::Open, 5_000)),
        ("breaker-probing", rejected(BreakerReason::Probing, 1)),
        ("breaker-ramp", rejected(BreakerReason::Ramp, 1_000)),
        ("breaker-forced", rejected(BreakerReason::Forced, 300)),
        ("breaker-recorded-closed", recorded(BreakerCircuit::Closed)),
        ("breaker-recorded-open", recorded(BreakerCircuit::Open)),
        ("breaker-recorded-half-open", recorded(BreakerCircuit::HalfOpen)),
        ("no-breaker", Outcome::Refused(Refusal::NoBreaker)),
    ]
}

/// As it is after its first outcome.
pub(crate) fn new_breaker() -> BreakerRow {
    BreakerRow {
        settings: None,
        state: BreakerState {
            mode: BreakerMode::Closed,
            forced: BreakerForced::No,
            generation: 0,
            since: 0,
            calls: BreakerCalls::Count {
                length: 100,
                next: 1,
                calls: 1,
                failed: vec![0, 1 << 3],
                slow: Vec::new(),
            },
            consecutive: 0,
            trips: 0,
            sources: Vec::new(),
            probes: Vec::new(),
            probe_last: 86_400_000,
            probes_succeeded: 0,
            probes_failed: 0,
        },
        changed: Wall(1_700_000_000_000),
        opened: 0,
        workers: Vec::new(),
        failure: None,
    }
}

/// As it is in each mode, with everything that it can have.
pub(crate) fn breaker(mode: BreakerMode, forced: BreakerForced) -> BreakerRow {
    let worker = |name: &str, calls| BreakerWorker {
        name: name.to_owned(),
        calls,
        failures: calls / 2,
        last: Elapsed(86_400_000),
    };
    BreakerRow {
        settings: Some(settings()),
        state: BreakerState {
            mode,
            forced,
            generation: 300,
            since: 86_400_000_000_000,
            calls: BreakerCalls::Time {
                bucket_nanos: 1_000_000_000,
                newest: 86_400,
                buckets: vec![(300, 2), (0, 0), (1, 1)],
                slow: Vec::new(),
            },
            consecutive: 300,
            trips: 4,
            sources: vec![(u32::MAX / 3, 86_400_000_000_001), (7, 0)],
            probes: vec![(301, 86_430_000_000_000)],
            probe_last: 301,
            probes_succeeded: 2,
            probes_failed: 1,
        },
        changed: Wall(1_700_000_000_001),
        opened: 400,
        workers: vec![worker("w-1", 100), worker("żółw", 3)],
        failure: Some(BreakerFailure {
            class: "timeout".to_owned(),
            worker: "w-1".to_owned(),
            at: Wall(1_700_000_000_000),
        }),
    }
}

pub(crate) fn recent() -> RecentRow {
    RecentRow { permits: vec![1, u64::MAX / 3, u64::MAX] }
}

/// All of it, encoded.
pub(crate) fn samples() -> Vec<Sample> {
    let entry = |command: &Command<'_>| {
        let mut out = Vec::new();
        format::entry::encode(Behaviour(1), CLOCK, std::slice::from_ref(command), &mut out);
        out
    };
    let outcome = |outcome: &Outcome| {
        let mut out = Vec::new();
        format::outcome::encode(outcome, &mut out);
        out
    };
    let commands = commands().into_iter().map(|(name, command)| (name, entry(&command)));
    let outcomes = outcomes().into_iter().map(|(name, one)| (name, outcome(&one)));
    let rows = breakers().map(|(name, row)| (name, row.encode()));
    let more = [
        ("breaker-key", breaker_key(SLOT, "żółw")),
        ("breaker-recent-key", breaker_recent_key(SLOT, u128::MAX / 5, 255).to_vec()),
        ("breaker-recent", recent().encode()),
        ("task-of-breaker", task().encode()),
        ("breaker-tally-key", breaker_tally_key(Slot(0)).to_vec()),
        ("breaker-tally", TALLY.encode()),
    ];
    let slow_commands = slow_commands().map(|(name, command)| (name, entry(&command)));
    let slow_rows = slow_breakers().map(|(name, row)| (name, row.encode()));
    commands.chain(outcomes).chain(rows).chain(more).chain(slow_commands).chain(slow_rows).collect()
}

const TALLY: BreakerTally = BreakerTally { closed: 300, open: 2, half_open: 1, opened: 400 };

fn task() -> TaskRow {
    TaskRow { call: Some((300, 400)), ..bare_task_row() }
}

/// As it is when calls were slow.
fn slow_breaker(calls: BreakerCalls) -> BreakerRow {
    let row = new_breaker();
    let settings = Some(BreakerSettings { slow: Some(SLOW), ..settings() });
    BreakerRow { settings, state: BreakerState { calls, ..row.state }, ..row }
}

fn breakers() -> [(&'static str, BreakerRow); 5] {
    let open = BreakerMode::Open(86_405_000_000_000);
    [
        ("breaker-new", new_breaker()),
        ("breaker-row-closed", breaker(BreakerMode::Closed, BreakerForced::Closed)),
        ("breaker-row-ramp", breaker(BreakerMode::Ramp, BreakerForced::No)),
        ("breaker-row-open", breaker(open, BreakerForced::Open)),
        ("breaker-row-half-open", breaker(BreakerMode::HalfOpen, BreakerForced::No)),
    ]
}

fn slow_breakers() -> [(&'static str, BreakerRow); 2] {
    [
        (
            "breaker-row-slow-calls",
            slow_breaker(BreakerCalls::Count {
                length: 100,
                next: 7,
                calls: 7,
                failed: vec![1 << 3, 0],
                slow: vec![1 << 5, 0],
            }),
        ),
        (
            "breaker-row-slow-time",
            slow_breaker(BreakerCalls::Time {
                bucket_nanos: 1_000_000_000,
                newest: 86_400,
                buckets: vec![(300, 2), (9, 0)],
                slow: vec![200, 1],
            }),
        ),
    ]
}

#[test]
fn the_bytes_of_breakers_never_change() {
    check("breaker.hex", &samples());
}

#[test]
fn breakers_read_back_as_they_were() {
    let samples: std::collections::BTreeMap<_, _> = samples().into_iter().collect();
    for (name, command) in commands().into_iter().chain(slow_commands()) {
        assert_eq!(format::entry::decode(&samples[name]).unwrap().commands, [command], "{name}");
    }
    for (name, outcome) in outcomes() {
        assert_eq!(format::outcome::decode(&samples[name]), Ok(outcome), "{name}");
    }
    for (name, row) in breakers().into_iter().chain(slow_breakers()) {
        assert_eq!(BreakerRow::decode(&samples[name]), Ok(row), "{name}");
    }
    assert_eq!(BreakerTally::decode(&TALLY.encode()), Ok(TALLY));
    assert_eq!(TaskRow::decode(&task().encode()), Ok(task()));
    assert_eq!(RecentRow::decode(&recent().encode()), Ok(recent()));
}
