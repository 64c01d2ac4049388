//! One test for each promise of the shard.

use crate::world::{World, hash};
use shard::{Shard, ShardOptions};
use std::collections::BTreeMap;
use std::process::Command;

const WORLDS: u64 = 120;
const ENTRIES_A_WORLD: usize = 900;
/// The environment variable with which a test asks another process for its hash.
const ASK: &str = "SHARD_TEST_PRINT_HASH";

fn run(seed: u64, entries: usize) -> World {
    let mut world = World::new(seed);
    for at in 1..=entries {
        world.step();
        if at % 150 == 0 || world.model.is_expiry() {
            world.drain();
        }
    }
    world
}

#[test]
fn every_outcome_and_every_read_matches_the_simple_model() {
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
    assert!(commands >= 200_000);
    assert!(abandoned >= 100_000, "the view held too many keys to prove anything");
}

#[test]
fn the_same_entries_give_the_same_bytes_on_a_rebuilt_state() {
    let world = run(7_001, 400);
    let mut rows = BTreeMap::new();
    let mut total = 0_u64;
    for (at, logged) in world.log.iter().enumerate() {
        let entry = format::entry::decode(logged).unwrap();
        // A replica that has just started has no heads in memory.
        let mut fresh = Shard::new(ShardOptions { heads_max: at % 5, ..ShardOptions::default() });
        let applied = fresh.apply(&entry, &rows).unwrap();
        assert_eq!(fresh.apply(&entry, &rows).unwrap(), applied, "applied again without a commit in between");
        total = total.rotate_left(5) ^ hash(&applied);
        applied.writes.change(&mut rows);
    }
    assert_eq!(total, world.hash);
    assert_eq!(rows, world.rows);
}

#[test]
fn another_process_gives_the_same_bytes() {
    let ours = format!("hash {:016x}", run(7_002, 300).hash);
    if std::env::var_os(ASK).is_some() {
        println!("{ours}");
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "promises::another_process_gives_the_same_bytes", "--nocapture"])
        .env(ASK, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8(child.stdout).unwrap();
    assert!(printed.contains(&ours), "not {ours}: {printed}");
}
