//! Power cuts under load. What a client was told, and what a reader saw, must be on the disk.

use crate::image::{FileSystem, Image};
use crate::node::Killed;
use crate::workload::{self, Machine, Workload};
use std::path::PathBuf;

/// Cuts under load, on each file system. More happen while the node starts.
const CUTS: u32 = 30;
/// A cut under load after fewer acknowledged events than this, on average, proves nothing.
const ACKNOWLEDGED_EACH_MIN: usize = 50;

impl Machine for Image {
    fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    fn fail(&self, node: Killed) {
        self.cut();
        node.wait();
        self.restore();
    }
}

fn cut_again_and_again(file_system: FileSystem) {
    let image = Image::new(file_system, "512m");
    let mut workload = Workload::new(1).with_followers();
    let cuts = workload::rounds(CUTS);
    let summary = workload.campaign(&image, cuts, &mut workload::rng());
    let summary = summary.unwrap_or_else(|violation| panic!("{file_system:?}: {violation}"));
    println!("{file_system:?}: {summary:?}");
    assert!(summary.acknowledged >= cuts as usize * ACKNOWLEDGED_EACH_MIN, "void: {summary:?}");
    assert!(summary.failures_at_start > 0 && summary.unanswered_found > 0, "void: {summary:?}");
    assert!(
        summary.received > summary.acknowledged as u64 && summary.overtaken > 0 && summary.rewrites > 0,
        "void: {summary:?}"
    );
}

#[test]
fn nothing_acknowledged_or_seen_is_lost_when_the_power_of_an_ext4_disk_is_cut() {
    cut_again_and_again(FileSystem::Ext4);
}

#[test]
fn nothing_acknowledged_or_seen_is_lost_when_the_power_of_an_xfs_disk_is_cut() {
    cut_again_and_again(FileSystem::Xfs);
}
