//! Schedules while the node is killed: between the proposal of a tick, its sync and its outcome, and while it is down.
//! Every tick of every schedule enqueues its task exactly once.

use crate::node::Node;
use crate::workload;
use mainstay_client::{Client, Retry, Schedule, ScheduledTask};
use std::collections::BTreeMap;
use std::time::Duration;

const KILLS: u32 = 20;
const SCHEDULES: u64 = 40;
const EVERY_MS: u64 = 1_000;

/// The milliseconds of the day in a tick such as `2026-11-29T02:00:00.000Z`.
fn of_day(tick: &str) -> u64 {
    let part = |range: std::ops::Range<usize>| tick[range].parse::<u64>().unwrap();
    part(11..13) * 3_600_000 + part(14..16) * 60_000 + part(17..19) * 1_000 + part(20..23)
}

/// The ticks of each schedule, as the ids of the tasks in the queue say.
async fn ticks(client: &Client) -> BTreeMap<String, Vec<u64>> {
    let queue = client.queue("ticks");
    let mut ticks = BTreeMap::<String, Vec<u64>>::new();
    let mut page = queue.tasks(None, 1_000).await.unwrap();
    loop {
        for task in &page.tasks {
            let (schedule, tick) = task.id.split_once('@').unwrap();
            ticks.entry(schedule.to_owned()).or_default().push(of_day(tick));
        }
        let Some(next) = page.next else { return ticks };
        page = queue.next_tasks(&next).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tick_enqueues_its_task_once_however_often_the_node_is_killed() {
    let data = tempfile::tempdir().unwrap();
    let mut node = Node::start(data.path());
    let client = Client::builder(&node.url).retry(Retry::never()).build().unwrap();
    for number in 0..SCHEDULES {
        let mut schedule = Schedule::every("1s", "ticks", ScheduledTask::new("t"));
        schedule.overlap = Some("allow".to_owned());
        schedule.catch_up = Some("all".to_owned());
        client.put_schedule(&format!("s-{number}"), &schedule).await.unwrap();
        // So that they are due at different moments.
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    let rng = &mut workload::rng();
    for _ in 0..workload::rounds(KILLS) {
        tokio::time::sleep(Duration::from_millis(100 + rng.below(900))).await;
        let address = node.address();
        node.kill();
        if rng.one_in(4) {
            // Ticks are missed.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
        }
        node = Node::start_with(data.path(), &["--listen", &address]);
    }
    // The last ticks happen too, before the schedules are paused one by one.
    tokio::time::sleep(Duration::from_millis(EVERY_MS)).await;
    for number in 0..SCHEDULES {
        client.pause_schedule(&format!("s-{number}")).await.unwrap();
    }

    let ticks = ticks(&client).await;
    let all: usize = ticks.values().map(Vec::len).sum();
    println!("{all} ticks");
    assert!(all as u64 > SCHEDULES * 10, "void: too few ticks");
    assert_eq!(ticks.len() as u64, SCHEDULES);
    for (schedule, ticks) in &ticks {
        for pair in ticks.windows(2) {
            let step_ms = (pair[1] + 86_400_000 - pair[0]) % 86_400_000;
            assert_eq!(step_ms, EVERY_MS, "a tick of {schedule} is left out, or has two tasks: {ticks:?}");
        }
        let info = client.schedule(schedule).await.unwrap();
        let counts = &info.members["counts"];
        assert_eq!((&counts["runs"], &counts["missed"]), (&ticks.len().into(), &0.into()), "{schedule}");
    }
    assert!(node.stop().success());
}
