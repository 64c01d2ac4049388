//! Random commands with few queues, ids, keys and types, so that duplicates, blocked keys, lost claims and full
//! queues are frequent. Tokens are those of claims that run, of claims that are over, or made up.

use super::{Queue, Task};
use crate::{Simple, draw as streams};
use model::limits::TASK_AGEING_MS;
use model::{
    Action, AdvanceLimits, AdvanceTasks, CancelTask, ChangeTasks, Claim, Command, CreateGroup, DeadLetterEnd,
    DeleteLimit, DeleteStream, DeleteTenant, Elapsed, Enqueue, Expected, Failure, Fingerprint, GiveUp,
    GroupName, GroupTask, IdHash, KeyExpression, KeyHash, Keyed, LimitName, LimitSettings, Namespace,
    NewGroup, NewMember, NewTask, Position, PutLimit, PutQueue, PutSettings, PutTenant, QueueBreaker,
    QueueLimit, QueueName, QueueOptions, QueueSettings, Rate, ReplayTask, RetryPolicy, Settings, Settle,
    SettleDeadLetter, Settlement, Slot, StreamName, TaskChange, TaskDue, TaskOptions, TaskRef, TaskState,
    TenantName, Throttle, Unique, UniqueMode, Wall, Write, gate_slot,
};
use seeded_rng::Rng;
use std::borrow::Cow;

/// Two of them share a slot, also with streams.
pub const NAMES: [&str; 4] = ["mail", "work-{7}", "kolejka-{7}", "żółw"];
const TYPES: [&str; 3] = ["send", "report", "index"];
const WORKERS: [&str; 3] = ["host-1/7", "host-1/8", "host-2/7"];

/// The name of one of the queues.
///
/// # Panics
/// If there is no such name.
#[must_use]
pub fn name(queue: usize) -> QueueName<'static> {
    match QueueName::new(NAMES[queue]) {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    }
}

/// A command that a client sends.
pub fn command(rng: &mut Rng, model: &Simple) -> Command<'static> {
    let number = rng.index(NAMES.len());
    let (queue, state) = (name(number), &model.queues.all[number]);
    match rng.below(121) {
        106..=107 => tenant_command(rng, queue),
        108 => events_command(rng),
        100..=105 => limit_command(rng),
        109..=120 => Command::Transaction(streams::transaction(rng, model, write)),
        0..=26 => Command::Enqueue(enqueue(rng, model, queue)),
        27..=51 => Command::Claim(claim(rng, queue)),
        52..=80 => {
            let count = rng.pick(&[0, 1, 1, 1, 1, 2, 4]);
            let settlements = (0..count).map(|_| settlement(rng, model, number)).collect();
            Command::Settle(Settle { queue, settlements })
        }
        87..=88 => {
            let to = rng.one_in(2).then(|| name(rng.index(NAMES.len())));
            let task = any_task(rng, state, |task| task.state.name() == TaskState::Dead);
            let envelope = rng.one_in(3).then(|| b"\"type\":\"edited\"".to_vec().into());
            Command::ReplayTask(ReplayTask { queue, task, to, envelope })
        }
        89..=90 => Command::ChangeTasks(change(rng, state, queue)),
        81..=86 => Command::CancelTask(CancelTask { queue, task: any_task(rng, state, |_| true) }),
        91..=95 => {
            let is_wanted: fn(&Task) -> bool =
                if rng.one_in(5) { |_| true } else { |task| task.state.name() == TaskState::Dead };
            let task = any_task(rng, state, is_wanted);
            let end = rng.pick(&[DeadLetterEnd::Replay, DeadLetterEnd::Replay, DeadLetterEnd::Drop]);
            Command::SettleDeadLetter(SettleDeadLetter { queue, task, end })
        }
        96 => Command::CreateGroup(group(rng, model)),
        _ => Command::PutQueue(PutQueue { queue, settings: settings(rng) }),
    }
}

/// The stream that hears of finished tasks.
pub const EVENTS: &str = "finished-{7}";

fn events() -> StreamName<'static> {
    match StreamName::new(EVENTS) {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    }
}

fn events_command(rng: &mut Rng) -> Command<'static> {
    let stream = events();
    if rng.one_in(2) {
        return Command::DeleteStream(DeleteStream { stream, expected: Expected::Any });
    }
    let max_count = rng.one_in(2).then(|| rng.between(1, 5));
    Command::PutSettings(PutSettings { stream, settings: Settings { max_count, ..Settings::default() } })
}

/// Few tenants, so that most have several tasks.
const TENANTS: [&str; 4] = ["acme", "bolt", "żuk", "a b"];

fn tenant(rng: &mut Rng) -> TenantName<'static> {
    match TenantName::new(rng.pick(&TENANTS)) {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    }
}

fn tenant_command(rng: &mut Rng, queue: QueueName<'static>) -> Command<'static> {
    let tenant = tenant(rng);
    if rng.one_in(3) {
        return Command::DeleteTenant(DeleteTenant { queue, tenant });
    }
    Command::PutTenant(PutTenant { queue, tenant, weight: rng.pick(&[1, 2, 3, 10, 100]) })
}

/// A write of a transaction, which may be about anything: what a worker does with its task, what it writes, what it
/// enqueues next.
fn write(rng: &mut Rng, model: &Simple) -> Write<'static> {
    let number = rng.index(NAMES.len());
    match rng.below(11) {
        0..=3 => {
            let count = rng.pick(&[0, 1, 1, 1, 1, 1, 2]);
            let settlements = (0..count).map(|_| settlement(rng, model, number)).collect();
            Write::Settle(Settle { queue: name(number), settlements })
        }
        4..=6 => Write::Enqueue(Enqueue { keyed: None, ..enqueue(rng, model, name(number)) }),
        7 => Write::CompleteExecution(streams::complete(rng, model)),
        8 => Write::CreateGroup(group(rng, model)),
        _ => Write::Append(streams::append(rng, model)),
    }
}

/// Few limits, so that most of them are named by several queues.
pub const LIMITS: [&str; 3] = ["api", "db", "grenze-{7}"];

fn limit_name(rng: &mut Rng) -> LimitName<'static> {
    match LimitName::new(rng.pick(&LIMITS)) {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    }
}

fn limit_command(rng: &mut Rng) -> Command<'static> {
    let limit = limit_name(rng);
    if rng.one_in(5) {
        return Command::DeleteLimit(DeleteLimit { limit });
    }
    let rate = rng.one_in(3).then(|| Rate {
        cost_max: rng.between(1, 4),
        per_ms: rng.pick(&[1, 10, 100, 5_000]),
        burst: rng.between(1, 5),
    });
    let concurrency = (!rng.one_in(4)).then(|| rng.pick(&[0, 1, 1, 1, 2, 2, 3, 5]));
    Command::PutLimit(PutLimit { limit, settings: LimitSettings { concurrency, rate } })
}

fn queue_limits(rng: &mut Rng) -> Vec<QueueLimit> {
    let count = rng.pick(&[0, 0, 1, 1, 1, 2, 3]);
    let keys = ["", "", "type", "queue", "key", "payload.host", "payload.host", "payload.none"];
    let limits = (0..count).map(|_| QueueLimit {
        limit: limit_name(rng),
        key: KeyExpression::new(rng.pick(&keys)).unwrap_or_default(),
        types: if rng.one_in(4) { vec![rng.pick(&TYPES).to_owned()] } else { Vec::new() },
        cost: rng.pick(&[1, 1, 1, 2, 5]),
    });
    limits.collect()
}

fn queue_breaker(rng: &mut Rng) -> QueueBreaker {
    let (prefix, key) =
        rng.pick(&[("partner", ""), ("partner", ""), ("", "type"), ("mail-", "payload.host")]);
    QueueBreaker {
        prefix: prefix.to_owned(),
        key: KeyExpression::new(key).unwrap_or_default(),
        types: if rng.one_in(4) { vec![rng.pick(&TYPES).to_owned()] } else { Vec::new() },
    }
}

fn advance_limits(rng: &mut Rng, model: &Simple) -> Command<'static> {
    let slot = if rng.one_in(3) {
        gate_slot(rng.pick(&crate::breaker::NAMES))
    } else {
        limit_name(rng).slot(Namespace::ROOT)
    };
    let first = model.limits_due(slot.0).first().map_or(0, |(due, ..)| *due);
    let from = Elapsed(if rng.one_in(2) { first } else { 0 });
    Command::AdvanceLimits(AdvanceLimits { slot, from, keys_max: rng.pick(&[0, 1, 1, 2, 64, 1_000]) })
}

/// A command that a node proposes on its own.
pub fn own_command(rng: &mut Rng, model: &Simple) -> Command<'static> {
    if rng.one_in(4) {
        return advance_limits(rng, model);
    }
    let number = rng.index(NAMES.len());
    let slot = model.queues.all[number].slot;
    let is_wall = rng.one_in(3);
    let due = model.queues.all.iter().filter(|queue| queue.slot == slot);
    let due = due.flat_map(|queue| queue.tasks.iter().filter_map(Task::due));
    let earliest = due.filter(|due| matches!(due, TaskDue::Wall(_)) == is_wall).min();
    let from = match earliest {
        // The node knows how early anything is due.
        Some(due) if rng.one_in(2) => due,
        _ if is_wall => TaskDue::Wall(Wall(0)),
        _ => TaskDue::Elapsed(Elapsed(0)),
    };
    let tasks_max = rng.pick(&[0, 1, 2, 3, 10, 256, 1_000]);
    Command::AdvanceTasks(AdvanceTasks { slot: Slot(slot), from, tasks_max })
}

/// The clocks of the next entry: often the moment at which something is due, and sometimes so late that ready tasks
/// have waited for too long.
pub fn clocks(rng: &mut Rng, model: &Simple) -> (u64, u64) {
    let step_ms = rng.pick(&[0, 0, 1, 1, 5, 20, 50, 400]);
    let tasks = model.queues.all.iter().flat_map(|queue| &queue.tasks);
    let elapsed = tasks.filter_map(|task| match task.due() {
        Some(TaskDue::Elapsed(Elapsed(at))) if at > model.elapsed && at < u64::MAX / 2 => Some(at),
        _ => None,
    });
    let elapsed = elapsed.min().filter(|_| rng.one_in(3)).unwrap_or(model.elapsed + step_ms);
    let wall = match rng.below(60) {
        0 => model.wall + TASK_AGEING_MS,
        1..=3 => model.wall.saturating_sub(500),
        _ => model.wall + step_ms,
    };
    (wall, elapsed)
}

fn enqueue(rng: &mut Rng, model: &Simple, queue: QueueName<'static>) -> Enqueue<'static> {
    let keyed = rng.one_in(6).then(|| Keyed {
        key: KeyHash(u128::from(rng.below(9)) << 64 | 5),
        fingerprint: Fingerprint(rng.pick(&[2, 2, 2, 2, 3, 2 << 64])),
        slot: Slot(0),
    });
    let count = rng.pick(&[0, 1, 1, 1, 1, 2, 3, 6]);
    let mut tasks: Vec<NewTask<'static>> = (0..count).map(|_| new_task(rng, model)).collect();
    // Only in some queues, until a dead letter that names a tenant goes into another one.
    if NAMES[..2].contains(&queue.as_str()) {
        for task in &mut tasks {
            task.options.fair = (!rng.one_in(3)).then(|| tenant(rng));
        }
    }
    Enqueue { keyed, queue, tasks }
}

fn new_task(rng: &mut Rng, model: &Simple) -> NewTask<'static> {
    let id = (!rng.one_in(4)).then(|| format!("id-{}", rng.below(60)));
    let content = u128::from(rng.below(12) / 11);
    let early = model.wall.saturating_sub(5);
    let run_after = rng.pick(&[early, model.wall, model.wall + 1, model.wall + 50, model.wall + 9_000]);
    let task_type = rng.pick(&TYPES);
    let retry = rng.one_in(4).then(|| retry(rng));
    let options = TaskOptions {
        unique: rng.one_in(3).then(|| unique(rng)),
        deadline: rng.one_in(6).then(|| Wall(model.wall + rng.pick(&[0, 1, 50, 400, 9_000]))),
        give_up: if retry.is_some() { give_up(rng) } else { GiveUp::NEVER },
        schedule: None,
        fair: None,
    };
    NewTask {
        id: id.map(Into::into),
        fingerprint: Fingerprint(content),
        task_type: task_type.into(),
        run_after: rng.one_in(4).then_some(Wall(run_after)),
        priority: rng.pick(&[0, 4, 5, 5, 5, 9]),
        key: rng.one_in(2).then(|| format!("key-{}", rng.below(3)).into()),
        claim_ms: rng.one_in(4).then(|| rng.between(1, 50)),
        retry,
        envelope: format!(
            "\"type\":\"{task_type}\",\"payload\":{{\"n\":{},\"host\":\"h{}\"}}",
            rng.below(1_000),
            rng.below(3)
        )
        .into_bytes()
        .into(),
        options,
    }
}

fn group(rng: &mut Rng, model: &Simple) -> CreateGroup<'static> {
    let name = format!("group-{}", rng.below(40));
    let group = match GroupName::new(name) {
        Ok(group) => group,
        Err(error) => unreachable!("{error}"),
    };
    let fingerprint = Fingerprint(u128::from(rng.below(12) / 11));
    let depth = rng.pick(&[1, 1, 2, 3, 5]);
    CreateGroup { group, fingerprint, content: group_content(rng, model, depth) }
}

fn group_content(rng: &mut Rng, model: &Simple, depth: usize) -> NewGroup<'static> {
    let mut group = NewGroup::default();
    let tasks = rng.pick(&[1, 1, 2, 3, 0]);
    group.members = (0..tasks).map(|_| NewMember::Task(group_task(rng, model))).collect();
    if depth > 1 {
        group.members.push(NewMember::Group(group_content(rng, model, depth - 1)));
    }
    group.then = rng.one_in(2).then(|| Box::new(group_task(rng, model)));
    group.on_dead = rng.one_in(3).then(|| Box::new(group_task(rng, model)));
    group
}

fn group_task(rng: &mut Rng, model: &Simple) -> GroupTask<'static> {
    let mut task = new_task(rng, model);
    task.id = task.id.filter(|_| rng.one_in(2));
    task.options.unique = None;
    GroupTask { queue: name(rng.index(NAMES.len())), task }
}

fn change(rng: &mut Rng, state: &Queue, queue: QueueName<'static>) -> ChangeTasks<'static> {
    let how = match rng.below(5) {
        0 => TaskChange::Cancel,
        1 => TaskChange::Drop,
        2 => TaskChange::Replay { to: None },
        _ => TaskChange::Replay { to: Some(name(rng.index(NAMES.len()))) },
    };
    let is_wanted: fn(&Task) -> bool =
        if how == TaskChange::Cancel { |_| true } else { |task| task.state.name() == TaskState::Dead };
    let mut tasks: Vec<Position> = state
        .tasks
        .iter()
        .filter(|task| is_wanted(task) != rng.one_in(10))
        .map(|task| Position(task.position))
        .collect();
    tasks.truncate(rng.pick(&[1, 2, 4, 300]));
    if rng.one_in(5) {
        tasks.insert(0, Position(rng.below(1 << 40)));
    }
    ChangeTasks {
        queue,
        tasks,
        state: rng.one_in(6).then(|| rng.pick(&[TaskState::Dead, TaskState::Ready, TaskState::Running])),
        task_type: rng.one_in(4).then(|| rng.pick(&TYPES).into()),
        class: rng
            .one_in(3)
            .then(|| rng.pick(&["Timeout", "ValueError", "", "worker_lost", "deadline"]).into()),
        change: how,
    }
}

fn unique(rng: &mut Rng) -> Unique<'static> {
    let modes = [UniqueMode::Existing, UniqueMode::OneWaiting, UniqueMode::Replace];
    Unique { key: format!("key-{}", rng.below(4)).into(), mode: rng.pick(&modes) }
}

fn give_up(rng: &mut Rng) -> GiveUp<'static> {
    let classes: [&[&str]; 4] = [&[], &[], &["ValueError"], &["worker_lost", "Timeout"]];
    let classes = rng.pick(&classes).iter().map(|class| Cow::Borrowed(*class)).collect();
    GiveUp { age_ms_max: rng.one_in(3).then(|| rng.pick(&[0, 20, 400, 9_000])), classes }
}

fn retry(rng: &mut Rng) -> RetryPolicy {
    RetryPolicy {
        attempts_max: rng.between(1, 4) as u32,
        first_ms: rng.pick(&[0, 1, 20, 1_000, u64::MAX]),
        delay_ms_max: rng.pick(&[0, 5, 40, 3_000]),
    }
}

fn settings(rng: &mut Rng) -> QueueSettings {
    QueueSettings {
        retry: retry(rng),
        claim_ms: rng.between(1, 50),
        lost_max: rng.between(1, 3) as u32,
        keep_done_ms: rng.pick(&[0, 1, 40, 1_000, 20_000]),
        keep_dead_ms: rng.pick(&[0, 30, 1_000, 60_000, 60_000]),
        backlog_max: rng.pick(&[0, 2, 5, 20, 20, 60]),
        paused: rng.one_in(8),
        options: QueueOptions {
            give_up: if rng.one_in(4) { give_up(rng) } else { GiveUp::NEVER },
            limits: queue_limits(rng),
            breaker: rng.one_in(3).then(|| queue_breaker(rng)),
            concurrency: rng.one_in(4).then(|| rng.pick(&[0, 1, 2, 3, 10])),
            events: rng.one_in(3).then(events),
            key_concurrency: rng.one_in(2).then(|| rng.pick(&[1, 2, 2, 3, 10])),
        },
    }
}

fn claim(rng: &mut Rng, queue: QueueName<'static>) -> Claim<'static> {
    let types = match rng.below(8) {
        0..=4 => Vec::new(),
        5 => vec!["nothing".into(), rng.pick(&TYPES).into()],
        6 => vec![rng.pick(&TYPES).into(), rng.pick(&TYPES).into()],
        _ => vec![rng.pick(&TYPES).into()],
    };
    Claim {
        queue,
        worker: rng.pick(&WORKERS).into(),
        types,
        tasks_max: rng.pick(&[0, 1, 1, 1, 2, 3, 10, 1_000]),
        claim_ms: rng.one_in(3).then(|| rng.between(1, 50)),
        request: rng.one_in(2).then(|| IdHash(u128::from(rng.below(12)) << 70)),
    }
}

/// Usually of a claim that runs, with its token.
fn settlement(rng: &mut Rng, model: &Simple, number: usize) -> Settlement<'static> {
    let queue = &model.queues.all[number];
    let running: Vec<(&Task, u64)> =
        queue.tasks.iter().filter_map(|task| Some((task, task.running()?.token))).collect();
    let action = action(rng);
    let settlement = |task, token| Settlement { task, token: Position(token), action: action.clone() };
    let granted = model.queues.tokens.iter().rev().filter(|(of, ..)| *of == number).take(30);
    let granted: Vec<(u64, u64)> = granted.map(|(_, position, token)| (*position, *token)).collect();
    match rng.below(20) {
        0..=14 if !running.is_empty() => {
            let (task, token) = rng.pick(&running);
            settlement(name_of(rng, task), token)
        }
        // One of the last claims, which may be over.
        0..=17 if !granted.is_empty() => {
            let (position, token) = rng.pick(&granted);
            let task = queue.tasks.iter().find(|task| task.position == position);
            let task = task.map_or(TaskRef::Server(Position(position)), |task| name_of(rng, task));
            settlement(task, token)
        }
        18 => {
            let token = granted.first().map_or(0, |(_, token)| *token) + rng.below(3);
            settlement(any_task(rng, queue, |_| true), token)
        }
        _ => settlement(any_task(rng, queue, |_| true), rng.next_u64()),
    }
}

fn action(rng: &mut Rng) -> Action<'static> {
    match rng.below(21) {
        0..=4 => Action::Heartbeat {
            progress: rng.one_in(2).then(|| format!("{{\"done\":{}}}", rng.below(9)).into_bytes().into()),
        },
        5..=8 => Action::Complete { result: rng.one_in(2).then(|| b"\"well\"".to_vec().into()) },
        9..=14 => Action::Fail(Failure {
            class: rng.pick(&["Timeout", "ValueError", ""]).into(),
            detail: rng.pick(&["", "\"message\":\"no\""]).as_bytes().into(),
            retryable: !rng.one_in(5),
            delay_ms: rng.one_in(3).then(|| delay_ms(rng)),
        }),
        15..=16 => Action::Defer { delay_ms: delay_ms(rng) },
        17..=18 => Action::Throttle(Throttle {
            limit: limit_name(rng),
            key: rng.one_in(2).then(|| rng.pick(&["", "h0", "h1", "send"]).into()),
            close_ms: rng.pick(&[0, 1, 20, 400, 2_000, u64::MAX]),
        }),
        _ => Action::Return,
    }
}

fn delay_ms(rng: &mut Rng) -> u64 {
    rng.pick(&[0, 0, 1, 20, 2_000, u64::MAX])
}

/// A task of the queue for which something holds, or one that does not exist.
fn any_task(rng: &mut Rng, queue: &Queue, is: fn(&Task) -> bool) -> TaskRef<'static> {
    let found: Vec<&Task> = queue.tasks.iter().filter(|task| is(task)).collect();
    if !found.is_empty() && !rng.one_in(10) {
        let task = rng.pick(&found);
        return name_of(rng, task);
    }
    match rng.below(2) {
        0 => TaskRef::Client(format!("id-{}", rng.below(70)).into()),
        _ => TaskRef::Server(Position(rng.below(1 << 40))),
    }
}

fn name_of(rng: &mut Rng, task: &Task) -> TaskRef<'static> {
    match &task.sent.id {
        Some(id) if !rng.one_in(4) => TaskRef::Client(id.clone().into()),
        _ => TaskRef::Server(Position(task.position)),
    }
}
