//! One command, one outcome and one row of every shape of schedules, by name, in a golden file of their own.

use crate::golden::check;
use crate::queue::{bare_task, bare_task_row, full_task};
use crate::samples::{CLOCK, Sample};
use format::row::{
    CompletedPart, Held, ScheduleRow, ScheduleTally, ScheduleTimerKey, ScheduleTotals, TaskRow,
    decode_definition, decode_schedule_set, encode_definition, encode_schedule_set, schedule_definition_key,
    schedule_key, schedule_set_key, schedule_tally_key,
};
use model::{
    AdvanceSchedule, BackfillOverlap, Behaviour, CatchUp, Command, ControlSchedule, DeleteSchedule, Enqueue,
    Fingerprint, HeldBy, KeyHash, Keyed, Missed, NewTask, NextTick, Outcome, Overlap, Paused, Position,
    PutSchedule, PutScheduleSet, QueueName, Refusal, RunCause, ScheduleAction, ScheduleControlled,
    ScheduleDefinition, ScheduleName, ScheduleRules, ScheduleRun, ScheduleStep, Slot, TaskOptions, Timing,
    Unique, UniqueMode, Wall,
};

const SLOT: Slot = Slot(51_197);
const TICK: Wall = Wall(1_286_004_041_000);

fn name() -> ScheduleName<'static> {
    ScheduleName::new("żółw").unwrap()
}

/// All rules differ from their defaults and from each other.
fn full_definition() -> ScheduleDefinition<'static> {
    let rules = ScheduleRules {
        timing: Timing::Cron { expression: "0 2 * * *".into(), zone: "Europe/Berlin".into() },
        start: Some(Wall(1_286_004_000_000)),
        end: Some(Wall(1_386_004_000_000)),
        exclusions: vec!["2026-12-25".into(), "2026-12-26".into()],
        runs_max: Some(300),
        jitter_ms: 90_000,
        catch_up: CatchUp::All(30),
        late_ms: 45_000,
        overlap: Overlap::BufferOne,
        pause_on_failure: true,
    };
    let task = NewTask { id: None, run_after: None, ..full_task() };
    ScheduleDefinition { rules, enqueue: enqueue(task) }
}

fn enqueue(task: NewTask<'static>) -> Enqueue<'static> {
    Enqueue { keyed: None, queue: QueueName::new("mail").unwrap(), tasks: vec![task] }
}

fn definition(timing: Timing<'static>, catch_up: CatchUp, overlap: Overlap) -> ScheduleDefinition<'static> {
    let rules = ScheduleRules {
        timing,
        start: None,
        end: None,
        exclusions: Vec::new(),
        runs_max: None,
        jitter_ms: 0,
        catch_up,
        late_ms: 60_000,
        overlap,
        pause_on_failure: false,
    };
    ScheduleDefinition { rules, enqueue: enqueue(bare_task()) }
}

fn commands() -> Vec<(&'static str, Command<'static>)> {
    let keyed = Keyed { key: KeyHash(u128::MAX / 5), fingerprint: Fingerprint(11), slot: SLOT };
    let put = |definition| PutSchedule { schedule: name(), definition: Box::new(definition) };
    let every = |catch_up, overlap| definition(Timing::Every(900_000), catch_up, overlap);
    let mut unique = every(CatchUp::One, Overlap::CancelOther);
    let options = Unique { key: "k".into(), mode: UniqueMode::Existing };
    unique.enqueue.tasks[0].options = TaskOptions { unique: Some(options), ..TaskOptions::default() };
    let control =
        |keyed, action| Command::ControlSchedule(ControlSchedule { keyed, schedule: name(), action });
    let fill = |overlap, ticks| ScheduleAction::Backfill { ticks, overlap };
    let advance = |step| {
        let generation = Position(1 << 50);
        Command::AdvanceSchedule(AdvanceSchedule { schedule: name(), generation, step })
    };
    let step = |missed, tick, next| Some(ScheduleStep { after: Wall(TICK.0 - 5_000), missed, tick, next });
    let missed = Some(Missed { ticks: 300, last: Wall(TICK.0 - 1_000) });
    vec![
        ("put-schedule", Command::PutSchedule(put(full_definition()))),
        ("put-schedule-every", Command::PutSchedule(put(every(CatchUp::Skip, Overlap::Allow)))),
        ("put-schedule-unique", Command::PutSchedule(put(unique))),
        (
            "put-schedule-set",
            Command::PutScheduleSet(PutScheduleSet {
                owner: name(),
                schedules: vec![put(every(CatchUp::One, Overlap::Skip)), put(full_definition())],
            }),
        ),
        (
            "put-schedule-set-none",
            Command::PutScheduleSet(PutScheduleSet { owner: name(), schedules: Vec::new() }),
        ),
        ("delete-schedule", Command::DeleteSchedule(DeleteSchedule { schedule: name() })),
        ("pause-schedule", control(None, ScheduleAction::Pause)),
        ("resume-schedule", control(None, ScheduleAction::Resume)),
        ("fire-schedule", control(Some(keyed), ScheduleAction::Fire)),
        ("backfill-allow", control(Some(keyed), fill(BackfillOverlap::Allow, vec![TICK, Wall(TICK.0 + 1)]))),
        ("backfill-skip", control(None, fill(BackfillOverlap::Skip, vec![TICK]))),
        ("backfill-wait", control(None, fill(BackfillOverlap::Wait, Vec::new()))),
        ("advance-schedule-waiting", advance(None)),
        ("advance-schedule-begin", advance(step(None, None, NextTick::At(TICK)))),
        ("advance-schedule", advance(step(missed, Some(TICK), NextTick::At(Wall(TICK.0 + 1_000))))),
        ("advance-schedule-last", advance(step(None, Some(TICK), NextTick::Never))),
        ("advance-schedule-broken", advance(step(None, Some(TICK), NextTick::Broken("no such zone".into())))),
        ("advance-schedule-unknown", advance(step(None, None, NextTick::Unknown))),
    ]
}

fn runs() -> Vec<ScheduleRun> {
    let run = |cause, task| ScheduleRun { tick: TICK, cause, task: Position(task) };
    let at = Position(1 << 50);
    vec![
        run(RunCause::Tick, 1 << 50),
        run(RunCause::Fired(at), (1 << 50) + 1),
        run(RunCause::Backfill(at), (1 << 50) + 2),
    ]
}

fn outcomes() -> Vec<(&'static str, Outcome)> {
    let refused = Outcome::Refused;
    let controlled =
        ScheduleControlled { slot: SLOT, runs: runs(), waiting: 300, skipped: 2, replayed: true };
    vec![
        ("schedule-put", Outcome::SchedulePut { generation: Position(1 << 50), changed: true }),
        ("schedule-set-put", Outcome::ScheduleSetPut { changed: 3, deleted: 4 }),
        ("schedule-deleted", Outcome::ScheduleDeleted { existed: true }),
        ("schedule-controlled", Outcome::ScheduleControlled(controlled)),
        ("schedule-controlled-bare", Outcome::ScheduleControlled(ScheduleControlled::default())),
        ("schedule-advanced", Outcome::ScheduleAdvanced { runs: 2, skipped: 300 }),
        ("no-schedule", refused(Refusal::NoSchedule)),
        ("schedule-busy", refused(Refusal::ScheduleBusy)),
        ("schedule-owned", refused(Refusal::ScheduleOwned { schedule: 7 })),
        ("tick-in-future", refused(Refusal::TickInFuture)),
    ]
}

fn full_row() -> ScheduleRow {
    ScheduleRow {
        generation: Position(1 << 50),
        owner: Some("app".to_owned()),
        paused: Some(Paused::ByFailure),
        offset_ms: 500,
        after: Wall(TICK.0 - 5_000),
        next: NextTick::At(TICK),
        held: Some(Held { by: HeldBy::QueueFull, since: TICK, retry: Wall(TICK.0 + 1_000) }),
        ticks: 299,
        runs: runs(),
        queue: "mail".to_owned(),
        waiting: vec![(TICK, RunCause::Tick), (TICK, RunCause::Backfill(Position(1 << 50)))],
        wake: true,
        totals: ScheduleTotals { runs: 300, missed: 301, overlapped: 302, dropped: 303, conflicts: 304 },
        due: Some(TICK),
    }
}

fn broken_row() -> ScheduleRow {
    ScheduleRow {
        generation: Position(1 << 50),
        owner: None,
        paused: Some(Paused::ByRequest),
        offset_ms: 0,
        after: TICK,
        next: NextTick::Broken("no such zone".into()),
        held: Some(Held { by: HeldBy::TooManyTypes, since: TICK, retry: TICK }),
        ticks: 0,
        runs: Vec::new(),
        queue: String::new(),
        waiting: Vec::new(),
        wake: false,
        totals: ScheduleTotals::default(),
        due: None,
    }
}

const TALLY: ScheduleTally =
    ScheduleTally { schedules: 300, paused: 1, broken: 2, held: 3, runs: 1_000, skipped: 40 };
const TIMER: ScheduleTimerKey = ScheduleTimerKey { slot: SLOT, due: TICK, generation: Position(1 << 50) };

fn task_of_schedule() -> TaskRow {
    let options = TaskOptions { schedule: Some("żółw".into()), ..TaskOptions::default() };
    let completed = Some(CompletedPart { worker: "w".to_owned(), ended: TICK });
    TaskRow { options, completed, replayed: Some(TICK), ..bare_task_row() }
}

fn rows() -> Vec<Sample> {
    vec![
        ("schedule-key", schedule_key(SLOT, "żółw")),
        ("schedule", full_row().encode()),
        ("schedule-broken", broken_row().encode()),
        ("schedule-definition-key", schedule_definition_key(SLOT, "żółw")),
        ("schedule-definition", encode_definition(&full_definition())),
        ("schedule-set-key", schedule_set_key(SLOT, "app")),
        ("schedule-set", encode_schedule_set(&["a", "żółw"])),
        ("schedule-tally-key", schedule_tally_key(Slot(0)).to_vec()),
        ("schedule-tally", TALLY.encode()),
        ("schedule-timer-key", TIMER.encode().to_vec()),
        ("task-of-schedule", task_of_schedule().encode()),
    ]
}

fn entry(command: Command<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    format::entry::encode(Behaviour(1), CLOCK, &[command], &mut out);
    out
}

fn encoded(outcome: &Outcome) -> Vec<u8> {
    let mut out = Vec::new();
    format::outcome::encode(outcome, &mut out);
    out
}

pub(crate) fn samples() -> Vec<Sample> {
    let commands = commands().into_iter().map(|(name, command)| (name, entry(command)));
    let outcomes = outcomes().into_iter().map(|(name, outcome)| (name, encoded(&outcome)));
    commands.chain(outcomes).chain(rows()).collect()
}

#[test]
fn the_bytes_of_schedules_never_change() {
    check("schedules.hex", &samples());
}

#[test]
fn commands_and_outcomes_of_schedules_read_back_as_they_were() {
    for (name, command) in commands() {
        let bytes = entry(command.clone());
        assert_eq!(format::entry::decode(&bytes).unwrap().commands, [command], "{name}");
    }
    for (name, outcome) in outcomes() {
        assert_eq!(format::outcome::decode(&encoded(&outcome)), Ok(outcome), "{name}");
    }
}

#[test]
fn rows_of_schedules_read_back_as_they_were() {
    for row in [full_row(), broken_row()] {
        assert_eq!(ScheduleRow::decode(&row.encode()), Ok(row));
    }
    let definition = full_definition();
    assert_eq!(decode_definition(&encode_definition(&definition)), Ok(definition));
    assert_eq!(TaskRow::decode(&task_of_schedule().encode()), Ok(task_of_schedule()));
    let set = encode_schedule_set(&["a", "żółw"]);
    let names = decode_schedule_set(&set).unwrap();
    assert_eq!(names.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["a", "żółw"]);
    assert_eq!(ScheduleTally::decode(&TALLY.encode()), Ok(TALLY));
    assert_eq!(ScheduleTimerKey::decode(&TIMER.encode()), Ok(TIMER));
}
