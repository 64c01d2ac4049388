//! Checks and writes that are applied together or not at all.
//!
//! *Either every check holds for the state before the transaction and every write is done, or nothing is.*
//! The writes are done one after another, so a second append to a stream sees what the first one appended. If
//! the streams already hold all the events of all the writes, the queues all the tasks, the groups are all there, and
//! every settlement has ended its claim, and every completion its execution, the outcome is the first one again, and
//! nothing else is checked. A settlement whose claim is over otherwise refuses the transaction, and so does a completion
//! whose execution is over: what a worker or an endpoint writes together with it is written once.

use crate::execution::{Execution, complete};
use crate::group::create;
use crate::heads::{Head, Stream, is_as_expected};
use crate::lease;
use crate::overlay::Overlay;
use crate::queue::{enqueue, settle};
use crate::stream::append;
use crate::stream::duplicates::{Duplicates, FoundEvents, Size};
use crate::value;
use alloc::vec::Vec;
use model::{Check, Outcome, Refusal, Transaction, View, ViewError, Write, Written};

/// Decides the command.
pub(crate) fn apply<'e, V: View>(
    transaction: &'e Transaction<'_>,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Outcome, ViewError> {
    let mut duplicates = Duplicates::default();
    let found = match find_duplicates(transaction, &mut duplicates, overlay)? {
        Ok(found) => found,
        Err(conflict) => return Ok(Outcome::Refused(conflict)),
    };
    if let Some(writes) = replay(transaction, &found, &duplicates, overlay)? {
        return Ok(Outcome::Transacted { replayed: true, writes });
    }
    if let Err(refusal) = check_all(transaction, overlay)? {
        return Ok(Outcome::Refused(refusal));
    }
    overlay.savepoint();
    match write_all(transaction, &found, overlay)? {
        Ok(writes) => {
            overlay.release();
            Ok(Outcome::Transacted { replayed: false, writes })
        }
        Err(refusal) => {
            overlay.rollback();
            Ok(Outcome::Refused(refusal))
        }
    }
}

/// One append's stream, and what is known about its events.
struct FoundAppend<'e> {
    stream: Stream<'e>,
    events: FoundEvents,
}

/// Looks up the events of all appends.
fn find_duplicates<'e, V: View>(
    transaction: &'e Transaction<'_>,
    duplicates: &mut Duplicates<'e>,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Result<Vec<FoundAppend<'e>>, Refusal>, ViewError> {
    let appends = || {
        transaction.writes.iter().enumerate().filter_map(|(at, write)| match write {
            Write::Append(append) => Some((at as u32, append)),
            Write::Enqueue(_) | Write::Settle(_) | Write::CompleteExecution(_) | Write::CreateGroup(_) => {
                None
            }
        })
    };
    let events = appends().map(|(_, append)| append.events.len()).sum();
    let mut found = Vec::with_capacity(transaction.writes.len());
    for (number, (at, append)) in appends().enumerate() {
        let stream = Stream::new(&append.stream);
        let head = overlay.head(&stream)?;
        match duplicates.find(number as u32, append, &stream, head.as_ref(), Size::of(events), overlay)? {
            Ok(events) => found.push(FoundAppend { stream, events }),
            Err(Refusal::EventConflict { event, revision, .. }) => {
                return Ok(Err(Refusal::EventConflict { write: at, event, revision }));
            }
            Err(conflict) => return Ok(Err(conflict)),
        }
    }
    Ok(Ok(found))
}

/// The outcome of a transaction that was done before: the streams hold its events, the queues its tasks, and its
/// settlements have ended their claims.
fn replay<V: View>(
    transaction: &Transaction<'_>,
    found: &[FoundAppend<'_>],
    duplicates: &Duplicates<'_>,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Option<Vec<Written>>, ViewError> {
    if transaction.writes.is_empty() || (!found.is_empty() && !duplicates.all_stored()) {
        return Ok(None);
    }
    let mut found = found.iter();
    let mut writes = Vec::with_capacity(transaction.writes.len());
    for write in &transaction.writes {
        let written = match write {
            Write::Append(_) => {
                found.next().map(|found| Written::Appended(append::replay(&found.stream, &found.events)))
            }
            Write::Enqueue(enqueue) => enqueue::replay(enqueue, overlay)?.map(Written::Enqueued),
            Write::Settle(settle) => settle::replay(settle, overlay)?.map(Written::Settled),
            Write::CompleteExecution(one) => {
                complete::is_done(one, overlay)?.then_some(Written::ExecutionCompleted)
            }
            Write::CreateGroup(one) => create::replay(one, overlay)?.map(Written::GroupCreated),
        };
        let Some(written) = written else { return Ok(None) };
        writes.push(written);
    }
    Ok(Some(writes))
}

fn check_all<'e, V: View>(
    transaction: &'e Transaction<'_>,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Result<(), Refusal>, ViewError> {
    for (part, check) in (0..).zip(&transaction.checks) {
        if let Err(refusal) = check_one(check, part, overlay)? {
            return Ok(Err(refusal));
        }
    }
    Ok(Ok(()))
}

fn check_one<'e, V: View>(
    check: &'e Check<'_>,
    part: u32,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Result<(), Refusal>, ViewError> {
    let (holds, refusal) = match check {
        Check::Stream { stream, expected } => {
            let head = overlay.head(&Stream::new(stream))?;
            let current = head.as_ref().and_then(Head::last);
            (is_as_expected(*expected, head.as_ref()), Refusal::WrongRevision { part, current })
        }
        Check::Lease { lease, token } => {
            (lease::is_held(lease, *token, overlay.shard.elapsed, overlay)?, Refusal::LeaseLost { part })
        }
        Check::Value { value, expected } => {
            let known = value::Known::load(value, overlay)?;
            (known.is(*expected), Refusal::WrongRevision { part, current: known.current() })
        }
        Check::Execution { key, token } => {
            (Execution::load(key, overlay)?.is_in_progress(*token)?, Refusal::ExecutionLost { part })
        }
    };
    Ok(if holds { Ok(()) } else { Err(refusal) })
}

fn write_all<'e, V: View>(
    transaction: &'e Transaction<'_>,
    found: &[FoundAppend<'e>],
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Result<Vec<Written>, Refusal>, ViewError> {
    let mut found = found.iter();
    let mut appended = Vec::with_capacity(found.len());
    let mut writes = Vec::with_capacity(transaction.writes.len());
    for (part, write) in (transaction.checks.len() as u32..).zip(&transaction.writes) {
        let written = match write {
            Write::Append(append) => {
                let Some(found) = found.next() else { continue };
                let head = overlay.head(&found.stream)?;
                if let Err(refusal) = append::check(append, part, head.as_ref()) {
                    return Ok(Err(refusal));
                }
                let one = append::write(append, &found.stream, head, &found.events, &appended, overlay)?;
                appended.push(one.clone());
                Ok(Written::Appended(one))
            }
            Write::Enqueue(enqueue) => enqueue::write(enqueue, part, overlay)?.map(Written::Enqueued),
            Write::Settle(settle) => settle::write(settle, part, overlay)?.map(Written::Settled),
            Write::CompleteExecution(one) => {
                complete::write(one, part, overlay)?.map(|()| Written::ExecutionCompleted)
            }
            Write::CreateGroup(one) => create::write(one, part, overlay)?.map(Written::GroupCreated),
        };
        match written {
            Ok(written) => writes.push(written),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    Ok(Ok(writes))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Store, check};

    #[test]
    fn all_writes_are_done_or_none() {
        check(&[
            ("", "append cart a b, append order c", "done: 0 1, 0", "cart 0a 1b, order 0c"),
            ("append order x", "append cart a, append order if none c", "part 1 is at 0", "order 0x"),
            ("append cart x", "append cart a, append cart if 0 b", "part 1 is at 1", "cart 0x"),
            ("", "append cart a, append order b, append cart if 9 c", "part 2 is at 0", ""),
        ]);
    }

    #[test]
    fn checks_apply_to_the_state_before_the_transaction() {
        check(&[
            ("append cart a", "check cart if 0, append order b", "done: 0", "cart 0a, order 0b"),
            ("append cart a", "check cart if 1, append order b", "part 0 is at 0", "cart 0a"),
            (
                "append cart a",
                "check cart if exists, check order if exists, append order b",
                "part 1 has no stream",
                "cart 0a",
            ),
            ("", "check cart if none, append cart a", "done: 0", "cart 0a"),
            ("append cart a", "check cart if 0, append cart b, append cart c", "done: 1, 2", "cart 0a 1b 2c"),
            ("append cart a", "check cart if 0", "done: ", "cart 0a"),
            ("append cart a", "check cart if 1", "part 0 is at 0", "cart 0a"),
        ]);
    }

    #[test]
    fn a_transaction_of_one_who_has_lost_its_lease_is_refused() {
        const LOST: &str = "part 0 has lost the lease";
        check(&[
            ("acquire lock by a", "check lock held by a, append cart x", "done: 0", "cart 0x, lock: a"),
            (
                "acquire lock by a; wait 999",
                "check lock held by a, append cart x",
                "done: 0",
                "cart 0x, lock: a",
            ),
            // Whether the node has noticed the expiry or not.
            ("acquire lock by a; wait 1000", "check lock held by a, append cart x", LOST, "lock: a off"),
            ("acquire lock by a; wait 1000; hand lock 9", "check lock held by a, append cart x", LOST, ""),
            ("acquire lock by a; release lock of a", "check lock held by a, append cart x", LOST, "lock:"),
            (
                "acquire lock by a; wait 1000; acquire lock by b",
                "check lock held by a, append cart x",
                LOST,
                "lock: b",
            ),
            (
                "acquire lock by a; wait 1000; acquire lock by b",
                "check cart if none, check lock held by a, append cart x",
                "part 1 has lost the lease",
                "lock: b",
            ),
            // A token of one lease says nothing of another.
            (
                "acquire lock by a; acquire other by a",
                "check lock held by a, append cart x",
                "done: 0",
                "cart 0x, lock: a, other: a",
            ),
        ]);
    }

    #[test]
    fn a_value_can_be_checked_like_a_stream() {
        check(&[
            ("put flag on", "check flag value 0, append cart x", "done: 0", "cart 0x, flag 0=on"),
            ("put flag on", "check flag value 1, append cart x", "part 0 is at 0", "flag 0=on"),
            ("put flag on", "check flag value exists, append cart x", "done: 0", "cart 0x, flag 0=on"),
            ("", "check flag value none, append cart x", "done: 0", "cart 0x"),
            (
                "put flag on; remove flag",
                "check flag value exists, append cart x",
                "part 0 has no stream",
                "flag removed 0",
            ),
        ]);
    }

    #[test]
    fn a_write_sees_the_effects_of_earlier_writes() {
        check(&[
            ("append cart a", "append cart if 0 b, append cart if 1 c", "done: 1, 2", "cart 0a 1b 2c"),
            ("", "append cart if none a, append cart if exists b", "done: 0, 1", "cart 0a 1b"),
            ("keep cart count 1", "append cart a, append cart b", "done: 0, 1", "cart 1b"),
        ]);
    }

    #[test]
    fn a_transaction_sent_again_is_a_replay_and_nothing_is_checked() {
        check(&[
            (
                "check cart if none, append cart a, append order b",
                "check cart if none, append cart a, append order b",
                "done again: 0*, 0*",
                "cart 0a, order 0b",
            ),
            (
                "append cart a; append cart b",
                "append cart if 7 a, append cart b",
                "done again: 0*, 1*",
                "cart 0a 1b",
            ),
            // Some of it is new, so its expected revision is checked.
            ("append cart a", "append cart if none a, append order b", "part 0 is at 0", "cart 0a"),
            ("append cart a", "append cart a, append order b", "done: 0*, 0", "cart 0a, order 0b"),
        ]);
    }

    #[test]
    fn the_same_event_in_two_writes_is_one() {
        check(&[
            ("", "append cart a, append cart a b", "done: 0, 0* 1", "cart 0a 1b"),
            ("", "append cart a, append order a", "done: 0, 0", "cart 0a, order 0a"),
            ("", "append cart a, append cart a=2", "event 0 of write 1 is twice in the request", ""),
            (
                "append cart a",
                "append order b, append cart a=2",
                "event 0 of write 1 is not revision 0",
                "cart 0a",
            ),
        ]);
    }

    #[test]
    fn a_refused_transaction_leaves_no_trace() {
        let mut store = Store::default();
        store.run("keep cart count 1 age 10; append cart a");
        let rows = store.rows.clone();
        store.run("append new b, append cart c d, append cart if 0 e");
        let ours = |rows: &alloc::collections::BTreeMap<_, _>| {
            let mut rows = rows.clone();
            // The shard's own row counts entries.
            rows.remove(&format::row::shard_key(model::Slot(0))[..]);
            rows
        };
        assert_eq!(ours(&store.rows), ours(&rows));
        assert_eq!((store.applied.bodies.len(), store.applied.last), (0, None));
        assert_eq!(store.applied.effects, []);
        assert_eq!(store.run("append new f"), "0");
    }
}
