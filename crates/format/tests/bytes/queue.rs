//! One command, one outcome and one row of every shape of task queues, by name.

use crate::samples::Sample;
use format::row::{
    ClaimPart, ClaimRequestRow, FailureRow, KeyRow, Lane, QueueKeys, QueueRow, SettledBy, SettledPart,
    TaskIdRow, TaskPart, TaskRow, TaskTimerKey, TypeCohorts, TypeRow, encode_number, encode_part,
};
use model::{
    Action, AdvanceTasks, Appended, CancelTask, Claim, Claimed, ClaimedTask, Command, DeadLetterEnd, Elapsed,
    Enqueue, Enqueued, EnqueuedTask, Failure, Fingerprint, IdHash, KeyHash, Keyed, NewTask, Outcome,
    Position, PutQueue, QueueName, QueueOptions, QueueSettings, Refusal, RetryPolicy, Settle,
    SettleDeadLetter, Settled, Settlement, Slot, TaskDue, TaskOptions, TaskRef, TaskState, Transaction, Wall,
    Write, Written,
};

const SLOT: Slot = Slot(51_197);
const RETRY: RetryPolicy = RetryPolicy { attempts_max: 300, first_ms: 1_000, delay_ms_max: 600_000 };

/// All settings differ from their defaults and from each other.
const SETTINGS: QueueSettings = QueueSettings {
    retry: RETRY,
    claim_ms: 45_000,
    lost_max: 200,
    keep_done_ms: 3_600_000,
    keep_dead_ms: 7_200_000,
    backlog_max: 1 << 40,
    paused: true,
    options: QueueOptions::NONE,
};

fn name() -> QueueName<'static> {
    QueueName::new("żółw").unwrap()
}

fn client() -> TaskRef<'static> {
    TaskRef::Client("order-7".into())
}

fn server() -> TaskRef<'static> {
    TaskRef::Server(Position(1 << 50))
}

pub(crate) fn full_task() -> NewTask<'static> {
    NewTask {
        id: Some("order-7".into()),
        fingerprint: Fingerprint(0x0123_4567_89ab_cdef_0011_2233_4455_6677),
        task_type: "send-mail".into(),
        run_after: Some(Wall(1_286_004_041_000)),
        priority: 9,
        key: Some("customer-3".into()),
        claim_ms: Some(120_000),
        retry: Some(RETRY),
        envelope: br#""type":"send-mail","payload":{"to":"a@b.example"}"#.to_vec().into(),
        options: TaskOptions::default(),
    }
}

pub(crate) fn bare_task() -> NewTask<'static> {
    NewTask {
        id: None,
        fingerprint: Fingerprint(7),
        task_type: "t".into(),
        run_after: None,
        priority: 0,
        key: None,
        claim_ms: None,
        retry: None,
        envelope: Vec::new().into(),
        options: TaskOptions::default(),
    }
}

fn enqueue(keyed: Option<Keyed>, tasks: Vec<NewTask<'static>>) -> Command<'static> {
    Command::Enqueue(Enqueue { keyed, queue: name(), tasks })
}

fn settle(actions: Vec<Action<'static>>) -> Command<'static> {
    let names = [client(), server()];
    let settlements = actions.into_iter().zip(names.iter().cycle());
    let settlements = settlements.map(|(action, task)| Settlement {
        task: task.clone(),
        token: Position((1 << 50) + 1),
        action,
    });
    Command::Settle(Settle { queue: name(), settlements: settlements.collect() })
}

fn every_action() -> Vec<Action<'static>> {
    vec![
        Action::Heartbeat { progress: None },
        Action::Heartbeat { progress: Some(br#"{"done":3}"#.to_vec().into()) },
        Action::Complete { result: None },
        Action::Complete { result: Some(b"null".to_vec().into()) },
        Action::Fail(Failure {
            class: "Timeout".into(),
            detail: br#""message":"no answer""#.to_vec().into(),
            retryable: true,
            delay_ms: Some(500),
        }),
        Action::Fail(Failure {
            class: "".into(),
            detail: Vec::new().into(),
            retryable: false,
            delay_ms: None,
        }),
        Action::Defer { delay_ms: 60_000 },
        Action::Return,
    ]
}

pub(crate) fn commands() -> Vec<(&'static str, Command<'static>)> {
    let keyed = Keyed { key: KeyHash(u128::MAX / 5), fingerprint: Fingerprint(11), slot: SLOT };
    let claim = Claim {
        queue: name(),
        worker: "host-3/412".into(),
        types: vec!["send-mail".into(), "t".into()],
        tasks_max: 100,
        claim_ms: Some(45_000),
        request: Some(IdHash(u128::MAX / 3)),
    };
    let bare_claim =
        Claim { types: Vec::new(), tasks_max: 1, claim_ms: None, request: None, ..claim.clone() };
    let dead_letter = |task, end| Command::SettleDeadLetter(SettleDeadLetter { queue: name(), task, end });
    let advance = |from| Command::AdvanceTasks(AdvanceTasks { slot: SLOT, from, tasks_max: 256 });
    vec![
        ("put-queue", Command::PutQueue(PutQueue { queue: name(), settings: SETTINGS })),
        (
            "put-queue-default",
            Command::PutQueue(PutQueue { queue: name(), settings: QueueSettings::default() }),
        ),
        ("enqueue", enqueue(None, vec![bare_task()])),
        ("enqueue-keyed", enqueue(Some(keyed), vec![full_task(), bare_task()])),
        ("enqueue-none", enqueue(None, Vec::new())),
        ("claim", Command::Claim(claim)),
        ("claim-bare", Command::Claim(bare_claim)),
        ("settle", settle(every_action())),
        ("settle-none", settle(Vec::new())),
        ("cancel-task", Command::CancelTask(CancelTask { queue: name(), task: client() })),
        ("cancel-task-server", Command::CancelTask(CancelTask { queue: name(), task: server() })),
        ("replay-dead-letter", dead_letter(client(), DeadLetterEnd::Replay)),
        ("drop-dead-letter", dead_letter(server(), DeadLetterEnd::Drop)),
        ("advance-tasks-wall", advance(TaskDue::Wall(Wall(1_286_004_039_266)))),
        ("advance-tasks-elapsed", advance(TaskDue::Elapsed(Elapsed(86_400_000)))),
    ]
}

pub(crate) fn outcomes() -> Vec<(&'static str, Outcome)> {
    let full = ClaimedTask {
        position: Position(1 << 50),
        id: Some("order-7".to_owned()),
        attempt: 300,
        token: Position((1 << 50) + 1),
        claim_ms: 45_000,
        envelope: br#""type":"send-mail""#.to_vec(),
        progress: Some(br#"{"done":3}"#.to_vec()),
    };
    let bare = ClaimedTask {
        id: None,
        attempt: 1,
        claim_ms: 0,
        envelope: Vec::new(),
        progress: None,
        ..full.clone()
    };
    let settled = vec![
        Settled::Extended { claim_ms: 45_000, cancelled: false },
        Settled::Extended { claim_ms: 0, cancelled: true },
        Settled::Completed,
        Settled::Waiting { delay_ms: 700 },
        Settled::Dead,
        Settled::Cancelled,
        Settled::ClaimLost,
        Settled::NoTask,
    ];
    let at = |counter: u64| Position((1 << 50) + counter);
    let enqueued =
        vec![EnqueuedTask::Added(at(2)), EnqueuedTask::Replayed(at(1)), EnqueuedTask::Conflict(at(0))];
    let mut all = vec![
        ("queue-put", Outcome::QueuePut),
        ("enqueued", Outcome::Enqueued(Enqueued { slot: SLOT, tasks: enqueued })),
        ("claimed", Outcome::Claimed(Claimed { slot: SLOT, tasks: vec![full, bare] })),
        ("claimed-none", Outcome::Claimed(Claimed { slot: SLOT, tasks: Vec::new() })),
        ("settled", Outcome::Settled(settled)),
        ("dead-letter-settled", Outcome::DeadLetterSettled),
        ("queue-full", Outcome::Refused(Refusal::QueueFull { backlog_max: 1 << 40 })),
        ("too-many-types", Outcome::Refused(Refusal::TooManyTypes { task: 999 })),
        ("no-task", Outcome::Refused(Refusal::NoTask)),
        ("wrong-task-state", Outcome::Refused(Refusal::WrongTaskState { state: TaskState::Ready })),
    ];
    all.extend(
        [
            ("task-delayed", TaskState::Delayed),
            ("task-blocked", TaskState::Blocked),
            ("task-ready", TaskState::Ready),
            ("task-running", TaskState::Running),
            ("task-done", TaskState::Done),
            ("task-dead", TaskState::Dead),
            ("task-cancelled", TaskState::Cancelled),
        ]
        .map(|(name, state)| (name, Outcome::TaskCancelled(state))),
    );
    all
}

/// Transactions that are not only about events.
pub(crate) fn transactions() -> Vec<(&'static str, Command<'static>)> {
    let enqueue = Write::Enqueue(Enqueue { keyed: None, queue: name(), tasks: vec![bare_task()] });
    let action = Action::Complete { result: None };
    let settlement = Settlement { task: client(), token: Position((1 << 50) + 1), action };
    let settle = Write::Settle(Settle { queue: name(), settlements: vec![settlement] });
    let writes = vec![settle, enqueue];
    vec![(
        "transaction-of-tasks",
        Command::Transaction(Transaction { keyed: None, checks: Vec::new(), writes }),
    )]
}

pub(crate) fn transacted() -> Vec<(&'static str, Outcome)> {
    let enqueued = Enqueued { slot: SLOT, tasks: vec![EnqueuedTask::Added(Position(1 << 50))] };
    let appended = Appended { slot: SLOT, events: Vec::new() };
    let writes = vec![
        Written::Settled(vec![Settled::Completed]),
        Written::Enqueued(enqueued),
        Written::Appended(appended),
    ];
    vec![
        ("transacted-of-any-kind", Outcome::Transacted { replayed: false, writes }),
        ("claim-lost", Outcome::Refused(Refusal::ClaimLost { part: 2, settlement: 1 })),
        ("task-conflict", Outcome::Refused(Refusal::TaskConflict { part: 1, task: 3 })),
    ]
}

pub(crate) fn queue_row() -> QueueRow {
    QueueRow { name: "żółw".to_owned(), settings: SETTINGS, unfinished: 300, types: 2, generation: 0 }
}

pub(crate) fn type_row() -> TypeRow {
    let lanes = vec![
        Lane { lane: 0, tasks: 1, from: Position(1 << 50) },
        Lane { lane: 10, tasks: 300, from: Position(1 << 49) },
    ];
    TypeRow {
        number: 1,
        delayed: 2,
        blocked: 3,
        running: 4,
        done: 5,
        dead: 6,
        cancelled: 700,
        lanes,
        cohorts: TypeCohorts::default(),
    }
}

/// All members are there, although no task has all of them at once.
pub(crate) fn task_row() -> TaskRow {
    TaskRow {
        id: Some("order-7".to_owned()),
        task_type: "send-mail".to_owned(),
        state: TaskState::Running,
        priority: 9,
        attempts: 300,
        lost: 2,
        defers: 3,
        key: Some("customer-3".to_owned()),
        run_after: Some(Wall(1_286_004_041_000)),
        claim_ms: Some(120_000),
        retry: Some(RETRY),
        claim: Some(ClaimPart {
            token: Position((1 << 50) + 1),
            worker: "host-3/412".to_owned(),
            claim_ms: 45_000,
            expires: Elapsed(86_445_000),
            request: Some(IdHash(u128::MAX / 3)),
            cancelled: true,
        }),
        settled: Some(SettledPart {
            token: Position(1 << 50),
            action: SettledBy::Fail,
            result: Settled::Waiting { delay_ms: 700 },
        }),
        due: Some(TaskDue::Elapsed(Elapsed(86_445_000))),
        ready: Some((5, Position(1 << 50))),
        has_result: true,
        has_progress: false,
        has_failures: true,
        gates: None,
        call: None,
        options: TaskOptions::default(),
        replayed: None,
        completed: None,
        has_attempts: false,
        dead_class: None,
        group: None,
    }
}

pub(crate) fn bare_task_row() -> TaskRow {
    TaskRow {
        id: None,
        key: None,
        run_after: None,
        claim_ms: None,
        retry: None,
        claim: None,
        settled: None,
        due: Some(TaskDue::Wall(Wall(1_286_004_041_000))),
        ready: None,
        has_result: false,
        has_progress: true,
        has_failures: false,
        ..task_row()
    }
}

pub(crate) const TASK_ID: TaskIdRow = TaskIdRow { task: Position(1 << 50), fingerprint: Fingerprint(7) };
pub(crate) const KEY: KeyRow =
    KeyRow { head: Position(1 << 50), blocked: 300, from: Position((1 << 50) + 2) };

pub(crate) fn claim_request() -> ClaimRequestRow {
    let at = |counter: u64| Position((1 << 50) + counter);
    ClaimRequestRow { claims: vec![(at(0), at(2)), (at(1), at(3))] }
}

pub(crate) fn failures() -> Vec<FailureRow> {
    let first = FailureRow {
        attempt: 300,
        worker: "host-3/412".to_owned(),
        started: Wall(1_286_004_041_000),
        ended: Wall(1_286_004_042_000),
        class: "Timeout".to_owned(),
        detail: br#""message":"no answer""#.to_vec(),
    };
    let second =
        FailureRow { attempt: 301, class: "worker_lost".to_owned(), detail: Vec::new(), ..first.clone() };
    vec![first, second]
}

pub(crate) fn timers() -> [TaskTimerKey; 2] {
    let timer = |due| TaskTimerKey { slot: SLOT, due, queue: 1 << 48, task: Position(1 << 50) };
    [timer(TaskDue::Wall(Wall(1_286_004_041_000))), timer(TaskDue::Elapsed(Elapsed(86_445_000)))]
}

pub(crate) fn rows() -> Vec<Sample> {
    let keys = QueueKeys { slot: SLOT, id: 1 << 48 };
    let task = Position(1 << 50);
    let [by_wall, by_elapsed] = timers();
    vec![
        ("queue-name-key", QueueKeys::name(SLOT, "żółw")),
        ("queue-name", encode_number(keys.id)),
        ("queue-key", keys.queue().to_vec()),
        ("queue", queue_row().encode()),
        ("task-type-key", keys.task_type("send-mail")),
        ("task-type", type_row().encode()),
        ("task-key", keys.task(task).to_vec()),
        ("task", task_row().encode()),
        ("task-bare", bare_task_row().encode()),
        ("envelope-key", keys.part(task, TaskPart::Envelope).to_vec()),
        ("envelope", encode_part(br#""type":"send-mail""#)),
        ("result-key", keys.part(task, TaskPart::Result).to_vec()),
        ("progress-key", keys.part(task, TaskPart::Progress).to_vec()),
        ("failures-key", keys.part(task, TaskPart::Failures).to_vec()),
        ("failures", FailureRow::encode_all(&failures())),
        ("task-id-key", keys.task_id(IdHash(u128::MAX / 3)).to_vec()),
        ("task-id", TASK_ID.encode()),
        ("ready-key", keys.ready(1, 5, task).to_vec()),
        ("ready", encode_number(task.0)),
        ("key-key", keys.key(u128::MAX / 5).to_vec()),
        ("key", KEY.encode()),
        ("blocked-key", keys.blocked(u128::MAX / 5, task).to_vec()),
        ("claim-request-key", keys.claim_request(IdHash(u128::MAX / 3)).to_vec()),
        ("claim-request", claim_request().encode()),
        ("dead-key", keys.dead(task).to_vec()),
        ("task-wall-timer-key", by_wall.encode().to_vec()),
        ("task-elapsed-timer-key", by_elapsed.encode().to_vec()),
    ]
}
