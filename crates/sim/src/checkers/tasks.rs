//! No task is lost: every task that was added is there until it is finished and was kept for long enough. Each has
//! one owner: once a worker has a token, no worker has an older one of the same task, and no token was given out
//! twice. What is completed never runs again. Readers see each queue and task as the model says.

use crate::reference::Reference;
use model::{
    Command, Elapsed, EnqueuedTask, Outcome, Position, QueueName, Settled, TaskRef, TaskState, View, Write,
    Written,
};
use reference_model::queue::{Queue, State, Task, check};
use shard::query::{self, TaskView, TasksRequest};
use std::collections::{BTreeMap, BTreeSet};

/// Whether a claim may have been sent before, so that its tokens may be older than those of other tasks: the first
/// outcome may never have arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    Perhaps,
    No,
}

/// A task: its queue and its position.
type TaskId = (String, Position);

/// What clients have been told.
#[derive(Debug, Default)]
pub struct Tasks {
    added: BTreeSet<TaskId>,
    last_added: Position,
    /// The task of each token.
    tokens: BTreeMap<Position, TaskId>,
    /// The last token of each task.
    owners: BTreeMap<TaskId, Position>,
    completed: BTreeSet<TaskId>,
}

impl Tasks {
    /// A client has received an outcome. Outcomes arrive in the order of the log.
    ///
    /// # Errors
    /// It contradicts an earlier one.
    pub fn told(&mut self, command: &Command<'_>, outcome: &Outcome) -> Result<(), String> {
        match (command, outcome) {
            (Command::Enqueue(enqueue), Outcome::Enqueued(enqueued)) => {
                enqueued.tasks.iter().try_for_each(|task| self.enqueued(&enqueue.queue, task))
            }
            (Command::Claim(claim), Outcome::Claimed(claimed)) => {
                let again = if claim.request.is_some() { Again::Perhaps } else { Again::No };
                claimed.tasks.iter().try_for_each(|task| {
                    self.claimed((claim.queue.to_string(), task.position), task.token, again)
                })
            }
            (Command::Settle(settle), Outcome::Settled(settled)) => {
                let pairs = settle.settlements.iter().zip(settled);
                pairs.into_iter().try_for_each(|(sent, settled)| self.settled(sent.token, *settled))
            }
            // One that was sent again tells nothing new.
            (Command::Transaction(transaction), Outcome::Transacted { replayed: false, writes }) => {
                let pairs = transaction.writes.iter().zip(writes);
                pairs.into_iter().try_for_each(|(write, written)| self.wrote(write, written))
            }
            _ => Ok(()),
        }
    }

    fn wrote(&mut self, write: &Write<'_>, written: &Written) -> Result<(), String> {
        match (write, written) {
            (Write::Enqueue(enqueue), Written::Enqueued(enqueued)) => {
                enqueued.tasks.iter().try_for_each(|task| self.enqueued(&enqueue.queue, task))
            }
            (Write::Settle(settle), Written::Settled(settled)) => {
                let mut pairs = settle.settlements.iter().zip(settled);
                pairs.try_for_each(|(sent, settled)| self.settled(sent.token, *settled))
            }
            _ => Ok(()),
        }
    }

    fn enqueued(&mut self, queue: &QueueName<'_>, task: &EnqueuedTask) -> Result<(), String> {
        if let EnqueuedTask::Added(position) = *task {
            if position <= self.last_added {
                return Err(format!("task {position} of {queue} was added after {}", self.last_added));
            }
            self.last_added = position;
            self.added.insert((queue.to_string(), position));
        }
        Ok(())
    }

    fn claimed(&mut self, task: TaskId, token: Position, again: Again) -> Result<(), String> {
        let newest = match again {
            Again::No => self.tokens.keys().next_back().copied(),
            Again::Perhaps => self.owners.get(&task).copied(),
        };
        match self.tokens.get(&token) {
            // The claim was sent again.
            Some(known) if *known == task => return Ok(()),
            Some(known) => return Err(format!("token {token} is that of {known:?} and of {task:?}")),
            None if newest.is_some_and(|newest| token <= newest) => {
                return Err(format!("token {token} was given out after {newest:?}"));
            }
            None => {}
        }
        if self.completed.contains(&task) {
            return Err(format!("{task:?} was completed, and is claimed again with token {token}"));
        }
        self.owners.insert(task.clone(), token);
        self.tokens.insert(token, task);
        Ok(())
    }

    fn settled(&mut self, token: Position, settled: Settled) -> Result<(), String> {
        // The worker may have a token that it got before a crash, of which nothing is known here.
        let Some(task) = self.tokens.get(&token) else { return Ok(()) };
        let owner = self.owners.get(task).copied().unwrap_or_default();
        if matches!(settled, Settled::Extended { .. } | Settled::Completed) && token < owner {
            return Err(format!("{task:?} was claimed with {owner}, and {token} still counts: {settled:?}"));
        }
        if settled == Settled::Completed {
            self.completed.insert(task.clone());
        }
        Ok(())
    }

    /// Checks everything that readers see of queues.
    ///
    /// # Errors
    /// They see something else than the model, or a task is lost.
    pub fn check(&self, state: &impl View, reference: &Reference) -> Result<(), String> {
        let model = reference.model();
        check::all(model)?;
        for queue in &model.queues.all {
            let tasks = read(state, queue, Elapsed(model.elapsed))?;
            for (ours, theirs) in queue.tasks.iter().zip(&tasks) {
                if !is_same(queue, ours, theirs) {
                    return Err(format!("a task of {} is {theirs:?} instead of {ours:?}", queue.name));
                }
            }
            if tasks.len() != queue.tasks.len() {
                return Err(format!(
                    "{} has {} tasks instead of {}",
                    queue.name,
                    tasks.len(),
                    queue.tasks.len()
                ));
            }
        }
        self.none_is_lost(reference)
    }

    /// Every task that was added is kept, or was finished before it went.
    fn none_is_lost(&self, reference: &Reference) -> Result<(), String> {
        let model = reference.model();
        for (queue, position) in &self.added {
            let kept = model.queues.all.iter().find(|known| known.name == *queue);
            let kept = kept.is_some_and(|queue| queue.find_position(position.0).is_some());
            if !kept && !model.queues.gone.contains(&position.0) {
                return Err(format!("task {position} of {queue} was added, and is lost"));
            }
        }
        Ok(())
    }
}

/// All tasks of a queue, as readers see them.
fn read(state: &impl View, queue: &Queue, now: Elapsed) -> Result<Vec<TaskView>, String> {
    let name = QueueName::new(&queue.name[..]).map_err(|error| error.to_string())?;
    let settings = query::queue(state, &name).map_err(|error| error.to_string())?.map(|view| view.settings);
    if settings != queue.made.map(|_| queue.settings.clone()) {
        return Err(format!("{name} has {settings:?} instead of {:?}", queue.settings));
    }
    let mut tasks: Vec<TaskView> = Vec::new();
    let mut request = TasksRequest::default();
    loop {
        let page = query::tasks(state, &name, request, now).map_err(|error| error.to_string())?;
        // One task of each page is also read alone.
        if let Some(task) = page.tasks.last() {
            let by_position = TaskRef::Server(task.position);
            let alone = query::task(state, &name, &by_position, now).map_err(|error| error.to_string())?;
            if alone.as_ref() != Some(task) {
                return Err(format!("a task of {name} is {task:?} in a list, and {alone:?} alone"));
            }
        }
        tasks.extend(page.tasks);
        request.after = page.next;
        if page.next.is_none() {
            return Ok(tasks);
        }
    }
}

fn is_same(queue: &Queue, ours: &Task, theirs: &TaskView) -> bool {
    let claim = theirs.claim.as_ref().map(|claim| (&claim.worker, claim.token.0));
    let result = if ours.state.name() == TaskState::Done { &ours.result } else { &None };
    ours.position == theirs.position.0
        && ours.sent.id == theirs.id
        && queue.shown_state(ours) == theirs.state
        && ours.attempts == theirs.attempts
        && ours.running().map(|running| (&running.worker, running.token)) == claim
        && ours.sent.envelope == theirs.envelope
        && ours.progress == theirs.progress
        && *result == theirs.result
        && ours.failures.last().map(|failed| (failed.attempt, &failed.class))
            == theirs.failures.last().map(|failed| (failed.attempt, &failed.class))
}

/// In a quiet node, what was due is done: workers that were not heard of have lost their claims, and what has waited
/// for its time is ready.
///
/// # Errors
/// A task that should have moved.
pub fn nothing_is_overdue(reference: &Reference) -> Result<(), String> {
    let model = reference.model();
    for task in model.queues.all.iter().flat_map(|queue| &queue.tasks) {
        let is_late = match &task.state {
            State::Scheduled(wall) => *wall <= model.wall,
            State::Backoff(elapsed) | State::Final { gone: elapsed, .. } => *elapsed <= model.elapsed,
            State::Running(running) => running.expires <= model.elapsed,
            State::Blocked | State::Ready { .. } => {
                task.sent.deadline.is_some_and(|deadline| deadline <= model.wall)
            }
        };
        if is_late {
            return Err(format!("at {} and {}, {task:?} is overdue", model.wall, model.elapsed));
        }
    }
    Ok(())
}
