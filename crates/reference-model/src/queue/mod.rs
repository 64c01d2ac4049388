//! What every command of task queues must result in. A queue is a vector of its tasks, in the order in which they
//! were enqueued, and everything is found by searching it from end to end. There are no indexes, no timers and no
//! counts: the state of a task says when it is due, and what blocks or holds what is looked up whenever it is
//! needed.
//!
//! | module | what it holds |
//! |---|---|
//! | `enqueue` | which tasks of a batch are new |
//! | `claim` | which tasks a worker gets, in which order |
//! | `settle` | how a claim ends, and how a task does |
//! | [`fair`] | tenants, and whose turn it is |
//! | [`limit`] | how many tasks of a key may run, and which tasks wait for that |
//! | `advance` | what is due by one of the clocks |
//! | [`check`] | what is true of every state |
//! | [`draw`] | random commands |
//! | `convert` | commands in the words of the model |
//!
//! Where the rules leave a choice open, a comment that begins with "Decided:" says what the model does.

mod advance;
mod change;
pub mod check;
mod claim;
pub(crate) mod convert;
pub mod draw;
mod enqueue;
pub mod fair;
pub mod groups;
mod heads;
pub mod limit;
mod settle;
mod tell;

use crate::{Key, Simple, SimpleOutcome};
use limit::{Cohort, Gate, Limits};
use model::limits::PRIORITY_MAX;
use model::{
    DeadLetterEnd, GiveUp, LimitSettings, Namespace, QueueSettings, RetryPolicy, Settled, TaskDue, TaskState,
    UniqueMode, slot_of,
};
use std::collections::{BTreeMap, BTreeSet};

/// The lane of returned tasks.
const LANE_RETURNED: u8 = 0;

/// One task as a client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    pub id: Option<String>,
    /// A hash of everything that the client sent.
    pub content: u128,
    pub task_type: String,
    pub run_after: Option<u64>,
    pub priority: u8,
    pub key: Option<String>,
    pub claim_ms: Option<u64>,
    pub retry: Option<RetryPolicy>,
    pub envelope: Vec<u8>,
    pub unique: Option<(String, UniqueMode)>,
    pub deadline: Option<u64>,
    pub give_up: GiveUp<'static>,
    pub fair: Option<String>,
}

impl NewTask {
    /// Whether no other task of its key runs next to it.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.unique.as_ref().is_some_and(|(_, mode)| *mode != UniqueMode::Existing)
    }
}

/// How a request names a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskName {
    Client(String),
    Server(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Heartbeat { progress: Option<Vec<u8>> },
    Complete { result: Option<Vec<u8>> },
    Fail { class: String, detail: Vec<u8>, again: Again },
    Defer { delay_ms: u64 },
    Return,
    Throttle { limit: String, key: Option<String>, close_ms: u64 },
}

/// What a worker that failed says about another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    Never,
    ByPolicy,
    After(u64),
}

/// What kind of action has ended a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Complete,
    Fail,
    Defer,
    Return,
    Throttle,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub task: TaskName,
    pub token: u64,
    pub action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimAsk {
    pub worker: String,
    pub types: Vec<String>,
    pub tasks_max: u32,
    pub claim_ms: Option<u64>,
    pub request: Option<u128>,
}

/// What happens to several tasks.
#[derive(Clone, Debug)]
pub struct Change {
    pub tasks: Vec<u64>,
    pub state: Option<TaskState>,
    pub task_type: Option<String>,
    pub class: Option<String>,
    pub how: model::TaskChange<'static>,
    /// The number of the queue that they go to.
    pub to: Option<usize>,
}

/// A command about a queue, which is given by its number.
#[derive(Clone, Debug)]
pub enum QueueAsk {
    Put(usize, QueueSettings),
    Enqueue(usize, Option<Key>, Vec<NewTask>),
    Claim(usize, ClaimAsk),
    Settle(usize, Vec<Settlement>),
    Cancel(usize, TaskName),
    DeadLetter(usize, TaskName, DeadLetterEnd),
    /// Into another queue, and with another envelope.
    Replay(usize, TaskName, Option<usize>, Option<Vec<u8>>),
    Change(usize, Change),
    Group(Box<groups::SentGroup>),
    Advance {
        slot: u16,
        from: TaskDue,
        tasks_max: u32,
    },
    /// A tenant of a queue, and its weight; without one, the usual one.
    PutTenant(usize, String, Option<u32>),
    /// Without settings, the limit is removed.
    PutLimit(usize, Option<LimitSettings>),
    AdvanceLimits {
        slot: u16,
        from: u64,
        keys_max: u32,
    },
}

/// A claim that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    pub token: u64,
    pub worker: String,
    pub request: Option<u128>,
    /// How long each heartbeat makes the claim last.
    pub claim_ms: u64,
    pub expires: u64,
    /// When the node will look at the claim. Heartbeats do not change that.
    pub looked_at: u64,
    /// The time of day at which the claim began.
    pub started: u64,
    pub cancel_requested: bool,
}

/// Where a task stands, with everything that only matters there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Until a time of day.
    Scheduled(u64),
    /// Until an elapsed time: the next attempt.
    Backoff(u64),
    Blocked,
    Ready {
        /// The position that was taken when the task became ready.
        since: u64,
        lane: u8,
    },
    Running(Running),
    /// Done, dead or cancelled, and gone at an elapsed time.
    Final {
        end: TaskState,
        gone: u64,
    },
}

impl State {
    #[must_use]
    pub fn name(&self) -> TaskState {
        match self {
            Self::Scheduled(_) | Self::Backoff(_) => TaskState::Delayed,
            Self::Blocked => TaskState::Blocked,
            Self::Ready { .. } => TaskState::Ready,
            Self::Running(_) => TaskState::Running,
            Self::Final { end, .. } => *end,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub attempt: u32,
    pub worker: String,
    pub started: u64,
    pub ended: u64,
    pub class: String,
    pub detail: Vec<u8>,
}

/// An attempt that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub attempt: u32,
    pub worker: String,
    pub started: u64,
    pub ended: u64,
    pub how: EndedBy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    Defer,
    Return,
    Cancel,
    Complete,
}

#[derive(Clone, Debug)]
pub struct Task {
    pub position: u64,
    pub sent: NewTask,
    pub state: State,
    /// Those that count.
    pub attempts: u32,
    pub lost: u32,
    pub defers: u32,
    pub progress: Option<Vec<u8>>,
    pub result: Option<Vec<u8>>,
    /// All that ever happened.
    pub failures: Vec<Failed>,
    /// All other attempts that have ended.
    pub ended: Vec<Ended>,
    /// The token of the claim that a worker settled last, how, and with which result.
    settled: Option<(u64, Ending, Settled)>,
    /// Its gates, and by which of the queue's settings; once they were looked up.
    gates: Option<(u64, Vec<Gate>)>,
    /// While it runs: the generation of the breaker that has admitted it, and the number of the probe.
    pub(crate) call: Option<(u32, u32)>,
    /// It was a dead letter and was put back, so it may wait for tasks that were enqueued later. When that was.
    pub replayed: Option<u64>,
    /// It was put back while others had its unique key, which do not know of it.
    pub is_unknown: bool,
}

impl Task {
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self.state, State::Final { .. })
    }

    /// Whether it is one of the tasks of its key that may run.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.sent.key.is_some() && !self.is_final() && self.state != State::Blocked
    }

    /// Whether a worker has ever had it.
    pub(super) fn has_run(&self) -> bool {
        self.attempts > 0 || self.defers > 0 || self.settled.is_some()
    }

    #[must_use]
    pub fn running(&self) -> Option<&Running> {
        match &self.state {
            State::Running(running) => Some(running),
            _ => None,
        }
    }

    fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.state {
            State::Running(running) => Some(running),
            _ => None,
        }
    }

    #[must_use]
    pub fn is(&self, name: &TaskName) -> bool {
        match name {
            TaskName::Client(id) => self.sent.id.as_ref() == Some(id),
            // Decided: a task that has an id of its client can be named by its position too.
            TaskName::Server(position) => self.position == *position,
        }
    }

    /// What it has to pass before it can be claimed, or has passed.
    #[must_use]
    pub fn gates(&self) -> &[Gate] {
        self.gates.as_ref().map_or(&[], |(_, gates)| gates)
    }

    /// The lane in which it is ready.
    #[must_use]
    pub fn lane(&self) -> Option<u8> {
        match self.state {
            State::Ready { lane, .. } => Some(lane),
            _ => None,
        }
    }

    /// Since when it has been unfinished, as far as its age counts.
    fn begun(&self) -> u64 {
        self.replayed.unwrap_or(self.position >> 16)
    }

    fn own_lane(&self) -> u8 {
        1 + PRIORITY_MAX.saturating_sub(self.sent.priority)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Queue {
    pub name: String,
    pub slot: u16,
    /// Which of all queues it was, in the order in which they were made. `None`: it was never used.
    pub made: Option<u64>,
    pub settings: QueueSettings,
    /// Those that it has ever had, in that order.
    pub types: Vec<String>,
    /// Those that are kept, in the order of their positions.
    pub tasks: Vec<Task>,
    /// Ready tasks that have limits.
    pub cohorts: Vec<Cohort>,
    /// How often its limits have changed.
    generation: u64,
    /// The task of each key that was the last to go on.
    last_out: BTreeMap<String, u64>,
    pub fair: fair::Fair,
    ever: Ever,
}

/// The most that a queue's settings have ever allowed, because tasks may have come so far before they changed.
#[derive(Clone, Copy, Debug, Default)]
struct Ever {
    attempts_max: u32,
    lost_max: u32,
    backlog_max: u64,
    key_concurrency: u32,
}

impl Queue {
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.tasks.iter().filter(|task| !task.is_final()).count() as u64
    }

    /// The state of a task as it is shown. One whose cohort waits is blocked.
    #[must_use]
    pub fn shown_state(&self, task: &Task) -> TaskState {
        let waits = self.cohorts.iter().any(|cohort| cohort.waits.is_some() && cohort.holds(task));
        if waits { TaskState::Blocked } else { task.state.name() }
    }

    /// The number of a task among those that are kept.
    #[must_use]
    pub fn find(&self, name: &TaskName) -> Option<usize> {
        self.tasks.iter().position(|task| task.is(name))
    }

    #[must_use]
    pub fn find_position(&self, position: u64) -> Option<&Task> {
        self.tasks.iter().find(|task| task.position == position)
    }

    /// Whether a task that becomes unfinished waits for others with its key.
    fn waits_for_key(&self, sent: &NewTask) -> bool {
        let Some(key) = &sent.key else { return false };
        let is_blocked =
            self.tasks.iter().any(|task| task.state == State::Blocked && task.sent.key.as_ref() == Some(key));
        let open = self.open(key);
        open > 0 && (is_blocked || sent.is_alone() || !self.has_place(key))
    }

    /// How many unfinished tasks of a key need not wait for it.
    fn open(&self, key: &str) -> usize {
        let of_key = self.tasks.iter().filter(|task| task.sent.key.as_deref() == Some(key));
        of_key.filter(|task| task.is_head()).count()
    }

    /// Whether another task of the key may go on: the last one that did has begun, and fewer do than may.
    fn has_place(&self, key: &str) -> bool {
        let open = self.open(key);
        let tasks_max = self.settings.options.key_concurrency.map_or(1, |tasks| tasks.max(1));
        let last = self.last_out.get(key).and_then(|position| self.find_position(*position));
        let has_begun = last.is_none_or(|task| task.is_final() || task.has_run());
        open == 0 || (open < tasks_max as usize && has_begun)
    }

    /// The unfinished tasks with a unique key.
    fn twins(&self, unique: Option<&(String, UniqueMode)>) -> Vec<&Task> {
        let Some((key, _)) = unique else { return Vec::new() };
        let has_key = |task: &&Task| task.sent.unique.as_ref().is_some_and(|(other, _)| other == key);
        self.tasks.iter().filter(|task| !task.is_final() && !task.is_unknown).filter(has_key).collect()
    }

    fn note_settings(&mut self) {
        self.ever.attempts_max = self.ever.attempts_max.max(self.settings.retry.attempts_max);
        self.ever.lost_max = self.ever.lost_max.max(self.settings.lost_max);
        self.ever.backlog_max = self.ever.backlog_max.max(self.settings.backlog_max);
        let of_key = self.settings.options.key_concurrency.unwrap_or(1);
        self.ever.key_concurrency = self.ever.key_concurrency.max(of_key);
    }

    fn retry_of(&self, task: usize) -> RetryPolicy {
        self.tasks[task].sent.retry.unwrap_or(self.settings.retry)
    }
}

/// What one claim has granted, for [`check`].
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    queue: usize,
    types: Vec<String>,
    /// The last position before it.
    before: u64,
    /// Since when each task had been ready, and its lane.
    tasks: Vec<(u64, u8)>,
}

/// All queues, by number, and what is remembered about them.
#[derive(Clone, Debug, Default)]
pub struct Queues {
    pub all: Vec<Queue>,
    made: u64,
    /// Every token that was given out: the queue, the position of the task, the token.
    pub tokens: Vec<(usize, u64, u64)>,
    /// The positions of all tasks that are no longer kept.
    pub gone: BTreeSet<u64>,
    pub limits: Limits,
    /// The types of the events about finished tasks, by position.
    pub told: BTreeMap<u64, String>,
    /// How often a task has become a dead letter.
    pub deaths: u32,
    /// What the last command has granted.
    granted: Option<Granted>,
}

impl Queues {
    /// The number of a queue. A name that was never seen gets the next number.
    pub fn number(&mut self, name: &str) -> usize {
        self.all.iter().position(|queue| queue.name == name).unwrap_or_else(|| {
            let slot = slot_of(Namespace::ROOT, name).0;
            self.all.push(Queue { name: name.to_owned(), slot, ..Queue::default() });
            self.all.len() - 1
        })
    }

    /// What the last command has granted was right by the clocks of its own entry.
    pub(crate) fn begin_entry(&mut self) {
        self.granted = None;
    }

    pub(crate) fn make(&mut self, queue: usize) {
        if self.all[queue].made.is_none() {
            self.all[queue].made = Some(self.made);
            self.made += 1;
            self.all[queue].note_settings();
        }
    }
}

impl Simple {
    pub(crate) fn ask_queue(&mut self, ask: &QueueAsk) -> SimpleOutcome {
        self.queues.begin_entry();
        let outcome = self.decide_queue(ask);
        self.settle_groups();
        self.open_freed();
        outcome
    }

    fn decide_queue(&mut self, ask: &QueueAsk) -> SimpleOutcome {
        match ask {
            QueueAsk::Put(queue, settings) => self.put_queue(*queue, settings.clone()),
            QueueAsk::Enqueue(queue, key, tasks) => {
                let slot = self.queues.all[*queue].slot;
                self.keyed(key.map(|key| Key { slot, ..key }), |model| model.enqueue(*queue, tasks))
            }
            QueueAsk::Claim(queue, claim) => self.claim(*queue, claim),
            QueueAsk::Settle(queue, settlements) => {
                let settled = settlements.iter().map(|settlement| self.settle(*queue, settlement));
                SimpleOutcome::Settled(settled.collect())
            }
            QueueAsk::Cancel(queue, name) => self.cancel(*queue, name),
            QueueAsk::DeadLetter(queue, name, end) => self.settle_dead_letter(*queue, name, *end),
            QueueAsk::Replay(queue, name, to, envelope) => self.replay(*queue, name, *to, envelope.as_ref()),
            QueueAsk::Change(queue, change) => self.change(*queue, change),
            QueueAsk::Group(sent) => self.create_group(0, sent),
            QueueAsk::Advance { slot, from, tasks_max } => self.advance(*slot, *from, *tasks_max),
            QueueAsk::PutTenant(queue, tenant, weight) => self.put_tenant(*queue, tenant, *weight),
            QueueAsk::PutLimit(limit, settings) => self.put_limit(*limit, *settings),
            QueueAsk::AdvanceLimits { slot, from, keys_max } => self.advance_limits(*slot, *from, *keys_max),
        }
    }

    fn put_queue(&mut self, queue: usize, settings: QueueSettings) -> SimpleOutcome {
        let state = &mut self.queues.all[queue];
        let (before, after) = (&state.settings.options, &settings.options);
        let is_other = before.limits != after.limits || before.breaker != after.breaker;
        state.generation += u64::from(is_other);
        state.settings = settings;
        self.queues.make(queue);
        self.queues.all[queue].note_settings();
        SimpleOutcome::QueuePut
    }

    pub(crate) fn cancel(&mut self, queue: usize, name: &TaskName) -> SimpleOutcome {
        let Some(task) = self.queues.all[queue].find(name) else { return SimpleOutcome::NoTask };
        match &mut self.queues.all[queue].tasks[task].state {
            State::Running(running) => {
                running.cancel_requested = true;
                SimpleOutcome::TaskCancelled(TaskState::Running)
            }
            State::Final { end: TaskState::Cancelled, .. } => {
                SimpleOutcome::TaskCancelled(TaskState::Cancelled)
            }
            State::Final { end, .. } => SimpleOutcome::WrongTaskState(*end),
            _ => {
                self.end_task(queue, task, TaskState::Cancelled);
                SimpleOutcome::TaskCancelled(TaskState::Cancelled)
            }
        }
    }

    fn settle_dead_letter(&mut self, queue: usize, name: &TaskName, end: DeadLetterEnd) -> SimpleOutcome {
        let state = &self.queues.all[queue];
        let Some(task) = state.find(name) else { return SimpleOutcome::NoTask };
        let now = state.tasks[task].state.name();
        if now != TaskState::Dead {
            return SimpleOutcome::WrongTaskState(now);
        }
        if end == DeadLetterEnd::Drop {
            self.tell(queue, task, "dropped");
            self.remove_task(queue, task);
            return SimpleOutcome::DeadLetterSettled;
        }
        if state.unfinished() >= state.settings.backlog_max {
            return SimpleOutcome::QueueFull(state.settings.backlog_max);
        }
        self.put_back(queue, task, None);
        SimpleOutcome::DeadLetterSettled
    }

    fn remove_task(&mut self, queue: usize, task: usize) {
        let task = self.queues.all[queue].tasks.remove(task);
        self.queues.gone.insert(task.position);
    }

    /// The task can be claimed, behind all others of its lane.
    fn make_ready(&mut self, queue: usize, task: usize) {
        self.leave(queue, task);
        let since = self.take_position();
        let lane = self.queues.all[queue].tasks[task].own_lane();
        self.enter_ready(queue, task, since, lane);
    }
}
