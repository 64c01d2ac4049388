//! The tests.

use crate::world::World;
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
