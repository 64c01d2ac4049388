//! Whether an event was appended before.
//!
//! An event's `source` and `id` identify it within one stream, for as long as the stream keeps it. Sending it
//! again with the same content is a replay: nothing is appended, and the outcome says where the event is.
//! Sending it again with different content is a conflict, and the whole request is refused. An event that the
//! stream no longer keeps is forgotten. Sending it again appends it as new, even if clean-up has not deleted
//! its rows yet.
//!
//! An id that the server made needs no row, because it contains the event's cursor. If the stream holds no
//! event with that cursor and an id from the server, the id is treated like any other.
//!
//! If a request contains the same event twice, the second is a replay of the first, or a conflict.

use crate::damage::{bad_row, contradiction};
use crate::heads::{Head, Stream};
use crate::overlay::Overlay;
use crate::revisions::Revisions;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use format::row::{Author, DedupRow, RevisionRow, dedup_key};
use model::{
    Append, AppendedEvent, Cursor, Fingerprint, IdHash, Identity, NewEvent, Refusal, Revision, View,
    ViewError,
};

/// What is known about one event of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    New,
    /// The stream holds it.
    Stored(AppendedEvent),
    /// It repeats an earlier event of this request: event number `event` of append number `write`, both from
    /// 0.
    Twin {
        write: u32,
        event: u32,
    },
}

/// What is known about each event of one append.
pub(crate) type FoundEvents = Vec<Found>;

/// Looks up a request's events, append by append.
#[derive(Debug, Default)]
pub(crate) struct Duplicates<'e> {
    /// The request's own events with an id from the client. Left empty for a request of a single event.
    seen: BTreeMap<(IdHash, &'e str), Seen>,
    any_new: bool,
    any: bool,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    write: u32,
    event: u32,
    fingerprint: Fingerprint,
}

impl<'e> Duplicates<'e> {
    /// Whether the streams hold every event of the request, and there is at least one.
    pub(crate) fn all_stored(&self) -> bool {
        self.any && !self.any_new
    }

    /// Looks up the events of append number `write` of the request.
    pub(crate) fn find<V: View>(
        &mut self,
        write: u32,
        append: &'e Append<'_>,
        stream: &Stream<'_>,
        head: Option<&Head>,
        request: Size,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<Result<FoundEvents, Refusal>, ViewError> {
        let mut found = Vec::with_capacity(append.events.len());
        for (at, event) in append.events.iter().enumerate() {
            let at = at as u32;
            let conflict = |revision| Refusal::EventConflict { write, event: at, revision };
            let is = match stored(event, stream, head, overlay)? {
                Stored::Same(event) => Found::Stored(event),
                Stored::Other(revision) => return Ok(Err(conflict(Some(revision)))),
                Stored::No if request == Size::One => Found::New,
                Stored::No => {
                    match self.twin(Seen { write, event: at, fingerprint: event.fingerprint }, event, append)
                    {
                        Ok(is) => is,
                        Err(OtherContent) => return Ok(Err(conflict(None))),
                    }
                }
            };
            self.any_new |= is == Found::New;
            found.push(is);
        }
        self.any |= !found.is_empty();
        Ok(Ok(found))
    }

    fn twin(
        &mut self,
        this: Seen,
        event: &NewEvent<'_>,
        append: &'e Append<'_>,
    ) -> Result<Found, OtherContent> {
        let (Identity::Client(id) | Identity::Echo { id, .. }) = event.identity else {
            return Ok(Found::New);
        };
        match self.seen.get(&(id, append.stream.as_str())) {
            None => {
                self.seen.insert((id, append.stream.as_str()), this);
                Ok(Found::New)
            }
            Some(first) if first.fingerprint == this.fingerprint => {
                Ok(Found::Twin { write: first.write, event: first.event })
            }
            Some(_) => Err(OtherContent),
        }
    }
}

/// How many events a request has, over all its appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    One,
    Many,
}

impl Size {
    pub(crate) fn of(events: usize) -> Self {
        if events <= 1 { Self::One } else { Self::Many }
    }
}

struct OtherContent;

enum Stored {
    No,
    Same(AppendedEvent),
    Other(Revision),
}

impl Stored {
    fn of(first: Fingerprint, sent: Fingerprint, revision: Revision, row: RevisionRow) -> Self {
        if first.is_repeated_by(sent, row.position) {
            Self::Same(AppendedEvent { revision, position: row.position, replayed: true })
        } else {
            Self::Other(revision)
        }
    }
}

fn stored<V: View>(
    event: &NewEvent<'_>,
    stream: &Stream<'_>,
    head: Option<&Head>,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Stored, ViewError> {
    let Some(kept) = head.map(|head| head.kept(stream.slot)).filter(|kept| !kept.is_empty()) else {
        return Ok(Stored::No);
    };
    match event.identity {
        Identity::Server => Ok(Stored::No),
        Identity::Client(id) => by_id(id, event.fingerprint, kept, overlay),
        Identity::Echo { id, cursor, .. } => match by_cursor(cursor, event.fingerprint, kept, overlay)? {
            Stored::No => by_id(id, event.fingerprint, kept, overlay),
            stored => Ok(stored),
        },
    }
}

fn by_id(
    id: IdHash,
    fingerprint: Fingerprint,
    kept: Revisions,
    view: &impl View,
) -> Result<Stored, ViewError> {
    let key = dedup_key(kept.slot, Revisions::NAMESPACE, kept.stream, id);
    let Some(value) = view.get(&key)? else { return Ok(Stored::No) };
    let DedupRow { revision, fingerprint: first } =
        DedupRow::decode(&value).map_err(|error| bad_row("dedup row", error))?;
    if revision < kept.first {
        return Ok(Stored::No);
    }
    if revision >= kept.next {
        return Err(contradiction("a dedup row points beyond its stream's end"));
    }
    Ok(Stored::of(first, fingerprint, revision, kept.row(view, revision)?))
}

/// The event with this cursor, if the server made its id.
fn by_cursor(
    cursor: Cursor,
    fingerprint: Fingerprint,
    kept: Revisions,
    view: &impl View,
) -> Result<Stored, ViewError> {
    if cursor.slot != kept.slot {
        return Ok(Stored::No);
    }
    let Some((revision, row)) = kept.at(view, cursor.position)? else { return Ok(Stored::No) };
    let Author::Server(first) = row.author else { return Ok(Stored::No) };
    Ok(Stored::of(first, fingerprint, revision, row))
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn an_event_sent_again_is_a_replay() {
        check(&[
            ("append cart a", "append cart a", "0*", "cart 0a"),
            ("append cart a b", "append cart b a", "1* 0*", "cart 0a 1b"),
            // Another stream does not hold it.
            ("append cart a", "append order a", "0", "cart 0a, order 0a"),
        ]);
    }

    #[test]
    fn the_expected_revision_of_a_replay_is_not_checked() {
        check(&[
            ("append cart if none a; append cart b", "append cart if none a", "0*", "cart 0a 1b"),
            ("append cart a; append cart b", "append cart if 7 a b", "0* 1*", "cart 0a 1b"),
        ]);
    }

    #[test]
    fn a_mixed_batch_appends_its_new_events_at_the_expected_revision() {
        check(&[
            ("append cart a b", "append cart b c", "1* 2", "cart 0a 1b 2c"),
            ("append cart a b", "append cart if 1 c a", "2 0*", "cart 0a 1b 2c"),
            ("append cart a b", "append cart if 0 a c", "part 0 is at 1", "cart 0a 1b"),
        ]);
    }

    #[test]
    fn the_same_id_with_other_content_is_refused() {
        check(&[
            ("append cart a", "append cart a=2", "event 0 of write 0 is not revision 0", "cart 0a"),
            ("append cart a", "append cart b a=2", "event 1 of write 0 is not revision 0", "cart 0a"),
            // The conflict is reported before the wrong revision, because retrying with another revision
            // would not help.
            ("append cart a", "append cart if 9 a=2", "event 0 of write 0 is not revision 0", "cart 0a"),
        ]);
    }

    #[test]
    fn the_same_id_twice_in_one_request_is_one_event() {
        check(&[
            ("", "append cart a a b", "0 0* 1", "cart 0a 1b"),
            ("", "append cart a a=2", "event 1 of write 0 is twice in the request", ""),
            ("", "append cart _ _", "0 1", "cart 0_ 1_"),
            ("", "append cart ~0 ~0", "0 0*", "cart 0~0"),
        ]);
    }

    #[test]
    fn events_that_are_no_longer_kept_are_forgotten() {
        check(&[
            ("append cart a b; keep cart from 1", "append cart a", "2", "cart 1b 2a"),
            ("append cart a b; keep cart from 1", "append cart a=2", "2", "cart 1b 2a"),
            ("append cart a b; keep cart from 1; clean cart 100", "append cart a=2", "2", "cart 1b 2a"),
            ("append cart a; delete cart", "append cart a", "1", "cart 1a"),
            // The new event is known, and clean-up deletes none of its rows.
            (
                "append cart a b; keep cart from 1; append cart a=2; clean cart 100",
                "append cart a=2",
                "2*",
                "cart 1b 2a",
            ),
        ]);
    }

    #[test]
    fn an_id_made_by_the_server_is_found_by_its_cursor() {
        check(&[
            ("append cart _ _", "append cart ~1", "1*", "cart 0_ 1_"),
            ("append cart _ _", "append cart ~1=2", "event 0 of write 0 is not revision 1", "cart 0_ 1_"),
            ("append cart _ _", "append cart ~1 ~1 a", "1* 1* 2", "cart 0_ 1_ 2a"),
            // There is no such event, or its id came from a client: the id is treated like any other.
            ("append cart _", "append cart ~7", "1", "cart 0_ 1~7"),
            ("append cart _; append cart ~7", "append cart ~7", "1*", "cart 0_ 1~7"),
            ("append cart a", "append cart ~0", "1", "cart 0a 1~0"),
            ("append cart _ _; keep cart from 1", "append cart ~0", "2", "cart 1_ 2~0"),
        ]);
    }
}
