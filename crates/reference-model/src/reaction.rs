//! Reactions in the model: which settings and cursor each has, and which tasks the events make that the node says it
//! has found. Whether it has found the right ones, only a checker knows that reads the events too.

use crate::queue::NewTask;
use crate::{Simple, SimpleOutcome, draw, queue};
use model::limits::{QUEUE_TYPES_MAX, REACTIONS_MAX};
use model::{
    Command, Cursor, DeleteReaction, EnqueuedTask, GiveUp, Position, PutReaction, React, ReactedEvent,
    ReactionKey, ReactionName, ReactionPayload, ReactionSettings, Slot,
};
use seeded_rng::Rng;

/// One reaction.
#[derive(Clone, Debug)]
pub struct Reaction {
    pub name: String,
    pub settings: ReactionSettings<'static>,
    /// The position that its last change took.
    pub version: u64,
    pub cursor: Cursor,
    /// How many tasks it has enqueued.
    pub tasks: u64,
}

/// A command about reactions, with text of its own.
#[derive(Clone, Debug)]
pub enum ReactionAsk {
    Put(PutReaction<'static>),
    Delete(String),
    React(React<'static>),
}

impl ReactionAsk {
    pub(crate) fn of(command: &Command<'_>) -> Option<Self> {
        Some(match command {
            Command::PutReaction(put) => Self::Put(PutReaction {
                reaction: put.reaction.clone().into_owned(),
                settings: put.settings.clone().into_owned(),
                from: put.from,
            }),
            Command::DeleteReaction(delete) => Self::Delete(delete.reaction.to_string()),
            Command::React(react) => Self::React(owned(react)),
            _ => return None,
        })
    }
}

fn owned(react: &React<'_>) -> React<'static> {
    let event = |event: &ReactedEvent<'_>| ReactedEvent {
        cursor: event.cursor,
        stream: event.stream.to_string().into(),
        envelope: event.envelope.to_vec().into(),
    };
    React {
        reaction: react.reaction.clone().into_owned(),
        version: react.version,
        after: react.after,
        until: react.until,
        events: react.events.iter().map(event).collect(),
    }
}

impl Simple {
    pub(crate) fn ask_reaction(&mut self, ask: &ReactionAsk) -> SimpleOutcome {
        self.queues.begin_entry();
        match ask {
            ReactionAsk::Put(put) => self.put_reaction(put),
            ReactionAsk::Delete(name) => {
                let before = self.reactions.len();
                self.reactions.retain(|reaction| reaction.name != *name);
                SimpleOutcome::ReactionDeleted(self.reactions.len() < before)
            }
            ReactionAsk::React(react) => self.react(react),
        }
    }

    fn put_reaction(&mut self, put: &PutReaction<'static>) -> SimpleOutcome {
        let name = put.reaction.to_string();
        if let Some(at) = self.reactions.iter().position(|reaction| reaction.name == name) {
            if self.reactions[at].settings != put.settings {
                self.reactions[at].version = self.take_position();
                self.reactions[at].settings = put.settings.clone();
            }
            return SimpleOutcome::ReactionPut(self.reactions[at].cursor);
        }
        if let Some(from) = put.from
            && from.position.0 > self.last
        {
            return SimpleOutcome::CursorBeyondEnd(self.last);
        }
        if self.reactions.len() as u64 == REACTIONS_MAX {
            return SimpleOutcome::TooManyReactions;
        }
        let version = self.take_position();
        let cursor = put.from.unwrap_or(Cursor::new(Position(version), Slot(u16::MAX)));
        self.reactions.push(Reaction { name, settings: put.settings.clone(), version, cursor, tasks: 0 });
        SimpleOutcome::ReactionPut(cursor)
    }

    fn react(&mut self, react: &React<'static>) -> SimpleOutcome {
        let known = self.reactions.iter().position(|reaction| {
            reaction.name == react.reaction.as_str()
                && reaction.version == react.version.0
                && reaction.cursor == react.after
                && !reaction.settings.paused
        });
        let cursors: Vec<Cursor> = std::iter::once(react.after)
            .chain(react.events.iter().map(|event| event.cursor))
            .chain(react.events.is_empty().then_some(react.until))
            .collect();
        let goes_on = cursors.windows(2).all(|pair| pair[0] < pair[1])
            && cursors.iter().all(|cursor| *cursor <= react.until)
            && react.until.position.0 <= self.last;
        let Some(at) = known.filter(|_| goes_on) else { return SimpleOutcome::ReactionMoved };
        let settings = self.reactions[at].settings.clone();
        let queue = self.queues.number(settings.queue.as_str());
        let (mut tasks, mut cursor) = (0, react.after);
        for event in &react.events {
            match self.enqueue_for(queue, &react.reaction, event, &settings) {
                Some(EnqueuedTask::Added(_)) => tasks += 1,
                Some(_) => {}
                None => {
                    self.come_to(at, cursor, tasks);
                    return SimpleOutcome::Reacted(tasks, cursor);
                }
            }
            cursor = event.cursor;
        }
        self.come_to(at, react.until, tasks);
        SimpleOutcome::Reacted(tasks, react.until)
    }

    fn come_to(&mut self, at: usize, cursor: Cursor, tasks: u32) {
        self.reactions[at].cursor = cursor;
        self.reactions[at].tasks += u64::from(tasks);
    }

    /// Enqueues the task of one event, unless the queue has a task with its id. `None`: the queue is full.
    fn enqueue_for(
        &mut self,
        queue: usize,
        reaction: &ReactionName<'_>,
        event: &ReactedEvent<'_>,
        settings: &ReactionSettings<'_>,
    ) -> Option<EnqueuedTask> {
        let id = Some(format!("~{reaction}@{}", event.cursor));
        let state = &self.queues.all[queue];
        if let Some(twin) = state.tasks.iter().find(|task| task.sent.id == id) {
            return Some(EnqueuedTask::Replayed(Position(twin.position)));
        }
        let is_known = state.types.iter().any(|known| *known == *settings.task_type);
        if state.unfinished() >= state.settings.backlog_max
            || !is_known && state.types.len() >= QUEUE_TYPES_MAX
        {
            return None;
        }
        self.queues.make(queue);
        let key = match &settings.key {
            ReactionKey::None => None,
            ReactionKey::Stream => Some(event.stream.to_string()),
            ReactionKey::Fixed(key) => Some(key.to_string()),
        };
        let sent = NewTask {
            id,
            content: u128::from(event.cursor.position.0) << 16 | u128::from(event.cursor.slot.0),
            task_type: settings.task_type.to_string(),
            run_after: None,
            priority: settings.priority,
            key,
            claim_ms: None,
            retry: None,
            envelope: event.envelope.to_vec(),
            unique: None,
            deadline: None,
            give_up: GiveUp::default(),
            fair: None,
        };
        Some(self.enqueue_one(queue, &sent))
    }
}

/// The names of reactions that are drawn.
pub const NAMES: [&str; 3] = ["welcome", "index-{7}", "żółw"];

/// A command that a client sends.
pub fn command(rng: &mut Rng, model: &Simple) -> Command<'static> {
    let reaction = name(rng.index(NAMES.len()));
    if rng.one_in(6) {
        return Command::DeleteReaction(DeleteReaction { reaction });
    }
    let events = model.streams.iter().flat_map(|stream| {
        stream.events.iter().map(|event| Cursor::new(Position(event.position), Slot(stream.slot)))
    });
    let events: Vec<Cursor> = events.collect();
    let from = match rng.below(8) {
        0..=3 => None,
        4 => Some(Cursor::new(Position(model.last + rng.below(3)), Slot(0))),
        5..=6 if !events.is_empty() => Some(rng.pick(&events)),
        _ => Some(Cursor::START),
    };
    Command::PutReaction(PutReaction { reaction, settings: settings(rng), from })
}

fn settings(rng: &mut Rng) -> ReactionSettings<'static> {
    let types = match rng.below(4) {
        0 => vec!["test.happened".into()],
        1 => (0..4).map(|_| format!("type-{}", rng.below(4)).into()).collect(),
        _ => Vec::new(),
    };
    ReactionSettings {
        prefix: rng.pick(&["", "", "", "cart", "p/", "own-", "shared-", "nobody"]).into(),
        types,
        queue: queue::draw::name(rng.index(queue::draw::NAMES.len())),
        task_type: rng.pick(&["send", "report"]).into(),
        key: match rng.below(3) {
            0 => ReactionKey::None,
            1 => ReactionKey::Stream,
            _ => ReactionKey::Fixed("key-1".into()),
        },
        priority: rng.pick(&[0, 5, 9]),
        payload: ReactionPayload::Event,
        paused: rng.one_in(6),
    }
}

/// A command that a node proposes, or one that comes too late or makes no sense. Its events need not exist.
pub fn own_command(rng: &mut Rng, model: &Simple) -> Command<'static> {
    let known = (!model.reactions.is_empty()).then(|| rng.index(model.reactions.len()));
    let (reaction, version, mut after) = match known.map(|at| &model.reactions[at]) {
        Some(known) => (ReactionName::new(known.name.clone()), known.version, known.cursor),
        None => (ReactionName::new(NAMES[0]), 5, Cursor::START),
    };
    let version = if rng.one_in(10) { version.saturating_sub(1) } else { version };
    if rng.one_in(10) {
        after.position.0 = after.position.0.saturating_sub(1);
    }
    let mut at = after;
    let mut events = Vec::new();
    for _ in 0..rng.below(5) {
        let gap = model.last.saturating_sub(at.position.0) / 3;
        at = Cursor::new(
            Position(at.position.0 + rng.below(gap.saturating_add(2)) + u64::from(!rng.one_in(40))),
            Slot(7),
        );
        events.push(ReactedEvent {
            cursor: at,
            stream: rng.pick(&draw::NAMES).into(),
            envelope: format!("\"event\":\"{at}\"").into_bytes().into(),
        });
    }
    let until =
        Cursor::new(Position(at.position.0.max(model.last.saturating_sub(rng.below(3)))), Slot(u16::MAX));
    let until = if rng.one_in(20) { Cursor::new(Position(model.last + 1), Slot(0)) } else { until };
    match reaction {
        Ok(reaction) => Command::React(React { reaction, version: Position(version), after, until, events }),
        Err(error) => unreachable!("{error}"),
    }
}

fn name(reaction: usize) -> ReactionName<'static> {
    match ReactionName::new(NAMES[reaction]) {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    }
}
