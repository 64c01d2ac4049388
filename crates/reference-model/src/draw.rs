//! Random commands with few streams, ids and contents, so that duplicates, conflicts and races are frequent.

use crate::{Id, Sent, Simple};
use model::{
    Append, Check, CleanUp, Command, Cursor, DeleteStream, Elapsed, Expected, ExpireEvents, ExpireRecords,
    Filled, Fingerprint, IdHash, Identity, KeyHash, Keyed, Namespace, NewEvent, Position, PutSettings,
    Revision, Settings, Slot, StreamName, Transaction, Write,
};
use seeded_rng::Rng;

/// Some of them share a slot, some a prefix.
pub const NAMES: [&str; 12] =
    ["a", "b", "cart-{7}", "cart-{8}", "order-{7}", "{7}", "żółw", "cart-9", "p/a", "p/b", "p/", "z"];

/// The name of one of the first streams.
///
/// # Panics
/// If there is no such name.
#[must_use]
pub fn name(stream: usize) -> StreamName<'static> {
    match StreamName::new(NAMES[stream]) {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    }
}

/// A command that a client sends.
pub fn command(rng: &mut Rng, model: &Simple) -> Command<'static> {
    match rng.below(90) {
        0..=59 => Command::Append(Append { keyed: keyed(rng), ..append(rng, model) }),
        60..=79 => {
            let checks = (0..rng.below(3)).map(|_| {
                let (stream, expected) = stream_and_expected(rng, model);
                Check::Stream { stream: name(stream), expected }
            });
            let checks = checks.collect();
            let writes = (0..rng.below(5)).map(|_| Write::Append(append(rng, model))).collect();
            Command::Transaction(Transaction { keyed: keyed(rng), checks, writes })
        }
        80..=86 => {
            Command::PutSettings(PutSettings { stream: name(stream(rng)), settings: settings(rng, model) })
        }
        _ => {
            let (stream, expected) = stream_and_expected(rng, model);
            Command::DeleteStream(DeleteStream { stream: name(stream), expected })
        }
    }
}

/// A command that a node proposes on its own.
pub fn own_command(rng: &mut Rng, model: &Simple) -> Command<'static> {
    match rng.below(10) {
        0..=4 => Command::ExpireEvents(ExpireEvents { stream: name(stream(rng)) }),
        5..=7 => {
            let slot = name(stream(rng)).slot(Namespace::ROOT);
            Command::CleanUp(CleanUp { slot, from: Position::ZERO, rows_max: rows_max(rng) })
        }
        _ => {
            let stream = stream(rng);
            let slot = Slot(rng.pick(&[0, 9, model.streams[stream].slot]));
            Command::ExpireRecords(ExpireRecords { slot, from: Elapsed(0), rows_max: rows_max(rng) })
        }
    }
}

fn rows_max(rng: &mut Rng) -> u32 {
    rng.pick(&[0, 1, 3, 4, 7, 20, 1_024])
}

fn stream(rng: &mut Rng) -> usize {
    rng.below(NAMES.len() as u64) as usize
}

fn keyed(rng: &mut Rng) -> Option<Keyed> {
    let key = u128::from(rng.below(9)) << 64 | 3;
    // Now and then another precondition, or other content.
    let request = rng.pick(&[0, 0, 0, 0, 0, 0, 1, 1 << 64]);
    let slot = Slot(rng.pick(&[0, 9]));
    rng.one_in(4).then_some(Keyed { key: KeyHash(key), fingerprint: Fingerprint(request), slot })
}

/// Usually an expectation that holds, so that most requests succeed.
fn stream_and_expected(rng: &mut Rng, model: &Simple) -> (usize, Expected) {
    let stream = stream(rng);
    let expected = match rng.below(10) {
        0..=4 => Expected::Any,
        5 => Expected::None,
        6 => Expected::Exists,
        7 => Expected::Revision(Revision(rng.below(30))),
        _ => model.streams[stream].last().map_or(Expected::None, |last| Expected::Revision(Revision(last))),
    };
    (stream, expected)
}

fn append(rng: &mut Rng, model: &Simple) -> Append<'static> {
    let (stream, expected) = stream_and_expected(rng, model);
    let count = rng.pick(&[0, 1, 1, 1, 1, 2, 3, 6]);
    let events = (0..count).map(|_| new_event(&sent(rng, model, stream))).collect();
    Append { keyed: None, stream: name(stream), expected, events }
}

fn sent(rng: &mut Rng, model: &Simple, stream: usize) -> Sent {
    let content = u128::from(rng.below(12) / 11);
    let time = rng.pick(&[0, 0, 0, 777]);
    let client = u128::from(rng.below(400)) << 90;
    match rng.below(10) {
        0..=4 => {
            // Sometimes a stored event as a client would read it, with its time filled in.
            let stored = model.streams[stream].kept().find(|(_, event)| event.sent.id == Id::Client(client));
            match stored {
                Some((_, event)) if rng.one_in(2) => Sent { time: event.position >> 16, ..event.sent },
                _ => Sent { id: Id::Client(client), content, time },
            }
        }
        5..=7 => Sent { id: Id::Server, content, time },
        _ => echo(rng, model, client, Sent { id: Id::Server, content, time }),
    }
}

/// Usually the id of an event that exists or has existed somewhere, as a client would read it.
fn echo(rng: &mut Rng, model: &Simple, id: u128, sent: Sent) -> Sent {
    let other = stream(rng);
    let from = &model.streams[other];
    if from.events.is_empty() || rng.one_in(8) {
        let (position, slot) = (rng.below(1 << 40), rng.next_u64() as u16);
        return Sent { id: Id::Echo { id, position, slot }, ..sent };
    }
    let event = from.events[rng.below(from.events.len() as u64) as usize];
    // The hash of such an id is the same whenever it is sent.
    let id = u128::from(event.position) << 20 | 1;
    let time = rng.pick(&[event.position >> 16, event.position >> 16, event.sent.time, 5]);
    let content = if rng.one_in(10) { sent.content } else { event.sent.content };
    let slot = if rng.one_in(10) { from.slot ^ 1 } else { from.slot };
    Sent { id: Id::Echo { id, position: event.position, slot }, content, time }
}

fn settings(rng: &mut Rng, model: &Simple) -> Settings {
    let mut settings = Settings::default();
    let state = &model.streams[stream(rng)];
    if rng.one_in(3) {
        settings.max_age_ms = Some(rng.pick(&[0, 10, 2_000, 60_000, u64::MAX]));
    }
    if rng.one_in(3) {
        settings.max_count = Some(rng.pick(&[0, 1, 3, 10, 50]));
    }
    if rng.one_in(3) {
        let first = rng.below(state.events.len() as u64 + 2);
        settings.truncate_before = Some(Revision(first));
    }
    settings
}

fn new_event(sent: &Sent) -> NewEvent<'static> {
    let identity = match sent.id {
        Id::Client(id) => Identity::Client(IdHash(id)),
        Id::Server => Identity::Server,
        Id::Echo { id, position, slot } => {
            Identity::Echo { id: IdHash(id), cursor: Cursor::new(Position(position), Slot(slot)) }
        }
    };
    NewEvent {
        identity,
        fingerprint: sent.fingerprint(),
        filled: filled(sent),
        event_type: event_type(sent).into(),
        envelope: envelope(sent).into(),
    }
}

/// What the server fills in when such an event is read.
#[must_use]
pub fn filled(sent: &Sent) -> Filled {
    let id = if sent.id == Id::Server { Filled::ID.with(Filled::SOURCE) } else { Filled::default() };
    if sent.time == 0 { id.with(Filled::TIME) } else { id }
}

/// The type of such an event.
#[must_use]
pub fn event_type(sent: &Sent) -> String {
    format!("type-{}", sent.content)
}

/// The text of such an event.
#[must_use]
pub fn envelope(sent: &Sent) -> Vec<u8> {
    format!("{{\"content\":{},\"time\":{}}}", sent.content, sent.time).into_bytes()
}
