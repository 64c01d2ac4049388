//! One shard and one model, and the entries that both are given.

use crate::patchy::Patchy;
use crate::{reads, rows, schedules};
use model::{
    AdvanceSchedule, CatchUp, Command, Effect, Elapsed, EntryClock, Key, SlotRange, TaskDue, TaskState,
    Value, ViewError, Wall, limit_key_hash,
};
use reference_model::breaker;
use reference_model::queue::{Task, check, draw};
use reference_model::schedule::draw as ticks;
use reference_model::{Simple, draw as streams, reaction, token};
use seeded_rng::Rng;
use shard::{Agenda, Applied, Shard, ShardOptions};
use std::collections::BTreeMap;

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) model: Simple,
    shard: Shard,
    /// Makes the same decisions over a view that does not hold every key at first.
    patient: Shard,
    pub(crate) rows: BTreeMap<Key, Value>,
    agenda: Agenda,
    /// What could be claimed after the last entry.
    claimable: Claimable,
    pub(crate) commands: u64,
    pub(crate) abandoned: u64,
    /// Entries as they would be logged.
    pub(crate) log: Vec<Vec<u8>>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            model: Simple::to_draw_from(),
            shard: Shard::new(ShardOptions::default()),
            patient: Shard::new(ShardOptions { heads_max: 2, ..ShardOptions::default() }),
            rows: BTreeMap::new(),
            agenda: Agenda::new(SlotRange::ALL),
            claimable: Claimable::new(),
            commands: 0,
            abandoned: 0,
            log: Vec::new(),
        }
    }

    /// One random entry, and some reads. Most commands are about queues. The others take positions too.
    pub(crate) fn step(&mut self) {
        let (wall, elapsed) = draw::clocks(&mut self.rng, &self.model);
        let clock = EntryClock { wall: Wall(wall), elapsed: Elapsed(elapsed) };
        let count = if self.rng.one_in(10) { self.rng.below(12) } else { 1 + self.rng.below(3) };
        let commands: Vec<_> = (0..count).map(|_| self.draw()).collect();
        self.entry(clock, &commands);
        reads::compare(&mut self.rng, &self.model, &self.rows);
        reads::reactions(&self.model, &self.rows);
        reads::tokens(&self.model, &self.rows);
        self.nothing_due_is_forgotten();
    }

    fn draw(&mut self) -> Command<'static> {
        match self.rng.below(33) {
            31..=32 => token::command(&mut self.rng, &self.model),
            28..=30 => breaker::command(&mut self.rng, &self.model),
            20..=23 => ticks::command(&mut self.rng, &self.model),
            24..=27 => ticks::own_command(&mut self.rng, &self.model),
            0..=1 => streams::command(&mut self.rng, &self.model),
            2..=4 => draw::own_command(&mut self.rng, &self.model),
            5 => reaction::command(&mut self.rng, &self.model),
            6 => reaction::own_command(&mut self.rng, &self.model),
            _ => draw::command(&mut self.rng, &self.model),
        }
    }

    /// Gives an entry to both, and compares their outcomes.
    pub(crate) fn entry(&mut self, clock: EntryClock, commands: &[Command<'_>]) {
        self.commands += commands.len() as u64;
        let applied = self.apply(clock, commands);
        assert_eq!(applied.outcomes.len(), commands.len());
        let deaths = self.model.queues.deaths;
        self.model.begin_entry(clock.wall.0, clock.elapsed.0);
        for (command, outcome) in commands.iter().zip(&applied.outcomes) {
            let ask = self.model.ask_of(command);
            let ours = self.model.ask(&ask);
            assert!(ours.is(outcome), "{outcome:?} instead of {ours:?} for {command:?}");
            check::all(&self.model).unwrap();
        }
        self.claimable_tasks_are_announced(&applied);
        assert_eq!(died(&applied), self.model.queues.deaths - deaths, "every dead letter is announced once");
        self.finished_tasks_are_told(&applied);
        let kinds = rows::Kinds::of(&self.rows);
        rows::compare(&self.model, &kinds);
        schedules::compare(&self.model, &self.rows, &kinds);
    }

    /// Applies the entry as it would be logged, in two ways, and commits it.
    fn apply(&mut self, clock: EntryClock, commands: &[Command<'_>]) -> Applied {
        let mut logged = Vec::new();
        format::entry::encode(shard::BEHAVIOUR, clock, commands, &mut logged);
        let entry = format::entry::decode(&logged).unwrap();
        let applied = self.shard.apply(&entry, &self.rows).unwrap();
        let patchy = Patchy::new(&self.rows, self.rng.next_u64());
        let again = loop {
            match self.patient.apply(&entry, &patchy) {
                Ok(again) => break again,
                Err(ViewError::Absent(_)) => self.abandoned += 1,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(applied, again);
        assert!(
            applied.writes.0.windows(2).all(|pair| pair[0].0 < pair[1].0),
            "sorted, with one write for each key"
        );
        applied.writes.change(&mut self.rows);
        self.agenda.note(&applied.effects);
        self.log.push(logged);
        applied
    }

    /// The stream of finished tasks gets one event for each of them, in order.
    fn finished_tasks_are_told(&self, applied: &Applied) {
        let mut told = Vec::new();
        let mut rest = &applied.bodies[..];
        while !rest.is_empty() {
            let (record, len) = format::body::decode(rest).unwrap();
            rest = &rest[len..];
            if record.stream == draw::EVENTS {
                let text = std::str::from_utf8(record.envelope).unwrap();
                told.push((record.position.0, record.revision.0, limit_key_hash(text).rotate_left(1) >> 48));
            }
        }
        let stream = self.model.streams.iter().position(|stream| stream.name == draw::EVENTS);
        let ours = self.model.appended.iter().filter(|(of, _)| Some(*of) == stream);
        let ours: Vec<_> = ours
            .map(|(of, revision)| {
                let event = self.model.streams[*of].events[*revision as usize];
                (event.position, *revision, event.sent.content)
            })
            .collect();
        assert_eq!(told, ours);
    }

    /// A claim that waits for tasks of a type hears of it when more of them can be claimed than before.
    fn claimable_tasks_are_announced(&mut self, applied: &Applied) {
        let before = std::mem::replace(&mut self.claimable, claimable(&self.model));
        for (of, now) in &self.claimable {
            let more = now.saturating_sub(before.get(of).copied().unwrap_or(0));
            let announced = applied.effects.iter().map(|effect| match effect {
                Effect::TasksReady { queue, task_type, tasks }
                    if (queue.as_str(), &task_type[..]) == (&of.0[..], &of.1[..]) =>
                {
                    *tasks
                }
                _ => 0,
            });
            let announced: u32 = announced.sum();
            assert!(announced >= more, "{announced} instead of {more} more tasks of {of:?} were announced");
        }
    }

    /// The agenda, and one that has just searched the rows, know of everything that is due.
    fn nothing_due_is_forgotten(&self) {
        let mut found = Agenda::new(SlotRange::ALL);
        found.search(&self.rows, usize::MAX).unwrap();
        let tasks = || self.model.queues.all.iter().flat_map(|queue| &queue.tasks).filter_map(Task::due);
        for next in [self.agenda.next(), found.next()] {
            for schedule in &self.model.schedules {
                if let Some(due) = self.model.schedule_due(schedule) {
                    let is_known = next.wall.is_some_and(|next| next.0 <= due);
                    assert!(is_known, "{schedule:?} is missing in {next:?}");
                }
            }
            for due in tasks() {
                let is_known = match due {
                    TaskDue::Wall(wall) => next.wall.is_some_and(|next| next <= wall),
                    TaskDue::Elapsed(elapsed) => next.elapsed.is_some_and(|next| next <= elapsed),
                };
                assert!(is_known, "{due:?} is missing in {next:?}");
            }
        }
    }

    /// Does everything that is due now.
    pub(crate) fn drain(&mut self) {
        let clock = EntryClock { wall: Wall(self.model.wall), elapsed: Elapsed(self.model.elapsed) };
        if self.rng.one_in(2) {
            // As after a start.
            self.agenda = Agenda::new(SlotRange::ALL);
            while self.agenda.is_searching() {
                self.agenda.search(&self.rows, 3).unwrap();
            }
        }
        let mut steps = 0;
        loop {
            let mut commands = Vec::new();
            self.agenda.due(&self.rows, clock, &mut commands).unwrap();
            self.due_schedules(clock.wall, &mut commands);
            if commands.is_empty() {
                break;
            }
            steps += 1;
            assert!(steps < 1_000, "due work must come to an end");
            self.entry(clock, &commands);
        }
        for task in self.model.queues.all.iter().flat_map(|queue| &queue.tasks) {
            let is_due = task.due().is_some_and(|due| match due {
                TaskDue::Wall(wall) => wall <= clock.wall,
                TaskDue::Elapsed(elapsed) => elapsed <= clock.elapsed,
            });
            assert!(!is_due, "{task:?} is due, and nothing is proposed");
        }
        for schedule in &self.model.schedules {
            let due = self.model.schedule_due(schedule);
            assert!(due.is_none_or(|due| due > clock.wall.0), "{schedule:?} is due, and nothing is proposed");
        }
    }

    /// What the node would propose for the schedules that are due.
    fn due_schedules(&mut self, now: Wall, commands: &mut Vec<Command<'static>>) {
        let mut due = Vec::new();
        self.agenda.due_schedules(&self.rows, now, 3, &mut due).unwrap();
        for due in due {
            let Some(at) = self.model.schedule(due.schedule.as_str()) else { continue };
            let step = ticks::step(&self.model.schedules[at], CatchUp::One, now.0);
            let (schedule, generation) = (due.schedule, due.generation);
            commands.push(Command::AdvanceSchedule(AdvanceSchedule { schedule, generation, step }));
        }
    }
}

/// How many tasks have become dead letters, as the node hears.
fn died(applied: &Applied) -> u32 {
    let died = applied.effects.iter().map(|effect| match effect {
        Effect::TasksDied { tasks } => *tasks,
        _ => 0,
    });
    died.sum()
}

/// How many tasks can be claimed, by queue and type.
type Claimable = BTreeMap<(String, String), u32>;

fn claimable(model: &Simple) -> Claimable {
    let mut counts = Claimable::new();
    for queue in model.queues.all.iter().filter(|queue| !queue.settings.paused) {
        for task in queue.tasks.iter().filter(|task| queue.shown_state(task) == TaskState::Ready) {
            *counts.entry((queue.name.clone(), task.sent.task_type.clone())).or_default() += 1;
        }
        for (_, count) in counts.iter_mut().filter(|((name, _), _)| *name == queue.name) {
            *count = (*count).min(queue.free());
        }
    }
    counts
}
