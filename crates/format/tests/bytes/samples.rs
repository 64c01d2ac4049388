//! One value of every shape that a format can hold, by name.

use crate::{execution, limit, queue};
use format::body::BodyRecord;
use format::row::{
    Author, CleanUpKey, CleanUpWork, DedupRow, IdempotencyRow, LeaseHolder, LeaseQueueEnds, LeaseRow,
    LeaseTimerKey, LeaseWaiterRow, RecordTimerKey, RevisionRow, ShardRow, StreamRow, ValueContent, ValueRow,
    WallTimerKey, dedup_key, idempotency_key, lease_key, lease_waiter_key, membership_key, revision_key,
    shard_key, stream_key, value_key,
};
use model::{
    AcquireLease, Append, Appended, AppendedEvent, Behaviour, Check, CleanUp, Command, Cursor, DeleteStream,
    DeleteValue, Elapsed, EntryClock, Expected, ExpireEvents, ExpireLeases, ExpireRecords, Filled,
    Fingerprint, Granted, IdHash, Identity, KeyDifference, KeyHash, KeyId, Keyed, LeaseName, Namespace,
    NewEvent, Outcome, Position, PutSettings, PutValue, Refusal, ReleaseLease, RenewLease, Revision,
    Settings, Slot, StreamId, StreamName, Transaction, ValueName, Wall, WithdrawLease, Write, Written,
};

pub(crate) type Sample = (&'static str, Vec<u8>);

pub(crate) const CLOCK: EntryClock =
    EntryClock { wall: Wall(1_286_004_039_266), elapsed: Elapsed(86_400_000) };

fn name(name: &'static str) -> StreamName<'static> {
    StreamName::new(name).unwrap()
}

fn event(identity: Identity, filled: Filled) -> NewEvent<'static> {
    NewEvent {
        identity,
        fingerprint: Fingerprint(0x0123_4567_89ab_cdef_0011_2233_4455_6677),
        filled,
        event_type: "cart.item-added".into(),
        key_id: KeyId::NONE,
        envelope: br#"{"specversion":"1.0","id":"7","data":{"sku":"tea"}}"#.to_vec().into(),
    }
}

fn append(keyed: Option<Keyed>, expected: Expected, events: Vec<NewEvent<'static>>) -> Append<'static> {
    Append { keyed, stream: name("cart-7"), expected, events }
}

pub(crate) fn commands() -> Vec<(&'static str, Command<'static>)> {
    let id = IdHash(u128::MAX / 3);
    let client = || event(Identity::Client(id), Filled::default());
    let server = || event(Identity::Server, Filled::ID.with(Filled::SOURCE).with(Filled::TIME));
    let cursor = Cursor::new(Position(1 << 40), Slot(51_197));
    let echo = || event(Identity::Echo { id, cursor }, Filled::default());
    let keyed = Keyed { key: KeyHash(u128::MAX / 5), fingerprint: Fingerprint(11), slot: Slot(513) };
    let settings =
        Settings { max_age_ms: Some(86_400_000), max_count: Some(100), truncate_before: Some(Revision(41)) };
    let check = |expected| Check::Stream { stream: name("żółw"), expected };
    vec![
        ("append", Command::Append(append(None, Expected::Any, vec![client()]))),
        ("append-keyed", Command::Append(append(Some(keyed), Expected::None, vec![server(), echo()]))),
        ("append-none", Command::Append(append(None, Expected::Exists, Vec::new()))),
        (
            "transaction",
            Command::Transaction(Transaction {
                keyed: Some(keyed),
                checks: vec![check(Expected::Revision(Revision(300))), check(Expected::None)],
                writes: vec![Write::Append(append(None, Expected::Revision(Revision(41)), vec![client()]))],
            }),
        ),
        ("put-settings", Command::PutSettings(PutSettings { stream: name("cart-7"), settings })),
        (
            "put-settings-none",
            Command::PutSettings(PutSettings { stream: name("cart-7"), settings: Settings::default() }),
        ),
        (
            "delete-stream",
            Command::DeleteStream(DeleteStream { stream: name("cart-7"), expected: Expected::Exists }),
        ),
        ("expire-events", Command::ExpireEvents(ExpireEvents { stream: name("cart-7") })),
        (
            "clean-up",
            Command::CleanUp(CleanUp { slot: Slot(51_197), from: Position(1 << 50), rows_max: 1_024 }),
        ),
        (
            "expire-records",
            Command::ExpireRecords(ExpireRecords {
                slot: Slot(51_197),
                from: Elapsed(86_400_000),
                rows_max: 1_024,
            }),
        ),
    ]
}

fn lease() -> LeaseName<'static> {
    LeaseName::new("leader-7").unwrap()
}

fn value() -> ValueName<'static> {
    ValueName::new("flag-7").unwrap()
}

const TOKEN: Cursor = Cursor::new(Position(1 << 50), Slot(51_197));

pub(crate) fn later_commands() -> Vec<(&'static str, Command<'static>)> {
    let keyed = Keyed { key: KeyHash(u128::MAX / 5), fingerprint: Fingerprint(11), slot: Slot(513) };
    let renew = |ttl_ms| Command::RenewLease(RenewLease { lease: lease(), token: TOKEN, ttl_ms });
    let put = |keyed, expected| {
        Command::PutValue(PutValue {
            keyed,
            value: value(),
            expected,
            content_type: "text/plain".into(),
            content: b"on".as_slice().into(),
        })
    };
    let checks = vec![
        Check::Lease { lease: lease(), token: TOKEN },
        Check::Value { value: value(), expected: Expected::Revision(Revision(300)) },
    ];
    let writes = vec![Write::Append(append(None, Expected::Any, Vec::new()))];
    vec![
        (
            "acquire-lease",
            Command::AcquireLease(AcquireLease {
                lease: lease(),
                holder: "host-1".into(),
                ttl_ms: 30_000,
                hold_off_ms: 5_000,
                permits: 3,
                wait_ms: 60_000,
            }),
        ),
        ("renew-lease", renew(Some(30_000))),
        ("renew-lease-as-before", renew(None)),
        ("release-lease", Command::ReleaseLease(ReleaseLease { lease: lease(), token: TOKEN })),
        (
            "withdraw-lease",
            Command::WithdrawLease(WithdrawLease {
                lease: lease(),
                holder: "host-1".into(),
                asked: Position(1 << 50),
            }),
        ),
        (
            "expire-leases",
            Command::ExpireLeases(ExpireLeases {
                slot: Slot(51_197),
                from: Elapsed(86_400_000),
                leases_max: 128,
            }),
        ),
        ("put-value", put(None, Expected::Any)),
        ("put-value-keyed", put(Some(keyed), Expected::None)),
        (
            "delete-value",
            Command::DeleteValue(DeleteValue { value: value(), expected: Expected::Revision(Revision(300)) }),
        ),
        ("transaction-of-a-holder", Command::Transaction(Transaction { keyed: None, checks, writes })),
    ]
}

pub(crate) fn entries() -> Vec<Sample> {
    let entry = |commands: &[Command<'_>]| {
        let mut out = Vec::new();
        format::entry::encode(Behaviour(1), CLOCK, commands, &mut out);
        out
    };
    let all: Vec<_> = commands().into_iter().map(|(_, command)| command).collect();
    let of = |(name, command)| (name, entry(&[command]));
    let each = commands().into_iter().map(of);
    // New shapes come last, so that no line of the golden file changes.
    let later = queue::commands().into_iter().chain(later_commands()).chain(queue::transactions());
    let later = later.chain(execution::commands()).chain(limit::commands()).map(of);
    each.chain([("empty", entry(&[])), ("all", entry(&all))]).chain(later).collect()
}

pub(crate) fn outcome_values() -> Vec<(&'static str, Outcome)> {
    let event = |revision, position, replayed| AppendedEvent {
        revision: Revision(revision),
        position: Position(position),
        replayed,
    };
    let appended = Appended {
        slot: Slot(51_197),
        events: vec![event(41, 1 << 50, false), event(42, (1 << 50) + 1, false), event(3, 1 << 20, true)],
    };
    let refused = Outcome::Refused;
    let current = Some(Revision(300));
    let written = Written::Appended(appended.clone());
    vec![
        ("appended", Outcome::Appended(appended.clone())),
        ("transacted", Outcome::Transacted { replayed: true, writes: vec![written.clone(), written] }),
        ("settings-put", Outcome::SettingsPut),
        ("stream-deleted", Outcome::StreamDeleted { last: current }),
        ("stream-deleted-none", Outcome::StreamDeleted { last: None }),
        ("progressed", Outcome::Progressed { more: true }),
        ("wrong-revision", refused(Refusal::WrongRevision { part: 2, current })),
        ("wrong-revision-none", refused(Refusal::WrongRevision { part: 0, current: None })),
        ("event-conflict", refused(Refusal::EventConflict { write: 1, event: 2, revision: current })),
        ("key-conflict", refused(Refusal::KeyConflict { differs: KeyDifference::Content })),
        ("key-precondition-conflict", refused(Refusal::KeyConflict { differs: KeyDifference::Precondition })),
        ("keys-full", refused(Refusal::KeysFull)),
        ("truncate-beyond-end", refused(Refusal::TruncateBeyondEnd { next: Revision(7) })),
        ("unsupported", refused(Refusal::Unsupported)),
        ("stream-full", refused(Refusal::StreamFull)),
    ]
}

pub(crate) fn later_outcomes() -> Vec<(&'static str, Outcome)> {
    let refused = Outcome::Refused;
    vec![
        (
            "lease-granted",
            Outcome::LeaseGranted(Granted { token: TOKEN, remaining_ms: 30_000, replayed: true }),
        ),
        ("lease-awaited", Outcome::LeaseAwaited { asked: Position(1 << 50) }),
        ("lease-renewed", Outcome::LeaseRenewed { remaining_ms: 30_000 }),
        ("lease-released", Outcome::LeaseReleased),
        ("lease-withdrawn", Outcome::LeaseWithdrawn),
        ("value-put", Outcome::ValuePut { revision: Revision(300), replayed: true }),
        ("value-deleted", Outcome::ValueDeleted { last: Some(Revision(300)) }),
        ("lease-held", refused(Refusal::LeaseHeld { token: TOKEN, remaining_ms: 30_000 })),
        ("lease-lost", refused(Refusal::LeaseLost { part: 2 })),
        ("lease-permits-differ", refused(Refusal::LeasePermitsDiffer { permits: 3 })),
        ("lease-queue-full", refused(Refusal::LeaseQueueFull)),
        ("value-full", refused(Refusal::ValueFull)),
    ]
}

pub(crate) fn outcomes() -> Vec<Sample> {
    let encoded = |outcome: &Outcome| {
        let mut out = Vec::new();
        format::outcome::encode(outcome, &mut out);
        out
    };
    let later =
        [queue::outcomes(), later_outcomes(), queue::transacted(), execution::outcomes(), limit::outcomes()];
    let later = later.concat();
    outcome_values().iter().chain(&later).map(|(name, outcome)| (*name, encoded(outcome))).collect()
}

pub(crate) const SHARD: ShardRow = ShardRow {
    applied: 1_000,
    last: Position(1 << 50),
    wall: CLOCK.wall,
    elapsed: CLOCK.elapsed,
    removed_through: Position(1 << 49),
    records: 3,
    records_bytes: 400,
};

pub(crate) const STREAM: StreamRow = StreamRow {
    id: StreamId(1 << 48),
    first: Revision(300),
    removed_through: Position(1 << 49),
    deleted: true,
    settings: Settings { max_age_ms: Some(1_000), max_count: None, truncate_before: Some(Revision(200)) },
    expires: Some(Wall(1_286_004_041_000)),
    clean_up: Some(CleanUpWork { from: Revision(128), queued: Position(1 << 50) }),
};

pub(crate) const REVISIONS: [RevisionRow; 2] = [
    RevisionRow { position: Position(1 << 50), author: Author::Client(IdHash(u128::MAX / 3)) },
    RevisionRow { position: Position(1 << 50), author: Author::Server(Fingerprint(7)) },
];

pub(crate) const DEDUP: DedupRow = DedupRow { revision: Revision(300), fingerprint: Fingerprint(7) };

pub(crate) const IDEMPOTENCY: IdempotencyRow<'static> =
    IdempotencyRow { fingerprint: Fingerprint(7), expires: Elapsed(172_800_000), outcome: &[3] };

pub(crate) fn held_lease() -> LeaseRow {
    let holder = LeaseHolder {
        holder: "host-1".into(),
        token: Position(1 << 50),
        asked: Position((1 << 50) - 1),
        since: Elapsed(86_399_000),
        ttl_ms: 30_000,
        hold_off_ms: 5_000,
        expires: Elapsed(86_430_000),
    };
    LeaseRow {
        permits: 3,
        holders: vec![holder],
        waiting: 2,
        ends: Some(LeaseQueueEnds { first: "host-2".into(), last: "host-3".into() }),
        sweep: Elapsed(86_460_000),
        timer: Elapsed(86_430_000),
    }
}

pub(crate) fn lease_waiter() -> LeaseWaiterRow {
    LeaseWaiterRow {
        asked: Position(1 << 50),
        since: Elapsed(86_400_000),
        ttl_ms: 30_000,
        hold_off_ms: 0,
        until: Elapsed(86_460_000),
        before: None,
        after: Some("host-3".into()),
    }
}

pub(crate) const VALUE: ValueRow<'static> = ValueRow {
    revision: Revision(300),
    content: Some(ValueContent { content_type: "text/plain", bytes: b"on" }),
};

pub(crate) fn rows() -> Vec<Sample> {
    let (first, slot, namespace, stream) = (Slot(0), Slot(51_197), Namespace::ROOT, StreamId(1 << 48));
    let wall_timer = WallTimerKey { deadline: CLOCK.wall, slot, namespace, stream };
    let record_timer = RecordTimerKey { deadline: CLOCK.elapsed, slot, namespace, key: KeyHash(5) };
    let clean_up = CleanUpKey { queued: Position(1 << 50), slot, namespace, stream };
    let lease_timer = LeaseTimerKey { slot, deadline: CLOCK.elapsed, namespace, lease: lease() };
    let rows = vec![
        ("stream-key", stream_key(slot, namespace, "żółw")),
        ("stream", STREAM.encode()),
        ("stream-new", StreamRow::new(stream).encode()),
        ("revision-key", revision_key(slot, namespace, stream, Revision(300)).to_vec()),
        ("revision-client", REVISIONS[0].encode()),
        ("revision-server", REVISIONS[1].encode()),
        ("dedup-key", dedup_key(slot, namespace, stream, IdHash(u128::MAX / 3)).to_vec()),
        ("dedup", DEDUP.encode()),
        ("idempotency-key", idempotency_key(slot, namespace, KeyHash(5)).to_vec()),
        ("idempotency", IDEMPOTENCY.encode()),
        ("shard-key", shard_key(first).to_vec()),
        ("shard", SHARD.encode()),
        ("wall-timer-key", wall_timer.encode().to_vec()),
        ("record-timer-key", record_timer.encode().to_vec()),
        ("clean-up-key", clean_up.encode().to_vec()),
        ("membership-key", membership_key(first).to_vec()),
        ("lease-key", lease_key(slot, namespace, "żółw")),
        ("lease", held_lease().encode()),
        ("lease-unused", LeaseRow { holders: Vec::new(), waiting: 0, ends: None, ..held_lease() }.encode()),
        ("lease-waiter-key", lease_waiter_key(slot, namespace, "żółw", "host-1")),
        ("lease-waiter", lease_waiter().encode()),
        ("lease-timer-key", lease_timer.encode()),
        ("value-key", value_key(slot, namespace, "żółw")),
        ("value", VALUE.encode()),
        ("value-deleted", ValueRow { content: None, ..VALUE }.encode()),
    ];
    rows.into_iter().chain(queue::rows()).chain(execution::rows()).chain(limit::rows()).collect()
}

pub(crate) const BODY: BodyRecord<'static> = BodyRecord {
    position: Position(1 << 50),
    slot: Slot(51_197),
    namespace: Namespace::ROOT,
    key_id: KeyId(0),
    revision: Revision(300),
    filled: Filled(6),
    stream: "żółw",
    event_type: "cart.item-added",
    envelope: br#"{"specversion":"1.0","id":"7"}"#,
};

pub(crate) fn bodies() -> Vec<Sample> {
    let mut out = Vec::new();
    format::body::encode(&BODY, &mut out);
    vec![("body", out)]
}
