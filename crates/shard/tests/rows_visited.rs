//! Retention, and a claim in a queue with tenants, cost the same however much was removed. A store keeps deleted rows for a while, and each scan has
//! to pass over those in its range, so they are counted here.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may end by a panic")]

use model::view::Visit;
use model::{
    Action, Append, CancelTask, Claim, Command, Effect, Elapsed, Enqueue, EnqueuedTask, EntryClock, Expected,
    Filled, Fingerprint, IdHash, Identity, Key, KeyHash, KeyId, KeyRange, Keyed, NewEvent, NewTask, Order,
    Outcome, PutQueue, PutSettings, PutTenant, QueueName, QueueSettings, Settings, Settle, Settlement, Slot,
    SlotRange, StreamName, TaskOptions, TaskRef, TenantName, Value, View, ViewError, Wall,
};
use shard::{Agenda, Shard, ShardOptions};
use std::cell::Cell;
use std::collections::BTreeMap;

/// Keeps every row that was deleted, and counts the rows that reads touch.
#[derive(Default)]
struct Store {
    rows: BTreeMap<Key, Option<Value>>,
    touched: Cell<usize>,
}

impl Store {
    fn count(&self) {
        self.touched.set(self.touched.get() + 1);
    }
}

impl View for Store {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, ViewError> {
        self.count();
        Ok(self.rows.get(key).cloned().flatten())
    }

    fn scan(&self, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) -> Result<(), ViewError> {
        let mut rows = self.rows.range(range.from.to_vec()..range.to.to_vec());
        let mut next = || match order {
            Order::Ascending => rows.next(),
            Order::Descending => rows.next_back(),
        };
        while let Some((key, value)) = next() {
            self.count();
            if let Some(value) = value
                && visit(key, value).is_break()
            {
                break;
            }
        }
        Ok(())
    }
}

/// A shard whose node proposes what is due in the next entry.
struct World {
    shard: Shard,
    store: Store,
    agenda: Agenda,
    clock: EntryClock,
    removed: usize,
    /// That of the last entry's first command.
    outcome: Option<Outcome>,
}

impl World {
    fn new() -> Self {
        let (store, mut agenda) = (Store::default(), Agenda::new(SlotRange::ALL));
        agenda.search(&store, 1).unwrap();
        let clock = EntryClock { wall: Wall(1_000_000), elapsed: Elapsed(0) };
        Self { shard: Shard::new(ShardOptions::default()), store, agenda, clock, removed: 0, outcome: None }
    }

    /// Applies one entry with `command` and with what is due. Returns how many rows that touched.
    fn entry(&mut self, command: Command<'static>) -> usize {
        self.store.touched.set(0);
        let mut commands = vec![command];
        self.agenda.due(&self.store, self.clock, &mut commands).unwrap();
        let EntryClock { wall, elapsed } = self.clock;
        let entry = model::Entry { behaviour: shard::BEHAVIOUR, wall, elapsed, commands };
        let applied = self.shard.apply(&entry, &self.store).unwrap();
        self.store.rows.extend(applied.writes.0);
        self.agenda.note(&applied.effects);
        self.outcome = applied.outcomes.into_iter().next();
        for effect in &applied.effects {
            if let Effect::BodiesRemoved { positions } = effect {
                self.removed += positions.len();
            }
        }
        self.store.touched.get()
    }

    fn pass(&mut self, ms: u64) {
        self.clock.wall.0 += ms;
        self.clock.elapsed.0 += ms;
    }
}

fn append(to: &str, number: u64, keyed: Option<Keyed>) -> Command<'static> {
    let event = NewEvent {
        identity: Identity::Client(IdHash(u128::from(number))),
        fingerprint: Fingerprint(1),
        filled: Filled::default(),
        event_type: "t".into(),
        key_id: KeyId::NONE,
        envelope: b"{}".into(),
    };
    let stream = StreamName::new(to.to_owned()).unwrap();
    Command::Append(Append { keyed, stream, expected: Expected::Any, events: vec![event] })
}

fn keep(stream: &str, settings: Settings) -> Command<'static> {
    let stream = StreamName::new(stream.to_owned()).unwrap();
    Command::PutSettings(PutSettings { stream, settings })
}

/// Runs 20,000 entries, and compares what the last ones touch with what the first ones did.
fn check(world: &mut World, mut entry: impl FnMut(&mut World, u64) -> usize) {
    let mut touched = Vec::new();
    for number in 0..20_000 {
        touched.push(entry(world, number));
    }
    let most = |entries: &[usize]| entries.iter().copied().max().unwrap();
    let (early, late) = (most(&touched[1_000..2_000]), most(&touched[19_000..]));
    assert!(late <= early, "an entry touched up to {early} rows at first, and up to {late} in the end");
}

#[test]
fn an_append_to_a_full_stream_touches_no_more_rows_after_many_removals() {
    let mut world = World::new();
    world.entry(keep("cart", Settings { max_count: Some(10), ..Settings::default() }));
    check(&mut world, |world, number| world.entry(append("cart", number, None)));
    assert_eq!(world.removed, 19_990);
}

#[test]
fn an_expiry_touches_no_more_rows_after_many_expiries() {
    let mut world = World::new();
    // Two streams in one slot. One of them leaves more rows than an expiry deletes at once.
    for stream in ["cart{a}", "order{a}"] {
        world.entry(keep(stream, Settings { max_age_ms: Some(5_000), ..Settings::default() }));
    }
    check(&mut world, |world, number| {
        world.pass(100);
        let stream = if number.is_multiple_of(10) { "order{a}" } else { "cart{a}" };
        world.entry(append(stream, number, None))
    });
    assert!(world.removed > 19_900, "{} events were removed", world.removed);
}

fn queue() -> QueueName<'static> {
    QueueName::new("q").unwrap()
}

fn enqueue(tenant: u64) -> Command<'static> {
    let fair = Some(TenantName::new(format!("tenant-{tenant}")).unwrap());
    let task = NewTask {
        id: None,
        fingerprint: Fingerprint(1),
        task_type: "t".into(),
        run_after: None,
        priority: 5,
        key: None,
        claim_ms: None,
        retry: None,
        envelope: b"{}".into(),
        options: TaskOptions { fair, ..TaskOptions::default() },
    };
    Command::Enqueue(Enqueue { keyed: None, queue: queue(), tasks: vec![task] })
}

#[test]
fn a_claim_touches_no_more_rows_after_many_turns_and_with_many_tenants() {
    let mut world = World::new();
    let settings = QueueSettings { keep_done_ms: 0, ..QueueSettings::default() };
    world.entry(Command::PutQueue(PutQueue { queue: queue(), settings }));
    for weight in [2, 3, 7] {
        let tenant = TenantName::new(format!("tenant-{weight}")).unwrap();
        world.entry(Command::PutTenant(PutTenant { queue: queue(), tenant, weight }));
    }
    check(&mut world, |world, number| {
        world.pass(1_000);
        // More and more tenants. Some of them wait, and some of those are cancelled before their turn.
        let tenants = 50 + number / 10;
        world.entry(enqueue(number % tenants));
        world.entry(enqueue(number * 7 % tenants));
        if number.is_multiple_of(2) {
            world.entry(enqueue(number * 13 % tenants));
            let Some(Outcome::Enqueued(enqueued)) = &world.outcome else { panic!("{:?}", world.outcome) };
            let EnqueuedTask::Added(task) = enqueued.tasks[0] else { panic!("{enqueued:?}") };
            world.entry(Command::CancelTask(CancelTask { queue: queue(), task: TaskRef::Server(task) }));
        }
        let worker = "w".into();
        let claim =
            Claim { queue: queue(), worker, types: Vec::new(), tasks_max: 1, claim_ms: None, request: None };
        let touched = world.entry(Command::Claim(claim));
        let Some(Outcome::Claimed(claimed)) = &world.outcome else { panic!("{:?}", world.outcome) };
        let task = &claimed.tasks[0];
        let action = Action::Complete { result: None };
        let settlement = Settlement { task: TaskRef::Server(task.position), token: task.token, action };
        world.entry(Command::Settle(Settle { queue: queue(), settlements: vec![settlement] }));
        touched
    });
}

#[test]
fn a_request_with_a_key_touches_no_more_rows_after_many_keys_have_expired() {
    let mut world = World::new();
    check(&mut world, |world, number| {
        // 864 keys a day.
        world.pass(100_000);
        let key = KeyHash(u128::from(number) << 64);
        world.entry(append("cart", number, Some(Keyed { key, fingerprint: Fingerprint(1), slot: Slot(0) })))
    });
    let clock = shard::query::clock(&world.store, Slot(0)).unwrap();
    assert!(clock.records <= 870, "{} records are kept", clock.records);
}
