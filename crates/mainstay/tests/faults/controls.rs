//! Proof that the power cuts of [`crate::power`] find what they are there to find. Each test cuts the power of a
//! node whose syncs are partly left out, and must see the loss within a few cuts.
//!
//! The node is the shipped binary. strace replaces the system call by one that does nothing and succeeds.

use crate::image::{FileSystem, Image};
use crate::node::{Killed, serve};
use crate::strace::{Injection, traced};
use crate::workload::{self, Machine, SMALL, Workload};
use std::path::PathBuf;
use std::process::Command;

/// A loss that is not seen in this many cuts is not found.
const CUTS_MAX: u32 = 20;

/// A machine on which syncs of some files do nothing.
struct Careless {
    image: Image,
    arguments: &'static [&'static str],
    /// Below the data directory; empty means everything.
    unsynced: Vec<PathBuf>,
}

impl Machine for Careless {
    fn data(&self) -> PathBuf {
        self.image.data()
    }

    fn serve(&self) -> Command {
        let data = self.data();
        let unsynced = self.unsynced.iter().map(|path| data.join(path)).collect();
        let nothing = Injection { calls: "fdatasync,fsync", effect: "retval=0", paths: unsynced };
        traced(&serve(&data, self.arguments), &nothing)
    }

    fn fail(&self, node: Killed) {
        self.image.fail(node);
    }
}

/// The loss that follows when syncs of these files and directories are left out.
fn loss_without_syncs_of(unsynced: &[&str], arguments: &'static [&'static str]) -> String {
    let unsynced = unsynced.iter().map(PathBuf::from).collect();
    let machine = Careless { image: Image::new(FileSystem::Ext4, "512m"), arguments, unsynced };
    let campaign = Workload::new(3).campaign(&machine, CUTS_MAX, &mut workload::rng());
    let violation = campaign.expect_err("a loss must be found").to_string();
    println!("{violation}");
    violation
}

#[test]
fn a_node_that_syncs_nothing_is_seen_to_lose_events() {
    let loss = loss_without_syncs_of(&[], SMALL);
    assert!(["lost", "does not start"].iter().any(|words| loss.contains(words)), "{loss}");
}

#[test]
fn a_node_that_does_not_sync_its_log_is_seen_to_lose_events() {
    let segments: Vec<String> = (1..=999).map(|number| format!("log/log-{number:08}.segment")).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let loss = loss_without_syncs_of(&segments, SMALL);
    assert!(["lost", "does not start"].iter().any(|words| loss.contains(words)), "{loss}");
}

#[test]
fn a_node_that_does_not_sync_bodies_before_the_state_is_seen_to_lose_them() {
    /// All bodies are in one segment, whose name is known in advance.
    const ONE_SEGMENT: &[&str] =
        &["--memtable-size", "256 KiB", "--space-reserve", "8 MiB", "--keep-alive", "1s"];
    let loss = loss_without_syncs_of(&["bodies/0000000000000000-00000000.bodies"], ONE_SEGMENT);
    assert!(loss.contains("does not start") && loss.contains("bod"), "{loss}");
}
