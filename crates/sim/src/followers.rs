//! Followers: readers that stay. Each reads on from its cursor or its revision, a page at a time, as subscribers of
//! a real node do. Some filter by type, some follow one stream, some are slow: they hold a snapshot while the node
//! goes on. Now and then one starts again: from its checkpoint, from the beginning, from the end, or from a cursor
//! that is ahead of the store.
//!
//! Every page is compared with the reference model, so a follower receives each event of its range exactly once
//! and in order. It may miss only what was removed in the meantime.

use crate::process::Process;
use crate::reference::{Kept, Reference};
use crate::unread::Unread;
use format::body::{BodyRecord, decode};
use model::{Cursor, Order, Position, Revision, Slot, StreamName};
use reference_model::draw;
use seeded_rng::Rng;
use shard::query::{self, Liveness, Page, PageRequest};
use storage::memory_state::MemoryReader;

/// A cursor that is ahead of the store is at most this far ahead.
const AHEAD_MS_MAX: u64 = 2_000;

/// More events than any page holds.
const PAGE_EVENTS_MAX: usize = 400;

#[derive(Clone, Debug)]
enum What {
    /// The whole store, or only events of one type.
    Store { event_type: Option<&'static str>, after: Cursor },
    /// One stream, by revision.
    Stream { name: StreamName<'static>, next: Revision },
}

/// What the store holds for the follower at one moment.
#[derive(Debug)]
struct Snapshot {
    boot: u64,
    state: MemoryReader,
    /// Everything that the next page may hold, and what it must hold if nothing is removed meanwhile.
    kept: Vec<Kept>,
    /// The first kept revision of the stream.
    first: Revision,
}

/// One follower.
#[derive(Debug)]
pub struct Follower {
    what: What,
    /// It continues from here when it starts again.
    checkpoint: What,
    page: usize,
    snapshot: Option<Snapshot>,
    pub received: u64,
}

impl Follower {
    /// A follower of a kind that is drawn.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Self {
        let what = match rng.below(6) {
            0..=1 => What::Store { event_type: None, after: Cursor::START },
            2 => What::Store { event_type: Some("type-0"), after: Cursor::START },
            3 => What::Store { event_type: Some("test.happened"), after: Cursor::START },
            _ => What::Stream { name: draw::name(rng.index(draw::NAMES.len())), next: Revision(0) },
        };
        let page = rng.pick(&[1, 3, 40]);
        Self { checkpoint: what.clone(), what, page, snapshot: None, received: 0 }
    }

    /// Whether it is about to read a page of a snapshot.
    #[must_use]
    pub fn holds_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Remembers what readers see now.
    pub fn look(&mut self, boot: u64, process: &Process, reference: &Reference) {
        let (kept, first) = match &self.what {
            What::Store { after, .. } => (reference.kept(*after, PAGE_EVENTS_MAX), Revision(0)),
            What::Stream { name, next } => {
                let Some(number) = reference.number_of(name.as_str()) else { return };
                let kept = reference.kept_of(number, *next).take(self.page).collect();
                (kept, Revision(reference.model().streams[number].removed as u64))
            }
        };
        self.snapshot = Some(Snapshot { boot, state: process.reader(), kept, first });
    }

    /// Reads a page of the snapshot, and compares it.
    ///
    /// # Errors
    /// [`Unread`].
    pub fn read(&mut self, boot: u64, process: &Process, reference: &Reference) -> Result<(), Unread> {
        let Some(snapshot) = self.snapshot.take_if(|snapshot| snapshot.boot == boot) else {
            // Its connection broke when the process ended.
            self.snapshot = None;
            return Ok(());
        };
        match &mut self.what {
            What::Store { event_type, after } => {
                let (received, through) = read_store(&snapshot, (*after, *event_type), self.page, process)?;
                *after = (*after).max(through);
                let wanted = |kept: &&Kept| {
                    kept.cursor <= through
                        && event_type.is_none_or(|wanted| reference.event_type(kept) == wanted)
                };
                self.received += compare(&received, snapshot.kept.iter().filter(wanted), reference)?;
            }
            What::Stream { name, next } => {
                let (received, then) = read_stream(&snapshot, (name, *next), self.page, process, reference)?;
                *next = then;
                self.received += received;
            }
        }
        Ok(())
    }

    /// Whether it has received everything.
    #[must_use]
    pub fn has_caught_up(&self, process: &Process, reference: &Reference) -> bool {
        match &self.what {
            What::Store { after, .. } => *after >= reference.last_event() || *after >= process.visible(),
            What::Stream { name, next } => reference
                .number_of(name.as_str())
                .is_none_or(|number| next.0 >= reference.model().streams[number].events.len() as u64),
        }
    }

    /// It starts again, from somewhere.
    pub fn restart(&mut self, rng: &mut Rng, visible: Cursor) {
        self.snapshot = None;
        let checkpoint = std::mem::replace(&mut self.checkpoint, self.what.clone());
        match &mut self.what {
            What::Store { after, .. } => match rng.below(4) {
                0 => *after = Cursor::START,
                1 => *after = visible,
                2 => {
                    let ahead = rng.below(AHEAD_MS_MAX) << Position::COUNTER_BITS;
                    *after = Cursor::new(Position(visible.position.0 + ahead), Slot(rng.next_u64() as u16));
                }
                _ => self.what = checkpoint,
            },
            What::Stream { next, .. } => match rng.below(4) {
                0 => *next = Revision(0),
                1 => *next = Revision(next.0 + rng.below(5)),
                _ => self.what = checkpoint,
            },
        }
    }
}

/// Encoded records.
type Records = Vec<Vec<u8>>;

/// A page of the whole store, read as `http-server` reads it, and how far it goes.
fn read_store(
    snapshot: &Snapshot,
    (after, event_type): (Cursor, Option<&str>),
    page: usize,
    process: &Process,
) -> Result<(Records, Cursor), Unread> {
    let clock = query::clock(&snapshot.state, Slot(0))?;
    let until = Cursor::new(clock.last_position, Slot(u16::MAX));
    if after >= until {
        return Ok((Vec::new(), after));
    }
    let mut liveness = match clock.removed_through {
        Position::ZERO => None,
        _ => Some(Liveness::new(&snapshot.state, Slot(0))?),
    };
    let page = process.bodies().page_after(after, until, page << 7)?;
    let mut received = Vec::new();
    let mut rest = &page.bytes[..];
    while !rest.is_empty() {
        let (record, len) = decode(rest).map_err(|_| page.damaged(page.bytes.len() - rest.len()))?;
        let selected = event_type.is_none_or(|wanted| record.event_type == wanted);
        let live = match &mut liveness {
            Some(liveness) if selected => liveness.is_live(&record)?,
            _ => selected,
        };
        if live {
            received.push(rest[..len].to_vec());
        }
        rest = &rest[len..];
    }
    let through = if page.at_end { until } else { page.through };
    Ok((received, through))
}

/// Reads and compares a page of one stream. Returns how many events it holds, and the revision after it.
fn read_stream(
    snapshot: &Snapshot,
    (name, next): (&StreamName<'_>, Revision),
    page: usize,
    process: &Process,
    reference: &Reference,
) -> Result<(u64, Revision), Unread> {
    let request =
        PageRequest { from: Some(next), order: Order::Ascending, limit: page, ..PageRequest::default() };
    let events = match query::page(&snapshot.state, name, &request)? {
        Page::Events(page) => page.events,
        // Retention has overtaken it. It goes on from the first event that is kept.
        Page::Truncated(truncated) if next < snapshot.first && truncated.first == snapshot.first => {
            return Ok((0, truncated.first));
        }
        Page::Truncated(truncated) => {
            return Err(format!(
                "{name} has everything from {}, but reading from {next} says {truncated:?}",
                snapshot.first
            )
            .into());
        }
    };
    if next < snapshot.first {
        return Err(
            format!("{name} begins at {}, but reading from {next} does not say so", snapshot.first).into()
        );
    }
    let found: Vec<_> = events.iter().map(|event| (event.revision, event.position)).collect();
    let kept: Vec<_> = snapshot.kept.iter().map(|kept| (kept.revision, kept.cursor.position)).collect();
    if found != kept {
        return Err(format!("the rows of {name} from {next} are {found:?} instead of {kept:?}").into());
    }
    let positions: Vec<_> = events.iter().map(|event| event.position).collect();
    let bodies = process.bodies().get_many(&positions)?;
    for (kept, body) in snapshot.kept.iter().zip(&bodies) {
        if body.is_none() && reference.is_kept(kept) {
            return Err(format!("the body of revision {} of {name} is missing", kept.revision).into());
        }
    }
    let then = events.last().map_or(next, |event| event.revision.next());
    let received: Records = bodies.into_iter().flatten().collect();
    Ok((compare(&received, snapshot.kept.iter(), reference)?, then))
}

/// Each received event is the next one that must be there. In between, only removed ones may be missing. Returns
/// how many were received.
fn compare<'a>(
    received: &[Vec<u8>],
    mut kept: impl Iterator<Item = &'a Kept>,
    reference: &Reference,
) -> Result<u64, Unread> {
    let missing =
        |kept: &Kept| format!("a follower did not receive {kept:?} among {} events", received.len());
    for bytes in received {
        let (record, _): (BodyRecord<'_>, _) =
            decode(bytes).map_err(|error| format!("a body cannot be decoded: {error:?}"))?;
        loop {
            match kept.next() {
                Some(kept) if reference.is_same(kept, &record) => break,
                Some(kept) if reference.is_kept(kept) => {
                    return Err(format!("a follower received {record:?} instead of {kept:?}").into());
                }
                Some(_) => {}
                None => return Err(format!("a follower should not have received {record:?}").into()),
            }
        }
    }
    match kept.find(|kept| reference.is_kept(kept)) {
        Some(kept) => Err(missing(kept).into()),
        None => Ok(received.len() as u64),
    }
}
