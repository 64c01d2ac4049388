//! Decoding any bytes returns a value or an error. It never panics, and takes no more memory than a small
//! multiple of the input.

use crate::{archive, reaction, samples, snapshot, tasks};
use format::FormatError;
use format::header::{LogArchiveHeader, SnapshotHeader};
use format::row::{
    BreakerRow, ClaimRequestRow, CleanUpKey, CohortRow, DedupRow, ExecutionRow, ExecutionTimerKey,
    FailureRow, FairRow, FairTypeRow, IdempotencyRow, KeyRow, LeaseHolder, LeaseRow, LeaseTimerKey,
    LeaseWaiterRow, LimitKeyRow, LimitKeys, LimitListRow, LimitRow, LimitTimerKey, NamedRows, QueueKeys,
    QueueRow, ReactionRow, RecentRow, RecordTimerKey, RevisionRow, ScheduleRow, ScheduleTally,
    ScheduleTimerKey, ShardRow, ShareRow, StreamRow, TaskIdRow, TaskRow, TaskTimerKey, TenantRow, TokenRow,
    TypeRow, ValueRow, WallTimerKey, decode_cohort_hash, decode_definition, decode_name, decode_number,
    decode_origins, decode_part, decode_schedule_set, parse_reaction_key, parse_revision_key,
    parse_stream_key, parse_token_key,
};
use model::{
    Append, Begun, ChangeToken, Check, ClaimedTask, Command, EnqueuedTask, Entry, NewMember, NewTask,
    Outcome, Position, ReactedEvent, Settled, Settlement, TokenChange, Write, Written,
};
use seeded_rng::Rng;
use std::borrow::Cow;

/// Reads `bytes` as every format.
fn read_as_all(bytes: &[u8]) {
    if let Ok(entry) = format::entry::decode(bytes) {
        assert!(reserved(&entry) <= 16 * bytes.len() + 8_192, "{} from {}", reserved(&entry), bytes.len());
    }
    if let Ok(outcome) = format::outcome::decode(bytes) {
        let reserved = reserved_by(&outcome);
        // A claimed task is larger in memory than on the wire. Space for 64 is reserved ahead.
        let ahead = if matches!(outcome, Outcome::Claimed(_)) { 8_192 } else { 64 };
        assert!(reserved <= 32 * bytes.len() + ahead, "{reserved} from {}", bytes.len());
    }
    let _ = format::body::decode(bytes);
    let _ = format::body::peek(bytes);
    let _ = ShardRow::decode(bytes);
    let _ = StreamRow::decode(bytes);
    let _ = RevisionRow::decode(bytes);
    let _ = DedupRow::decode(bytes);
    let _ = IdempotencyRow::decode(bytes);
    let _ = decode_name(bytes);
    let _ = (parse_stream_key(bytes), parse_revision_key(bytes));
    let _ = WallTimerKey::decode(bytes);
    let _ = RecordTimerKey::decode(bytes);
    let _ = CleanUpKey::decode(bytes);
    let _ = QueueRow::decode(bytes);
    let _ = TypeRow::decode(bytes);
    let _ = TaskRow::decode(bytes);
    let _ = TaskIdRow::decode(bytes);
    let _ = KeyRow::decode(bytes);
    let _ = ClaimRequestRow::decode(bytes);
    let _ = FailureRow::decode_all(bytes);
    let _ = TaskTimerKey::decode(bytes);
    let _ = (QueueKeys::parse_type(bytes), QueueKeys::parse_task(bytes), QueueKeys::parse_ready(bytes));
    let _ = (QueueKeys::parse_blocked(bytes), QueueKeys::parse_dead(bytes));
    let _ = (SnapshotHeader::decode(bytes), decode_origins(bytes));
    snapshot::read(bytes);
    let _ = LogArchiveHeader::decode(bytes);
    archive::read(bytes);
    let _ = (TenantRow::decode(bytes), FairRow::decode(bytes), ShareRow::decode(bytes));
    let _ = (QueueKeys::parse_tenant(bytes), QueueKeys::parse_tenant_turn(bytes));
    let _ = QueueKeys::parse_share_cohort(bytes);
    if let Ok(row) = FairTypeRow::decode(bytes) {
        assert!(row.lanes.len() <= bytes.len());
    }
    let _ = (decode_number(bytes), decode_part(bytes));
    let _ = (LimitRow::decode(bytes), LimitKeyRow::decode(bytes), LimitListRow::decode(bytes));
    let _ = (LimitTimerKey::decode(bytes), decode_cohort_hash(bytes));
    let _ = (LimitKeys::parse_key(bytes), LimitKeys::parse_list(bytes));
    let _ = (QueueKeys::parse_cohort_task(bytes), QueueKeys::parse_cohort_turn(bytes));
    if let Ok(cohort) = CohortRow::decode(bytes) {
        assert!(cohort.gates.capacity() <= 16.max(bytes.len()));
    }
    if let Ok(lease) = LeaseRow::decode(bytes) {
        assert!(lease.holders.capacity() * size_of::<LeaseHolder>() <= 8 * bytes.len());
    }
    let _ = LeaseWaiterRow::decode(bytes);
    let _ = LeaseTimerKey::decode(bytes);
    let _ = ValueRow::decode(bytes);
    let _ = (ExecutionRow::decode(bytes), ExecutionTimerKey::decode(bytes));
    let _ = ScheduleRow::decode(bytes);
    let _ = ScheduleTally::decode(bytes);
    let _ = ScheduleTimerKey::decode(bytes);
    let _ = (decode_definition(bytes), decode_schedule_set(bytes));
    let _ = (NamedRows::QUEUES.name(bytes), NamedRows::QUEUES.next(bytes));
    let _ = (ReactionRow::decode(bytes), parse_reaction_key(bytes));
    let _ = (TokenRow::decode(bytes), parse_token_key(bytes));
    let _ = (BreakerRow::decode(bytes), RecentRow::decode(bytes));
    let _ = format::log_index::SegmentIndex::decode(bytes);
    if let Ok(changes) = format::membership::decode_changes(bytes) {
        assert!(changes.capacity() <= bytes.len());
    }
    if let Ok(membership) = format::membership::Membership::decode(bytes) {
        assert!(membership.voters.capacity() <= bytes.len());
    }
}

/// Bytes that an entry's vectors have reserved.
fn reserved(entry: &Entry<'_>) -> usize {
    let append = |append: &Append<'_>| {
        append.events.capacity() * size_of_val(&append.events[..1.min(append.events.len())])
    };
    let command = |command: &Command<'_>| match command {
        Command::Append(one) => append(one),
        Command::Transaction(transaction) => {
            let write = |write: &Write<'_>| match write {
                Write::Append(one) => append(one),
                Write::Enqueue(enqueue) => enqueue.tasks.capacity() * size_of::<NewTask<'_>>(),
                Write::Settle(settle) => settle.settlements.capacity() * size_of::<Settlement<'_>>(),
                Write::CompleteExecution(_) => 0,
                Write::CreateGroup(create) => create.content.members.capacity() * size_of::<NewMember<'_>>(),
            };
            let writes: usize = transaction.writes.iter().map(write).sum();
            transaction.checks.capacity() * size_of::<Check<'_>>()
                + transaction.writes.capacity() * size_of::<Write<'_>>()
                + writes
        }
        Command::Enqueue(enqueue) => enqueue.tasks.capacity() * size_of::<NewTask<'_>>(),
        Command::Claim(claim) => claim.types.capacity() * size_of::<Cow<'_, str>>(),
        Command::Settle(settle) => settle.settlements.capacity() * size_of::<Settlement<'_>>(),
        Command::CreateGroup(create) => create.content.members.capacity() * size_of::<NewMember<'_>>(),
        Command::PutReaction(put) => put.settings.types.capacity() * size_of::<Cow<'_, str>>(),
        Command::React(react) => react.events.capacity() * size_of::<ReactedEvent<'_>>(),
        Command::ChangeTasks(change) => change.tasks.capacity() * size_of::<Position>(),
        Command::ChangeToken(ChangeToken { change: TokenChange::Create { settings, .. }, .. }) => {
            settings.prefixes.capacity() * size_of::<Cow<'_, str>>()
        }
        Command::Audited(_) => size_of::<Command<'_>>(),
        _ => 0,
    };
    entry.commands.capacity() * size_of::<Command<'_>>() + entry.commands.iter().map(command).sum::<usize>()
}

/// Bytes that an outcome's vectors have reserved.
fn reserved_by(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Transacted { writes, .. } => {
            let written = |written: &Written| match written {
                Written::Appended(appended) => appended.events.capacity() * 24,
                Written::Enqueued(enqueued) => enqueued.tasks.capacity() * size_of::<EnqueuedTask>(),
                Written::Settled(settled) => settled.capacity() * size_of::<Settled>(),
                Written::ExecutionCompleted | Written::GroupCreated(_) => 0,
            };
            writes.capacity() * size_of::<Written>() + writes.iter().map(written).sum::<usize>()
        }
        Outcome::Enqueued(enqueued) => enqueued.tasks.capacity() * size_of::<EnqueuedTask>(),
        Outcome::ExecutionBegun(Begun::Completed { response, .. }) => response.capacity(),
        Outcome::Claimed(claimed) => claimed.tasks.capacity() * size_of::<ClaimedTask>(),
        Outcome::Settled(settled) => settled.capacity() * size_of::<Settled>(),
        _ => 0,
    }
}

fn all_samples() -> Vec<samples::Sample> {
    let stores = [samples::entries(), samples::outcomes(), samples::rows(), samples::bodies()];
    let later = [
        tasks::samples(),
        crate::groups::samples(),
        reaction::samples(),
        crate::schedule::samples(),
        crate::breaker::samples(),
        crate::fair::samples(),
        crate::token::samples(),
    ];
    stores.into_iter().chain(later).flatten().collect()
}

#[test]
fn random_bytes_never_panic_or_allocate_much() {
    let mut rng = Rng::new(1);
    for _ in 0..100_000 {
        let len = rng.below(80);
        let mut bytes: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8).collect();
        // Give half of them the first byte of every format, so that they get past it.
        if let Some(first) = bytes.first_mut().filter(|first| **first & 1 == 0) {
            *first = 1;
        }
        read_as_all(&bytes);
    }
}

#[test]
fn damaged_bytes_never_panic_or_allocate_much() {
    let mut rng = Rng::new(2);
    for (_, sample) in all_samples() {
        for _ in 0..3_000 {
            let mut bytes = sample.clone();
            for _ in 0..=rng.below(3) {
                let at = rng.index(bytes.len());
                match rng.below(4) {
                    0 => bytes[at] ^= 1 << rng.below(8),
                    1 => bytes[at] = 0xff,
                    2 => bytes.truncate(at.max(1)),
                    _ => bytes.insert(at, rng.next_u64() as u8),
                }
            }
            read_as_all(&bytes);
        }
    }
}

#[test]
fn an_entry_that_ends_early_or_late_is_an_error() {
    for (name, bytes) in samples::entries() {
        for len in 0..bytes.len() {
            assert!(format::entry::decode(&bytes[..len]).is_err(), "{name} cut to {len} bytes");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(format::entry::decode(&longer), Err(FormatError::Trailing), "{name}");
    }
}

#[test]
fn an_outcome_that_ends_early_or_late_is_an_error() {
    for (name, bytes) in samples::outcomes() {
        for len in 0..bytes.len() {
            assert!(format::outcome::decode(&bytes[..len]).is_err(), "{name} cut to {len} bytes");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(format::outcome::decode(&longer), Err(FormatError::Trailing), "{name}");
    }
}

#[test]
fn a_body_with_any_flipped_bit_is_rejected() {
    let (_, bytes) = samples::bodies().remove(0);
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(format::body::decode(&damaged).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert_eq!(format::body::decode(&bytes[..len]), Err(FormatError::Truncated), "{len} bytes");
    }
}
