//! Step 3: a nightly cleanup that one of three processes runs, by a schedule; and a leader, by a lease.

use crate::Result;
use crate::process::{NIGHTS, Process};
use mainstay_client::{Client, Schedule, ScheduledTask};
use std::time::Duration;
use tokio::time::Instant;

const PROCESSES: usize = 3;

pub(crate) async fn run(store: &Client) -> Result {
    let timers = start("timer")?;
    until_events(store, "cleanups-by-timers", NIGHTS as usize * PROCESSES).await?;
    drop(timers);

    let mut nightly = Schedule::every("1s", "nightly", ScheduledTask::new("cleanup"));
    nightly.runs_max = Some(NIGHTS.into());
    store.put_schedule("cleanup", &nightly).await?;
    let workers = start("nightly")?;
    let queue = store.queue("nightly");
    while queue.info().await?.depth.done < u64::from(NIGHTS) {
        pause().await;
    }
    drop(workers);
    let by_timers = store.read("cleanups-by-timers").page().await?.events.len();
    let by_schedule = store.read("cleanups-by-schedule").page().await?.events.len();

    let mut leaders = start("leader")?;
    let (first, _) = leader_after(store, 0).await?;
    let killed = Instant::now();
    leaders.retain(|process| process.id() != first);
    let (second, token) = leader_after(store, first).await?;
    let taken_over = killed.elapsed();

    println!("Step 3: {PROCESSES} processes, and a cleanup that is due {NIGHTS} times.");
    println!("  cleanups, each process with a timer:     {by_timers}");
    println!("  cleanups, by a schedule:                 {by_schedule}");
    println!(
        "  the leader, process {first}, was killed:  process {second} leads after {:.1} s, with token {token}",
        taken_over.as_secs_f64()
    );
    Ok(())
}

fn start(role: &str) -> Result<Vec<Process>> {
    (0..PROCESSES).map(|_| Process::start(role)).collect()
}

async fn until_events(store: &Client, stream: &str, count: usize) -> Result {
    loop {
        match store.read(stream).page().await {
            Ok(page) if page.events.len() >= count => return Ok(()),
            Err(error) if error.code() != Some("stream_not_found") => return Err(error.into()),
            _ => pause().await,
        }
    }
}

/// The process that leads, once that is another one than `before`.
async fn leader_after(store: &Client, before: u32) -> Result<(u32, String)> {
    loop {
        let lease = store.lease("cleaner").await?;
        if let Some(holder) = lease.holders.first() {
            let process = holder.holder.parse()?;
            if process != before {
                return Ok((process, holder.token.to_string()));
            }
        }
        pause().await;
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}
