//! One command, one outcome and one row of every shape of limits, by name.

use crate::queue::{queue_row, task_row, type_row};
use crate::samples::Sample;
use format::row::{
    CohortId, CohortLane, CohortRow, CohortWait, Gate, Gates, Lane, LimitKeyRow, LimitKeys, LimitListId,
    LimitListRow, LimitRow, LimitSubject, LimitTimerKey, QueueKeys, QueueRow, RankRow, TaskRow, Turn,
    TypeCohorts, TypeRow, encode_cohort_hash,
};
use model::{
    Action, AdvanceLimits, Command, DeleteLimit, Elapsed, KeyExpression, LimitName, LimitSettings, Outcome,
    Position, PutLimit, PutQueue, QueueLimit, QueueName, QueueOptions, QueueSettings, Rate, Refusal, Settle,
    Settlement, Slot, TaskRef, Throttle,
};

const SLOT: Slot = Slot(51_197);
const SETTINGS: LimitSettings =
    LimitSettings { concurrency: Some(300), rate: Some(Rate { cost_max: 10, per_ms: 60_000, burst: 500 }) };

fn name() -> LimitName<'static> {
    LimitName::new("żółw").unwrap()
}

fn queue_limits() -> Vec<QueueLimit> {
    let key = KeyExpression::new("payload.to.host").unwrap();
    let types = vec!["send-mail".to_owned(), "t".to_owned()];
    let all = QueueLimit { limit: name(), key: KeyExpression::NOTHING, types: Vec::new(), cost: 1 };
    vec![QueueLimit { limit: name(), key, types, cost: 300 }, all]
}

fn queue() -> QueueName<'static> {
    QueueName::new("żółw").unwrap()
}

fn concurrency() -> QueueOptions {
    QueueOptions { concurrency: Some(300), ..QueueOptions::NONE }
}

fn throttle(key: Option<&'static str>) -> Settlement<'static> {
    let throttle = Throttle { limit: name(), key: key.map(Into::into), close_ms: 30_000 };
    let (task, token) = (TaskRef::Client("order-7".into()), Position((1 << 50) + 1));
    Settlement { task, token, action: Action::Throttle(throttle) }
}

fn options() -> QueueOptions {
    QueueOptions { limits: queue_limits(), concurrency: None, ..QueueOptions::NONE }
}

pub(crate) fn commands() -> Vec<(&'static str, Command<'static>)> {
    let mut settings = queue_row().settings;
    settings.options = options();
    let put = |settings| Command::PutLimit(PutLimit { limit: name(), settings });
    let advance = AdvanceLimits { slot: SLOT, from: Elapsed(86_400_000), keys_max: 64 };
    vec![
        ("put-limit", put(SETTINGS)),
        ("put-limit-bare", put(LimitSettings::default())),
        ("delete-limit", Command::DeleteLimit(DeleteLimit { limit: name() })),
        ("advance-limits", Command::AdvanceLimits(advance)),
        ("put-queue-with-limits", Command::PutQueue(PutQueue { queue: queue(), settings: settings.clone() })),
        (
            "put-queue-with-concurrency",
            Command::PutQueue(PutQueue {
                queue: queue(),
                settings: QueueSettings { options: concurrency(), ..settings },
            }),
        ),
        (
            "throttle",
            Command::Settle(Settle {
                queue: queue(),
                settlements: vec![throttle(None), throttle(Some("h"))],
            }),
        ),
    ]
}

pub(crate) fn outcomes() -> Vec<(&'static str, Outcome)> {
    vec![
        ("limit-put", Outcome::LimitPut),
        ("limit-deleted", Outcome::LimitDeleted),
        ("no-limit", Outcome::Refused(Refusal::NoLimit)),
    ]
}

pub(crate) const LIMIT: LimitRow = LimitRow { settings: Some(SETTINGS), walk: Some(u128::MAX / 3) };

pub(crate) fn limit_key() -> LimitKeyRow {
    LimitKeyRow {
        key: "example.com".to_owned(),
        running: 300,
        waiting: 2,
        refilled_us: 86_400_000_001,
        closed_until: Elapsed(86_401_000),
        due: Some(Elapsed(86_402_000)),
    }
}

pub(crate) fn limit_list() -> LimitListRow {
    LimitListRow { task_type: "send-mail".to_owned(), cohorts: 300, from: 7, next: 400 }
}

fn gates() -> Vec<Gate> {
    let gate = |key: &str, cost| Gate { limit: "żółw".to_owned(), key: key.to_owned(), cost };
    vec![gate("example.com", 300), gate("", 1)]
}

pub(crate) fn cohort() -> CohortRow {
    let lane = |lane, tasks, turn| CohortLane {
        lane: Lane { lane, tasks, from: Position(1 << 50) },
        turn: Turn { rank: u16::from(lane), turn },
    };
    CohortRow {
        generation: 3,
        gates: gates(),
        tenant: None,
        lanes: vec![lane(0, 1, 5), lane(10, 300, 700)],
        waits: Some(CohortWait { gate: 1, order: 399, turn: Turn { rank: u16::MAX, turn: 900 } }),
    }
}

pub(crate) fn queue_with_limits() -> QueueRow {
    let mut row = QueueRow { generation: 300, ..queue_row() };
    row.settings.options = options();
    row
}

pub(crate) fn type_with_cohorts() -> TypeRow {
    let rank = |rank, from| RankRow { rank, cohorts: 300, from };
    let cohorts = TypeCohorts {
        ready: 400,
        waiting: 500,
        generation: 3,
        next_turn: 901,
        ranks: vec![rank(5, 700), rank(u16::MAX, 900)],
    };
    TypeRow { cohorts, ..type_row() }
}

pub(crate) fn task_with_gates() -> TaskRow {
    TaskRow { gates: Some(Gates { generation: 3, gates: gates() }), ..task_row() }
}

pub(crate) fn timers() -> [LimitTimerKey; 2] {
    let timer =
        |subject| LimitTimerKey { slot: SLOT, due: Elapsed(86_402_000), limit: u128::MAX / 5, subject };
    [timer(LimitSubject::Walk), timer(LimitSubject::Key(u128::MAX / 3))]
}

pub(crate) fn rows() -> Vec<Sample> {
    let limit = LimitKeys { slot: SLOT, limit: u128::MAX / 5 };
    let queue = QueueKeys { slot: SLOT, id: 1 << 48 };
    let (key, list) = (u128::MAX / 3, LimitListId { queue_slot: SLOT, queue: 1 << 48, type_number: 7 });
    let id = CohortId { type_number: 7, hash: u128::MAX / 7 };
    let [walk, of_key] = timers();
    vec![
        ("limit-name-key", LimitKeys::name(SLOT, "żółw")),
        ("limit", LIMIT.encode()),
        ("limit-gone", LimitRow::default().encode()),
        ("limit-key-key", limit.key(key).to_vec()),
        ("limit-key", limit_key().encode()),
        ("limit-list-key", limit.list(key, list).to_vec()),
        ("limit-list", limit_list().encode()),
        ("limit-waiting-key", limit.waiting(key, list, 399).to_vec()),
        ("cohort-hash", encode_cohort_hash(id.hash)),
        ("cohort-key", queue.cohort(id).to_vec()),
        ("cohort", cohort().encode()),
        ("cohort-ready", CohortRow { waits: None, ..cohort() }.encode()),
        ("cohort-task-key", queue.cohort_task(id, 5, Position(1 << 50)).to_vec()),
        ("cohort-turn-key", queue.cohort_turn(7, Turn { rank: 5, turn: 700 }).to_vec()),
        ("queue-with-limits", queue_with_limits().encode()),
        ("task-type-with-cohorts", type_with_cohorts().encode()),
        ("task-with-gates", task_with_gates().encode()),
        ("limit-walk-timer-key", walk.encode().to_vec()),
        ("limit-timer-key", of_key.encode().to_vec()),
    ]
}
