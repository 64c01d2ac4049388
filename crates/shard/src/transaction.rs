//! Checks and writes, all or none.
//!
//! *Every check holds for the state before the transaction, and then every write is done, or nothing is.* The
//! writes are done one after another, so the second append to a stream finds what the first has left. If all
//! the events of all the writes are there already, the answer says where, and nothing else is checked.

use crate::heads::{Head, Stream, is_as_expected};
use crate::overlay::Overlay;
use crate::stream::append;
use crate::stream::duplicates::{Duplicates, FoundEvents, Size};
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

/// One write's stream, and what is known of its events.
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
    for (part, Check::Stream { stream, expected }) in transaction.checks.iter().enumerate() {
        let head = overlay.head(&Stream::new(stream))?;
        if !is_as_expected(*expected, head.as_ref()) {
            let current = head.as_ref().and_then(Head::last);
            return Ok(Err(Refusal::WrongRevision { part: part as u32, current }));
        }
    }
    Ok(Ok(()))
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
