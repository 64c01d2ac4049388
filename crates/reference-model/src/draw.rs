//! Random commands with few streams, leases, values, ids and contents, so that duplicates, conflicts and races are frequent.

use crate::{Id, Sent, Simple};
use model::{
    AbandonExecution, AcquireLease, Append, BeginExecution, Check, CleanUp, Command, CompleteExecution,
    Cursor, DeleteStream, DeleteValue, Elapsed, ExecutionKey, Expected, ExpireEvents, ExpireExecutions,
    ExpireLeases, ExpireRecords, Filled, Fingerprint, IdHash, Identity, KeyHash, KeyId, Keyed, LeaseName,
    Namespace, NewEvent, Position, PutSettings, PutValue, ReleaseLease, RenewLease, Revision, Settings, Slot,
    StreamName, Transaction, ValueName, WithdrawLease, Write,
};
use seeded_rng::Rng;

/// Some of them share a slot, some a prefix.
pub const NAMES: [&str; 12] =
    ["a", "b", "cart-{7}", "cart-{8}", "order-{7}", "{7}", "żółw", "cart-9", "p/a", "p/b", "p/", "z"];

/// No two of them share a slot: the model does not know in which order the leases of one slot are handed over.
pub const LEASES: [&str; 3] = ["lock", "leader-{7}", "pool-{8}"];
pub const VALUES: [&str; 3] = ["flag", "limit-{7}", "żółw"];
/// Two of them share a slot.
pub const EXECUTIONS: [&str; 3] = ["pay-{7}", "tax-{7}", "żółw"];
const HOLDERS: [&str; 5] = ["a", "b", "c", "d", "żółw"];

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
    match rng.below(165) {
        145..=164 => crate::breaker::command(rng, model),
        90..=119 => lease_command(rng, model),
        120..=129 => value_command(rng, model),
        130..=144 => execution_command(rng, model),
        0..=59 => Command::Append(Append { keyed: keyed(rng), ..append(rng, model) }),
        60..=79 => Command::Transaction(transaction(rng, model, |rng, model| match rng.below(6) {
            0 => Write::CompleteExecution(complete(rng, model)),
            _ => Write::Append(append(rng, model)),
        })),
        80..=86 => {
            Command::PutSettings(PutSettings { stream: name(stream(rng)), settings: settings(rng, model) })
        }
        _ => {
            let (stream, expected) = stream_and_expected(rng, model);
            Command::DeleteStream(DeleteStream { stream: name(stream), expected })
        }
    }
}

/// A transaction with writes of some kind.
pub(crate) fn transaction(
    rng: &mut Rng,
    model: &Simple,
    write: impl Fn(&mut Rng, &Simple) -> Write<'static>,
) -> Transaction<'static> {
    let checks = (0..rng.below(3)).map(|_| {
        if rng.one_in(4) {
            return lease_or_value_check(rng, model);
        }
        let (stream, expected) = stream_and_expected(rng, model);
        Check::Stream { stream: name(stream), expected }
    });
    let checks = checks.collect();
    let writes = (0..rng.below(5)).map(|_| write(rng, model)).collect();
    Transaction { keyed: keyed(rng), checks, writes }
}

/// A command that a node proposes on its own.
pub fn own_command(rng: &mut Rng, model: &Simple) -> Command<'static> {
    match rng.below(14) {
        12..=13 => {
            let slot = execution_key(execution(rng)).slot(Namespace::ROOT);
            let executions_max = rng.pick(&[0, 1, 8, u32::MAX]);
            let from = Elapsed(rng.pick(&[0, 0, model.elapsed.saturating_sub(60)]));
            Command::ExpireExecutions(ExpireExecutions { slot, from, executions_max })
        }
        10..=11 => {
            let slot = lease_name(rng.below(LEASES.len() as u64) as usize).slot(Namespace::ROOT);
            let leases_max = rng.pick(&[0, 1, 8, u32::MAX]);
            Command::ExpireLeases(ExpireLeases { slot, from: Elapsed(0), leases_max })
        }
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

fn lease_name(lease: usize) -> LeaseName<'static> {
    match LeaseName::new(LEASES[lease]) {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    }
}

fn value_name(value: usize) -> ValueName<'static> {
    match ValueName::new(VALUES[value]) {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    }
}

fn lease_command(rng: &mut Rng, model: &Simple) -> Command<'static> {
    let at = rng.below(LEASES.len() as u64) as usize;
    let lease = lease_name(at);
    match rng.below(10) {
        0..=4 => Command::AcquireLease(AcquireLease {
            lease,
            holder: rng.pick(&HOLDERS).into(),
            ttl_ms: rng.pick(&[5, 60, 1_000, 4_000, 60_000]),
            hold_off_ms: rng.pick(&[0, 0, 0, 2, 700]),
            // Now and then another number than the others ask for.
            permits: if rng.one_in(30) { 3 } else { 1 + at as u32 / 2 },
            wait_ms: rng.pick(&[0, 3, 500, 5_000, 60_000]),
        }),
        5..=6 => {
            let ttl_ms = rng.one_in(2).then(|| rng.pick(&[5, 60, 1_000, 60_000]));
            Command::RenewLease(RenewLease { lease, token: token(rng, model, at), ttl_ms })
        }
        7..=8 => Command::ReleaseLease(ReleaseLease { lease, token: token(rng, model, at) }),
        _ => {
            let state = &model.leases[at];
            let waiting = state.queue.iter().map(|waiting| (&waiting.holder, waiting.asked));
            let holding = state.holders.iter().map(|held| (&held.holder, held.asked));
            let all: Vec<_> = waiting.chain(holding).collect();
            let (holder, asked) = match &all[..] {
                [] => (rng.pick(&HOLDERS).to_owned(), rng.below(9)),
                all => {
                    let (holder, asked) = all[rng.below(all.len() as u64) as usize];
                    (holder.clone(), asked - u64::from(rng.one_in(5)))
                }
            };
            Command::WithdrawLease(WithdrawLease { lease, holder: holder.into(), asked: Position(asked) })
        }
    }
}

/// Usually the token of one that holds the lease, or has held it.
fn token(rng: &mut Rng, model: &Simple, lease: usize) -> Cursor {
    let lease = &model.leases[lease];
    let slot = Slot(if rng.one_in(20) { lease.slot ^ 1 } else { lease.slot });
    let of = |tokens: Vec<u64>, rng: &mut Rng| match &tokens[..] {
        [] => rng.below(9),
        tokens => rng.pick(tokens),
    };
    let held = lease.holders.iter().map(|held| held.token).collect();
    let ever = lease.tokens.iter().rev().take(5).copied().collect();
    Cursor::new(Position(of(if rng.one_in(4) { ever } else { held }, rng)), slot)
}

fn value_and_expected(rng: &mut Rng, model: &Simple) -> (usize, Expected) {
    let value = rng.below(VALUES.len() as u64) as usize;
    let expected = match rng.below(8) {
        0..=2 => Expected::Any,
        3 => Expected::None,
        4 => Expected::Exists,
        5 => Expected::Revision(Revision(rng.below(30))),
        _ => model.values[value].last().map_or(Expected::None, |last| Expected::Revision(Revision(last))),
    };
    (value, expected)
}

fn value_command(rng: &mut Rng, model: &Simple) -> Command<'static> {
    let (value, expected) = value_and_expected(rng, model);
    let value = value_name(value);
    if rng.one_in(5) {
        return Command::DeleteValue(DeleteValue { value, expected });
    }
    let content = rng.pick(&["", "on", "off", "a longer text"]).as_bytes().into();
    Command::PutValue(PutValue {
        keyed: keyed(rng),
        value,
        expected,
        content_type: "text/plain".into(),
        content,
    })
}

fn execution(rng: &mut Rng) -> usize {
    rng.below(EXECUTIONS.len() as u64) as usize
}

fn execution_key(execution: usize) -> ExecutionKey<'static> {
    match ExecutionKey::new(EXECUTIONS[execution]) {
        Ok(key) => key,
        Err(error) => unreachable!("{error}"),
    }
}

fn execution_command(rng: &mut Rng, model: &Simple) -> Command<'static> {
    match rng.below(10) {
        0..=4 => Command::BeginExecution(BeginExecution {
            key: execution_key(execution(rng)),
            fingerprint: rng.pick(&["", "x", "x", "x", "y"]).into(),
            owner: rng.one_in(2).then(|| rng.pick(&HOLDERS).into()),
            ttl_ms: rng.pick(&[5, 60, 1_000, 4_000, 60_000]),
        }),
        5..=7 => Command::CompleteExecution(complete(rng, model)),
        _ => {
            let at = execution(rng);
            let token = (!rng.one_in(4)).then(|| execution_token(rng, model, at));
            Command::AbandonExecution(AbandonExecution { key: execution_key(at), token })
        }
    }
}

pub(crate) fn complete(rng: &mut Rng, model: &Simple) -> CompleteExecution<'static> {
    let at = execution(rng);
    CompleteExecution {
        key: execution_key(at),
        token: execution_token(rng, model, at),
        response: rng.pick(&["{}", "{\"status\":201}"]).as_bytes().into(),
        keep_ms: rng.pick(&[1, 500, 5_000, 60_000]),
    }
}

/// Usually the token of the execution that is in progress.
fn execution_token(rng: &mut Rng, model: &Simple, at: usize) -> Cursor {
    let execution = &model.executions[at];
    let slot = Slot(if rng.one_in(20) { execution.slot ^ 1 } else { execution.slot });
    let last = execution.tokens.iter().rev().take(if rng.one_in(4) { 3 } else { 1 });
    let last: Vec<u64> = last.copied().collect();
    let token = if last.is_empty() { rng.below(9) } else { rng.pick(&last) };
    Cursor::new(Position(token), slot)
}

fn lease_or_value_check(rng: &mut Rng, model: &Simple) -> Check<'static> {
    if rng.one_in(3) {
        let at = execution(rng);
        return Check::Execution { key: execution_key(at), token: execution_token(rng, model, at) };
    }
    if rng.one_in(2) {
        let (value, expected) = value_and_expected(rng, model);
        return Check::Value { value: value_name(value), expected };
    }
    let lease = rng.below(LEASES.len() as u64) as usize;
    Check::Lease { lease: lease_name(lease), token: token(rng, model, lease) }
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

pub(crate) fn append(rng: &mut Rng, model: &Simple) -> Append<'static> {
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
        key_id: KeyId::NONE,
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
