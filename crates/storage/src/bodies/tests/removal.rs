//! Removed events, and only those, leave the disk.

use super::*;
use crate::bodies::{Compacted, SegmentId};
use crate::conformance::disk::over_each_disk;
use crate::disk::DiskFile;
use model::Wall;
use std::collections::BTreeSet;

over_each_disk! {
    a_segment_is_due_when_half_of_it_is_dead;
    a_segment_is_due_some_time_after_its_first_removal;
    the_tail_is_sealed_when_its_dead_events_are_old;
    a_rewrite_waits_until_the_state_is_flushed;
    a_rewrite_keeps_live_events_and_drops_dead_ones;
    removed_bytes_are_gone_from_the_disk;
    a_failed_liveness_check_leaves_the_old_segment;
    nothing_is_rewritten_when_nothing_turns_out_to_be_dead;
    empty_segments_are_merged_into_the_next;
    the_account_of_removals_survives_a_restart;
    dead_bytes_are_the_dead_records_at_the_mean_size_of_their_segment;
    removals_noted_during_a_rewrite_count_for_the_new_segment;
    pages_say_whether_they_may_hold_removed_events;
}

/// About ten records in each segment, synced and known to a flushed state.
fn written<D: Disk>(disk: &D, count: u64) -> (Bodies<D>, BodyReader<D>) {
    let (mut bodies, reader) = Bodies::open(disk.clone(), 0, options()).expect("opens");
    for position in 1..=count {
        append(&mut bodies, &[position]);
    }
    let end = bodies.sync_handle().run().expect("synced");
    bodies.persisted(flushed_to(end));
    (bodies, reader)
}

fn positions(of: impl IntoIterator<Item = u64>) -> Vec<Position> {
    of.into_iter().map(Position).collect()
}

fn compact<D: Disk>(bodies: &Bodies<D>, segment: SegmentId, dead: impl Fn(u64) -> bool) -> Compacted {
    let live = |record: &BodyRecord<'_>| Ok::<_, std::io::Error>(!dead(record.position.0));
    bodies.compaction(segment).run(live).expect("rewritten")
}

/// Which positions the first segment holds.
fn in_first_segment<D: Disk>(disk: &D) -> u64 {
    let name = disk.list().expect("listed").into_iter().nth(1).expect("a second segment");
    let end = u64::from_str_radix(&name[..16], 16).expect("an offset");
    let mut at = 0;
    (1..)
        .take_while(|position| {
            (at + encoded(*position).len() as u64 <= end, at += encoded(*position).len() as u64).0
        })
        .count() as u64
}

fn a_segment_is_due_when_half_of_it_is_dead(disk: impl Disk) {
    let (mut bodies, _) = written(&disk, 60);
    let count = in_first_segment(&disk);
    bodies.note_removed(&positions(1..count.div_ceil(2)), Wall(5));
    assert_eq!(bodies.compaction_due(Wall(6)).expect("space"), None);
    bodies.note_removed(&positions([count.div_ceil(2)]), Wall(5));
    assert_eq!(bodies.compaction_due(Wall(6)).expect("space"), Some(SegmentId(0)));
}

fn a_segment_is_due_some_time_after_its_first_removal(disk: impl Disk) {
    let (mut bodies, _) = written(&disk, 60);
    bodies.note_removed(&positions([2]), Wall(500));
    bodies.note_removed(&positions([3]), Wall(900));
    assert_eq!(bodies.compaction_due(Wall(1_499)).expect("space"), None);
    assert_eq!(bodies.compaction_due(Wall(100)).expect("space"), None, "a clock that stepped back");
    assert_eq!(bodies.compaction_due(Wall(1_500)).expect("space"), Some(SegmentId(0)));
}

fn the_tail_is_sealed_when_its_dead_events_are_old(disk: impl Disk) {
    let (mut bodies, reader) = written(&disk, 3);
    bodies.note_removed(&positions([2]), Wall(0));
    let end = bodies.end();
    assert_eq!(bodies.compaction_due(Wall(1_000)).expect("space"), Some(SegmentId(0)));
    assert_eq!((bodies.stats().segments, bodies.end()), (2, end));
    let done = compact(&bodies, SegmentId(0), |position| position == 2);
    assert_eq!((done.records_kept, done.records_dropped), (2, 1));
    append(&mut bodies, &[4]);
    assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact"), [1, 3, 4]);
    assert_eq!(bodies.compaction_due(Wall(9_000)).expect("space"), None);
}

fn a_rewrite_waits_until_the_state_is_flushed(disk: impl Disk) {
    let (mut bodies, _) = Bodies::open(disk, 0, options()).expect("opens");
    append(&mut bodies, &[1, 2]);
    bodies.note_removed(&positions([1, 2]), Wall(0));
    assert_eq!(bodies.compaction_due(Wall(1_000)).expect("space"), None);
    assert!(bodies.stats().is_flush_wanted);
    let end = bodies.sync_handle().run().expect("synced");
    bodies.persisted(flushed_to(end));
    assert_eq!(bodies.compaction_due(Wall(1_000)).expect("space"), Some(SegmentId(0)));
}

fn a_rewrite_keeps_live_events_and_drops_dead_ones(disk: impl Disk) {
    let (mut bodies, reader) = written(&disk, 300);
    let dead = |position: u64| !position.is_multiple_of(3) && position < 250;
    bodies.note_removed(&positions((1..=300).filter(|position| dead(*position))), Wall(0));
    let held = reader.page_after(Cursor::START, ALL, 900).expect("intact");
    let mut segments = 0;
    while let Some(segment) = bodies.compaction_due(Wall(2_000)).expect("space") {
        compact(&bodies, segment, dead);
        segments += 1;
    }
    assert!(segments > 5);
    assert_eq!(bodies.stats().dead_records, 0);
    let live: Vec<u64> = (1..=300).filter(|position| !dead(*position)).collect();
    for bytes_max in [1, 900, 50_000] {
        assert_eq!(read(&reader, Cursor::START, ALL, bytes_max).expect("intact"), live);
        let from = held.through.position.0;
        let behind: Vec<u64> = live.iter().copied().filter(|position| *position > from).collect();
        assert_eq!(read(&reader, held.through, ALL, bytes_max).expect("intact"), behind, "reading continues");
    }
    for reopened in [false, true] {
        let reader = if reopened {
            Bodies::open(disk.clone(), bodies.end(), options()).expect("opens").1
        } else {
            reader.clone()
        };
        for position in 1..=300 {
            let found = reader.get(Position(position)).expect("intact");
            assert_eq!(found, (!dead(position)).then(|| encoded(position)), "{position}");
        }
    }
}

fn removed_bytes_are_gone_from_the_disk(disk: impl Disk) {
    let (mut bodies, _) = Bodies::open(disk.clone(), 0, options()).expect("opens");
    bodies.append(&record_of(1, b"a name that was to be forgotten"), cursor(1)).expect("space");
    append(&mut bodies, &(2..40).collect::<Vec<_>>());
    bodies.note_removed(&positions([1]), Wall(0));
    assert_eq!(bodies.compaction_due(Wall(1_000)).expect("space"), None);
    let end = bodies.sync_handle().run().expect("synced");
    bodies.persisted(flushed_to(end));
    let segment = bodies.compaction_due(Wall(1_000)).expect("space").expect("due");
    compact(&bodies, segment, |position| position == 1);
    for name in disk.list().expect("listed") {
        let file = disk.open(&name).expect("opens");
        let mut content = vec![0; file.len().expect("a length") as usize];
        file.read_at(&mut content, 0).expect("read");
        assert!(!content.windows(11).any(|bytes| bytes == b"a name that"), "{name}");
    }
}

fn a_failed_liveness_check_leaves_the_old_segment(disk: impl Disk) {
    let (mut bodies, reader) = written(&disk, 60);
    bodies.note_removed(&positions(1..12), Wall(0));
    let segment = bodies.compaction_due(Wall(1_000)).expect("space").expect("due");
    let job = bodies.compaction(segment);
    assert_eq!(bodies.compaction_due(Wall(1_000)).expect("space"), None, "one at a time");
    let error = job.run(|_| Err::<bool, _>("the state is gone")).expect_err("no result");
    assert_eq!(error.to_string(), "cannot determine whether an event is live: the state is gone");
    assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact").len(), 60);
    assert_eq!(bodies.compaction_due(Wall(1_000)).expect("space"), Some(segment), "it is due again");
    drop(bodies.compaction(segment));
    assert_eq!(
        bodies.compaction_due(Wall(1_000)).expect("space"),
        Some(segment),
        "a dropped job leaves it due"
    );
}

fn nothing_is_rewritten_when_nothing_turns_out_to_be_dead(disk: impl Disk) {
    let (mut bodies, _) = written(&disk, 60);
    let files = disk.list().expect("listed");
    bodies.note_removed(&positions([1]), Wall(0));
    let segment = bodies.compaction_due(Wall(1_000)).expect("space").expect("due");
    let done = compact(&bodies, segment, |_| false);
    assert_eq!((done.records_dropped, done.bytes_freed), (0, 0));
    assert_eq!(disk.list().expect("listed"), files);
    assert_eq!(bodies.compaction_due(Wall(1_000)).expect("space"), None);
}

fn empty_segments_are_merged_into_the_next(disk: impl Disk) {
    let (mut bodies, reader) = written(&disk, 300);
    let before = bodies.stats().segments;
    bodies.note_removed(&positions(1..=290), Wall(0));
    while let Some(segment) = bodies.compaction_due(Wall(2_000)).expect("space") {
        compact(&bodies, segment, |position| position <= 290);
        let end = bodies.sync_handle().run().expect("synced");
        bodies.persisted(flushed_to(end));
    }
    assert!(before > 10);
    assert!(bodies.stats().segments <= 3, "{}", bodies.stats().segments);
    let live: Vec<u64> = (291..=300).collect();
    assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact"), live);
    let (_, reader) = Bodies::open(disk, bodies.end(), options()).expect("opens");
    assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact"), live);
}

fn the_account_of_removals_survives_a_restart(disk: impl Disk) {
    let (mut bodies, _) = written(&disk, 60);
    bodies.note_removed(&positions([1, 2, 3, 59, 60]), Wall(100));
    bodies.sync_handle().run().expect("synced");
    let end = bodies.end();
    drop(bodies);
    let (mut bodies, _) = Bodies::open(disk, end, options()).expect("opens");
    assert_eq!(bodies.stats().dead_records, 5);
    assert_eq!(bodies.compaction_due(Wall(1_099)).expect("space"), None);
    assert_eq!(bodies.compaction_due(Wall(1_100)).expect("space"), Some(SegmentId(0)));
}

fn dead_bytes_are_the_dead_records_at_the_mean_size_of_their_segment(disk: impl Disk) {
    let (mut bodies, _) = Bodies::open(disk.clone(), 0, options()).expect("opens");
    let record = record_of(1, &[7; 300]).len() as u64;
    let batch: Vec<u8> = (1..=40).flat_map(|position| record_of(position, &[7; 300])).collect();
    for (position, record) in (1..).zip(batch.chunks(record as usize)) {
        bodies.append(record, cursor(position)).expect("space");
    }
    let end = bodies.sync_handle().run().expect("synced");
    bodies.persisted(flushed_to(end));
    assert_eq!(bodies.stats().dead_bytes, 0);
    bodies.note_removed(&positions([1, 2, 40]), Wall(0));
    assert_eq!(bodies.stats().dead_bytes, 3 * record, "in a sealed segment and in the tail");
    let segment = bodies.compaction_due(Wall(1_000)).expect("space").expect("due");
    let job = bodies.compaction(segment);
    assert_eq!(bodies.stats().dead_bytes, 3 * record, "the old segment is still on disk");
    job.run(|record| Ok::<_, std::io::Error>(record.position.0 > 2)).expect("rewritten");
    assert_eq!(bodies.stats().dead_bytes, record);
}

fn removals_noted_during_a_rewrite_count_for_the_new_segment(disk: impl Disk) {
    let (mut bodies, reader) = written(&disk, 60);
    bodies.note_removed(&positions([1, 2]), Wall(0));
    let segment = bodies.compaction_due(Wall(1_000)).expect("space").expect("due");
    let job = bodies.compaction(segment);
    bodies.note_removed(&positions([3]), Wall(1_000));
    job.run(|record| Ok::<_, std::io::Error>(record.position.0 > 2)).expect("rewritten");
    assert_eq!(bodies.stats().dead_records, 1);
    assert_eq!(bodies.compaction_due(Wall(1_999)).expect("space"), None);
    let segment = bodies.compaction_due(Wall(2_000)).expect("space").expect("due");
    compact(&bodies, segment, |position| position <= 3);
    let found: BTreeSet<u64> = read(&reader, Cursor::START, ALL, 900).expect("intact").into_iter().collect();
    assert_eq!(found, (4..=60).collect());
}

fn pages_say_whether_they_may_hold_removed_events(disk: impl Disk) {
    let (mut bodies, reader) = written(&disk, 60);
    let page = |after| reader.page_after(cursor(after), ALL, 1).expect("intact").may_hold_removed;
    assert!(!page(0));
    bodies.note_removed(&positions([2, 60]), Wall(0));
    assert!(page(0) && page(1) && page(59));
    assert!(!page(30), "another segment");
    let segment = bodies.compaction_due(Wall(1_000)).expect("space").expect("due");
    let job = bodies.compaction(segment);
    assert!(page(0), "it is still there");
    job.run(|record| Ok::<_, std::io::Error>(record.position.0 != 2)).expect("rewritten");
    assert!(!page(0) && page(59));
}
