//! Step 2: the request enqueues a task, and a worker in another process makes the report. One worker dies in the middle.

use super::in_the_request::USERS;
use crate::process::Process;
use crate::{Result, load, shop};
use mainstay_client::{Client, Queue, QueueSettings};
use std::time::Duration;
use tokio::time::Instant;

pub(crate) async fn run(store: &Client) -> Result {
    let queue = store.queue("reports");
    let settings = QueueSettings { claim_timeout: Some("1s".to_owned()), ..QueueSettings::default() };
    queue.put_settings(&settings).await?;
    let shop = shop::start_with_reports_in(queue.clone())?;
    let http = reqwest::Client::new();
    let asking = load::ask(USERS, |month| {
        let (http, url) = (http.clone(), format!("{shop}/reports/{month}"));
        async move {
            let asked = Instant::now();
            http.post(&url).send().await?.error_for_status()?;
            let accepted = asked.elapsed();
            while http.get(&url).send().await?.error_for_status()?.status() != reqwest::StatusCode::OK {}
            Ok(accepted)
        }
    });
    let working = async {
        let first = Process::start("worker")?;
        let replaced = replace_in_the_middle(&queue, first);
        let (reports, worker) = tokio::join!(asking, replaced);
        worker?;
        reports
    };
    let (reports, others) = load::while_others_look_at_orders(&shop, working).await?;
    let (mut accepted, mut ready) = (load::Latencies::default(), load::Latencies::default());
    for (accepted_after, ready_after) in &reports {
        accepted.record(*accepted_after);
        ready.record(*ready_after);
    }
    let mut attempts = 0;
    for task in queue.tasks(None, 100).await?.tasks {
        attempts += queue.task(&task.id).await?.attempts;
    }
    println!("Step 2: {} users ask for a report, and a worker makes them one after another.", reports.len());
    println!("  requests for a report:         {accepted}");
    println!("  until it is ready:             {ready}");
    println!("  other requests, during that:   {others}");
    println!(
        "  a worker was killed meanwhile: {} of {USERS} reports are ready, after {attempts} attempts",
        reports.len()
    );
    Ok(())
}

/// Kills the worker while it makes a report, and starts another one.
async fn replace_in_the_middle(queue: &Queue, first: Process) -> Result<Process> {
    loop {
        let depth = queue.info().await?.depth;
        if depth.done >= 2 && depth.running == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(first);
    Process::start("worker")
}
