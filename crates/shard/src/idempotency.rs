//! One effect for one idempotency key.
//!
//! *Sending a request again with its key returns the original outcome. Using the key for a different request
//! is refused, and the refusal says whether its content or only its precondition differs.* The key is checked
//! before anything else. Refusals are not recorded, so a corrected request may use the same key. A record is
//! kept for 24 hours of elapsed time. After that it counts as absent, even if clean-up has not deleted its
//! rows yet. When the shard holds the maximum of records, new keys are refused; a live record is never
//! dropped.

use crate::damage::{bad_row, contradiction};
use crate::overlay::Overlay;
use alloc::vec::Vec;
use format::outcome;
use format::row::{IdempotencyRow, RecordTimerKey, idempotency_key};
use model::{
    Appended, Elapsed, Enqueued, EnqueuedTask, KeyHash, Keyed, Namespace, Outcome, Refusal, Slot, Timer,
    View, ViewError, Written, limits,
};

/// Returns the key's recorded outcome, or decides the command and records its outcome.
pub(crate) fn once<'a, 'e, V: View>(
    keyed: Option<Keyed>,
    slot: Slot,
    overlay: &mut Overlay<'a, 'e, V>,
    decide: impl FnOnce(&mut Overlay<'a, 'e, V>) -> Result<Outcome, ViewError>,
) -> Result<Outcome, ViewError> {
    let Some(keyed) = keyed else { return decide(overlay) };
    let stored = overlay.get(&idempotency_key(slot, Namespace::ROOT, keyed.key))?;
    let expired = match &stored {
        None => None,
        Some(value) => {
            let row = IdempotencyRow::decode(value).map_err(|error| bad_row("idempotency record", error))?;
            if overlay.shard.elapsed < row.expires {
                return recorded(&row, keyed);
            }
            Some(Expired { deadline: row.expires, bytes: row_bytes(value) })
        }
    };
    let full = overlay.shard.records >= limits::IDEMPOTENCY_RECORDS_MAX
        || overlay.shard.records_bytes >= limits::IDEMPOTENCY_BYTES_MAX;
    if full {
        return Ok(Outcome::Refused(Refusal::KeysFull));
    }
    let outcome = decide(overlay)?;
    if !matches!(outcome, Outcome::Refused(_)) {
        if let Some(expired) = expired {
            forget(keyed.key, slot, expired, overlay)?;
        }
        remember(keyed, slot, &outcome, overlay);
    }
    Ok(outcome)
}

fn recorded(row: &IdempotencyRow<'_>, keyed: Keyed) -> Result<Outcome, ViewError> {
    if let Some(differs) = row.fingerprint.request_difference(keyed.fingerprint) {
        return Ok(Outcome::Refused(Refusal::KeyConflict { differs }));
    }
    let first = outcome::decode(row.outcome).map_err(|error| bad_row("idempotency record", error))?;
    Ok(replayed(first))
}

/// The original outcome, marked as replayed.
fn replayed(mut outcome: Outcome) -> Outcome {
    let mark = |appended: &mut Appended| appended.events.iter_mut().for_each(|event| event.replayed = true);
    let mark_tasks = |enqueued: &mut Enqueued| {
        for task in &mut enqueued.tasks {
            if let EnqueuedTask::Added(position) = *task {
                *task = EnqueuedTask::Replayed(position);
            }
        }
    };
    match &mut outcome {
        Outcome::Appended(appended) => mark(appended),
        Outcome::Transacted { replayed, writes } => {
            *replayed = true;
            writes.iter_mut().for_each(|written| match written {
                Written::Appended(appended) => mark(appended),
                Written::Enqueued(enqueued) => mark_tasks(enqueued),
                Written::GroupCreated(created) => created.replayed = true,
                Written::Settled(_) | Written::ExecutionCompleted => {}
            });
        }
        Outcome::ValuePut { replayed, .. } => *replayed = true,
        Outcome::Enqueued(enqueued) => mark_tasks(enqueued),
        Outcome::ScheduleControlled(controlled) => controlled.replayed = true,
        Outcome::SettingsPut
        | Outcome::SchedulePut { .. }
        | Outcome::ScheduleSetPut { .. }
        | Outcome::ScheduleDeleted { .. }
        | Outcome::ScheduleAdvanced { .. }
        | Outcome::QueuePut
        | Outcome::Claimed(_)
        | Outcome::Settled(_)
        | Outcome::TaskCancelled(_)
        | Outcome::DeadLetterSettled
        | Outcome::ReactionPut { .. }
        | Outcome::ReactionDeleted { .. }
        | Outcome::TokenCreated { .. }
        | Outcome::TokenRevoked
        | Outcome::TokenUsed
        | Outcome::SubjectErased { .. }
        | Outcome::Reacted { .. }
        | Outcome::TasksChanged(_)
        | Outcome::GroupCreated(_)
        | Outcome::StreamDeleted { .. }
        | Outcome::Progressed { .. }
        | Outcome::LeaseGranted(_)
        | Outcome::LeaseAwaited { .. }
        | Outcome::LeaseRenewed { .. }
        | Outcome::LeaseReleased
        | Outcome::LeaseWithdrawn
        | Outcome::ValueDeleted { .. }
        | Outcome::ExecutionBegun(_)
        | Outcome::ExecutionCompleted { .. }
        | Outcome::ExecutionAbandoned { .. }
        | Outcome::TenantPut
        | Outcome::TenantDeleted { .. }
        | Outcome::LimitPut
        | Outcome::LimitDeleted
        | Outcome::BreakerPut
        | Outcome::BreakerDeleted
        | Outcome::BreakerControlled
        | Outcome::BreakerAsked(_)
        | Outcome::BreakerRecorded(_)
        | Outcome::Refused(_) => {}
    }
    outcome
}

fn remember<V: View>(keyed: Keyed, slot: Slot, outcome: &Outcome, overlay: &mut Overlay<'_, '_, V>) {
    let mut bytes = Vec::with_capacity(32);
    outcome::encode(outcome, &mut bytes);
    let expires = Elapsed(overlay.shard.elapsed.0.saturating_add(limits::IDEMPOTENCY_KEPT_MS));
    let value = IdempotencyRow { fingerprint: keyed.fingerprint, expires, outcome: &bytes }.encode();
    overlay.shard.records += 1;
    overlay.shard.records_bytes += row_bytes(&value);
    overlay.put(idempotency_key(slot, Namespace::ROOT, keyed.key), value);
    let timer = RecordTimerKey { slot, deadline: expires, namespace: Namespace::ROOT, key: keyed.key };
    overlay.put(timer.encode(), Vec::new());
    overlay.set_timer(slot, Timer::Records(expires));
}

/// An expired record whose rows still exist.
pub(crate) struct Expired {
    deadline: Elapsed,
    bytes: u64,
}

/// Deletes an expired record and its timer.
pub(crate) fn forget<V: View>(
    key: KeyHash,
    slot: Slot,
    expired: Expired,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let uncounted = || contradiction("the count of idempotency records is wrong");
    overlay.shard.records = overlay.shard.records.checked_sub(1).ok_or_else(uncounted)?;
    overlay.shard.records_bytes =
        overlay.shard.records_bytes.checked_sub(expired.bytes).ok_or_else(uncounted)?;
    overlay.delete(idempotency_key(slot, Namespace::ROOT, key));
    let timer = RecordTimerKey { slot, deadline: expired.deadline, namespace: Namespace::ROOT, key };
    overlay.delete(timer.encode());
    Ok(())
}

/// Deletes the record that `timer` belongs to.
pub(crate) fn expire<V: View>(
    timer: RecordTimerKey,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let value = overlay
        .get(&idempotency_key(timer.slot, timer.namespace, timer.key))?
        .ok_or_else(|| contradiction("an idempotency record's timer outlived it"))?;
    let expired = Expired { deadline: timer.deadline, bytes: row_bytes(&value) };
    forget(timer.key, timer.slot, expired, overlay)
}

/// The bytes that a record counts for: both of its rows, keys included.
fn row_bytes(value: &[u8]) -> u64 {
    const KEYS: u64 = 23 + 35;
    KEYS + value.len() as u64
}

#[cfg(test)]
mod tests {
    use crate::testing::{Store, check, name};
    use format::row::ShardRow;
    use model::{Effect, Elapsed, Namespace, Slot, Timer};

    const DAY: &str = "wait 86400000";

    #[test]
    fn a_request_sent_again_with_its_key_gets_its_original_outcome() {
        check(&[
            ("key k append cart _", "key k append cart _", "0*", "cart 0_"),
            ("key k append cart if none _; append cart a", "key k append cart if none _", "0*", "cart 0_ 1a"),
            ("key k append cart _; delete cart", "key k append cart _", "0*", "cart deleted next 1"),
            (
                "key k append cart _, append order _",
                "key k append cart _, append order _",
                "done again: 0*, 0*",
                "cart 0_, order 0_",
            ),
        ]);
    }

    #[test]
    fn a_key_used_for_another_request_is_refused() {
        check(&[
            ("key k append cart _", "key k append cart a", "the key belongs to another request", "cart 0_"),
            (
                "key k append cart _",
                "key k append cart if 0 a",
                "the key belongs to another request",
                "cart 0_",
            ),
            (
                "key k append cart _, append order _",
                "key k append cart _, append order a",
                "the key belongs to another request",
                "cart 0_, order 0_",
            ),
            ("key k append cart _", "key j append cart _", "1", "cart 0_ 1_"),
            // Keys of different streams are independent.
            ("key k append cart _", "key k append order a", "0", "cart 0_, order 0a"),
        ]);
    }

    #[test]
    fn a_retry_with_another_precondition_has_its_own_refusal() {
        let refused = "the key had another precondition";
        check(&[
            ("key k append cart _", "key k append cart if none _", refused, "cart 0_"),
            ("key k append cart if none _", "key k append cart if 0 _", refused, "cart 0_"),
            ("key k append cart if none _", "key k append cart _", refused, "cart 0_"),
            (
                "key k check cart if none, append order _",
                "key k check cart if exists, append order _",
                refused,
                "order 0_",
            ),
            (
                "key k append cart if none _, append order _",
                "key k append cart if 0 _, append order _",
                refused,
                "cart 0_, order 0_",
            ),
        ]);
    }

    #[test]
    fn refusals_are_not_recorded() {
        check(&[
            ("key k append cart if 7 _", "key k append cart if none _", "0", "cart 0_"),
            (
                "key k append cart if 7 _; append cart a",
                "key k append cart if 7 _",
                "part 0 is at 0",
                "cart 0a",
            ),
        ]);
    }

    #[test]
    fn a_record_is_kept_for_a_day_of_elapsed_time() {
        let mut store = Store::default();
        store.run("key k append cart _; wait 86399999");
        assert_eq!(store.run("key k append cart _"), "0*");
        assert_eq!(store.due(), None);
        store.run("wait 1");
        assert!(store.agenda.next().are_due(store.entry_clock()));
        assert_eq!(store.run("key k append cart if exists _"), "1", "whether it is cleaned up or not");
        assert_eq!(store.due(), None, "the new record replaced the old one");
    }

    #[test]
    fn a_record_sets_a_timer_in_its_slot() {
        let mut store = Store::default();
        store.run("key k append cart _");
        let slot = name("cart").slot(Namespace::ROOT);
        let timer = Timer::Records(Elapsed(86_400_000));
        assert_eq!(store.applied.effects, [Effect::TimerSet { slot, timer }]);
        assert_eq!(store.agenda.next().elapsed, Some(Elapsed(86_400_000)));
        store.run("wait 5; key j append cart _");
        assert_eq!(store.agenda.next().elapsed, Some(Elapsed(86_400_000)));
        store.run(DAY);
        while let Some(command) = store.due() {
            store.apply(command);
        }
        assert_eq!(store.agenda.next().elapsed, None);
        assert_eq!(store.clock().records_bytes, 0);
    }

    #[test]
    fn a_shard_full_of_records_refuses_new_keys_and_drops_no_record() {
        for (records, records_bytes) in
            [(model::limits::IDEMPOTENCY_RECORDS_MAX, 0), (1, model::limits::IDEMPOTENCY_BYTES_MAX)]
        {
            let mut store = Store::default();
            store.run("key k append cart a");
            let key = format::row::shard_key(Slot(0));
            let row = ShardRow::decode(&store.rows[&key[..]]).unwrap();
            store.rows.insert(key.into(), ShardRow { records, records_bytes, ..row }.encode());
            assert_eq!(store.run("key j append cart b"), "keys full");
            assert_eq!(store.run("key k append cart a"), "0*");
            assert_eq!(store.run("append cart b"), "1");
        }
    }
}
