//! Clients. Each sends one command at a time.
//!
//! An orderly client ([`Client`]) sends commands that must succeed, and retries each until it has an outcome. Now
//! and then it repeats a command that was acknowledged long ago. What it knows is enough to check that nothing is
//! lost and nothing happens twice, without the reference model.
//!
//! Another client ([`DrawnClient`]) sends commands whose arguments are drawn independently: wrong revisions, ids
//! and keys that other requests have used, transactions that cannot succeed, settings, deletions. Or it enqueues,
//! claims and settles tasks, often those of other workers, or too late, and puts, fires, pauses and deletes schedules.
//! Only the model knows what must come of them.

use crate::content::{ORDERLY_TYPE, fingerprint_of};
use crate::ledger::{Acknowledged, Ledger, events_of};
use model::{
    Append, Appended, Check, Claim, Command, ControlSchedule, DeleteSchedule, DeleteStream, Expected, Filled,
    Fingerprint, IdHash, Identity, KeyHash, KeyId, Keyed, NewEvent, Outcome, PutSettings, Revision,
    ScheduleAction, ScheduleName, Settings, Slot, StreamName, Transaction, Write, Written,
};
use reference_model::schedule::Schedule;
use reference_model::{Simple, draw, queue, reaction, schedule, token};
use seeded_rng::Rng;
use std::borrow::Cow;
use xxhash_rust::xxh3::xxh3_128;

/// How many commands each client may repeat.
const REMEMBERED_MAX: usize = 32;
/// The units of the intervals of schedules. Those of the last one tick a few times in the quiet time of a run.
const TICK_UNITS_MS: [u64; 3] = [10, 50, 1_000];
/// A schedule whose interval is shorter must be stopped for the quiet time, because it would take long to simulate.
const RESTLESS_MS: u64 = 7_000;
/// How many events a trimmed stream keeps.
const TRIMMED_COUNT: u64 = 5;

/// One client.
#[derive(Debug)]
pub struct Client {
    pub number: u64,
    made: u64,
    keys: Keys,
    /// The command whose outcome it waits for, and whether that command was sent before.
    pending: Option<(Command<'static>, Sent)>,
    remembered: Vec<Command<'static>>,
}

/// Whether an orderly client uses idempotency keys. It cannot where they may expire before it retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    Used,
    Unused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    First,
    /// It may have been applied, but no outcome arrived.
    Retried,
    /// It was acknowledged, so the outcome must be a replay.
    Repeated,
}

impl Client {
    #[must_use]
    pub fn new(number: u64, keys: Keys) -> Self {
        Self { number, made: 0, keys, pending: None, remembered: Vec::new() }
    }

    /// The command to send now. It is the previous one if that has no outcome yet.
    pub fn send(&mut self, rng: &mut Rng, ledger: &mut Ledger) -> Command<'static> {
        if let Some((command, sent)) = &mut self.pending {
            if *sent == Sent::First {
                *sent = Sent::Retried;
            }
            return command.clone();
        }
        let (command, sent) = match rng.below(6) {
            0 if !self.remembered.is_empty() => {
                let which = rng.below(self.remembered.len() as u64) as usize;
                (self.remembered[which].clone(), Sent::Repeated)
            }
            _ => (self.invent(rng, ledger), Sent::First),
        };
        if sent == Sent::First {
            ledger.asked(self.number, &command);
        }
        self.pending = Some((command.clone(), sent));
        command
    }

    /// # Errors
    /// The outcome contradicts a promise.
    pub fn receive(&mut self, outcome: &Outcome, ledger: &mut Ledger) -> Result<(), String> {
        let (command, sent) = self.pending.take().ok_or("an outcome that no client waits for")?;
        ledger.answered(self.number);
        let writes: Vec<&Appended> = match outcome {
            Outcome::Appended(appended) => vec![appended],
            Outcome::Transacted { writes, .. } => writes.iter().filter_map(Written::appended).collect(),
            Outcome::SettingsPut | Outcome::StreamDeleted { .. } => vec![],
            // The only writer of a stream knows its revision, so no command is refused.
            other => return Err(format!("client {} got {other:?} to {command:?}", self.number)),
        };
        let appended: Vec<_> = writes.iter().flat_map(|appended| &appended.events).collect();
        let events = if appended.is_empty() { Vec::new() } else { events_of(&command) };
        if events.len() != appended.len() {
            return Err(format!(
                "client {} appended {} events and got {} revisions",
                self.number,
                events.len(),
                appended.len()
            ));
        }
        let replayed = appended.iter().filter(|event| event.replayed).count();
        let whole = replayed == 0 || replayed == appended.len();
        if !whole
            || (sent == Sent::First && replayed > 0)
            || (sent == Sent::Repeated && replayed < appended.len())
        {
            return Err(format!(
                "client {}: {replayed} of {} events were replayed, {sent:?}: {command:?}",
                self.number,
                appended.len()
            ));
        }
        for ((stream, text), event) in events.iter().zip(appended) {
            ledger.acknowledge(
                stream,
                text,
                Acknowledged { revision: event.revision, position: event.position },
            )?;
        }
        ledger.acknowledgements += 1;
        ledger.replays += u64::from(replayed > 0);
        if sent != Sent::Repeated && self.may_be_repeated(&command, ledger) {
            if self.remembered.len() == REMEMBERED_MAX {
                self.remembered.remove(0);
            }
            self.remembered.push(command);
        }
        Ok(())
    }

    #[must_use]
    pub fn waits(&self) -> bool {
        self.pending.is_some()
    }

    /// The command whose outcome it waits for.
    #[must_use]
    pub fn pending(&self) -> Option<&Command<'static>> {
        self.pending.as_ref().map(|(command, _)| command)
    }

    fn may_be_repeated(&self, command: &Command<'_>, ledger: &Ledger) -> bool {
        let events = events_of(command);
        !events.is_empty()
            && events.iter().all(|(stream, text)| {
                !ledger.removable.contains(stream)
                    && ledger.acknowledged.get(stream).is_some_and(|events| events.contains_key(text))
            })
    }

    fn invent(&mut self, rng: &mut Rng, ledger: &mut Ledger) -> Command<'static> {
        let own = format!("own-{}-{}", self.number, rng.below(3));
        let shared = format!("shared-{}", rng.below(3));
        match rng.below(12) {
            0..=3 => Command::Append(self.append(rng, &own, self.expected(&own, ledger), Ids::Client)),
            4..=5 => Command::Append(self.append(rng, &shared, Expected::Any, Ids::Client)),
            6..=7 if self.keys == Keys::Used => {
                let mut append = self.append(rng, &shared, Expected::Any, Ids::Server);
                append.keyed = Some(self.keyed(&shared));
                Command::Append(append)
            }
            6..=9 => {
                let check = Check::Stream { stream: name(&own), expected: self.expected(&own, ledger) };
                let writes = vec![
                    Write::Append(self.append(rng, &own, Expected::Any, Ids::Client)),
                    Write::Append(self.append(rng, &shared, Expected::Any, Ids::Client)),
                ];
                Command::Transaction(Transaction { keyed: None, checks: vec![check], writes })
            }
            10 => self.trim(rng, ledger),
            _ => self.delete(rng, ledger),
        }
    }

    /// Appends to a stream that keeps few events, or first sets it to keep few.
    fn trim(&mut self, rng: &mut Rng, ledger: &mut Ledger) -> Command<'static> {
        let stream = format!("trimmed-{}", self.number);
        if ledger.removable.insert(stream.clone()) {
            let settings = Settings { max_count: Some(TRIMMED_COUNT), ..Settings::default() };
            return Command::PutSettings(PutSettings { stream: name(&stream), settings });
        }
        Command::Append(self.append(rng, &stream, Expected::Any, Ids::Client))
    }

    /// Appends to a stream that is deleted now and then, or deletes it.
    fn delete(&mut self, rng: &mut Rng, ledger: &mut Ledger) -> Command<'static> {
        let stream = format!("deleted-{}", self.number);
        ledger.removable.insert(stream.clone());
        if rng.one_in(3) {
            return Command::DeleteStream(DeleteStream { stream: name(&stream), expected: Expected::Any });
        }
        Command::Append(self.append(rng, &stream, Expected::Any, Ids::Client))
    }

    /// The revision that the only writer of a stream expects it to have.
    fn expected(&self, stream: &str, ledger: &Ledger) -> Expected {
        let events = ledger.acknowledged.get(stream);
        let last = events.and_then(|events| events.values().map(|event| event.revision).max());
        last.map_or(Expected::None, Expected::Revision)
    }

    fn append(&mut self, rng: &mut Rng, stream: &str, expected: Expected, ids: Ids) -> Append<'static> {
        let events = (0..rng.between(1, 3)).map(|_| self.event(rng, ids)).collect();
        Append { keyed: None, stream: name(stream), expected, events }
    }

    fn event(&mut self, rng: &mut Rng, ids: Ids) -> NewEvent<'static> {
        self.made += 1;
        let padding = "x".repeat(rng.below(600) as usize);
        let envelope = format!("{{\"event\":\"{}-{}\",\"data\":\"{padding}\"}}", self.number, self.made);
        let hash = xxh3_128(envelope.as_bytes());
        let (identity, filled) = match ids {
            Ids::Client => (Identity::Client(IdHash(hash)), Filled::default()),
            Ids::Server => (Identity::Server, Filled::ID),
        };
        NewEvent {
            identity,
            fingerprint: fingerprint_of(envelope.as_bytes()),
            filled,
            event_type: Cow::Borrowed(ORDERLY_TYPE),
            key_id: KeyId::NONE,
            envelope: Cow::Owned(envelope.into_bytes()),
        }
    }

    fn keyed(&mut self, stream: &str) -> Keyed {
        self.made += 1;
        let key = xxh3_128(format!("{}-{}", self.number, self.made).as_bytes());
        Keyed { key: KeyHash(key), fingerprint: Fingerprint(key ^ 1), slot: slot(stream) }
    }
}

/// What the commands of a client are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draws {
    Streams,
    Queues,
    Reactions,
}

/// Whether the client of this claim waits until it is granted tasks. The others get an outcome at once.
#[must_use]
pub fn waits_for_tasks(claim: &Claim<'_>) -> bool {
    claim.worker.ends_with("/7") && claim.tasks_max > 0
}

/// A client whose commands are drawn.
#[derive(Debug)]
pub struct DrawnClient {
    draws: Draws,
    /// The command that it sent last, which it may send again.
    last: Option<Command<'static>>,
}

impl DrawnClient {
    #[must_use]
    pub fn new(draws: Draws) -> Self {
        Self { draws, last: None }
    }

    /// The command to send now: the last one again, whether it has an outcome or not, or another one.
    pub fn send(&mut self, rng: &mut Rng, model: &Simple) -> Command<'static> {
        let again = self.last.take().filter(|_| rng.one_in(4));
        let command = again.unwrap_or_else(|| match self.draws {
            Draws::Streams => draw::command(rng, model),
            Draws::Queues if rng.one_in(6) => {
                let unit_ms = rng.pick(&TICK_UNITS_MS);
                schedule::draw::command_with(rng, model, unit_ms)
            }
            Draws::Queues => queue::draw::command(rng, model),
            Draws::Reactions if rng.one_in(4) => token::command(rng, model),
            Draws::Reactions => reaction::command(rng, model),
        });
        self.last = Some(command.clone());
        command
    }

    /// After its last command, it stops the schedules whose ticks would keep the node busy. `None`: there are none, or
    /// it never puts any.
    pub fn stop_schedules(&mut self, rng: &mut Rng, model: &Simple) -> Option<Command<'static>> {
        let is_restless = |schedule: &&Schedule| {
            let ticks = schedule.paused.is_none() && schedule.happens().is_some();
            ticks && schedule.definition.every_ms < RESTLESS_MS
        };
        let found = model.schedules.iter().find(is_restless).filter(|_| self.draws == Draws::Queues)?;
        let schedule = schedule_name(&found.name);
        let command = if rng.one_in(4) {
            Command::DeleteSchedule(DeleteSchedule { schedule })
        } else {
            Command::ControlSchedule(ControlSchedule { keyed: None, schedule, action: ScheduleAction::Pause })
        };
        self.last = Some(command.clone());
        Some(command)
    }

    /// The command that it sent last.
    #[must_use]
    pub fn last(&self) -> Option<&Command<'static>> {
        self.last.as_ref()
    }
}

#[derive(Clone, Copy)]
enum Ids {
    Client,
    Server,
}

fn slot(stream: &str) -> Slot {
    model::slot_of(model::Namespace::ROOT, stream)
}

/// A stream name of the workload, which is always valid.
fn name(name: &str) -> StreamName<'static> {
    match StreamName::new(name.to_owned()) {
        Ok(name) => name,
        Err(error) => unreachable!("{name}: {error}"),
    }
}

/// The name of a schedule of the model, which is always valid.
fn schedule_name(name: &str) -> ScheduleName<'static> {
    match ScheduleName::new(name.to_owned()) {
        Ok(name) => name,
        Err(error) => unreachable!("{name}: {error}"),
    }
}

/// The lowest first revision that a trimmed stream with this last revision may have.
#[must_use]
pub fn first_kept(last: Revision) -> Revision {
    Revision((last.0 + 1).saturating_sub(TRIMMED_COUNT))
}
