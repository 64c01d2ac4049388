//! Jobs over a real shard and a body file in memory.

use super::*;
use crate::report::Reacted;
use format::header::{HEADER_BYTES_MAX, StoreId};
use model::{
    Append, Command, DeleteStream, Elapsed, Entry, Expected, Filled, Fingerprint, Identity, Key, KeyId,
    NewEvent, Outcome, PutReaction, QueueName, ReactionKey, ReactionName, ReactionPayload, Slot, StreamName,
    Value, Wall,
};
use shard::{BEHAVIOUR, Shard, ShardOptions};
use storage::bodies::{Bodies, BodyError, BodyOptions};
use storage::memory_disk::MemoryDisk;

struct Store {
    disk: MemoryDisk,
    shard: Shard,
    rows: BTreeMap<Key, Value>,
    bodies: Bodies<MemoryDisk>,
    work: ReactWork<MemoryDisk>,
    visible: Cursor,
    wall: Wall,
}

impl Store {
    fn new() -> Self {
        let disk = MemoryDisk::new();
        let (bodies, reader) =
            Bodies::open(disk.clone(), 0, BodyOptions::new(StoreId(7))).expect("a new disk opens");
        let write: WriteTask = |record, _, out| out.extend_from_slice(record.envelope);
        Self {
            disk,
            shard: Shard::new(ShardOptions::default()),
            rows: BTreeMap::new(),
            bodies,
            work: ReactWork::new(reader, write),
            visible: Cursor::START,
            wall: Wall(1_000),
        }
    }

    fn apply(&mut self, command: Command<'_>) -> Outcome {
        let commands = vec![command];
        let entry = Entry { behaviour: BEHAVIOUR, wall: self.wall, elapsed: Elapsed(0), commands };
        let mut applied = self.shard.apply(&entry, &self.rows).expect("the view holds everything");
        applied.writes.change(&mut self.rows);
        if let Some(last) = applied.last {
            self.bodies.append(&applied.bodies, last).expect("there is space");
            self.visible = last;
        }
        applied.outcomes.remove(0)
    }

    /// Appends this many events of this size to a stream.
    fn append(&mut self, stream: &'static str, count: usize, bytes: usize) {
        for _ in 0..count {
            let event = NewEvent {
                identity: Identity::Server,
                fingerprint: Fingerprint(0),
                filled: Filled::default(),
                event_type: "t".into(),
                key_id: KeyId::NONE,
                envelope: vec![b'x'; bytes].into(),
            };
            let stream = StreamName::new(stream).expect("a name");
            let events = vec![event];
            self.apply(Command::Append(Append { keyed: None, stream, expected: Expected::Any, events }));
        }
    }

    /// A reaction to the streams with a prefix. Without `from`, it begins now.
    fn put(&mut self, name: &'static str, prefix: &'static str, from: Option<Cursor>) {
        let settings = ReactionSettings {
            prefix: prefix.into(),
            types: Vec::new(),
            queue: QueueName::new("q").expect("a name"),
            task_type: "t".into(),
            key: ReactionKey::None,
            priority: 5,
            payload: ReactionPayload::Event,
            paused: false,
        };
        let reaction = ReactionName::new(name).expect("a name");
        self.apply(Command::PutReaction(PutReaction { reaction, settings, from }));
    }

    fn job(&mut self, cursors: Cursors) -> Reacted {
        let job =
            ReactJob { state: self.rows.clone(), visible: self.visible, slots: SlotRange::ALL, cursors };
        match self.work.run(&job).expect("everything can be read") {
            Report::Reacted(reacted) => reacted,
            other => unreachable!("{other:?}"),
        }
    }

    /// Does a job and what follows from it. Returns how many tasks each reaction has enqueued.
    fn step(&mut self, cursors: Cursors) -> (Vec<(String, usize)>, bool) {
        let reacted = self.job(cursors);
        let found = reacted.commands.into_iter().map(|react| {
            let (name, events) = (react.reaction.to_string(), react.events.len());
            let outcome = self.apply(Command::React(react));
            assert!(matches!(outcome, Outcome::Reacted { .. }), "{outcome:?}");
            (name, events)
        });
        let mut found: Vec<_> = found.collect();
        found.sort();
        (found, reacted.more)
    }
}

fn named(found: &[(&str, usize)]) -> Vec<(String, usize)> {
    found.iter().map(|(name, events)| ((*name).to_owned(), *events)).collect()
}

#[test]
fn each_reaction_finds_its_own_events_once() {
    let mut store = Store::new();
    store.append("a", 2, 10);
    store.put("a", "a", Some(Cursor::START));
    store.put("b", "b", Some(Cursor::START));
    store.put("now", "", None);
    store.append("b", 3, 10);
    assert_eq!(store.step(Cursors::Needed), (named(&[("a", 2), ("b", 3), ("now", 3)]), false));
    assert_eq!(store.step(Cursors::Needed), (named(&[]), false));
    store.append("a", 1, 10);
    assert_eq!(store.step(Cursors::Needed), (named(&[("a", 1), ("now", 1)]), false));
}

#[test]
fn a_reaction_that_is_far_behind_slows_no_other() {
    let mut store = Store::new();
    store.append("a", 3 * limits::REACT_EVENTS_MAX, 3_000);
    store.put("far", "", Some(Cursor::START));
    store.put("near", "b", None);
    store.append("b", 1, 10);
    let (found, more) = store.step(Cursors::Needed);
    let far = limits::REACT_EVENTS_MAX;
    assert_eq!((found, more), (named(&[("far", far), ("near", 1)]), true), "both, in one job");
    store.append("b", 1, 10);
    let (found, more) = store.step(Cursors::Needed);
    assert_eq!((found, more), (named(&[("far", far), ("near", 1)]), true), "and in the next");
    let (mut rest, mut more) = (0, more);
    while more {
        let step = store.step(Cursors::Needed);
        rest += step.0.iter().map(|(_, events)| events).sum::<usize>();
        more = step.1;
    }
    assert_eq!(rest, far + 2, "it misses nothing");
}

#[test]
fn reactions_that_are_far_behind_take_turns() {
    let mut store = Store::new();
    store.append("a", 6, limits::REACT_BYTES_MAX / 2);
    let second = store.visible;
    store.append("a", 6, limits::REACT_BYTES_MAX / 2);
    store.put("one", "", Some(Cursor::START));
    store.put("two", "", Some(second));
    let turns: Vec<_> = (0..4)
        .map(|_| {
            let (found, _) = store.step(Cursors::Needed);
            found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(turns, [["one"], ["two"], ["one"], ["two"]]);
}

#[test]
fn a_removed_event_is_not_reacted_to() {
    let mut store = Store::new();
    store.append("a", 2, 10);
    store.append("b", 1, 10);
    store.apply(Command::DeleteStream(DeleteStream {
        stream: StreamName::new("a").expect("a name"),
        expected: Expected::Any,
    }));
    store.put("r", "", Some(Cursor::START));
    assert_eq!(store.step(Cursors::Needed), (named(&[("r", 1)]), false));
}

#[test]
fn the_lag_is_how_much_older_the_last_event_is_that_was_read() {
    let mut store = Store::new();
    store.append("a", 2 * limits::REACT_EVENTS_MAX, 10);
    store.wall = Wall(6_000);
    store.append("a", 1, 10);
    store.put("r", "", Some(Cursor::START));
    for lag_ms in [5_000, 5_000, 0] {
        let mut reacted = store.job(Cursors::Needed);
        assert_eq!(reacted.lag_ms, lag_ms);
        store.apply(Command::React(reacted.commands.remove(0)));
    }
}

#[test]
fn a_job_is_bounded_in_bytes_and_the_next_goes_on() {
    let mut store = Store::new();
    store.append("a", 5, limits::REACT_BYTES_MAX / 2);
    store.put("one", "", Some(Cursor::START));
    store.put("two", "", Some(Cursor::START));
    let mut total = 0;
    for job in 0.. {
        let reacted = store.job(Cursors::Needed);
        let bytes: usize =
            reacted.commands.iter().flat_map(|react| &react.events).map(|event| event.envelope.len()).sum();
        assert!(bytes < 2 * limits::REACT_BYTES_MAX, "{bytes} bytes");
        assert!(job < 20, "it comes to an end");
        for react in reacted.commands {
            total += react.events.len();
            store.apply(Command::React(react));
        }
        if !reacted.more {
            break;
        }
    }
    assert_eq!(total, 10);
}

#[test]
fn a_cursor_that_passes_other_events_moves_only_when_all_do() {
    let mut store = Store::new();
    store.put("none", "nothing", None);
    store.append("a", 10, 10);
    assert_eq!(store.step(Cursors::Needed), (named(&[]), false));
    let reads = store.disk.reads();
    assert_eq!(store.job(Cursors::Needed).lag_ms, 0, "what was read is not behind");
    assert_eq!(store.disk.reads(), reads, "nor read again");
    assert_eq!(store.step(Cursors::All), (named(&[("none", 0)]), false));
    assert_eq!(store.step(Cursors::All), (named(&[]), false));
    let reactions = query::reactions(&store.rows, Slot(0)).expect("a view");
    assert_eq!(reactions[0].cursor, store.visible);
}

#[test]
fn an_event_is_found_once_also_after_others_were_passed() {
    let mut store = Store::new();
    store.put("r", "a", Some(Cursor::START));
    store.append("b", 3, 10);
    assert_eq!(store.step(Cursors::Needed), (named(&[]), false));
    for _ in 0..3 {
        store.append("a", 1, 10);
        assert_eq!(store.step(Cursors::Needed), (named(&[("r", 1)]), false));
    }
}

#[test]
fn what_was_read_is_forgotten_when_the_reaction_changes() {
    let mut store = Store::new();
    store.put("r", "nothing", Some(Cursor::START));
    store.append("a", 4, 10);
    assert_eq!(store.step(Cursors::Needed), (named(&[]), false));
    store.put("r", "a", None);
    assert_eq!(store.step(Cursors::Needed), (named(&[("r", 4)]), false), "the new settings hold for them");
}

#[test]
fn a_damaged_event_is_an_error_that_says_where_it_is() {
    let damaged = |nth: u64| {
        let mut store = Store::new();
        store.put("r", "", Some(Cursor::START));
        store.append("a", 3, 1_000);
        let length = store.bodies.end() / 3;
        let at = HEADER_BYTES_MAX as u64 + nth * length;
        let names = store.disk.list().expect("a disk that can be read");
        let name = names.iter().find(|name| name.ends_with(".bodies")).expect("a segment");
        assert!(store.disk.flip_bit(name, at + length / 2, 0));
        let (state, visible) = (store.rows.clone(), store.visible);
        let job = ReactJob { state, visible, slots: SlotRange::ALL, cursors: Cursors::Needed };
        match store.work.run(&job) {
            Err(DiskFailure::Bodies(BodyError::Damaged { offset, .. })) => (offset, at),
            other => unreachable!("{other:?}"),
        }
    };
    for nth in 0..3 {
        let (offset, at) = damaged(nth);
        assert_eq!(offset, at, "event {nth}");
    }
}
