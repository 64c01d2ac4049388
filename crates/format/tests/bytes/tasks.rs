//! Tasks with options, and what was added to queues since: a golden file of its own, in which new shapes come last.

use crate::golden::check;
use crate::queue::{bare_task_row, queue_row, task_row};
use crate::samples::{CLOCK, Sample};
use format::row::{
    AttemptEnd, AttemptRow, CompletedPart, DeadClassRow, QueueKeys, QueueRow, TaskPart, TaskRow, UniqueRow,
};
use model::{
    Behaviour, ChangeTasks, Command, Enqueue, Enqueued, EnqueuedTask, Fingerprint, GiveUp, NewTask, Outcome,
    Position, PutQueue, QueueName, QueueOptions, QueueSettings, ReplayTask, Slot, TaskChange, TaskOptions,
    TaskRef, TaskState, TasksChanged, Transaction, Unique, UniqueMode, Wall, Write,
};

const SLOT: Slot = Slot(51_197);

fn name() -> QueueName<'static> {
    QueueName::new("żółw").unwrap()
}

fn give_up() -> GiveUp<'static> {
    GiveUp { age_ms_max: Some(86_400_000), classes: vec!["Invalid".into(), "".into()] }
}

fn options(mode: UniqueMode) -> TaskOptions<'static> {
    TaskOptions {
        unique: Some(Unique { key: "report-7".into(), mode }),
        deadline: Some(Wall(1_286_004_042_000)),
        give_up: give_up(),
        schedule: None,
        fair: None,
    }
}

fn task(options: TaskOptions<'static>) -> NewTask<'static> {
    NewTask {
        id: None,
        fingerprint: Fingerprint(7),
        task_type: "t".into(),
        run_after: None,
        priority: 5,
        key: None,
        claim_ms: None,
        retry: None,
        envelope: Vec::new().into(),
        options,
    }
}

fn commands() -> Vec<(&'static str, Command<'static>)> {
    let tasks = vec![
        task(options(UniqueMode::Existing)),
        task(TaskOptions::default()),
        task(options(UniqueMode::OneWaiting)),
        task(options(UniqueMode::Replace)),
    ];
    let enqueue = Enqueue { keyed: None, queue: name(), tasks };
    let writes = vec![Write::Enqueue(enqueue.clone())];
    let settings = QueueSettings {
        options: QueueOptions { give_up: give_up(), ..QueueOptions::NONE },
        ..QueueSettings::default()
    };
    let change = |change| {
        Command::ChangeTasks(ChangeTasks {
            queue: name(),
            tasks: vec![Position(1 << 50), Position((1 << 50) + 1)],
            state: Some(TaskState::Dead),
            task_type: Some("t".into()),
            class: Some("Timeout".into()),
            change,
        })
    };
    let bare = ChangeTasks {
        queue: name(),
        tasks: Vec::new(),
        state: None,
        task_type: None,
        class: None,
        change: TaskChange::Replay { to: None },
    };
    let replay = ReplayTask {
        queue: name(),
        task: TaskRef::Client("order-7".into()),
        to: Some(name()),
        envelope: Some(b"\"type\":\"t\"".to_vec().into()),
    };
    let bare_replay = ReplayTask { to: None, envelope: None, ..replay.clone() };
    vec![
        ("enqueue-with-options", Command::Enqueue(enqueue)),
        (
            "transaction-with-options",
            Command::Transaction(Transaction { keyed: None, checks: Vec::new(), writes }),
        ),
        ("put-queue-with-options", Command::PutQueue(PutQueue { queue: name(), settings })),
        ("cancel-tasks", change(TaskChange::Cancel)),
        ("replay-tasks", change(TaskChange::Replay { to: Some(name()) })),
        ("drop-tasks", change(TaskChange::Drop)),
        ("change-no-tasks", Command::ChangeTasks(bare)),
        ("replay-task", Command::ReplayTask(replay)),
        ("replay-task-bare", Command::ReplayTask(bare_replay)),
    ]
}

fn outcomes() -> Vec<(&'static str, Outcome)> {
    let existing =
        |id: Option<&str>| EnqueuedTask::Existing { task: Position(1 << 50), id: id.map(str::to_owned) };
    let tasks = vec![existing(Some("order-7")), existing(None), EnqueuedTask::Added(Position(7))];
    let changed = TasksChanged { changed: 200, kept: 3, full_after: Some(203) };
    vec![
        ("enqueued-existing", Outcome::Enqueued(Enqueued { slot: SLOT, tasks })),
        ("tasks-changed", Outcome::TasksChanged(changed)),
        ("tasks-not-changed", Outcome::TasksChanged(TasksChanged::default())),
    ]
}

fn task_rows() -> Vec<(&'static str, TaskRow)> {
    let full = TaskRow {
        options: options(UniqueMode::Replace),
        replayed: Some(Wall(1_286_004_043_000)),
        completed: Some(CompletedPart { worker: "host-3/412".to_owned(), ended: Wall(1_286_004_044_000) }),
        has_attempts: true,
        dead_class: Some(u128::MAX / 7),
        ..task_row()
    };
    let one = TaskRow {
        options: TaskOptions { deadline: Some(Wall(1_286_004_042_000)), ..TaskOptions::default() },
        ..bare_task_row()
    };
    vec![("task-with-options", full), ("task-with-deadline", one)]
}

fn queue_with_options() -> QueueRow {
    let mut row = queue_row();
    row.settings.options = QueueOptions { give_up: give_up(), ..QueueOptions::NONE };
    row
}

fn unique() -> UniqueRow {
    UniqueRow { tasks: vec![Position(1 << 50), Position((1 << 50) + 1)] }
}

fn class() -> DeadClassRow {
    DeadClassRow { class: "Timeout".to_owned(), tasks: 300 }
}

fn attempts() -> Vec<AttemptRow> {
    let attempt = |attempt, end| AttemptRow {
        attempt,
        worker: "host-3/412".to_owned(),
        started: Wall(1_286_004_041_000),
        ended: Wall(1_286_004_042_000),
        end,
    };
    vec![
        attempt(1, AttemptEnd::Deferred),
        attempt(300, AttemptEnd::Returned),
        attempt(301, AttemptEnd::Cancelled),
    ]
}

pub(crate) fn entries() -> Vec<Sample> {
    let encoded = |command: Command<'_>| {
        let mut out = Vec::new();
        format::entry::encode(Behaviour(1), CLOCK, &[command], &mut out);
        out
    };
    commands().into_iter().map(|(name, command)| (name, encoded(command))).collect()
}

pub(crate) fn samples() -> Vec<Sample> {
    let keys = QueueKeys { slot: SLOT, id: 1 << 48 };
    let task = Position(1 << 50);
    let mut all = entries();
    all.extend(outcomes().into_iter().map(|(name, outcome)| {
        let mut out = Vec::new();
        format::outcome::encode(&outcome, &mut out);
        (name, out)
    }));
    all.extend(task_rows().into_iter().map(|(name, row)| (name, row.encode())));
    all.extend([
        ("queue-with-options", queue_with_options().encode()),
        ("unique-key", keys.unique(u128::MAX / 5).to_vec()),
        ("unique", unique().encode()),
        ("attempts-key", keys.part(task, TaskPart::Attempts).to_vec()),
        ("attempts", AttemptRow::encode_all(&attempts())),
        ("dead-class-key", keys.dead_class(u128::MAX / 5).to_vec()),
        ("dead-class", class().encode()),
        ("dead-of-class-key", keys.dead_of_class(u128::MAX / 5, task).to_vec()),
    ]);
    all
}

#[test]
fn the_bytes_of_tasks_with_options_never_change() {
    check("tasks.hex", &samples());
}

#[test]
fn tasks_with_options_read_back_as_they_were() {
    for ((name, command), (_, bytes)) in commands().into_iter().zip(entries()) {
        assert_eq!(format::entry::decode(&bytes).unwrap().commands, [command], "{name}");
    }
    for (name, outcome) in outcomes() {
        let mut out = Vec::new();
        format::outcome::encode(&outcome, &mut out);
        assert_eq!(format::outcome::decode(&out), Ok(outcome), "{name}");
    }
    for (name, row) in task_rows() {
        assert_eq!(TaskRow::decode(&row.encode()), Ok(row), "{name}");
    }
    assert_eq!(QueueRow::decode(&queue_with_options().encode()), Ok(queue_with_options()));
    assert_eq!(UniqueRow::decode(&unique().encode()), Ok(unique()));
    assert_eq!(AttemptRow::decode_all(&AttemptRow::encode_all(&attempts())), Ok(attempts()));
    assert_eq!(DeadClassRow::decode(&class().encode()), Ok(class()));
}

#[test]
fn an_option_that_is_unknown_or_out_of_order_is_an_error() {
    let (_, row) = task_rows().remove(1);
    let good = row.encode();
    // The last option: its tag, its length, eight bytes.
    let tag_at = good.len() - 10;
    for tag in [0, 5, 13, 255] {
        let mut bad = good.clone();
        bad[tag_at] = tag;
        assert!(TaskRow::decode(&bad).is_err(), "tag {tag}");
    }
    let mut twice = good.clone();
    let option = good[tag_at..].to_vec();
    twice[tag_at - 1] = 2;
    twice.extend_from_slice(&option);
    assert!(TaskRow::decode(&twice).is_err());
    let mut long = good.clone();
    long[tag_at + 1] = 9;
    long.push(0);
    assert!(TaskRow::decode(&long).is_err(), "bytes remain in an option");
}
