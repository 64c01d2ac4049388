//! The tests.

use crate::world::World;
use model::limits::{CLAIM_BYTES_MAX, QUEUE_TYPES_MAX, TASK_DEFERS_MAX, TASK_FAILURES_KEPT};
use model::{
    Action, Claim, Command, Elapsed, Enqueue, EntryClock, Failure, Fingerprint, NewTask, Position,
    RetryPolicy, Settle, Settlement, TaskOptions, TaskRef, Wall,
};
use reference_model::queue::draw::name;
use shard::{Shard, ShardOptions};
use std::collections::BTreeMap;

const WORLDS: u64 = 70;
const ENTRIES_A_WORLD: usize = 700;

fn run(seed: u64, entries: usize) -> World {
    let mut world = World::new(seed);
    for at in 1..=entries {
        world.step();
        if at % 20 == 0 {
            world.drain();
        }
    }
    world
}

#[test]
fn every_outcome_read_and_row_matches_the_simple_model() {
    let (mut commands, mut abandoned) = (0, 0);
    for seed in 0..WORLDS {
        let ran = std::panic::catch_unwind(|| {
            let world = run(seed, ENTRIES_A_WORLD);
            (world.commands, world.abandoned)
        });
        let Ok(ran) = ran else { panic!("seed {seed} failed") };
        commands += ran.0;
        abandoned += ran.1;
    }
    println!("{commands} operations, {abandoned} applies abandoned and repeated");
    assert!(commands >= 100_000);
    assert!(abandoned >= 50_000, "the view held too many keys to prove anything");
}

#[test]
fn a_replica_that_replays_the_log_of_the_queues_has_the_same_rows() {
    let world = run(7_001, 400);
    let mut rows = BTreeMap::new();
    for logged in &world.log {
        let entry = format::entry::decode(logged).unwrap();
        let mut fresh = Shard::new(ShardOptions::default());
        fresh.apply(&entry, &rows).unwrap().writes.change(&mut rows);
    }
    assert_eq!(rows, world.rows);
}

fn task(id: &str, task_type: String) -> NewTask<'static> {
    NewTask {
        id: Some(id.to_owned().into()),
        fingerprint: Fingerprint(1),
        task_type: task_type.into(),
        run_after: None,
        priority: 5,
        key: None,
        claim_ms: None,
        retry: Some(RetryPolicy { attempts_max: 1_000, first_ms: 0, delay_ms_max: 9_000 }),
        envelope: b"..".to_vec().into(),
        options: TaskOptions::default(),
    }
}

fn enqueue(tasks: Vec<NewTask<'static>>) -> Command<'static> {
    Command::Enqueue(Enqueue { keyed: None, queue: name(0), tasks })
}

fn claim() -> Command<'static> {
    Command::Claim(Claim {
        queue: name(0),
        worker: "w".into(),
        types: Vec::new(),
        tasks_max: 100,
        claim_ms: None,
        request: None,
    })
}

impl World {
    /// One entry, at the beginning of time.
    fn give(&mut self, command: Command<'_>) {
        self.entry(EntryClock { wall: Wall(1), elapsed: Elapsed(1) }, &[command]);
    }

    /// Claims the only task and settles it, again and again.
    fn attempt(&mut self, times: u32, action: &Action<'static>) {
        for _ in 0..times {
            self.give(claim());
            let token = Position(self.model.queues.tokens.last().unwrap().2);
            let settlement = Settlement { task: TaskRef::Client("a".into()), token, action: action.clone() };
            self.give(Command::Settle(Settle { queue: name(0), settlements: vec![settlement] }));
        }
    }

    /// What readers see is compared.
    fn read(&mut self) {
        for _ in 0..20 {
            crate::reads::compare(&mut self.rng, &self.model, &self.rows);
        }
    }
}

#[test]
fn a_task_that_is_deferred_too_often_is_a_dead_letter_as_in_the_model() {
    let mut world = World::new(1);
    world.give(enqueue(vec![task("a", "t".to_owned())]));
    world.attempt(TASK_DEFERS_MAX + 1, &Action::Defer { delay_ms: 0 });
    assert!(world.model.queues.all[0].tasks[0].is_final());
    world.read();
}

#[test]
fn a_task_that_fails_very_often_waits_and_remembers_as_in_the_model() {
    let mut world = World::new(2);
    world.give(enqueue(vec![task("a", "t".to_owned())]));
    let failure = Failure { class: "E".into(), detail: b"".to_vec().into(), retryable: true, delay_ms: None };
    world.attempt(70, &Action::Fail(failure));
    assert!(world.model.queues.all[0].tasks[0].failures.len() > TASK_FAILURES_KEPT);
    world.read();
}

#[test]
fn a_queue_takes_as_many_types_as_the_model() {
    let mut world = World::new(3);
    let tasks =
        |from: usize, to: usize| (from..to).map(|at| task(&at.to_string(), format!("t{at}"))).collect();
    world.give(enqueue(tasks(0, QUEUE_TYPES_MAX - 1)));
    world.give(enqueue(tasks(QUEUE_TYPES_MAX - 2, QUEUE_TYPES_MAX + 1)));
    world.give(enqueue(tasks(QUEUE_TYPES_MAX - 2, QUEUE_TYPES_MAX)));
    assert_eq!(world.model.queues.all[0].types.len(), QUEUE_TYPES_MAX);
    world.read();
}

#[test]
fn a_claim_is_as_large_as_in_the_model() {
    let mut world = World::new(4);
    let large = |id| NewTask { envelope: vec![b'x'; CLAIM_BYTES_MAX / 2].into(), ..task(id, "t".to_owned()) };
    world.give(enqueue(vec![large("a"), large("b"), task("c", "t".to_owned())]));
    world.give(claim());
    assert_eq!(world.model.queues.tokens.len(), 2);
    world.give(claim());
    assert_eq!(world.model.queues.tokens.len(), 3);
}
