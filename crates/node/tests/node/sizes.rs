//! The estimated size of a command, by which entries are closed and requests are turned away, against the bytes that
//! the command takes in an entry.

use crate::samples::event;
use model::{
    Action, Append, BackfillOverlap, BeginExecution, BreakerName, BreakerPermit, BreakerRecord, CallOutcome,
    CatchUp, Check, Command, CompleteExecution, ControlSchedule, CreateGroup, Cursor, Elapsed, Enqueue,
    EntryClock, ExecutionKey, Expected, Failure, Fingerprint, GroupName, GroupTask, Identity, NewEvent,
    NewGroup, NewMember, NewTask, Overlap, Position, PutSchedule, PutScheduleSet, PutValue, QueueName, React,
    ReactedEvent, ReactionName, RecordBreaker, ScheduleAction, ScheduleDefinition, ScheduleName,
    ScheduleRules, Settle, Settlement, Slot, StreamName, TaskOptions, TaskRef, Timing, Transaction,
    ValueName, Wall, Write,
};
use node::batch::SizedCommand;

/// How many events, tasks and so on each command has.
const ITEMS: usize = 40;
/// The estimate may be this much too high for each item, and for the command.
const TOO_HIGH_MAX: usize = 256;

fn large() -> Vec<u8> {
    vec![b'x'; 1_000]
}

fn long_type() -> String {
    "t".repeat(40)
}

fn queue() -> QueueName<'static> {
    QueueName::new("q".repeat(40)).unwrap()
}

fn task() -> NewTask<'static> {
    NewTask {
        id: None,
        fingerprint: Fingerprint(1),
        task_type: "t".into(),
        run_after: None,
        priority: 5,
        key: None,
        claim_ms: None,
        retry: None,
        envelope: large().into(),
        options: TaskOptions::default(),
    }
}

fn append(events: usize) -> Append<'static> {
    let event =
        NewEvent { event_type: long_type().into(), envelope: large().into(), ..event(Identity::Server) };
    let stream = StreamName::new("a-stream").unwrap();
    Append { keyed: None, stream, expected: Expected::Any, events: vec![event; events] }
}

fn enqueue(tasks: usize) -> Enqueue<'static> {
    Enqueue { keyed: None, queue: queue(), tasks: vec![task(); tasks] }
}

fn create_group(members: usize) -> CreateGroup<'static> {
    let member = NewMember::Task(GroupTask { queue: queue(), task: task() });
    CreateGroup {
        group: GroupName::new("g".repeat(40)).unwrap(),
        fingerprint: Fingerprint(1),
        content: NewGroup { members: vec![member; members], then: None, on_dead: None },
    }
}

fn settle(settlements: usize, action: &Action<'static>) -> Settle<'static> {
    let settlement = Settlement {
        task: TaskRef::Client("a-task".into()),
        token: Position(1 << 50),
        action: action.clone(),
    };
    Settle { queue: queue(), settlements: vec![settlement; settlements] }
}

fn complete_execution() -> CompleteExecution<'static> {
    let key = ExecutionKey::new("an-execution").unwrap();
    let token = Cursor::new(Position(1 << 50), Slot(7));
    CompleteExecution { key, token, response: large().into(), keep_ms: 1_000 }
}

/// A transaction with this many checks and writes.
fn transaction(checks: usize, writes: Vec<Write<'static>>) -> Command<'static> {
    let stream = StreamName::new("a-stream-with-a-longer-name").unwrap();
    let checks = vec![Check::Stream { stream, expected: Expected::Exists }; checks];
    Command::Transaction(Transaction { keyed: None, checks, writes })
}

fn put_schedule(exclusions: usize) -> PutSchedule<'static> {
    let rules = ScheduleRules {
        timing: Timing::Every(1_000),
        start: None,
        end: None,
        exclusions: vec!["2026-12-24/2026-12-26".into(); exclusions],
        runs_max: None,
        jitter_ms: 0,
        catch_up: CatchUp::Skip,
        late_ms: 1_000,
        overlap: Overlap::Allow,
        pause_on_failure: false,
    };
    let definition = Box::new(ScheduleDefinition { rules, enqueue: enqueue(1) });
    PutSchedule { schedule: ScheduleName::new("a-schedule").unwrap(), definition }
}

fn record_breaker() -> Command<'static> {
    let breaker = BreakerName::new("a-breaker").unwrap();
    let permit = BreakerPermit::new(&breaker, 1, 0, 7);
    let record = BreakerRecord { permit, worker: long_type().into(), outcome: CallOutcome::Ok };
    Command::RecordBreaker(RecordBreaker { breaker, records: vec![record; ITEMS] })
}

fn react() -> Command<'static> {
    let cursor = |position| Cursor::new(Position(position), Slot(7));
    let event = ReactedEvent { cursor: cursor(1), stream: "a-stream".into(), envelope: large().into() };
    Command::React(React {
        reaction: ReactionName::new("a-reaction").unwrap(),
        version: Position(1),
        after: cursor(0),
        until: cursor(2),
        events: vec![event; ITEMS],
    })
}

fn backfill() -> Command<'static> {
    let action =
        ScheduleAction::Backfill { ticks: vec![Wall(1 << 40); ITEMS], overlap: BackfillOverlap::Skip };
    let schedule = ScheduleName::new("a-schedule").unwrap();
    Command::ControlSchedule(ControlSchedule { keyed: None, schedule, action })
}

/// Commands, most of them with [`ITEMS`] of something.
fn commands() -> Vec<(&'static str, Command<'static>)> {
    let each = |write: Write<'static>| transaction(0, vec![write; ITEMS]);
    let complete = Action::Complete { result: Some(large().into()) };
    let failure =
        Failure { class: long_type().into(), detail: large().into(), retryable: true, delay_ms: None };
    let begin = BeginExecution {
        key: ExecutionKey::new("an-execution").unwrap(),
        fingerprint: "f".repeat(200).into(),
        owner: Some("o".repeat(200).into()),
        ttl_ms: 1_000,
    };
    let put_value = PutValue {
        keyed: None,
        value: ValueName::new("a-value").unwrap(),
        expected: Expected::Any,
        content_type: "c".repeat(200).into(),
        content: large().into(),
    };
    let owner = ScheduleName::new("an-owner").unwrap();
    let put_all = PutScheduleSet { owner, schedules: vec![put_schedule(2); ITEMS] };
    vec![
        ("events", Command::Append(append(ITEMS))),
        ("checks", transaction(ITEMS, Vec::new())),
        ("checks and writes", transaction(ITEMS, vec![Write::Append(append(1)); ITEMS])),
        ("appends", each(Write::Append(append(1)))),
        ("enqueues", each(Write::Enqueue(enqueue(1)))),
        ("settles", each(Write::Settle(settle(1, &complete)))),
        ("completed executions", each(Write::CompleteExecution(complete_execution()))),
        ("groups", each(Write::CreateGroup(create_group(1)))),
        ("tasks", Command::Enqueue(enqueue(ITEMS))),
        ("members", Command::CreateGroup(create_group(ITEMS))),
        ("results", Command::Settle(settle(ITEMS, &complete))),
        ("failures", Command::Settle(settle(ITEMS, &Action::Fail(failure)))),
        ("records", record_breaker()),
        ("reacted events", react()),
        ("a long fingerprint and owner", Command::BeginExecution(begin)),
        ("a response", Command::CompleteExecution(complete_execution())),
        ("a schedule", Command::PutSchedule(put_schedule(ITEMS))),
        ("schedules", Command::PutScheduleSet(put_all)),
        ("ticks", backfill()),
        ("a value", Command::PutValue(put_value)),
    ]
}

#[test]
fn a_command_whose_names_are_not_very_long_takes_no_more_of_an_entry_than_estimated_and_not_much_less() {
    let clock = EntryClock { wall: Wall(1), elapsed: Elapsed(1) };
    for (what, command) in commands() {
        let mut entry = Vec::new();
        format::entry::encode(shard::BEHAVIOUR, clock, std::slice::from_ref(&command), &mut entry);
        let estimated = SizedCommand::new(command).bytes();
        let bounds = entry.len()..=entry.len() + (ITEMS + 1) * TOO_HIGH_MAX;
        assert!(bounds.contains(&estimated), "{what}: {estimated} bytes estimated, {} taken", entry.len());
    }
}
