//! Tables of cases that read like the rules: state before, command, outcome, state after.
//!
//! The state before is itself a list of commands, one on each line or separated by semicolons, each an entry
//! of its own:
//!
//! ```text
//! append cart a b=2 _ ~0    events named a and b (b with content 2), one for the server to name, and one
//!                           with the id that the server gave revision 0
//! append cart if 3 a        with an expected revision: a number, none, exists
//! check cart if none, append cart a, append order b          a transaction
//! key k append cart a       under the idempotency key k
//! keep cart count 2 age 5 from 3       settings: events, milliseconds, revision; or nothing
//! delete cart if 3
//! expire cart
//! clean cart 100            clean up at most this many rows in the slot of cart
//! forget cart 100           expire records: at most this many rows in the slot of cart
//! acquire lock by a ttl 9    also: wait 5, permits 2, hold 5
//! renew lock of a ttl 9      with the last token that a has had
//! release lock of a
//! withdraw lock of a         the last request of a, if it waits or holds the lease
//! hand lock 10               hand over expired leases: at most this many in the slot of lock
//! check lock held by a, append cart b      a transaction, with the last token that a has had
//! put flag if 3 on           write a value
//! check flag value 3, append cart b        a transaction, with a revision or none or exists
//! remove flag if 3           delete a value
//! begin pay by a of x        an execution with an owner and a fingerprint; also: ttl 9
//! complete pay with 201      with the last token of the key; "pay of a" with the last token of an owner
//! abandon pay                with the last token of the key
//! forget-key pay             as an operator
//! free pay 9                 remove keys whose time is over: at most this many in the slot of pay
//! check pay begun, append cart a           a transaction, with the last token of the key
//! wait 5                    let this many milliseconds pass
//! ```
//!
//! Outcomes are revisions, with `*` where replayed, or the reason for a refusal. State is the kept events as
//! revision and name, stream by stream; then leases with their holders and who waits; then values; then executions.

mod executions;
mod nouns;

use crate::heads::Head;
use crate::revisions::Revisions;
use crate::{Agenda, Applied, BEHAVIOUR, Deadlines, Shard, ShardOptions, query};
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::row::Author;
use model::{
    Append, Appended, Check, CleanUp, Command, Cursor, DeleteStream, Elapsed, Entry, EntryClock, Expected,
    ExpireEvents, ExpireRecords, Filled, Fingerprint, IdHash, Identity, Key, KeyDifference, KeyHash, KeyId,
    Keyed, Namespace, NewEvent, Order, Outcome, Position, PutSettings, Refusal, Revision, Settings, Slot,
    SlotRange, StreamName, Transaction, Value, Wall, Write, Written,
};
use nouns::{lease_name, value_name};

/// Before, command, outcome, after.
pub(crate) type Case = (&'static str, &'static str, &'static str, &'static str);

/// Checks each case on a store of its own.
#[track_caller]
pub(crate) fn check(cases: &[Case]) {
    for (before, command, outcome, after) in cases {
        let mut store = Store::default();
        store.run(before);
        assert_eq!(store.run(command), *outcome, "the outcome of {command:?} after {before:?}");
        assert_eq!(store.state(), *after, "the state after {command:?} after {before:?}");
    }
}

/// A shard and its state.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) shard: Shard,
    pub(crate) rows: BTreeMap<Key, Value>,
    pub(crate) wall: Wall,
    pub(crate) elapsed: Elapsed,
    pub(crate) agenda: Agenda,
    /// Commands that the agenda has given out and that are not applied yet.
    proposed: Vec<Command<'static>>,
    /// The last token of each holder, by lease and holder, and when it has asked for the lease.
    tokens: BTreeMap<(String, String), (Cursor, Position)>,
    /// The last token of each key and each owner of executions.
    execution_tokens: BTreeMap<String, Cursor>,
    /// The outcome of the last entry.
    pub(crate) applied: Applied,
    /// All bodies so far.
    pub(crate) bodies: Vec<u8>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            shard: Shard::new(ShardOptions::default()),
            rows: BTreeMap::new(),
            wall: Wall(1_000_000),
            elapsed: Elapsed(0),
            agenda: Agenda::new(SlotRange::ALL),
            proposed: Vec::new(),
            tokens: BTreeMap::new(),
            execution_tokens: BTreeMap::new(),
            applied: Applied::default(),
            bodies: Vec::new(),
        }
    }
}

/// Runs the lines of a script, which `;` divides, and returns the last one's outcome.
pub(crate) fn play(script: &str, mut line: impl FnMut(&str) -> String) -> String {
    let mut outcome = String::new();
    // Every line is run, not only the last one.
    for text in script.split(';').map(str::trim).filter(|line| !line.is_empty()) {
        outcome = line(text);
    }
    outcome
}

impl Store {
    /// Runs a list of commands and returns the last one's outcome.
    pub(crate) fn run(&mut self, script: &str) -> String {
        let mut outcome = String::new();
        for line in script.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(ms) = line.strip_prefix("wait ") {
                let ms: u64 = ms.parse().unwrap();
                self.wall.0 += ms;
                self.elapsed.0 += ms;
            } else {
                outcome = self.apply(self.command(line));
            }
        }
        outcome
    }

    pub(crate) fn apply(&mut self, command: Command<'_>) -> String {
        let commands = [command].to_vec();
        let entry = Entry { behaviour: BEHAVIOUR, wall: self.wall, elapsed: self.elapsed, commands };
        self.applied = self.shard.apply(&entry, &self.rows).unwrap();
        self.applied.writes.change(&mut self.rows);
        self.bodies.extend_from_slice(&self.applied.bodies);
        self.agenda.note(&self.applied.effects);
        self.learn_tokens();
        self.learn_execution_tokens();
        describe(&self.applied.outcomes[0])
    }

    fn command(&self, line: &str) -> Command<'static> {
        if let Some((key, request)) = line.strip_prefix("key ").and_then(|rest| rest.split_once(' ')) {
            let (content, precondition) = fingerprinted(request);
            let fingerprint = Fingerprint::of_request(hash(&content) as u64, hash(&precondition) as u64);
            let keyed = Some(Keyed { key: KeyHash(hash(key)), fingerprint, slot: Slot(1) });
            return match self.command(request) {
                Command::Append(append) => Command::Append(Append { keyed, ..append }),
                Command::Transaction(transaction) => {
                    Command::Transaction(Transaction { keyed, ..transaction })
                }
                other => panic!("{other:?} takes no key"),
            };
        }
        if line.contains(',') || line.starts_with("check ") {
            return Command::Transaction(self.transaction(line));
        }
        let (verb, rest) = line.split_once(' ').unwrap();
        if let Some(command) = self.lease_or_value(verb, rest) {
            return command;
        }
        if let Some(command) = self.execution_command(verb, rest) {
            return command;
        }
        match verb {
            "append" => Command::Append(self.append(rest)),
            "keep" => Command::PutSettings(settings(rest)),
            "delete" => {
                let (stream, expected, _) = target(rest);
                Command::DeleteStream(DeleteStream { stream, expected })
            }
            "expire" => Command::ExpireEvents(ExpireEvents { stream: name(rest) }),
            "clean" => {
                let (slot, rows_max) = slot_and_rows(rest);
                Command::CleanUp(CleanUp { slot, from: Position::ZERO, rows_max })
            }
            "forget" => {
                let (slot, rows_max) = slot_and_rows(rest);
                Command::ExpireRecords(ExpireRecords { slot, from: Elapsed(0), rows_max })
            }
            other => panic!("{other} is not a command"),
        }
    }

    fn transaction(&self, line: &str) -> Transaction<'static> {
        let mut transaction = Transaction { keyed: None, checks: Vec::new(), writes: Vec::new() };
        for part in line.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once(' ').unwrap() {
                ("check", rest) if rest.contains(" held by ") => {
                    let (lease, holder) = rest.split_once(" held by ").unwrap();
                    let (token, _) = self.token(lease, holder);
                    transaction.checks.push(Check::Lease { lease: lease_name(lease), token });
                }
                ("check", rest) if rest.contains(" value ") => {
                    let (value, expected) = rest.split_once(" value ").unwrap();
                    let expected = expectation(expected);
                    transaction.checks.push(Check::Value { value: value_name(value), expected });
                }
                ("check", rest) if rest.ends_with(" begun") => {
                    transaction.checks.push(self.check_begun(rest.trim_end_matches(" begun")));
                }
                ("check", rest) => {
                    let (stream, expected, _) = target(rest);
                    transaction.checks.push(Check::Stream { stream, expected });
                }
                ("append", rest) => transaction.writes.push(Write::Append(self.append(rest))),
                ("complete", rest) => {
                    transaction.writes.push(Write::CompleteExecution(self.complete(rest)));
                }
                other => panic!("{other:?} is not part of a transaction"),
            }
        }
        transaction
    }

    fn append(&self, text: &str) -> Append<'static> {
        let (stream, expected, events) = target(text);
        let events = events.iter().map(|event| self.event(&stream, event)).collect();
        Append { keyed: None, stream, expected, events }
    }

    fn event(&self, stream: &StreamName<'_>, text: &str) -> NewEvent<'static> {
        let (name, content) = text.split_once('=').unwrap_or((text, "1"));
        let content = u128::from(content.parse::<u32>().unwrap()) << 64;
        let identity = match (name, name.strip_prefix('~')) {
            ("_", _) => Identity::Server,
            (_, None) => Identity::Client(IdHash(hash(name))),
            (_, Some(revision)) => Identity::Echo {
                id: IdHash(hash(name)),
                cursor: self.cursor(stream, Revision(revision.parse().unwrap())),
            },
        };
        NewEvent {
            identity,
            fingerprint: Fingerprint::new(content, 0),
            filled: Filled::default(),
            event_type: Cow::Borrowed("type"),
            key_id: KeyId::NONE,
            envelope: Cow::Borrowed(b"{}"),
        }
    }

    fn cursor(&self, stream: &StreamName<'_>, revision: Revision) -> Cursor {
        let slot = stream.slot(Namespace::ROOT);
        let head = Head::load(&self.rows, slot, stream.as_str()).unwrap();
        let row = head.and_then(|head| head.kept(slot).row(&self.rows, revision).ok());
        Cursor::new(row.map_or(Position(99), |row| row.position), slot)
    }

    /// Every stream that has a row.
    pub(crate) fn state(&self) -> String {
        let mut described = Vec::new();
        for key in self.rows.keys() {
            let Ok(Some((slot, _, name))) = format::row::parse_stream_key(key) else { continue };
            let head = Head::load(&self.rows, slot, name.as_str()).unwrap().unwrap();
            let mut text = name.to_string();
            if head.row.deleted {
                text.push_str(" deleted");
            }
            let kept: Revisions = head.kept(slot);
            let visit = |revision: Revision, row: format::row::RevisionRow| {
                let name = match row.author {
                    Author::Server(_) => "_".to_string(),
                    Author::Client(IdHash(id)) => unhash(id),
                };
                text.push_str(&format!(" {revision}{name}"));
                ControlFlow::Continue(())
            };
            kept.scan(&self.rows, (kept.first, kept.next), Order::Ascending, visit).unwrap();
            if kept.is_empty() {
                text.push_str(&format!(" next {}", kept.next));
            }
            described.push(text);
        }
        described.sort();
        described.extend(self.leases());
        described.extend(self.values());
        described.extend(self.executions());
        described.join(", ")
    }

    /// The number of revision rows and dedup rows.
    pub(crate) fn rows_of_events(&self) -> usize {
        self.rows.keys().filter(|key| matches!(key[6], 2 | 3)).count()
    }

    pub(crate) fn entry_clock(&self) -> EntryClock {
        EntryClock { wall: self.wall, elapsed: self.elapsed }
    }

    /// The next command that the node would propose on its own.
    pub(crate) fn due(&mut self) -> Option<Command<'static>> {
        if self.proposed.is_empty() {
            self.agenda.due(&self.rows, self.entry_clock(), &mut self.proposed).unwrap();
        }
        self.proposed.pop()
    }

    /// Applies what the node would propose until nothing is due.
    pub(crate) fn do_what_is_due(&mut self) {
        while let Some(command) = self.due() {
            self.apply(command);
        }
    }

    /// The command of one line, without applying it.
    pub(crate) fn command_of(&self, line: &str) -> Command<'static> {
        self.command(line)
    }

    /// The timers that the state holds, whatever the agenda knows.
    pub(crate) fn timers(&self) -> Deadlines {
        let mut found = Agenda::new(SlotRange::ALL);
        found.search(&self.rows, usize::MAX).unwrap();
        found.next()
    }

    pub(crate) fn clock(&self) -> query::ShardClock {
        query::clock(&self.rows, SlotRange::ALL.first).unwrap()
    }
}

/// `cart if 3 a b`: the stream, the expected revision, the rest.
fn target(text: &str) -> (StreamName<'static>, Expected, Vec<&str>) {
    let mut words = text.split_whitespace();
    let stream = name(words.next().unwrap());
    let mut rest: Vec<_> = words.collect();
    let mut expected = Expected::Any;
    if rest.first() == Some(&"if") {
        expected = expectation(rest[1]);
        rest.drain(..2);
    }
    (stream, expected, rest)
}

fn expectation(text: &str) -> Expected {
    match text {
        "none" => Expected::None,
        "exists" => Expected::Exists,
        revision => Expected::Revision(Revision(revision.parse().unwrap())),
    }
}

fn slot_and_rows(text: &str) -> (Slot, u32) {
    let (stream, rows_max) = text.split_once(' ').unwrap();
    (name(stream).slot(Namespace::ROOT), rows_max.parse().unwrap())
}

fn settings(text: &str) -> PutSettings<'static> {
    let (stream, _, words) = target(text);
    let mut settings = Settings::default();
    for pair in words.chunks(2) {
        let number = pair[1].parse().unwrap();
        match pair[0] {
            "count" => settings.max_count = Some(number),
            "age" => settings.max_age_ms = Some(number),
            "from" => settings.truncate_before = Some(Revision(number)),
            other => panic!("{other} is not a setting"),
        }
    }
    PutSettings { stream, settings }
}

pub(crate) fn name(name: &str) -> StreamName<'static> {
    StreamName::new(name.to_string()).unwrap()
}

/// A short text is its own hash, so that names can be recovered from the state.
fn hash(text: &str) -> u128 {
    text.bytes().fold(0, |hash, byte| (hash << 8) | u128::from(byte))
}

fn unhash(hash: u128) -> String {
    let bytes: Vec<u8> = hash.to_be_bytes().into_iter().filter(|byte| *byte != 0).collect();
    String::from_utf8(bytes).unwrap()
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Appended(appended) => revisions(appended),
        Outcome::Transacted { replayed, writes } => {
            let describe = |written: &Written| match written {
                Written::Appended(appended) => revisions(appended),
                Written::ExecutionCompleted => "completed".to_string(),
                other => format!("{other:?}"),
            };
            let writes: Vec<_> = writes.iter().map(describe).collect();
            let again = if *replayed { " again" } else { "" };
            format!("done{again}: {}", writes.join(", "))
        }
        Outcome::SettingsPut => "kept".to_string(),
        Outcome::StreamDeleted { last: Some(last) } => format!("deleted up to {last}"),
        Outcome::StreamDeleted { last: None } => "nothing to delete".to_string(),
        Outcome::Progressed { more: true } => "more".to_string(),
        Outcome::Progressed { more: false } => "no more".to_string(),
        Outcome::LeaseGranted(granted) if granted.replayed => format!("had {}", granted.remaining_ms),
        Outcome::LeaseGranted(granted) => format!("granted {}", granted.remaining_ms),
        Outcome::LeaseAwaited { .. } => "waits".to_string(),
        Outcome::LeaseRenewed { remaining_ms } => format!("renewed {remaining_ms}"),
        Outcome::LeaseReleased => "released".to_string(),
        Outcome::LeaseWithdrawn => "withdrawn".to_string(),
        Outcome::ValuePut { revision, .. } => format!("written {revision}"),
        Outcome::ValueDeleted { last: Some(last) } => format!("removed {last}"),
        Outcome::ValueDeleted { last: None } => "nothing to remove".to_string(),
        Outcome::ExecutionBegun(begun) => executions::describe_begun(begun),
        Outcome::Refused(refusal) => describe_refusal(refusal),
        other => executions::describe_end(other).map_or_else(|| format!("{other:?}"), str::to_string),
    }
}

fn describe_refusal(refusal: &Refusal) -> String {
    match refusal {
        Refusal::WrongRevision { part, current: Some(current) } => format!("part {part} is at {current}"),
        Refusal::WrongRevision { part, current: None } => format!("part {part} has no stream"),
        Refusal::EventConflict { write, event, revision: Some(revision) } => {
            format!("event {event} of write {write} is not revision {revision}")
        }
        Refusal::EventConflict { write, event, revision: None } => {
            format!("event {event} of write {write} is twice in the request")
        }
        Refusal::KeyConflict { differs: KeyDifference::Content } => {
            "the key belongs to another request".to_string()
        }
        Refusal::KeyConflict { differs: KeyDifference::Precondition } => {
            "the key had another precondition".to_string()
        }
        Refusal::KeysFull => "keys full".to_string(),
        Refusal::TruncateBeyondEnd { next } => format!("the stream ends before {next}"),
        Refusal::Unsupported => "unsupported".to_string(),
        Refusal::StreamFull => "the stream is full".to_string(),
        Refusal::LeaseHeld { remaining_ms, .. } => format!("held {remaining_ms}"),
        Refusal::LeaseLost { part } => format!("part {part} has lost the lease"),
        Refusal::LeasePermitsDiffer { permits } => format!("has {permits} permits"),
        Refusal::LeaseQueueFull => "the queue is full".to_string(),
        Refusal::ValueFull => "the value is full".to_string(),
        Refusal::ExecutionInProgress { remaining_ms } => format!("in progress {remaining_ms}"),
        Refusal::ExecutionDiffers => "the fingerprint differs".to_string(),
        Refusal::ExecutionLost { part } => format!("part {part} has lost the execution"),
        other => format!("{other:?}"),
    }
}

/// A request's content and its preconditions: `if ...` and whole checks.
fn fingerprinted(request: &str) -> (String, String) {
    let (mut content, mut precondition) = (String::new(), String::new());
    for part in request.split(',').map(str::trim) {
        let mut words = part.split(' ');
        while let Some(word) = words.next() {
            let to =
                if part.starts_with("check ") || word == "if" { &mut precondition } else { &mut content };
            to.push_str(word);
            to.push(' ');
            if word == "if" {
                to.push_str(words.next().unwrap_or_default());
            }
        }
        // The precondition of one append is not that of another.
        precondition.push(',');
    }
    (content, precondition)
}

fn revisions(appended: &Appended) -> String {
    let one =
        |event: &model::AppendedEvent| format!("{}{}", event.revision, if event.replayed { "*" } else { "" });
    appended.events.iter().map(one).collect::<Vec<_>>().join(" ")
}
