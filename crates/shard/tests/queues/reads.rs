//! What readers see of queues and tasks.

use model::gate_breaker;
use model::limits::{TASK_ATTEMPTS_KEPT, TASK_FAILURES_KEPT};
use model::{Elapsed, GroupName, Key, KeyId, Position, QueueName, Slot, TaskRef, TaskState, Value, Wall};
use reference_model::Simple;
use reference_model::queue::draw::{NAMES, name};
use reference_model::queue::groups::{Group, Is, Stands};
use reference_model::queue::{Ended, EndedBy, Queue, State, Task, limit};
use reference_model::token::Token;
use seeded_rng::Rng;
use shard::query::{
    self, AttemptEnd, AttemptView, BlockedOn, ClaimView, Closed, FailureView, FollowerView, GroupCounts,
    GroupState, MemberTask, MemberView, Obstacle, QueueView, TaskView, TasksRequest, TasksSought, TypeView,
};
use std::collections::BTreeMap;

type Rows = BTreeMap<Key, Value>;

/// Compares some random reads.
pub(crate) fn compare(rng: &mut Rng, model: &Simple, rows: &Rows) {
    let clock = query::clock(rows, Slot(0)).unwrap();
    assert_eq!((clock.wall.0, clock.elapsed.0), (model.wall, model.elapsed));
    assert_eq!(clock.last_position.0, model.last);
    for _ in 0..2 {
        let number = rng.index(NAMES.len());
        compare_queue(model, rows, number);
        compare_task(rng, model, rows, number);
        compare_tasks(rng, model, rows, number);
        compare_found(rng, model, rows, number);
    }
    compare_groups(model, rows);
    if rng.one_in(8) {
        compare_queues(rng, model, rows);
    }
}

fn compare_queue(model: &Simple, rows: &Rows, number: usize) {
    let ours = &model.queues.all[number];
    let mut types: Vec<TypeView> = ours.types.iter().map(|of| type_view(ours, of)).collect();
    types.sort_unstable_by(|a, b| a.task_type.cmp(&b.task_type));
    let ours = ours.made.map(|_| QueueView { settings: ours.settings.clone(), types });
    let theirs = query::queue(rows, &name(number)).unwrap();
    let theirs = theirs.map(|mut queue| {
        queue.types.sort_unstable_by(|a, b| a.task_type.cmp(&b.task_type));
        queue
    });
    assert_eq!(theirs, ours);
}

fn type_view(queue: &Queue, task_type: &str) -> TypeView {
    let tasks = || queue.tasks.iter().filter(|task| task.sent.task_type == task_type);
    let count = |state: TaskState| tasks().filter(|task| queue.shown_state(task) == state).count() as u64;
    let heads = queue.heads_shown(task_type).into_iter().map(|head| &queue.tasks[head]);
    let oldest_ready = heads.filter_map(|task| match task.state {
        State::Ready { since, .. } => Some(Wall(since >> 16)),
        _ => None,
    });
    TypeView {
        task_type: task_type.to_owned(),
        delayed: count(TaskState::Delayed),
        blocked: count(TaskState::Blocked),
        ready: count(TaskState::Ready),
        running: count(TaskState::Running),
        done: count(TaskState::Done),
        dead: count(TaskState::Dead),
        cancelled: count(TaskState::Cancelled),
        oldest_ready: oldest_ready.min(),
    }
}

fn compare_task(rng: &mut Rng, model: &Simple, rows: &Rows, number: usize) {
    let queue = &model.queues.all[number];
    let absent = [TaskRef::Client("nobody".into()), TaskRef::Server(Position(model.last + 1))];
    for task in &absent {
        let found = query::task(rows, &name(number), task, Elapsed(model.elapsed)).unwrap();
        assert_eq!(found, None, "{task:?}");
    }
    if queue.tasks.is_empty() {
        return;
    }
    let task = &queue.tasks[rng.index(queue.tasks.len())];
    let by_id = task.sent.id.clone().map(|id| TaskRef::Client(id.into()));
    for name_of in by_id.into_iter().chain([TaskRef::Server(Position(task.position))]) {
        let found = query::task(rows, &name(number), &name_of, Elapsed(model.elapsed)).unwrap();
        assert_eq!(found, Some(task_view(model, queue, task)), "{name_of:?}");
    }
}

/// What readers must see of a task.
fn task_view(model: &Simple, queue: &Queue, task: &Task) -> TaskView {
    let left_ms = |until: u64| until.saturating_sub(model.elapsed);
    let claim = task.running().map(|running| ClaimView {
        worker: running.worker.clone(),
        token: Position(running.token),
        left_ms: left_ms(running.expires),
    });
    let failures = task.failures.iter().skip(task.failures.len().saturating_sub(TASK_FAILURES_KEPT));
    let failures = failures.map(|failed| FailureView {
        attempt: failed.attempt,
        worker: failed.worker.clone(),
        started: Wall(failed.started),
        ended: Wall(failed.ended),
        class: failed.class.clone(),
        detail: failed.detail.clone(),
    });
    let failures: Vec<FailureView> = failures.collect();
    let (run_after, delay_ms) = match task.state {
        State::Scheduled(wall) => (Some(Wall(wall)), None),
        State::Backoff(until) => (None, Some(left_ms(until))),
        _ => (None, None),
    };
    TaskView {
        slot: Slot(queue.slot),
        position: Position(task.position),
        id: task.sent.id.clone(),
        state: queue.shown_state(task),
        blocked_on: blocked_on(model, queue, task),
        attempts: task.attempts,
        run_after,
        delay_ms,
        claim,
        progress: task.progress.clone(),
        result: task.result.clone(),
        history: history(task, &failures),
        failures,
        envelope: task.sent.envelope.clone(),
    }
}

fn blocked_on(model: &Simple, queue: &Queue, task: &Task) -> Option<BlockedOn> {
    match task.state {
        State::Scheduled(_) | State::Backoff(_) => Some(BlockedOn::Time),
        State::Blocked => Some(BlockedOn::Key),
        State::Ready { .. } if queue.settings.paused => Some(BlockedOn::Pause),
        State::Ready { .. } if queue.free() == 0 => Some(BlockedOn::Concurrency),
        State::Ready { .. } => task.gates().iter().find_map(|gate| {
            let opens_ms = |until: u64| until - model.elapsed;
            let closed = match model.closed(&gate.limit, &gate.key, gate.cost)? {
                limit::Closed::Full => Closed::Concurrency,
                limit::Closed::Broken(until) => {
                    let breaker = gate_breaker(&gate.limit).unwrap().to_owned();
                    return Some(BlockedOn::Breaker { breaker, opens_ms: until.map(opens_ms) });
                }
                limit::Closed::Until(until) => Closed::Rate { opens_ms: opens_ms(until) },
                limit::Closed::Throttled(until) => Closed::Throttle { opens_ms: opens_ms(until) },
            };
            Some(BlockedOn::Limit { limit: gate.limit.clone(), key: gate.key.clone(), closed })
        }),
        _ => None,
    }
}

/// The failures and the other attempts that are remembered, in the order in which they ended.
fn history(task: &Task, failures: &[FailureView]) -> Vec<AttemptView> {
    let mut history: Vec<AttemptView> = failures
        .iter()
        .map(|failed| AttemptView {
            attempt: failed.attempt,
            worker: failed.worker.clone(),
            started: failed.started,
            ended: failed.ended,
            end: AttemptEnd::Failed(failed.class.clone()),
        })
        .collect();
    let (completed, given_back): (Vec<&Ended>, Vec<&Ended>) =
        task.ended.iter().partition(|ended| ended.how == EndedBy::Complete);
    let kept = given_back.len().saturating_sub(TASK_ATTEMPTS_KEPT);
    for ended in given_back[kept..].iter().copied().chain(completed) {
        history.push(AttemptView {
            attempt: ended.attempt,
            worker: ended.worker.clone(),
            started: Wall(ended.started),
            ended: Wall(ended.ended),
            end: match ended.how {
                EndedBy::Defer => AttemptEnd::Deferred,
                EndedBy::Return => AttemptEnd::Returned,
                EndedBy::Cancel => AttemptEnd::Cancelled,
                EndedBy::Complete => AttemptEnd::Completed,
            },
        });
    }
    history.sort_by_key(|attempt| (attempt.ended, attempt.started));
    history
}

/// All pages together are the tasks that are wanted.
fn compare_tasks(rng: &mut Rng, model: &Simple, rows: &Rows, number: usize) {
    let queue = &model.queues.all[number];
    let states = [TaskState::Delayed, TaskState::Blocked, TaskState::Ready, TaskState::Running];
    let state = match rng.below(8) {
        0..=2 => None,
        3 => Some(TaskState::Dead),
        4 => Some(rng.pick(&[TaskState::Done, TaskState::Cancelled])),
        _ => Some(rng.pick(&states)),
    };
    let mut after = match rng.below(3) {
        0 if !queue.tasks.is_empty() => {
            let task = &queue.tasks[rng.index(queue.tasks.len())];
            Some(Position(task.position - rng.below(2)))
        }
        _ => None,
    };
    let wanted = queue.tasks.iter().filter(|task| {
        state.is_none_or(|state| queue.shown_state(task) == state)
            && after.is_none_or(|after| task.position > after.0)
    });
    let wanted: Vec<TaskView> = wanted.map(|task| task_view(model, queue, task)).collect();
    let (limit, examined_max) = (1 + rng.index(20), 1 + rng.index(20));
    let mut found = Vec::new();
    loop {
        let request = TasksRequest { state, after, limit, examined_max };
        let page = query::tasks(rows, &name(number), request, Elapsed(model.elapsed)).unwrap();
        assert!(page.tasks.len() <= limit.min(examined_max));
        assert!(page.next.is_none() || page.next > after, "a page makes progress");
        found.extend(page.tasks);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, wanted, "{state:?}");
}

/// All searches together find the tasks that are wanted, and each class has its count.
fn compare_found(rng: &mut Rng, model: &Simple, rows: &Rows, number: usize) {
    let queue = &model.queues.all[number];
    let class = rng.one_in(2).then(|| rng.pick(&["Timeout", "ValueError", "", "worker_lost", "deadline"]));
    let state = match class {
        Some(_) => Some(TaskState::Dead),
        None => rng.pick(&[None, Some(TaskState::Dead), Some(TaskState::Ready), Some(TaskState::Running)]),
    };
    let task_type = rng.one_in(3).then(|| rng.pick(&["send", "report"]));
    let last = |task: &Task| task.failures.last().map(|failed| failed.class.clone());
    let wanted = queue.tasks.iter().filter(|task| {
        state.map_or(!task.is_final(), |state| queue.shown_state(task) == state)
            && class.is_none_or(|class| last(task).as_deref() == Some(class))
            && task_type.is_none_or(|of| task.sent.task_type == of)
    });
    let wanted: Vec<Position> = wanted.map(|task| Position(task.position)).collect();
    let mut sought = TasksSought {
        state,
        task_type: task_type.map(Into::into),
        class: class.map(Into::into),
        after: Position::ZERO,
        limit: 1 + rng.index(9),
        examined_max: 1 + rng.index(20),
    };
    let mut found = Vec::new();
    loop {
        let page = query::tasks_sought(rows, &name(number), &sought).unwrap();
        assert!(page.tasks.len() <= sought.limit);
        found.extend(page.tasks);
        let Some(next) = page.next else { break };
        assert!(next > sought.after, "a page makes progress");
        sought.after = next;
    }
    assert_eq!(found, wanted, "{sought:?}");
    let mut classes: BTreeMap<String, u64> = BTreeMap::new();
    for task in queue.tasks.iter().filter(|task| task.state.name() == TaskState::Dead) {
        *classes.entry(last(task).unwrap_or_default()).or_default() += 1;
    }
    let shown = query::dead_classes(rows, &name(number)).unwrap();
    assert!(shown.classes.windows(2).all(|pair| pair[0].tasks >= pair[1].tasks) && !shown.has_more);
    let shown: BTreeMap<String, u64> =
        shown.classes.into_iter().map(|class| (class.class, class.tasks)).collect();
    assert_eq!(shown, classes);
}

fn compare_groups(model: &Simple, rows: &Rows) {
    let state = |stands: Stands| match stands {
        Stands::Open => GroupState::Open,
        Stands::Done => GroupState::Done,
        Stands::Failed => GroupState::Failed,
    };
    let counts = |group: &Group| GroupCounts {
        state: state(group.stands()),
        members: group.members.len() as u32,
        done: group.count(Stands::Done) as u32,
        failed: group.count(Stands::Failed) as u32,
    };
    for group in &model.groups {
        let Some(name) = &group.name else { continue };
        let found = query::group(rows, &GroupName::new(&name[..]).unwrap()).unwrap().unwrap();
        assert_eq!(found.group.position.0, group.position);
        assert_eq!(found.counts, counts(group), "{group:?}");
        let members = group.members.iter().filter(|member| !member.is_gone).map(|member| match member.is {
            Is::Task { queue, position } => {
                let of = &model.queues.all[queue];
                let task = of.find_position(position).unwrap();
                MemberView::Task(MemberTask {
                    queue: of.name.clone(),
                    slot: Slot(of.slot),
                    position: Position(position),
                    id: task.sent.id.clone(),
                    state: task.state.name(),
                })
            }
            Is::Group(position) => {
                let inner = model.groups.iter().find(|inner| inner.position == position);
                MemberView::Group(counts(inner.unwrap()))
            }
        });
        assert_eq!(found.members, members.collect::<Vec<_>>());
        let at = |view: &Option<FollowerView>| view.as_ref().and_then(|view| view.at).map(|at| at.0);
        assert_eq!((at(&found.then), at(&found.on_dead)), (group.then_at, group.on_dead_at));
        assert_eq!(
            (found.then.is_some(), found.on_dead.is_some()),
            (group.then.is_some(), group.on_dead.is_some())
        );
    }
    assert_eq!(query::group(rows, &GroupName::new("nobody").unwrap()).unwrap(), None);
}

fn compare_queues(rng: &mut Rng, model: &Simple, rows: &Rows) {
    let made = model.queues.all.iter().filter(|queue| queue.made.is_some());
    let mut wanted: Vec<(u16, &str)> = made.map(|queue| (queue.slot, &queue.name[..])).collect();
    wanted.sort_unstable();
    let wanted: Vec<&str> = wanted.into_iter().map(|(_, name)| name).collect();
    let limit = 1 + rng.index(5);
    let mut found: Vec<QueueName<'static>> = Vec::new();
    loop {
        let page = query::queues(rows, found.last(), limit).unwrap();
        assert!(page.len() <= limit);
        let is_last = page.len() < limit;
        found.extend(page);
        if is_last {
            break;
        }
    }
    assert_eq!(found.iter().map(QueueName::as_str).collect::<Vec<_>>(), wanted);
}

/// Compares all reactions.
pub(crate) fn reactions(model: &Simple, rows: &Rows) {
    let mut ours: Vec<_> = model
        .reactions
        .iter()
        .map(|ours| (ours.name.clone(), ours.settings.clone(), ours.version, ours.cursor, ours.tasks))
        .collect();
    ours.sort_by(|a, b| a.0.cmp(&b.0));
    let found = query::reactions(rows, Slot(0)).unwrap();
    for view in &found {
        assert_eq!(query::reaction(rows, Slot(0), &view.name).unwrap().as_ref(), Some(view));
        let queue = model.queues.all.iter().find(|queue| queue.name == view.settings.queue.as_str());
        let full = queue
            .is_some_and(|queue| queue.made.is_some() && queue.unfinished() >= queue.settings.backlog_max);
        assert_eq!(view.obstacle, full.then_some(Obstacle::QueueFull));
    }
    let found = found.into_iter();
    let found: Vec<_> = found
        .map(|view| (view.name.into_string(), view.settings, view.version.0, view.cursor, view.tasks))
        .collect();
    assert_eq!(found, ours);
    let kept = |kind: u8| rows.keys().filter(|key| key[6] == kind).count();
    assert_eq!(kept(147), ours.len());
}

/// Compares all tokens.
pub(crate) fn tokens(model: &Simple, rows: &Rows) {
    let mut ours = model.tokens.clone();
    ours.sort_by_key(|token| token.id);
    let found = query::tokens(rows, Slot(0)).unwrap().into_iter().map(|view| Token {
        id: view.id,
        hash: view.hash,
        settings: view.settings,
        created: view.created.0,
        expires: view.expires.map(|expires| expires.0),
        used: view.used.map(|used| used.0),
    });
    assert_eq!(found.collect::<Vec<_>>(), ours);
    let kept = |kind: u8| rows.keys().filter(|key| key[6] == kind).count();
    let used = ours.iter().filter(|token| token.used.is_some()).count();
    assert_eq!((kept(152), kept(59)), (ours.len(), used), "rows of tokens and of their use");
    let erased: Vec<_> = model.erased.keys().map(|key| KeyId(*key)).collect();
    assert_eq!(query::erased_keys(rows, Slot(0)).unwrap(), erased);
    assert_eq!(kept(155), erased.len());
}
