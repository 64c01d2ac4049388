//! Appends and transactions in the model. Everything is looked up, then done, and undone if it is refused.

use super::{
    Append, Condition, Event, EventRef, Execution, Id, Sent, Simple, SimpleOutcome, Stream, Write, Wrote,
};
use crate::breaker::Breaker;
use crate::queue::groups::Group;
use crate::queue::{NewTask, Queues, Settlement, Task};
use crate::schedule::Schedule;
use model::{EnqueuedTask, Position};

/// The request's events that are already stored: write, event, and where it is.
type Old = Vec<(usize, usize, EventRef)>;

/// The state before a transaction, as far as it may change it. What the end of a task means for its group is seen after
/// the command.
struct Before {
    /// Those that it appends to, and those that hear of finished tasks.
    streams: Vec<(usize, Stream)>,
    streams_len: usize,
    last: u64,
    appended: usize,
    executions: Vec<Execution>,
    groups: Vec<Group>,
    queues: Option<(Queues, Vec<Schedule>, Vec<Breaker>)>,
}

impl Simple {
    /// The kept event with the same identity, if any.
    fn find(&self, stream: usize, sent: &Sent) -> Option<(u64, Event)> {
        let stream = &self.streams[stream];
        if let Id::Echo { position, slot, .. } = sent.id {
            let there = stream.kept().find(|(_, event)| event.position == position && stream.slot == slot);
            if let Some((revision, event)) = there
                && event.sent.id == Id::Server
            {
                return Some((revision, *event));
            }
        }
        let name = sent.name()?;
        let (revision, event) = stream.kept().find(|(_, event)| event.sent.name() == Some(name))?;
        Some((revision, *event))
    }

    /// Does everything or nothing, and returns whether everything was done before.
    pub(crate) fn write_all(
        &mut self,
        checks: &[Condition],
        writes: &[Write],
    ) -> Result<(bool, Vec<Wrote>), SimpleOutcome> {
        let old = self.find_all(writes)?;
        if let Some(done) = self.done_before(writes, &old) {
            return Ok((true, done));
        }
        for (part, check) in checks.iter().enumerate() {
            if let Some(refusal) = self.refusal(part, *check) {
                return Err(refusal);
            }
        }
        let before = self.before(writes);
        let mut done = Vec::new();
        // Where each event with a client's id went that was new in this request.
        let mut gone = Vec::new();
        for (at, write) in writes.iter().enumerate() {
            let part = checks.len() + at;
            let wrote = match write {
                Write::Append(append) => self
                    .refusal(part, Condition::Stream(append.stream, append.expect))
                    .map_or_else(|| Ok(self.write(at, append, &old, &mut gone)), Err),
                Write::Complete(complete) if self.complete_execution(complete) => Ok(Wrote::Completed),
                Write::Complete(_) => Err(SimpleOutcome::ExecutionLost(part)),
                Write::Enqueue(queue, tasks) => self.enqueue_all(part, *queue, tasks),
                Write::Settle(queue, settlements) => self.settle_all(part, *queue, settlements),
                Write::Group(sent) => match self.create_group(part, sent) {
                    SimpleOutcome::GroupCreated(position, slot, replayed) => {
                        Ok(Wrote::GroupCreated(position, slot, replayed))
                    }
                    refused => Err(refused),
                },
            };
            match wrote {
                Ok(wrote) => done.push(wrote),
                Err(refused) => {
                    self.restore(before);
                    return Err(refused);
                }
            }
        }
        Ok((false, done))
    }

    /// What the writes have done, if each of them was done before.
    fn done_before(&mut self, writes: &[Write], old: &Old) -> Option<Vec<Wrote>> {
        let events: usize = writes.iter().filter_map(Write::append).map(|append| append.events.len()).sum();
        let appends = writes.iter().filter_map(Write::append).count();
        if writes.is_empty() || appends > 0 && (events == 0 || old.len() < events) {
            return None;
        }
        let mut done = Vec::new();
        for (at, write) in writes.iter().enumerate() {
            done.push(match write {
                Write::Append(append) => self.write(at, append, old, &mut Vec::new()),
                Write::Complete(complete) => self.is_completed(complete).then_some(Wrote::Completed)?,
                Write::Enqueue(queue, tasks) => {
                    let state = self.queues.all.get(*queue).filter(|queue| queue.made.is_some())?;
                    let known = |sent: &NewTask| {
                        let same = |task: &&Task| sent.id.is_some() && task.sent.id == sent.id;
                        let task = state.tasks.iter().find(same);
                        task.filter(|task| task.sent.content == sent.content)
                    };
                    let tasks = tasks
                        .iter()
                        .map(|sent| known(sent).map(|task| EnqueuedTask::Replayed(Position(task.position))));
                    Wrote::Enqueued(state.slot, tasks.collect::<Option<_>>()?)
                }
                Write::Settle(queue, settlements) => {
                    let state = self.queues.all.get(*queue).filter(|queue| queue.made.is_some())?;
                    let before = |settlement: &Settlement| {
                        let number = state.find(&settlement.task)?;
                        state.tasks[number].settled_before(settlement)
                    };
                    Wrote::Settled(settlements.iter().map(before).collect::<Option<_>>()?)
                }
                Write::Group(sent) => {
                    let group = self.find_group(&sent.name).filter(|group| group.content == sent.content)?;
                    Wrote::GroupCreated(group.position, group.slot, true)
                }
            });
        }
        Some(done)
    }

    /// Every task must be added, or be known with the same content.
    fn enqueue_all(&mut self, part: usize, queue: usize, tasks: &[NewTask]) -> Result<Wrote, SimpleOutcome> {
        match self.enqueue(queue, tasks) {
            SimpleOutcome::Enqueued(slot, tasks) => {
                let conflict = tasks.iter().position(|task| matches!(task, EnqueuedTask::Conflict(_)));
                match conflict {
                    Some(task) => Err(SimpleOutcome::TaskConflict { part, task }),
                    None => Ok(Wrote::Enqueued(slot, tasks)),
                }
            }
            refused => Err(refused),
        }
    }

    /// Every settlement must be of a claim that lasts.
    fn settle_all(
        &mut self,
        part: usize,
        queue: usize,
        settlements: &[Settlement],
    ) -> Result<Wrote, SimpleOutcome> {
        let lost = |settlement: usize| SimpleOutcome::ClaimLost { part, settlement };
        if self.queues.all[queue].made.is_none() {
            return Err(lost(0));
        }
        let mut settled = Vec::new();
        for (at, settlement) in settlements.iter().enumerate() {
            let state = &self.queues.all[queue];
            let running = state.find(&settlement.task).and_then(|number| state.tasks[number].running());
            if running.is_none_or(|running| running.token != settlement.token) {
                return Err(lost(at));
            }
            settled.push(self.settle(queue, settlement));
        }
        Ok(Wrote::Settled(settled))
    }

    /// What these writes may change.
    fn before(&self, writes: &[Write]) -> Before {
        let appends = writes.iter().filter_map(Write::append);
        let has_tasks = writes
            .iter()
            .any(|write| matches!(write, Write::Enqueue(..) | Write::Settle(..) | Write::Group(_)));
        let told = self.queues.all.iter().filter_map(|queue| queue.settings.options.events.as_ref());
        let told =
            told.filter_map(|name| self.streams.iter().position(|stream| stream.name == name.as_str()));
        let told = told.filter(|_| has_tasks);
        let streams = appends.map(|append| append.stream).chain(told);
        Before {
            streams: streams.map(|stream| (stream, self.streams[stream].clone())).collect(),
            streams_len: self.streams.len(),
            last: self.last,
            appended: self.appended.len(),
            executions: self.executions.clone(),
            groups: self.groups.clone(),
            queues: has_tasks.then(|| (self.queues.clone(), self.schedules.clone(), self.breakers.clone())),
        }
    }

    fn restore(&mut self, before: Before) {
        for (stream, state) in before.streams.into_iter().rev() {
            self.streams[stream] = state;
        }
        self.streams.truncate(before.streams_len);
        self.last = before.last;
        self.appended.truncate(before.appended);
        self.executions = before.executions;
        self.groups = before.groups;
        if let Some((queues, schedules, breakers)) = before.queues {
            (self.queues, self.schedules, self.breakers) = (queues, schedules, breakers);
        }
    }

    /// Looks up all events of a request, or says which one conflicts.
    fn find_all(&self, writes: &[Write]) -> Result<Old, SimpleOutcome> {
        let mut first_time: Vec<(usize, Sent)> = Vec::new();
        let mut old = Vec::new();
        for (write, append) in writes.iter().enumerate().filter_map(|(at, write)| Some((at, write.append()?)))
        {
            for (event, sent) in append.events.iter().enumerate() {
                let conflict = |revision| SimpleOutcome::EventConflict { write, event, revision };
                if let Some((revision, stored)) = self.find(append.stream, sent) {
                    if !stored.is_repeated_by(sent) {
                        return Err(conflict(Some(revision)));
                    }
                    old.push((
                        write,
                        event,
                        EventRef { revision, position: stored.position, replayed: true },
                    ));
                    continue;
                }
                let twin = first_time.iter().find(|(stream, first)| {
                    *stream == append.stream && sent.name().is_some() && first.name() == sent.name()
                });
                match twin {
                    Some((_, first)) if (first.content, first.time) != (sent.content, sent.time) => {
                        return Err(conflict(None));
                    }
                    _ => first_time.push((append.stream, *sent)),
                }
            }
        }
        Ok(old)
    }

    fn write(
        &mut self,
        write: usize,
        append: &Append,
        old: &Old,
        gone: &mut Vec<(usize, u128, EventRef)>,
    ) -> Wrote {
        let mut event_refs = Vec::new();
        for (event, sent) in append.events.iter().enumerate() {
            let known = old.iter().find(|(w, e, _)| (*w, *e) == (write, event));
            let twin =
                gone.iter().find(|(stream, id, _)| *stream == append.stream && Some(*id) == sent.name());
            event_refs.push(match (known, twin) {
                (Some((_, _, event_ref)), _) => *event_ref,
                (None, Some((_, _, event_ref))) => EventRef { replayed: true, ..*event_ref },
                (None, None) => {
                    let event_ref = self.push(append.stream, *sent);
                    gone.extend(sent.name().map(|name| (append.stream, name, event_ref)));
                    event_ref
                }
            });
        }
        // A stream keeps its newest events whenever one is appended.
        if event_refs.iter().any(|event_ref| !event_ref.replayed) {
            self.streams[append.stream].remove_surplus();
        }
        Wrote::Appended(self.streams[append.stream].slot, event_refs)
    }

    pub(crate) fn push(&mut self, stream: usize, sent: Sent) -> EventRef {
        let position = self.take_position();
        let state = &mut self.streams[stream];
        state.began.get_or_insert(position);
        state.deleted = false;
        let revision = state.events.len() as u64;
        state.events.push(Event { position, sent });
        self.appended.push((stream, revision));
        EventRef { revision, position, replayed: false }
    }
}
