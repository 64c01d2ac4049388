//! One shard and one model, and everything that is compared between them.

use crate::entries;
use crate::patchy::Patchy;
use format::body::BodyRecord;
use model::{
    Behaviour, BreakerCircuit, BreakerForced, BreakerName, BreakerSettings, Command, Cursor, Effect, Elapsed,
    EntryClock, ExecutionKey, Key, KeyId, LeaseName, Namespace, Order, Position, Revision, Settings, Slot,
    SlotRange, Value, ValueName, ViewError, Wall,
};
use reference_model::breaker;
use reference_model::draw::{self, NAMES, name};
use reference_model::{Held, Id, Simple, SimpleOutcome, Stream};
use seeded_rng::Rng;
use shard::query::{self, ListPoint, Liveness, Page, PageRequest, Presence, StreamsRequest, Turn};
use shard::{Agenda, Applied, Shard, ShardOptions};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) model: Simple,
    shard: Shard,
    /// Makes the same decisions with almost no cache, over a view that does not hold every key at first.
    tiny: Shard,
    pub(crate) rows: BTreeMap<Key, Value>,
    agenda: Agenda,
    pub(crate) commands: u64,
    pub(crate) abandoned: u64,
    /// A running hash of all results.
    pub(crate) hash: u64,
    reported: BTreeSet<u64>,
    /// Entries as they would be logged.
    pub(crate) log: Vec<Vec<u8>>,
}

/// The first slot of the shard.
const FIRST: Slot = SlotRange::ALL.first;

pub(crate) fn clock(wall: u64, elapsed: u64) -> EntryClock {
    EntryClock { wall: Wall(wall), elapsed: Elapsed(elapsed) }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            model: Simple::to_draw_from(),
            shard: Shard::new(ShardOptions::default()),
            tiny: Shard::new(ShardOptions { heads_max: 2, ..ShardOptions::default() }),
            rows: BTreeMap::new(),
            agenda: Agenda::new(SlotRange::ALL),
            commands: 0,
            abandoned: 0,
            hash: 0,
            reported: BTreeSet::new(),
            log: Vec::new(),
        }
    }

    /// One random entry, and some reads.
    pub(crate) fn step(&mut self) {
        let drawn = entries::entry(&mut self.rng, &self.model);
        self.entry(clock(drawn.wall, drawn.elapsed), &drawn.commands);
        self.read();
    }

    pub(crate) fn entry(&mut self, clock: EntryClock, commands: &[Command<'_>]) {
        let behaviour = if self.rng.one_in(200) { Behaviour(9) } else { shard::BEHAVIOUR };
        self.commands += commands.len() as u64;
        let applied = self.apply(behaviour, clock, commands);
        self.model.begin_entry(clock.wall.0, clock.elapsed.0);
        assert_eq!(applied.outcomes.len(), commands.len());
        for (command, outcome) in commands.iter().zip(&applied.outcomes) {
            let ask = self.model.ask_of(command);
            let ours =
                if shard::knows(behaviour) { self.model.ask(&ask) } else { SimpleOutcome::Unsupported };
            assert_eq!(ours, SimpleOutcome::from(outcome), "{ask:?}");
        }
        self.compare_bodies(&applied);
    }

    /// Applies the entry as it would be logged, in three ways, and commits it.
    fn apply(&mut self, behaviour: Behaviour, clock: EntryClock, commands: &[Command<'_>]) -> Applied {
        let mut logged = Vec::new();
        format::entry::encode(behaviour, clock, commands, &mut logged);
        let entry = format::entry::decode(&logged).unwrap();
        let applied = self.shard.apply(&entry, &self.rows).unwrap();
        let patchy = Patchy::new(&self.rows, self.rng.next_u64());
        let again = loop {
            match self.tiny.apply(&entry, &patchy) {
                Ok(again) => break again,
                Err(ViewError::Absent(_)) => self.abandoned += 1,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(applied, again);
        assert!(
            applied.writes.0.windows(2).all(|pair| pair[0].0 < pair[1].0),
            "sorted, with one write for each key"
        );
        applied.writes.change(&mut self.rows);
        self.agenda.note(&applied.effects);
        self.hash = self.hash.rotate_left(5) ^ hash(&applied);
        for effect in &applied.effects {
            if let Effect::BodiesRemoved { positions } = effect {
                for position in positions {
                    assert!(self.reported.insert(position.0), "each removed event is reported once");
                }
            }
        }
        self.log.push(logged);
        applied
    }

    fn compare_bodies(&self, applied: &Applied) {
        let mut rest = &applied.bodies[..];
        let mut last = None;
        for (stream, revision) in &self.model.appended {
            let event = self.model.streams[*stream].events[*revision as usize];
            let (record, len) = format::body::decode(rest).unwrap();
            let cursor = Cursor::new(Position(event.position), Slot(self.model.streams[*stream].slot));
            let ours = BodyRecord {
                position: cursor.position,
                slot: cursor.slot,
                namespace: Namespace::ROOT,
                key_id: KeyId(0),
                revision: Revision(*revision),
                filled: draw::filled(&event.sent),
                stream: NAMES[*stream],
                event_type: &draw::event_type(&event.sent),
                envelope: &draw::envelope(&event.sent),
            };
            assert_eq!(record, ours);
            assert!(last < Some(cursor), "bodies are in the order of positions");
            last = Some(cursor);
            rest = &rest[len..];
        }
        assert!(rest.is_empty());
        assert_eq!(applied.last, last);
    }

    /// Compares some random reads.
    fn read(&mut self) {
        let clock = query::clock(&self.rows, FIRST).unwrap();
        assert_eq!((clock.wall.0, clock.elapsed.0), (self.model.wall, self.model.elapsed));
        assert_eq!(clock.last_position.0, self.model.last);
        let removed =
            self.model.streams.iter().flat_map(|s| &s.events[..s.removed]).map(|e| e.position).max();
        assert_eq!(clock.removed_through.0, removed.unwrap_or(0));
        for _ in 0..2 {
            let stream = self.rng.below(NAMES.len() as u64) as usize;
            self.read_state(stream);
            self.read_page(stream);
            self.read_liveness(stream);
        }
        self.read_leases();
        self.read_values();
        self.read_executions();
        self.read_breakers();
        if self.rng.one_in(8) {
            self.read_list();
        }
        self.read_deadlines();
    }

    fn read_state(&self, at: usize) {
        let ours = &self.model.streams[at];
        let state = query::stream(&self.rows, &name(at)).unwrap();
        let presence = match (ours.events.is_empty(), ours.deleted) {
            (true, _) => Presence::Never,
            (false, true) => Presence::Deleted,
            (false, false) => Presence::Exists,
        };
        assert_eq!(state.presence, presence);
        assert_eq!((state.first.0, state.next.0), (ours.removed as u64, ours.events.len() as u64));
        assert_eq!(state.last().map(|last| last.0), ours.last());
        let through = ours.events[..ours.removed].last().map_or(0, |event| event.position);
        assert_eq!(state.removed_through.0, through);
        let keep = Settings {
            max_age_ms: ours.keep.age_ms,
            max_count: ours.keep.count,
            truncate_before: ours.keep.truncate_before.map(Revision),
        };
        assert_eq!(state.settings, keep);
    }

    fn read_page(&mut self, at: usize) {
        let model = &self.model;
        let rng = &mut self.rng;
        let ours = &model.streams[at];
        let positions: Vec<u64> = ours.events.iter().map(|event| event.position).chain(ours.began).collect();
        let as_of = (!positions.is_empty() && rng.one_in(2)).then(|| {
            let position = rng.pick(&positions) + rng.pick(&[0, 0, 1]) - rng.pick(&[0, 0, 1]);
            Cursor::new(Position(position), Slot(rng.pick(&[0, ours.slot, u16::MAX])))
        });
        let request = PageRequest {
            from: rng.one_in(2).then(|| Revision(rng.below(ours.events.len() as u64 + 3))),
            order: rng.pick(&[Order::Ascending, Order::Descending]),
            limit: 1 + rng.below(9) as usize,
            as_of,
        };
        let page = query::page(&self.rows, &name(at), &request).unwrap();
        assert_page(ours, &request, &page);
    }

    fn read_liveness(&mut self, at: usize) {
        let ours = &self.model.streams[at];
        let mut liveness = Liveness::new(&self.rows, FIRST).unwrap();
        for _ in 0..3.min(ours.events.len()) {
            let revision = self.rng.below(ours.events.len() as u64);
            let event = ours.events[revision as usize];
            let record = BodyRecord {
                position: Position(event.position),
                slot: Slot(ours.slot),
                namespace: Namespace::ROOT,
                key_id: KeyId(0),
                revision: Revision(revision),
                filled: model::Filled(0),
                stream: NAMES[at],
                event_type: "",
                envelope: b"",
            };
            let live = revision >= ours.removed as u64;
            assert_eq!(query::is_live(&self.rows, &record), Ok(live));
            assert_eq!(liveness.is_live(&record), Ok(live));
        }
    }

    fn read_leases(&self) {
        let now = self.model.elapsed;
        for ours in &self.model.leases {
            let name = LeaseName::new(&ours.name[..]).unwrap();
            let found = query::lease(&self.rows, &name, Elapsed(now)).unwrap();
            let holders: Vec<_> = found
                .holders
                .iter()
                .map(|held| (&held.holder[..], held.token.position.0, held.remaining_ms))
                .collect();
            let live = ours.holders.iter().filter(|held| now < held.expires);
            let live: Vec<_> = live.map(|held| (&held.holder[..], held.token, held.expires - now)).collect();
            assert_eq!(holders, live);
            // Those whose wait ended a moment ago may still have rows.
            let mut queue = found.queue.iter();
            for waiting in ours.queue.iter().filter(|waiting| now < waiting.until) {
                assert!(queue.any(|holder| *holder == waiting.holder), "{found:?} but {ours:?}");
                let asked = Position(waiting.asked);
                let turn = query::turn(&self.rows, &name, &waiting.holder, asked, Elapsed(now)).unwrap();
                assert_eq!(turn, Turn::Waiting);
            }
        }
    }

    fn read_values(&self) {
        for ours in &self.model.values {
            let name = ValueName::new(&ours.name[..]).unwrap();
            let found = query::value(&self.rows, &name).unwrap();
            let found = found.map(|found| (found.revision.0, found.content));
            assert_eq!(found, ours.last().map(|last| (last, ours.contents[last as usize].clone())));
        }
    }

    fn read_executions(&self) {
        let now = self.model.elapsed;
        for ours in &self.model.executions {
            let key = ExecutionKey::new(&ours.name[..]).unwrap();
            let found = query::execution(&self.rows, &key, Elapsed(now)).unwrap();
            let found = found.map(|found| (found.remaining_ms, found.response));
            let run = ours.run.as_ref().filter(|run| now < run.expires);
            assert_eq!(found, run.map(|run| (run.expires - now, run.response.clone())));
        }
    }

    fn read_breakers(&self) {
        let now = Elapsed(self.model.elapsed);
        for name in breaker::NAMES {
            let ours = self.model.breaker(name);
            let found = query::breaker(&self.rows, &BreakerName::new(name).unwrap(), now).unwrap();
            let ours = ours.map(|ours| {
                let probes = ours.probes.iter().filter(|(_, until)| now.0 < *until).count();
                (
                    ours.shown(),
                    ours.forced,
                    ours.generation,
                    ours.opened,
                    ours.settings.clone(),
                    probes as u32,
                )
            });
            let none = (BreakerCircuit::Closed, BreakerForced::No, 0, 0, BreakerSettings::default(), 0);
            let found =
                (found.circuit, found.forced, found.generation, found.opened, found.settings, found.probes);
            assert_eq!(found, ours.unwrap_or(none), "{name}");
        }
        let tally = query::breaker_tally(&self.rows, Slot(0)).unwrap();
        let count =
            |is: BreakerCircuit| self.model.breakers.iter().filter(|one| one.shown() == is).count() as u64;
        let counts = [BreakerCircuit::Closed, BreakerCircuit::Open, BreakerCircuit::HalfOpen].map(count);
        assert_eq!([tally.closed, tally.open, tally.half_open], counts, "breakers by state");
        let listed = query::breakers(&self.rows, None, 100).unwrap();
        let listed: BTreeSet<&str> = listed.iter().map(BreakerName::as_str).collect();
        assert_eq!(listed, self.model.breakers.iter().map(|breaker| &breaker.name[..]).collect());
    }

    fn read_list(&mut self) {
        let prefix = self.rng.pick(&["", "", "p/", "cart", "{", "żółw", "nobody"]);
        let mut ours: Vec<(u16, &str)> = (0..NAMES.len())
            .filter(|at| self.model.streams[*at].exists() && NAMES[*at].starts_with(prefix))
            .map(|at| (self.model.streams[at].slot, NAMES[at]))
            .collect();
        ours.sort_unstable();
        let (limit, examined_max) = (1 + self.rng.below(13) as usize, 1 + self.rng.below(20) as usize);
        let mut listed = Vec::new();
        let mut from = Some(ListPoint::default());
        while let Some(point) = from {
            let request = StreamsRequest { from: point, prefix, limit, examined_max };
            let page = query::streams(&self.rows, &request).unwrap();
            assert!(page.streams.len() <= limit);
            listed.extend(
                page.streams.into_iter().map(|listed| (listed.state.slot.0, listed.name.into_string())),
            );
            from = page.next;
        }
        let listed: Vec<(u16, &str)> = listed.iter().map(|(slot, name)| (*slot, &name[..])).collect();
        assert_eq!(listed, ours, "{prefix:?}");
    }

    /// Every stream with a `max_age` has a timer that is early enough.
    fn read_deadlines(&self) {
        let ours = self.model.streams.iter().filter_map(|stream| {
            let age_ms = stream.keep.age_ms?;
            let (_, oldest) = stream.kept().next()?;
            ((oldest.position >> 16).checked_add(age_ms)? / 1_000 + 1).checked_mul(1_000)
        });
        let next = self.agenda.next();
        if let Some(latest) = ours.min() {
            assert!(next.wall.is_some_and(|wall| wall.0 <= latest), "{next:?} is later than {latest}");
        }
        assert!(next.elapsed.is_some() || self.model.records_live() == 0);
        let awaited = self.model.leases.iter().filter(|lease| !lease.queue.is_empty());
        let awaited = awaited.filter_map(|lease| lease.holders.iter().map(Held::free_at).min());
        if let Some(latest) = awaited.min() {
            assert!(
                next.elapsed.is_some_and(|elapsed| elapsed.0 <= latest),
                "{next:?} is later than {latest}"
            );
        }
        let begun = self.model.executions.iter().filter_map(|execution| execution.run.as_ref());
        if let Some(latest) = begun.map(|run| run.expires).min() {
            assert!(
                next.elapsed.is_some_and(|elapsed| elapsed.0 <= latest),
                "{next:?} is later than {latest}"
            );
        }
        let mut found = Agenda::new(SlotRange::ALL);
        found.search(&self.rows, usize::MAX).unwrap();
        let found = found.next();
        assert!(is_at_most(next.wall, found.wall), "{next:?} misses {found:?}");
        assert!(is_at_most(next.elapsed, found.elapsed), "{next:?} misses {found:?}");
        assert!(is_at_most(next.clean_up, found.clean_up), "{next:?} misses {found:?}");
    }

    /// Does everything that is due now, and compares the remaining rows with those that must remain.
    pub(crate) fn drain(&mut self) {
        let clock = clock(self.model.wall, self.model.elapsed);
        if self.rng.one_in(2) {
            // As after a start.
            self.agenda = Agenda::new(SlotRange::ALL);
            while self.agenda.is_searching() {
                self.agenda.search(&self.rows, 3).unwrap();
            }
        }
        let mut steps = 0;
        loop {
            let mut commands = Vec::new();
            self.agenda.due(&self.rows, clock, &mut commands).unwrap();
            if commands.is_empty() {
                break;
            }
            steps += 1;
            assert!(steps < 1_000, "due work must come to an end");
            self.apply(shard::BEHAVIOUR, clock, &commands);
            self.model.begin_entry(clock.wall.0, clock.elapsed.0);
            for command in &commands {
                let ask = self.model.ask_of(command);
                self.model.ask(&ask);
            }
        }
        let next = self.agenda.next();
        assert!(next.wall.is_none_or(|wall| wall > clock.wall));
        assert!(next.elapsed.is_none_or(|elapsed| elapsed > clock.elapsed));
        self.compare_rows();
    }

    fn compare_rows(&self) {
        let kind = |kind: u8| self.rows.keys().filter(|key| key[6] == kind).count();
        let streams = &self.model.streams;
        let kept = || streams.iter().flat_map(Stream::kept);
        assert_eq!(kind(1), streams.iter().filter(|stream| stream.began.is_some()).count(), "stream rows");
        assert_eq!(kind(2), kept().count(), "revision rows");
        let named = kept().filter(|(_, event)| event.sent.id != Id::Server).count();
        assert_eq!(kind(3), named, "dedup rows");
        assert_eq!(kind(4), self.model.records_live(), "idempotency records");
        let clock = query::clock(&self.rows, FIRST).unwrap();
        let bytes = |kind: u8| {
            let rows = self.rows.iter().filter(move |(key, _)| key[6] == kind);
            rows.map(|(key, value)| key.len() + value.len()).sum::<usize>() as u64
        };
        assert_eq!((clock.records, clock.records_bytes), (kind(4) as u64, bytes(4) + bytes(131)));
        assert_eq!(kind(131), kind(4), "record timers");
        assert_eq!(kind(132), 0, "clean-up work");
        assert_eq!(kind(136), kind(5), "each lease with a row has a timer");
        let used = self.model.leases.iter().filter(|lease| !lease.holders.is_empty()).count();
        assert!(kind(5) >= used, "leases");
        let written = self.model.values.iter().filter(|value| !value.contents.is_empty()).count();
        assert_eq!(kind(6), written, "values");
        assert_eq!(kind(48), self.model.breakers.len(), "breakers");
        let executions = self.model.executions.iter().filter(|execution| execution.run.is_some()).count();
        assert_eq!((kind(47), kind(143)), (executions, executions), "executions and their timers");
        let removed: BTreeSet<u64> =
            streams.iter().flat_map(|s| &s.events[..s.removed]).map(|event| event.position).collect();
        assert_eq!(self.reported, removed, "all removed events are reported");
    }
}

/// Nothing found is earlier than what is known.
fn is_at_most<T: Ord>(known: Option<T>, found: Option<T>) -> bool {
    found.is_none_or(|found| known.is_some_and(|known| known <= found))
}

fn assert_page(ours: &Stream, request: &PageRequest, page: &Page) {
    let cursor = |position: u64| Cursor::new(Position(position), Slot(ours.slot));
    let first = ours.kept().next();
    let not_begun = request.as_of.is_some_and(|as_of| ours.began.is_none_or(|began| as_of < cursor(began)));
    let removed_through = ours.events[..ours.removed].last();
    let behind = request.as_of.is_some_and(|as_of| match (first, removed_through) {
        (_, None) => false,
        (Some((_, first)), _) => as_of < cursor(first.position),
        (None, Some(through)) => as_of <= cursor(through.position),
    });
    let below = request.from.is_some_and(|from| from.0 < ours.removed as u64);
    let truncated = removed_through.is_some() && !not_begun && (behind || below);
    let page = match (page, truncated) {
        (Page::Truncated(found), true) => {
            assert_eq!(found.first.0, ours.removed as u64);
            assert_eq!(found.first_cursor, first.map(|(_, event)| cursor(event.position)));
            assert_eq!(Some(found.removed_through), removed_through.map(|event| cursor(event.position)));
            return;
        }
        (Page::Events(page), false) => page,
        _ => panic!("{page:?} of {ours:?} for {request:?}"),
    };
    let visible: Vec<(u64, u64)> = ours
        .kept()
        .filter(|(_, event)| request.as_of.is_none_or(|as_of| cursor(event.position) <= as_of))
        .map(|(revision, event)| (revision, event.position))
        .collect();
    let all_visible = visible.len() == ours.events.len() - ours.removed;
    let last = if all_visible { ours.last() } else { visible.last().map(|(revision, _)| *revision) };
    assert_eq!(page.last.map(|last| last.0), last);
    let mut wanted: Vec<_> = match request.order {
        Order::Ascending => {
            let from = request.from.unwrap_or_default().0;
            visible.into_iter().filter(|(revision, _)| *revision >= from).collect()
        }
        Order::Descending => {
            let from = request.from.map_or(u64::MAX, |from| from.0);
            visible.into_iter().rev().filter(|(revision, _)| *revision <= from).collect()
        }
    };
    let next = wanted.get(request.limit).map(|(revision, _)| Revision(*revision));
    wanted.truncate(request.limit);
    let found: Vec<_> = page.events.iter().map(|event| (event.revision.0, event.position.0)).collect();
    assert_eq!(found, wanted, "{request:?}");
    assert_eq!(page.next, next, "{request:?}");
}

/// FNV-1a over the results of every apply. It is the same in every process.
pub(crate) fn hash(applied: &Applied) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&(bytes.len() as u32).to_le_bytes()) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for outcome in &applied.outcomes {
        let mut bytes = Vec::new();
        format::outcome::encode(outcome, &mut bytes);
        eat(&bytes);
    }
    eat(&applied.bodies);
    for (key, value) in &applied.writes.0 {
        eat(key);
        eat(value.as_deref().unwrap_or(b"deleted"));
    }
    eat(format!("{:?}", applied.effects).as_bytes());
    hash
}
