//! The body file's promises, over a disk in memory and a real one.

mod crashes;
mod damage;
mod pinned;
mod promises;
mod removal;
mod roll;
mod salvage;
mod space;
mod threads;

use super::{Bodies, BodyError, BodyOptions, BodyReader};
use crate::disk::Disk;
use crate::state::Progress;
use format::body::{self, BodyRecord};
use format::header::StoreId;
use model::{Cursor, Filled, KeyId, Namespace, Position, Revision, Slot};
use seeded_rng::Rng;

/// Small enough that a test of a few records goes through several segments and index points.
fn options() -> BodyOptions {
    BodyOptions {
        store: StoreId(7),
        segment_bytes: 4 << 10,
        stride_bytes: 512,
        indexes_max: 2,
        removed_kept_ms: 1_000,
        unsynced_bytes: 2 << 10,
    }
}

const ALL: Cursor = Cursor::new(Position::MAX, Slot(u16::MAX));

fn cursor(position: u64) -> Cursor {
    Cursor::new(Position(position), Slot((position % 5) as u16))
}

/// A record whose content follows from its position, so that a test can identify it.
fn encoded(position: u64) -> Vec<u8> {
    let length = 40 + (position * 37 % 300) as usize;
    record_of(position, &vec![position as u8; length])
}

fn record_of(position: u64, envelope: &[u8]) -> Vec<u8> {
    let cursor = cursor(position);
    let record = BodyRecord {
        position: cursor.position,
        slot: cursor.slot,
        namespace: Namespace::ROOT,
        key_id: KeyId(0),
        revision: Revision(position),
        filled: Filled::default(),
        stream: "cart-7",
        event_type: "added",
        envelope,
    };
    let mut bytes = Vec::new();
    body::encode(&record, &mut bytes);
    bytes
}

/// The progress of a completed flush of a state that refers to bodies up to `end`.
fn flushed_to(end: u64) -> Progress {
    Progress { bodies_end: end, ..Progress::default() }
}

/// One batch of the records at these positions.
fn append<D: Disk>(bodies: &mut Bodies<D>, positions: &[u64]) -> u64 {
    let batch: Vec<u8> = positions.iter().flat_map(|position| encoded(*position)).collect();
    let last = cursor(positions[positions.len() - 1]);
    bodies.append(&batch, last).expect("there is space")
}

/// All positions from `after` to `until`, page by page, each record checked.
fn read<D: Disk>(
    reader: &BodyReader<D>,
    after: Cursor,
    until: Cursor,
    bytes_max: usize,
) -> Result<Vec<u64>, BodyError> {
    let (mut found, mut after) = (Vec::new(), after);
    loop {
        let page = reader.page_after(after, until, bytes_max)?;
        let mut rest = &page.bytes[..];
        while !rest.is_empty() {
            let (record, len) = body::decode(rest).expect("intact");
            assert!(record.cursor() > after && record.cursor() <= page.through, "{}", record.position);
            found.push(record.position.0);
            rest = &rest[len..];
        }
        assert!(page.at_end || page.through > after, "a page must advance");
        after = page.through;
        if page.at_end {
            return Ok(found);
        }
    }
}
