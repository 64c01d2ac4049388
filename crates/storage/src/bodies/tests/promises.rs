//! How the body file behaves when nothing fails.

use super::*;
use crate::conformance::disk::over_each_disk;

over_each_disk! {
    the_whole_store_is_read_in_order_page_by_page;
    a_page_holds_what_lies_between_two_cursors;
    a_record_longer_than_a_page_or_a_segment_is_read;
    single_records_are_found_by_position;
    many_records_are_found_in_any_order;
    what_follows_a_cursor_is_counted_one_by_one_near_the_end;
    what_follows_a_cursor_is_estimated_within_one_segment_if_that_is_much_to_read;
    reopening_at_the_end_keeps_everything;
    reopening_below_the_end_cuts_back;
    a_file_shorter_than_the_end_is_refused;
    a_state_that_knows_less_than_an_earlier_one_is_refused;
    a_batch_out_of_order_is_refused;
    another_stores_bodies_are_refused;
    a_file_that_is_not_ours_is_refused;
}

fn written<D: Disk>(disk: &D, count: u64) -> (Bodies<D>, BodyReader<D>) {
    let (mut bodies, reader) = Bodies::open(disk.clone(), 0, options()).expect("opens");
    for batch in (1..=count).collect::<Vec<_>>().chunks(7) {
        append(&mut bodies, &batch.iter().map(|number| number * 10).collect::<Vec<_>>());
    }
    (bodies, reader)
}

fn tens(from: u64, to: u64) -> Vec<u64> {
    (from..=to).map(|number| number * 10).collect()
}

fn the_whole_store_is_read_in_order_page_by_page(disk: impl Disk) {
    let (bodies, reader) = written(&disk, 200);
    assert!(bodies.stats().segments > 5);
    for bytes_max in [1, 500, 5_000, 100_000] {
        assert_eq!(read(&reader, Cursor::START, ALL, bytes_max).expect("intact"), tens(1, 200));
    }
    let end = reader.page_after(cursor(2000), ALL, 100).expect("intact");
    assert!(end.at_end && end.bytes.is_empty());
    assert_eq!(end.through, cursor(2000), "a page promises nothing about what follows the last event");
    assert_eq!(reader.last(), cursor(2000));
}

fn a_page_holds_what_lies_between_two_cursors(disk: impl Disk) {
    let (_, reader) = written(&disk, 200);
    for (after, until, from, to) in
        [(0, 10, 1, 1), (10, 10, 1, 0), (15, 200, 2, 20), (999, 1_555, 100, 155), (1_990, 9_999, 200, 200)]
    {
        let (after, until) = (cursor(after), cursor(until));
        for bytes_max in [1, 700, 100_000] {
            let found = read(&reader.clone(), after, until, bytes_max).expect("intact");
            assert_eq!(found, tens(from, to), "{after} {until}");
        }
    }
    let page = reader.page_after(cursor(30), cursor(45), 100_000).expect("intact");
    assert_eq!((page.through, page.at_end), (cursor(45), true), "everything up to there was searched");
}

fn a_record_longer_than_a_page_or_a_segment_is_read(disk: impl Disk) {
    let (mut bodies, reader) = written(&disk, 20);
    let long = record_of(500, &vec![b'l'; 20_000]);
    bodies.append(&long, cursor(500)).expect("space");
    append(&mut bodies, &[510]);
    let page = reader.page_after(cursor(200), ALL, 100).expect("intact");
    assert_eq!((page.bytes, page.through, page.at_end), (long.clone(), cursor(500), false));
    assert_eq!(reader.get(Position(500)).expect("intact"), Some(long));
    assert_eq!(reader.get(Position(510)).expect("intact"), Some(encoded(510)));
}

fn single_records_are_found_by_position(disk: impl Disk) {
    let (_, reader) = written(&disk, 200);
    for position in 0..2_030 {
        let want = (position % 10 == 0 && position > 0 && position <= 2_000).then(|| encoded(position));
        assert_eq!(reader.get(Position(position)).expect("intact"), want, "{position}");
    }
}

fn what_follows_a_cursor_is_counted_one_by_one_near_the_end(disk: impl Disk) {
    let (_, reader) = written(&disk, 200);
    for after in (0..=2_010).step_by(5) {
        let count = reader.count_after(cursor(after), ALL, u64::MAX).expect("intact");
        assert_eq!((count.records, count.is_exact), (200u64.saturating_sub(after / 10), true), "{after}");
    }
    // The last segment holds the two that come after the visible one.
    let visible = reader.count_after(cursor(1_970), cursor(1_980), u64::MAX).expect("intact");
    assert_eq!(visible.records, 1);
    assert_eq!(reader.count_after(cursor(1_980), cursor(1_980), u64::MAX).expect("intact").records, 0);
    // Nothing is read to know what whole segments hold, or that there is nothing.
    for after in [0, 2_000] {
        assert_eq!(reader.count_after(cursor(after), ALL, u64::MAX).expect("intact").bytes, 0);
    }
}

fn what_follows_a_cursor_is_estimated_within_one_segment_if_that_is_much_to_read(disk: impl Disk) {
    let (bodies, reader) = written(&disk, 200);
    let in_a_segment = 200 / (bodies.stats().segments as u64 - 1);
    let (mut estimated, mut wrong_max) = (0, 0);
    for after in 0..200 {
        let count = reader.count_after(cursor(after * 10), ALL, 0).expect("intact");
        assert_eq!(count.bytes, 0);
        estimated += u64::from(!count.is_exact);
        wrong_max = wrong_max.max(count.records.abs_diff(200 - after));
    }
    assert!(estimated > 150, "{estimated}");
    assert!((1..=in_a_segment / 2).contains(&wrong_max), "{wrong_max} of {in_a_segment}");
}

fn many_records_are_found_in_any_order(disk: impl Disk) {
    let (_, reader) = written(&disk, 200);
    let mut rng = Rng::new(1);
    let mut wanted: Vec<u64> = (0..300).map(|_| rng.below(2_100)).collect();
    for order in ["any", "ascending", "descending"] {
        match order {
            "ascending" => wanted.sort_unstable(),
            "descending" => wanted.reverse(),
            _ => {}
        }
        let positions: Vec<Position> = wanted.iter().map(|position| Position(*position)).collect();
        let found = reader.get_many(&positions).expect("intact");
        for (position, found) in wanted.iter().zip(found) {
            let there = *position % 10 == 0 && (1..=2_000).contains(position);
            assert_eq!(found, there.then(|| encoded(*position)), "{position}, {order}");
        }
    }
}

fn reopening_at_the_end_keeps_everything(disk: impl Disk) {
    let (bodies, _) = written(&disk, 100);
    let end = bodies.end();
    assert_eq!(bodies.sync_handle().run().expect("synced"), end);
    drop(bodies);
    let (mut bodies, reader) = Bodies::open(disk, end, options()).expect("opens");
    assert_eq!(bodies.end(), end);
    append(&mut bodies, &[1_010]);
    assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact"), tens(1, 101));
}

fn reopening_below_the_end_cuts_back(disk: impl Disk) {
    let (mut bodies, _) = Bodies::open(disk.clone(), 0, options()).expect("opens");
    let ends: Vec<u64> = (1..=100).map(|number| append(&mut bodies, &[number * 10])).collect();
    bodies.sync_handle().run().expect("synced");
    drop(bodies);
    for kept in (0..=100_u64).rev() {
        let end = kept.checked_sub(1).map_or(0, |last| ends[last as usize]);
        let (bodies, reader) = Bodies::open(disk.clone(), end, options()).expect("opens");
        assert_eq!(bodies.end(), end);
        assert_eq!(read(&reader, Cursor::START, ALL, 900).expect("intact"), tens(1, kept), "{kept}");
    }
}

fn a_file_shorter_than_the_end_is_refused(disk: impl Disk) {
    let (bodies, _) = written(&disk, 100);
    let end = bodies.sync_handle().run().expect("synced");
    drop(bodies);
    let error = Bodies::open(disk.clone(), end + 1, options()).expect_err("too short");
    assert!(matches!(error, BodyError::TooShort { found, wanted } if (found, wanted) == (end, end + 1)));
    let error = Bodies::open(disk, end - 1, options()).expect_err("in the middle of a record");
    assert!(matches!(error, BodyError::Damaged { .. }), "{error}");
}

fn a_state_that_knows_less_than_an_earlier_one_is_refused(disk: impl Disk) {
    let (mut bodies, _) = written(&disk, 100);
    let flushed = bodies.sync_handle().run().expect("synced");
    bodies.persisted(flushed_to(flushed));
    append(&mut bodies, &[1_010]);
    bodies.sync_handle().run().expect("synced");
    drop(bodies);
    let files = disk.list().expect("listed");
    for given in [0, flushed - 1] {
        let error = Bodies::open(disk.clone(), given, options()).expect_err("too old");
        assert!(matches!(error, BodyError::StateTooOld { known, .. } if known == flushed), "{error}");
    }
    assert_eq!(disk.list().expect("listed"), files, "nothing was cut");
    Bodies::open(disk, flushed, options()).expect("opens");
}

fn a_batch_out_of_order_is_refused(disk: impl Disk) {
    for (batch, last) in [
        (encoded(200), 200),
        (encoded(2_010), 2_020),
        ([encoded(2_020), encoded(2_010)].concat(), 2_010),
        (encoded(2_010)[..60].to_vec(), 2_010),
        (vec![0; 100], 2_010),
    ] {
        let (mut bodies, _) = written(&disk, 200);
        let error = bodies.append(&batch, cursor(last)).expect_err("not a batch");
        assert!(matches!(error, BodyError::BadBatch), "{error}");
        assert!(matches!(bodies.append(&encoded(3_000), cursor(3_000)), Err(BodyError::Poisoned)));
    }
}

fn another_stores_bodies_are_refused(disk: impl Disk) {
    let (bodies, _) = written(&disk, 3);
    let options = BodyOptions { store: StoreId(8), ..options() };
    for end in [0, bodies.end()] {
        let error = Bodies::open(disk.clone(), end, options).expect_err("another store's");
        assert!(matches!(error, BodyError::OtherStore { .. }), "{error}");
    }
}

fn a_file_that_is_not_ours_is_refused(disk: impl Disk) {
    disk.create("notes.txt").expect("created");
    let error = Bodies::open(disk, 0, options()).expect_err("not ours");
    assert!(matches!(&error, BodyError::Refused { file, .. } if file == "notes.txt"), "{error}");
}
