//! Random entries with few streams, ids and contents, so that duplicates, conflicts and races are frequent.

use crate::simple::{Append, Ask, DAY_MS, Expect, Id, Keep, Key, Sent, Simple};
use model::{
    Check, CleanUp, Command, Cursor, DeleteStream, Elapsed, Expected, ExpireEvents, ExpireRecords, Filled,
    Fingerprint, IdHash, Identity, KeyHash, Keyed, Namespace, NewEvent, Position, PutSettings, Revision,
    Settings, Slot, StreamName, Transaction, Write,
};
use seeded_rng::Rng;

/// Some of them share a slot, some a prefix.
pub(crate) const NAMES: [&str; 12] =
    ["a", "b", "cart-{7}", "cart-{8}", "order-{7}", "{7}", "żółw", "cart-9", "p/a", "p/b", "p/", "z"];

pub(crate) fn name(stream: usize) -> StreamName<'static> {
    StreamName::new(NAMES[stream]).unwrap()
}

/// One entry's clocks and commands.
pub(crate) struct Generated {
    pub(crate) wall: u64,
    pub(crate) elapsed: u64,
    pub(crate) asks: Vec<Ask>,
}

pub(crate) fn entry(rng: &mut Rng, model: &Simple) -> Generated {
    let step_ms = rng.pick(&[0, 0, 1, 1, 3, 50, 1_000, 5_000]);
    let wall = if rng.one_in(20) { model.wall.saturating_sub(500) } else { model.wall + step_ms };
    let count = if rng.one_in(10) { rng.below(12) } else { 1 + rng.below(3) };
    let asks = (0..count).map(|_| ask(rng, model)).collect();
    Generated { wall, elapsed: elapsed(rng, model, step_ms), asks }
}

/// Sometimes exactly at the tick at which a record expires, or next to it.
fn elapsed(rng: &mut Rng, model: &Simple, step_ms: u64) -> u64 {
    match model.next_expiry() {
        Some(expires) if rng.one_in(60) => {
            (expires + rng.pick(&[0, 0, 1, DAY_MS]) - rng.pick(&[0, 0, 1])).max(model.elapsed)
        }
        _ => model.elapsed + step_ms,
    }
}

fn ask(rng: &mut Rng, model: &Simple) -> Ask {
    match rng.below(100) {
        0..=59 => Ask::Append(key(rng), append(rng, model)),
        60..=79 => {
            let checks = (0..rng.below(3)).map(|_| check(rng, model)).collect();
            let writes = (0..rng.below(5)).map(|_| append(rng, model)).collect();
            Ask::Transaction(key(rng), checks, writes)
        }
        80..=86 => Ask::Keep(stream(rng), keep(rng, model)),
        87..=89 => {
            let (stream, expect) = check(rng, model);
            Ask::Delete(stream, expect)
        }
        90..=94 => Ask::Expire(stream(rng)),
        95..=97 => Ask::CleanUp(stream(rng), rows_max(rng)),
        _ => {
            let slot = model.streams[stream(rng)].slot;
            Ask::ExpireRecords(rng.pick(&[0, 9, slot]), rows_max(rng))
        }
    }
}

fn rows_max(rng: &mut Rng) -> u32 {
    rng.pick(&[0, 1, 3, 4, 7, 20, 1_024])
}

fn stream(rng: &mut Rng) -> usize {
    rng.below(NAMES.len() as u64) as usize
}

fn key(rng: &mut Rng) -> Option<Key> {
    rng.one_in(4).then(|| Key { key: rng.below(9), request: rng.below(8) / 7, slot: rng.pick(&[0, 9]) })
}

fn check(rng: &mut Rng, model: &Simple) -> (usize, Expect) {
    let stream = stream(rng);
    (stream, expect(rng, model, stream))
}

/// Usually an expectation that holds, so that most requests succeed.
fn expect(rng: &mut Rng, model: &Simple, stream: usize) -> Expect {
    let last = model.streams[stream].last();
    match rng.below(10) {
        0..=4 => Expect::Any,
        5 => Expect::None,
        6 => Expect::Exists,
        7 => Expect::Revision(rng.below(30)),
        _ => last.map_or(Expect::None, Expect::Revision),
    }
}

fn append(rng: &mut Rng, model: &Simple) -> Append {
    let stream = stream(rng);
    let expect = expect(rng, model, stream);
    let count = rng.pick(&[0, 1, 1, 1, 1, 2, 3, 6]);
    Append { stream, expect, events: (0..count).map(|_| event(rng, model, stream)).collect() }
}

fn event(rng: &mut Rng, model: &Simple, stream: usize) -> Sent {
    let content = (rng.below(12) / 11) as u32;
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

fn keep(rng: &mut Rng, model: &Simple) -> Keep {
    let mut keep = Keep::default();
    let state = &model.streams[stream(rng)];
    if rng.one_in(3) {
        keep.age_ms = Some(rng.pick(&[0, 10, 2_000, 60_000, u64::MAX]));
    }
    if rng.one_in(3) {
        keep.count = Some(rng.pick(&[0, 1, 3, 10, 50]));
    }
    if rng.one_in(3) {
        keep.truncate_before = Some(rng.below(state.events.len() as u64 + 2));
    }
    keep
}

pub(crate) fn command(ask: &Ask) -> Command<'static> {
    match ask {
        Ask::Append(key, append) => {
            Command::Append(model::Append { keyed: key.map(keyed), ..real_append(append) })
        }
        Ask::Transaction(key, checks, writes) => Command::Transaction(Transaction {
            keyed: key.map(keyed),
            checks: checks
                .iter()
                .map(|(stream, expect)| Check::Stream { stream: name(*stream), expected: expected(*expect) })
                .collect(),
            writes: writes.iter().map(|append| Write::Append(real_append(append))).collect(),
        }),
        Ask::Keep(stream, keep) => {
            let settings = Settings {
                max_age_ms: keep.age_ms,
                max_count: keep.count,
                truncate_before: keep.truncate_before.map(Revision),
            };
            Command::PutSettings(PutSettings { stream: name(*stream), settings })
        }
        Ask::Delete(stream, expect) => {
            Command::DeleteStream(DeleteStream { stream: name(*stream), expected: expected(*expect) })
        }
        Ask::Expire(stream) => Command::ExpireEvents(ExpireEvents { stream: name(*stream) }),
        Ask::CleanUp(stream, rows_max) => {
            let slot = name(*stream).slot(Namespace::ROOT);
            Command::CleanUp(CleanUp { slot, from: Position::ZERO, rows_max: *rows_max })
        }
        Ask::ExpireRecords(slot, rows_max) => {
            let slot = Slot(*slot);
            Command::ExpireRecords(ExpireRecords { slot, from: Elapsed(0), rows_max: *rows_max })
        }
    }
}

fn keyed(key: Key) -> Keyed {
    Keyed {
        key: KeyHash(u128::from(key.key) << 64 | 3),
        fingerprint: Fingerprint(u128::from(key.request)),
        slot: Slot(key.slot),
    }
}

fn expected(expect: Expect) -> Expected {
    match expect {
        Expect::Any => Expected::Any,
        Expect::None => Expected::None,
        Expect::Exists => Expected::Exists,
        Expect::Revision(revision) => Expected::Revision(Revision(revision)),
    }
}

fn real_append(append: &Append) -> model::Append<'static> {
    model::Append {
        keyed: None,
        stream: name(append.stream),
        expected: expected(append.expect),
        events: append.events.iter().map(real_event).collect(),
    }
}

fn real_event(sent: &Sent) -> NewEvent<'static> {
    let identity = match sent.id {
        Id::Client(id) => Identity::Client(IdHash(id)),
        Id::Server => Identity::Server,
        Id::Echo { id, position, slot } => {
            Identity::Echo { id: IdHash(id), cursor: Cursor::new(Position(position), Slot(slot)) }
        }
    };
    NewEvent {
        identity,
        fingerprint: Fingerprint::new(u128::from(sent.content) << 100, sent.time),
        filled: filled(sent),
        event_type: event_type(sent).into(),
        envelope: envelope(sent).into(),
    }
}

pub(crate) fn filled(sent: &Sent) -> Filled {
    let id = if sent.id == Id::Server { Filled::ID.with(Filled::SOURCE) } else { Filled::default() };
    if sent.time == 0 { id.with(Filled::TIME) } else { id }
}

pub(crate) fn event_type(sent: &Sent) -> String {
    format!("type-{}", sent.content)
}

pub(crate) fn envelope(sent: &Sent) -> Vec<u8> {
    format!("{{\"content\":{},\"time\":{}}}", sent.content, sent.time).into_bytes()
}
