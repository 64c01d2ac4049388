//! What every command of schedules must result in. Schedules are a vector, and each remembers all runs that it ever had
//! in its queue. There are no timers: a schedule knows when it is due by looking at itself.
//!
//! | module | what it holds |
//! |---|---|
//! | `advance` | what becomes of ticks |
//! | [`draw`] | random commands |
//! | `convert` | commands in the words of the model |

mod advance;
mod convert;
pub mod draw;

use crate::queue::NewTask;
use crate::{Key, Simple, SimpleOutcome};
use model::limits::{SCHEDULE_RETRY_MS, SCHEDULE_RUNS_KEPT, SCHEDULE_WAITING_MAX};
use model::schedule::{run_id, tick_text};
use model::{
    BackfillOverlap, CatchUp, EnqueuedTask, Namespace, NextTick, Overlap, Paused, Position, RunCause,
    ScheduleControlled, ScheduleName, ScheduleRun, ScheduleStep, Slot, TaskState, Wall, slot_of,
};

/// What a client puts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Everything that was sent, as text.
    pub text: String,
    /// The number of the queue.
    pub queue: usize,
    pub task: NewTask,
    pub every_ms: u64,
    pub late_ms: u64,
    pub catch_up: CatchUp,
    pub offset_ms: u64,
    pub overlap: Overlap,
    pub runs_max: Option<u64>,
    pub pause_on_failure: bool,
}

/// A command about a schedule.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, in tests")]
pub enum ScheduleAsk {
    Put(String, Definition),
    PutSet(String, Vec<(String, Definition)>),
    Delete(String),
    Pause(String),
    Resume(String),
    Fire(Option<Key>, String),
    Backfill(Option<Key>, String, Vec<u64>, BackfillOverlap),
    Advance { schedule: String, generation: u64, step: Option<ScheduleStep<'static>> },
}

/// What has become of ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub runs: u64,
    pub missed: u64,
    pub overlapped: u64,
    pub dropped: u64,
    pub conflicts: u64,
}

impl Counts {
    pub(crate) fn skipped(&self) -> u64 {
        self.missed + self.overlapped + self.dropped + self.conflicts
    }
}

#[derive(Clone, Debug)]
pub struct Schedule {
    pub name: String,
    pub slot: u16,
    pub generation: u64,
    pub definition: Definition,
    pub owner: Option<String>,
    pub paused: Option<Paused>,
    pub after: u64,
    pub next: NextTick<'static>,
    /// A tick has tried to enqueue its task in vain, and tries again at this time.
    pub held: Option<u64>,
    pub ticks: u64,
    /// All of them.
    pub runs: Vec<ScheduleRun>,
    pub waiting: Vec<(u64, RunCause)>,
    pub counts: Counts,
}

impl Schedule {
    /// When its next tick happens.
    #[must_use]
    pub fn happens(&self) -> Option<u64> {
        match self.next {
            NextTick::Unknown => Some(self.after),
            NextTick::At(tick) => Some(tick.0 + self.definition.offset_ms),
            NextTick::Never | NextTick::Broken(_) => None,
        }
    }

    /// The runs that matter for what a tick does.
    pub fn last_runs(&self) -> impl Iterator<Item = &ScheduleRun> {
        self.runs.iter().rev().take(SCHEDULE_RUNS_KEPT)
    }
}

impl Simple {
    /// The number of a schedule.
    #[must_use]
    pub fn schedule(&self, name: &str) -> Option<usize> {
        self.schedules.iter().position(|schedule| schedule.name == name)
    }

    /// The positions of its unfinished runs, oldest first.
    #[must_use]
    pub fn unfinished_runs(&self, schedule: &Schedule) -> Vec<u64> {
        let queue = &self.queues.all[schedule.definition.queue];
        let is_unfinished =
            |run: &&ScheduleRun| queue.find_position(run.task.0).is_some_and(|task| !task.is_final());
        let mut runs: Vec<u64> = schedule.last_runs().filter(is_unfinished).map(|run| run.task.0).collect();
        runs.reverse();
        runs
    }

    /// When the node must look at a schedule.
    #[must_use]
    pub fn schedule_due(&self, schedule: &Schedule) -> Option<u64> {
        if schedule.paused.is_some() {
            return None;
        }
        let may_begin = !schedule.waiting.is_empty() && self.unfinished_runs(schedule).is_empty();
        let waiting = may_begin.then_some(self.wall);
        let due = schedule.happens().into_iter().chain(waiting).min()?;
        Some(due.max(schedule.held.unwrap_or(0)))
    }

    pub(crate) fn ask_schedule(&mut self, ask: &ScheduleAsk) -> SimpleOutcome {
        // What the last claim has granted was right before this command.
        self.queues.begin_entry();
        match ask {
            ScheduleAsk::Put(name, definition) => {
                let (generation, changed) = self.put_schedule(name, definition, None);
                SimpleOutcome::SchedulePut { generation, changed }
            }
            ScheduleAsk::PutSet(owner, set) => self.put_schedule_set(owner, set),
            ScheduleAsk::Delete(name) => {
                let before = self.schedules.len();
                self.schedules.retain(|schedule| schedule.name != *name);
                SimpleOutcome::ScheduleDeleted(self.schedules.len() < before)
            }
            ScheduleAsk::Pause(name) => self.control(name, |model, at, _| {
                model.schedules[at].paused = Some(Paused::ByRequest);
                None
            }),
            ScheduleAsk::Resume(name) => self.control(name, |model, at, _| {
                model.resume_schedule(at);
                None
            }),
            ScheduleAsk::Fire(key, name) => self.keyed_for(*key, name, |model| {
                model.control(name, |model, at, done| {
                    let now = model.wall;
                    let cause = RunCause::Fired(Position(model.take_position()));
                    model.begin_runs(at, &[(now, cause)], done)
                })
            }),
            ScheduleAsk::Backfill(key, name, ticks, overlap) => self.keyed_for(*key, name, |model| {
                model.control(name, |model, at, done| model.backfill(at, ticks, *overlap, done))
            }),
            ScheduleAsk::Advance { schedule, generation, step } => {
                self.advance_schedule(schedule, *generation, step.as_ref())
            }
        }
    }

    fn keyed_for(
        &mut self,
        key: Option<Key>,
        name: &str,
        decide: impl FnOnce(&mut Self) -> SimpleOutcome,
    ) -> SimpleOutcome {
        let slot = slot_of(Namespace::ROOT, name).0;
        self.keyed(key.map(|key| Key { slot, ..key }), decide)
    }

    fn put_schedule(&mut self, name: &str, definition: &Definition, owner: Option<&str>) -> (u64, bool) {
        let known = self.schedule(name);
        let at = known.unwrap_or_else(|| {
            self.schedules.push(Schedule {
                name: name.to_owned(),
                slot: slot_of(Namespace::ROOT, name).0,
                generation: 0,
                definition: definition.clone(),
                owner: None,
                paused: None,
                after: 0,
                next: NextTick::Unknown,
                held: None,
                ticks: 0,
                runs: Vec::new(),
                waiting: Vec::new(),
                counts: Counts::default(),
            });
            self.schedules.len() - 1
        });
        if let Some(owner) = owner {
            self.schedules[at].owner = Some(owner.to_owned());
        }
        let is_broken = matches!(self.schedules[at].next, NextTick::Broken(_));
        let is_same = self.schedules[at].definition.text == definition.text;
        if known.is_some() && is_same && !is_broken {
            return (self.schedules[at].generation, false);
        }
        let (generation, now) = (self.take_position(), self.wall);
        let schedule = &mut self.schedules[at];
        if schedule.definition.queue != definition.queue {
            schedule.runs.clear();
        }
        schedule.definition = definition.clone();
        (schedule.generation, schedule.after, schedule.next) = (generation, now, NextTick::Unknown);
        (schedule.held, schedule.ticks) = (None, 0);
        schedule.counts.dropped += schedule.waiting.len() as u64;
        schedule.waiting.clear();
        (generation, true)
    }

    fn put_schedule_set(&mut self, owner: &str, set: &[(String, Definition)]) -> SimpleOutcome {
        for (number, (name, _)) in set.iter().enumerate() {
            let other = self.schedule(name).and_then(|at| self.schedules[at].owner.clone());
            if other.is_some_and(|other| other != owner) {
                return SimpleOutcome::ScheduleOwned(number);
            }
        }
        let put = set.iter().map(|(name, definition)| self.put_schedule(name, definition, Some(owner)).1);
        let changed = put.filter(|changed| *changed).count();
        let before = self.schedules.len();
        self.schedules.retain(|schedule| {
            let is_named = set.iter().any(|(name, _)| *name == schedule.name);
            is_named || schedule.owner.as_deref() != Some(owner)
        });
        SimpleOutcome::ScheduleSetPut { changed, deleted: before - self.schedules.len() }
    }

    /// Does something to a schedule, and changes nothing if that is refused.
    fn control(
        &mut self,
        name: &str,
        act: impl FnOnce(&mut Self, usize, &mut ScheduleControlled) -> Option<SimpleOutcome>,
    ) -> SimpleOutcome {
        let Some(at) = self.schedule(name) else { return SimpleOutcome::NoSchedule };
        let before = (self.schedules[at].clone(), self.last);
        let slot = Slot(self.queues.all[self.schedules[at].definition.queue].slot);
        let mut done = ScheduleControlled { slot, ..ScheduleControlled::default() };
        match act(self, at, &mut done) {
            None => SimpleOutcome::ScheduleControlled(done),
            Some(refusal) => {
                (self.schedules[at], self.last) = before;
                refusal
            }
        }
    }

    fn resume_schedule(&mut self, at: usize) {
        let now = self.wall;
        let schedule = &mut self.schedules[at];
        if schedule.paused.take().is_some() && matches!(schedule.next, NextTick::At(_) | NextTick::Unknown) {
            schedule.after = schedule.after.max(now);
            schedule.next = NextTick::Unknown;
            schedule.held = None;
        }
    }

    fn backfill(
        &mut self,
        at: usize,
        ticks: &[u64],
        overlap: BackfillOverlap,
        done: &mut ScheduleControlled,
    ) -> Option<SimpleOutcome> {
        if ticks.iter().any(|tick| *tick > self.wall) {
            return Some(SimpleOutcome::TickInFuture);
        }
        let cause = RunCause::Backfill(Position(self.take_position()));
        let ticks: Vec<(u64, RunCause)> = ticks.iter().map(|tick| (*tick, cause)).collect();
        let is_free = self.unfinished_runs(&self.schedules[at]).is_empty();
        let schedule = &mut self.schedules[at];
        let begin = match overlap {
            BackfillOverlap::Allow => ticks.len(),
            BackfillOverlap::Skip => ticks.len().min(usize::from(is_free)),
            BackfillOverlap::Wait => ticks.len().min(usize::from(is_free && schedule.waiting.is_empty())),
        };
        let (begin, rest) = ticks.split_at(begin);
        match overlap {
            BackfillOverlap::Allow | BackfillOverlap::Skip => {
                schedule.counts.overlapped += rest.len() as u64;
                done.skipped = rest.len() as u32;
            }
            BackfillOverlap::Wait => {
                if schedule.waiting.len() + begin.len() + rest.len() > SCHEDULE_WAITING_MAX {
                    return Some(SimpleOutcome::ScheduleBusy);
                }
                schedule.waiting.extend_from_slice(rest);
                done.waiting = rest.len() as u32;
            }
        }
        if begin.is_empty() { None } else { self.begin_runs(at, begin, done) }
    }

    /// Enqueues the tasks of ticks, for a request. It leaves a tick that is held where it is.
    fn begin_runs(
        &mut self,
        at: usize,
        ticks: &[(u64, RunCause)],
        done: &mut ScheduleControlled,
    ) -> Option<SimpleOutcome> {
        match self.enqueue_runs(at, ticks) {
            Ok(runs) => {
                done.runs = runs;
                None
            }
            Err(refusal) => Some(refusal),
        }
    }

    fn enqueue_runs(
        &mut self,
        at: usize,
        ticks: &[(u64, RunCause)],
    ) -> Result<Vec<ScheduleRun>, SimpleOutcome> {
        let schedule = &self.schedules[at];
        let Ok(name) = ScheduleName::new(schedule.name.clone()) else { unreachable!() };
        let template = &schedule.definition.task;
        let task = |(tick, cause): &(u64, RunCause)| {
            let mut envelope = template.envelope.clone();
            let scheduled = format!(",\"scheduled\":\"{}\"", tick_text(Wall(*tick)));
            envelope.extend_from_slice(scheduled.as_bytes());
            NewTask { id: Some(run_id(&name, Wall(*tick), *cause)), envelope, ..template.clone() }
        };
        let tasks: Vec<NewTask> = ticks.iter().map(task).collect();
        let enqueued = match self.enqueue(schedule.definition.queue, &tasks) {
            SimpleOutcome::Enqueued(_, enqueued) => enqueued,
            refusal => return Err(refusal),
        };
        let mut runs = Vec::new();
        for ((tick, cause), task) in ticks.iter().zip(enqueued) {
            match task {
                EnqueuedTask::Added(task) | EnqueuedTask::Replayed(task) => {
                    runs.push(ScheduleRun { tick: Wall(*tick), cause: *cause, task });
                }
                EnqueuedTask::Conflict(_) => self.schedules[at].counts.conflicts += 1,
                EnqueuedTask::Existing { .. } => self.schedules[at].counts.overlapped += 1,
            }
        }
        let schedule = &mut self.schedules[at];
        schedule.counts.runs += runs.len() as u64;
        schedule.runs.extend_from_slice(&runs);
        Ok(runs)
    }

    fn hold_schedule(&mut self, at: usize) {
        self.schedules[at].held = Some(self.wall + SCHEDULE_RETRY_MS);
    }

    /// A task is finished. If it was one of the last runs of a schedule, that may pause it.
    pub(crate) fn run_ended(&mut self, task: u64, end: TaskState) {
        for schedule in &mut self.schedules {
            let is_run = schedule.last_runs().any(|run| run.task.0 == task);
            let pauses = end == TaskState::Dead && schedule.definition.pause_on_failure;
            if is_run && pauses && schedule.paused.is_none() {
                schedule.paused = Some(Paused::ByFailure);
            }
        }
    }
}
