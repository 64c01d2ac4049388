//! Checks and writes that are applied together or not at all.
//!
//! *Either every check holds for the state before the transaction and every write is done, or nothing is.*
//! The writes are done one after another, so a second append to a stream sees what the first one appended. If
//! the streams already hold all the events of all the writes, the outcome says where they are, and nothing
//! else is checked.

use crate::heads::{Head, Stream, is_as_expected};
use crate::lease;
use crate::overlay::Overlay;
use crate::stream::append;
use crate::stream::duplicates::{Duplicates, FoundEvents, Size};
use crate::value;
use alloc::vec::Vec;
use model::{Appended, Check, Outcome, Refusal, Transaction, View, ViewError, Write};

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
    if duplicates.all_stored() {
        let writes = found.iter().map(|write| append::replay(&write.stream, &write.events)).collect();
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

/// One write's stream, and what is known about its events.
struct FoundWrite<'e> {
    stream: Stream<'e>,
    events: FoundEvents,
}

fn find_duplicates<'e, V: View>(
    transaction: &'e Transaction<'_>,
    duplicates: &mut Duplicates<'e>,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Result<Vec<FoundWrite<'e>>, Refusal>, ViewError> {
    let events = transaction.writes.iter().map(|Write::Append(append)| append.events.len()).sum();
    let mut found = Vec::with_capacity(transaction.writes.len());
    for (at, Write::Append(append)) in transaction.writes.iter().enumerate() {
        let stream = Stream::new(&append.stream);
        let head = overlay.head(&stream)?;
        match duplicates.find(at as u32, append, &stream, head.as_ref(), Size::of(events), overlay)? {
            Ok(events) => found.push(FoundWrite { stream, events }),
            Err(conflict) => return Ok(Err(conflict)),
        }
    }
    Ok(Ok(found))
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
    };
    Ok(if holds { Ok(()) } else { Err(refusal) })
}

fn write_all<'e, V: View>(
    transaction: &'e Transaction<'_>,
    found: &[FoundWrite<'e>],
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Result<Vec<Appended>, Refusal>, ViewError> {
    let mut writes = Vec::with_capacity(found.len());
    for (at, (Write::Append(append), found)) in transaction.writes.iter().zip(found).enumerate() {
        let head = overlay.head(&found.stream)?;
        let part = (transaction.checks.len() + at) as u32;
        if let Err(refusal) = append::check(append, part, head.as_ref()) {
            return Ok(Err(refusal));
        }
        writes.push(append::write(append, &found.stream, head, &found.events, &writes, overlay)?);
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
