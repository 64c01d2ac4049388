//! What must be true, according to `reference-model`. It is given the entries that the node hands to its log, and
//! applies each one when the node says that it has applied it.
//!
//! A crash may lose entries that were not applied yet. The next start then logs others in their place, and the
//! lost ones are forgotten. No other choice is left open: once an entry is applied, its outcomes must be those of
//! the model, and so must everything that readers see.

use crate::checkers::{reactions, schedules};
use crate::clients::waits_for_tasks;
use crate::content::{ORDERLY_TYPE, content_of};
use format::body::BodyRecord;
use model::{Command, Cursor, Index, Outcome, Position, ReactionSettings, Revision, Slot};
use reference_model::{Event, Simple, SimpleOutcome, Stream, draw, queue};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// An entry of the log, and where it is.
pub type LoggedEntry = (Index, Rc<[u8]>);

/// An event that must be visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    pub cursor: Cursor,
    /// The number of its stream in the model.
    pub stream: usize,
    pub revision: Revision,
    pub event: Event,
}

/// The outcome that a client's command must have.
#[derive(Debug)]
struct Expected {
    entry: Rc<[u8]>,
    command: usize,
    outcome: SimpleOutcome,
}

#[derive(Debug)]
pub struct Reference {
    model: Simple,
    /// Entries that were handed to the log and are not applied.
    logged: BTreeMap<Index, Rc<[u8]>>,
    applied: Index,
    /// The last of them that has commands.
    changed: Index,
    /// In the order of the log.
    expected: VecDeque<Expected>,
    last_event: Cursor,
}

impl Default for Reference {
    fn default() -> Self {
        Self {
            model: Simple::to_draw_from(),
            logged: BTreeMap::new(),
            applied: Index(0),
            changed: Index(0),
            expected: VecDeque::new(),
            last_event: Cursor::START,
        }
    }
}

impl Reference {
    #[must_use]
    pub fn model(&self) -> &Simple {
        &self.model
    }

    /// The last event that was ever appended.
    #[must_use]
    pub fn last_event(&self) -> Cursor {
        self.last_event
    }

    /// The node hands these records to its log.
    ///
    /// # Errors
    /// They replace an entry that was applied.
    pub fn log(&mut self, records: &[u8]) -> Result<(), String> {
        for (index, bytes) in entries_of(records)? {
            if index <= self.applied {
                return Err(format!("entry {index} was applied, and now another one is logged in its place"));
            }
            self.logged.split_off(&index);
            self.logged.insert(index, bytes);
        }
        Ok(())
    }

    /// The process has ended, so nobody waits for an outcome.
    pub fn ended(&mut self) {
        self.expected.clear();
    }

    /// The node has applied every entry up to this one.
    ///
    /// # Errors
    /// It was never logged, or is not the next one.
    pub fn apply_through(&mut self, through: Index) -> Result<(), String> {
        // A state may lag by entries that change nothing: the first ones of a leader's term.
        if through < self.changed {
            return Err(format!("after entry {}, readers see the state of entry {through}", self.changed));
        }
        while self.applied < through {
            let Some((index, bytes)) = self.logged.pop_first() else {
                return Err(format!("entry {through} was applied, but never logged"));
            };
            if self.applied != Index(0) && index != Index(self.applied.0 + 1) {
                return Err(format!("entry {index} follows entry {}", self.applied));
            }
            self.applied = index;
            if !bytes.is_empty() {
                self.changed = index;
                self.apply(&bytes)?;
            }
        }
        Ok(())
    }

    fn apply(&mut self, bytes: &Rc<[u8]>) -> Result<(), String> {
        let entry = decode(bytes)?;
        self.model.begin_entry(entry.wall.0, entry.elapsed.0);
        for (command, asked) in entry.commands.iter().enumerate() {
            schedules::proposed(asked, &self.model)?;
            let ask = self.model.ask_of(asked);
            let settings = self.settings_of(asked);
            let outcome = self.model.ask(&ask);
            if let (Command::React(react), SimpleOutcome::Reacted(..), Some(settings)) =
                (asked, &outcome, settings)
            {
                reactions::check(react, &settings, self)?;
            }
            if is_clients(asked) && !goes_on_waiting(asked, &outcome) {
                self.expected.push_back(Expected { entry: Rc::clone(bytes), command, outcome });
            }
        }
        let cursor = |(stream, revision): &(usize, u64)| {
            let stream = &self.model.streams[*stream];
            Cursor::new(Position(stream.events[*revision as usize].position), Slot(stream.slot))
        };
        self.last_event = self.model.appended.iter().map(cursor).max().unwrap_or(self.last_event);
        Ok(())
    }

    /// The settings of the reaction that a command moves.
    fn settings_of(&self, command: &Command<'_>) -> Option<ReactionSettings<'static>> {
        let Command::React(react) = command else { return None };
        let known = self.model.reactions.iter().find(|known| known.name == react.reaction.as_str());
        known.map(|known| known.settings.clone())
    }

    /// A client has received an outcome.
    ///
    /// # Errors
    /// It is not that of the model, or is about another command.
    pub fn outcome(&mut self, command: &Command<'_>, outcome: &Outcome) -> Result<(), String> {
        let Some(expected) = self.expected.pop_front() else {
            return Err(format!("{outcome:?} arrived before its entry was applied: {command:?}"));
        };
        let entry = decode(&expected.entry)?;
        if entry.commands.get(expected.command) != Some(command) {
            return Err(format!("{:?} was logged for {command:?}", entry.commands.get(expected.command)));
        }
        if SimpleOutcome::from(outcome) != expected.outcome {
            return Err(format!("{outcome:?} instead of {:?} for {command:?}", expected.outcome));
        }
        Ok(())
    }

    /// The first `limit` events after a cursor that must be visible, in order.
    #[must_use]
    pub fn kept(&self, after: Cursor, limit: usize) -> Vec<Kept> {
        let mut found: Vec<(Cursor, usize, usize)> = Vec::new();
        for (number, stream) in self.model.streams.iter().enumerate() {
            let first = first_after(stream, after);
            let events = stream.events.iter().enumerate().skip(first).take(limit);
            found.extend(events.map(|(at, event)| (cursor_of(stream, event), number, at)));
        }
        if limit < found.len() {
            found.select_nth_unstable(limit);
            found.truncate(limit);
        }
        found.sort_unstable();
        found.into_iter().map(|(_, number, at)| self.event(number, at)).collect()
    }

    /// The events of one stream from a revision on that must be visible.
    pub fn kept_of(&self, number: usize, from: Revision) -> impl Iterator<Item = Kept> {
        let stream = &self.model.streams[number];
        let first = stream.removed.max(usize::try_from(from.0).unwrap_or(usize::MAX));
        (first..stream.events.len()).map(move |at| self.event(number, at))
    }

    fn event(&self, stream: usize, at: usize) -> Kept {
        let (of, revision) = (&self.model.streams[stream], Revision(at as u64));
        Kept { cursor: cursor_of(of, &of.events[at]), stream, revision, event: of.events[at] }
    }

    /// The number of a stream that was mentioned before.
    #[must_use]
    pub fn number_of(&self, stream: &str) -> Option<usize> {
        self.model.streams.iter().position(|known| known.name == stream)
    }

    /// The type of an event.
    #[must_use]
    pub fn event_type(&self, kept: &Kept) -> String {
        if is_drawn(&self.model.streams[kept.stream].name) {
            draw::event_type(&kept.event.sent)
        } else {
            let told = self.model.queues.told.get(&kept.event.position);
            told.cloned().unwrap_or_else(|| ORDERLY_TYPE.to_owned())
        }
    }

    /// Whether an event that was kept is still kept.
    #[must_use]
    pub fn is_kept(&self, kept: &Kept) -> bool {
        kept.revision.0 >= self.model.streams[kept.stream].removed as u64
    }

    /// Whether a stored event is the one that it must be.
    #[must_use]
    pub fn is_same(&self, kept: &Kept, record: &BodyRecord<'_>) -> bool {
        let name = &self.model.streams[kept.stream].name;
        record.cursor() == kept.cursor
            && record.stream == name
            && record.revision == kept.revision
            && self.has_text(kept, record.envelope)
    }

    /// Whether this is the text of the event.
    #[must_use]
    pub fn has_text(&self, kept: &Kept, text: &[u8]) -> bool {
        if is_drawn(&self.model.streams[kept.stream].name) {
            draw::envelope(&kept.event.sent) == text
        } else {
            content_of(text) == kept.event.sent.content
        }
    }
}

fn cursor_of(stream: &Stream, event: &Event) -> Cursor {
    Cursor::new(Position(event.position), Slot(stream.slot))
}

/// The first kept event after a cursor.
fn first_after(stream: &Stream, after: Cursor) -> usize {
    stream.events.partition_point(|event| cursor_of(stream, event) <= after).max(stream.removed)
}

/// Whether clients of drawn commands write to this stream.
#[must_use]
pub fn is_drawn(stream: &str) -> bool {
    draw::NAMES.contains(&stream)
}

/// Whether orderly clients append to this stream. Queues tell one stream what has become of tasks, and a dead letter that
/// is put back may end twice in the same way. Another one tells what administrators did.
#[must_use]
pub fn is_of_clients(stream: &str) -> bool {
    !is_drawn(stream) && stream != queue::draw::EVENTS && stream != model::AUDIT_STREAM
}

/// Whether a claim is granted nothing, and its client is not told, because it waits.
fn goes_on_waiting(command: &Command<'_>, outcome: &SimpleOutcome) -> bool {
    let SimpleOutcome::Claimed(claimed) = outcome else { return false };
    claimed.tasks.is_empty() && matches!(command, Command::Claim(claim) if waits_for_tasks(claim))
}

/// Whether a client sends such a command.
#[must_use]
pub fn is_clients(command: &Command<'_>) -> bool {
    !matches!(
        command,
        Command::ExpireEvents(_)
            | Command::CleanUp(_)
            | Command::ExpireRecords(_)
            | Command::AdvanceTasks(_)
            | Command::AdvanceLimits(_)
            | Command::AdvanceSchedule(_)
            | Command::ExpireLeases(_)
            | Command::ExpireExecutions(_)
            | Command::React(_)
    )
}

fn decode(bytes: &[u8]) -> Result<model::Entry<'_>, String> {
    format::entry::decode(bytes).map_err(|error| format!("an entry of the log cannot be decoded: {error}"))
}

/// The entries in records of the log.
///
/// # Errors
/// The records cannot be decoded.
pub fn entries_of(records: &[u8]) -> Result<Vec<LoggedEntry>, String> {
    let mut entries = Vec::new();
    for group in format::frame::decode_groups(records) {
        for entry in group.map_err(|error| error.to_string())?.entries {
            let entry = entry.map_err(|error| error.to_string())?;
            entries.push((entry.index, Rc::from(entry.bytes)));
        }
    }
    Ok(entries)
}
