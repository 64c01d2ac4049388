//! Readers on other threads, while bodies are appended and segments are sealed and rewritten.

use super::*;
use crate::real_disk::RealDisk;
use model::Wall;
use std::sync::atomic::{AtomicBool, Ordering};

const LAST: u64 = 3_000;

#[test]
fn readers_are_not_disturbed_by_appends_and_rewrites() {
    let directory = tempfile::tempdir().expect("a directory");
    let disk = RealDisk::open(directory.path()).expect("a disk");
    let (mut bodies, reader) = Bodies::open(disk, 0, options()).expect("opens");
    let is_dead = |position: u64| position.is_multiple_of(3);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for bytes_max in [1, 700, 10_000] {
            let reader = reader.clone();
            scope.spawn(move || {
                let (mut after, mut live) = (Cursor::START, 0);
                while after < cursor(LAST) {
                    let page = reader.page_after(after, ALL, bytes_max).expect("intact");
                    let mut rest = &page.bytes[..];
                    while !rest.is_empty() {
                        let (record, len) = body::decode(rest).expect("intact");
                        assert!(record.cursor() > after);
                        after = record.cursor();
                        live += u64::from(!is_dead(record.position.0));
                        rest = &rest[len..];
                    }
                    after = page.through;
                }
                assert_eq!(live, LAST - LAST / 3);
            });
        }
        let (reader, is_over) = (reader.clone(), &is_over);
        scope.spawn(move || {
            let mut rng = Rng::new(3);
            while !is_over.load(Ordering::Relaxed) {
                let last = reader.last().position.0;
                let position = rng.below(last + 1);
                let found = reader.get(Position(position)).expect("intact");
                assert!(found.is_some() || is_dead(position), "{position}");
                assert!(found.is_none_or(|found| found == encoded(position)));
            }
        });
        for position in 1..=LAST {
            append(&mut bodies, &[position]);
            if is_dead(position) {
                bodies.note_removed(&[Position(position)], Wall(position));
            }
            if position.is_multiple_of(100) {
                let end = bodies.sync_handle().run().expect("synced");
                bodies.persisted(flushed_to(end));
            }
            if let Some(segment) = bodies.compaction_due(Wall(position)).expect("space") {
                let job = bodies.compaction(segment);
                scope.spawn(move || {
                    let live = |record: &BodyRecord<'_>| Ok::<_, std::io::Error>(!is_dead(record.position.0));
                    job.run(live).expect("rewritten")
                });
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
