//! `GET /v1/queues/{queue}/workers`, and what `/metrics` shows of queues and workers.

use crate::context::Context;
use crate::response::{self, Result};
use crate::routes::parts;
use crate::workers::Attention;
use api::response::queue::view::{Worker, write_workers};
use http::request;
use model::QueueName;
use runtime::ReadFailure;
use shard::query::{self, TypeView};
use std::time::{Duration, Instant};
use telemetry::{TaskQueues, TaskTypeFigures};

/// How many workers a response lists.
const WORKERS_LISTED_MAX: usize = 1_000;
/// How many types `/metrics` shows. Each has ten samples.
const TYPES_SHOWN_MAX: usize = 1_000;
/// How many queues are read at a time.
const QUEUES_READ: usize = 100;

pub(in crate::routes) fn list(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let queue = parts::queue(parts)?;
    let (workers, has_more) = context.workers.of(queue.as_str(), WORKERS_LISTED_MAX);
    let now = Instant::now();
    let shown = workers.iter().map(|(name, worker)| Worker {
        worker: name,
        version: worker.version.as_deref(),
        types: &worker.types,
        waiting: worker.waiting > 0,
        tasks: worker.tasks,
        // To the second: nobody needs it more exactly.
        last_asked_ms: now.saturating_duration_since(worker.last).as_secs() * 1_000,
    });
    let mut out = Vec::with_capacity(64 + 128 * workers.len());
    write_workers(&mut out, queue.as_str(), shown, has_more);
    Ok(response::json(out))
}

/// Reads the figures of all queues. There are none while the node does not read.
pub(in crate::routes) async fn figures(context: &Context) -> TaskQueues {
    let read = context.handle.read(|snapshot| {
        let (mut found, mut after): (Vec<(QueueName<'static>, bool, TypeView)>, _) = (Vec::new(), None);
        loop {
            let queues = query::queues(&snapshot.state, after.as_ref(), QUEUES_READ)?;
            let is_last = queues.len() < QUEUES_READ;
            after = queues.last().cloned();
            for queue in queues {
                let Some(view) = query::queue(&snapshot.state, &queue)? else { continue };
                let is_paused = view.settings.paused;
                found.extend(view.types.into_iter().map(|view| (queue.clone(), is_paused, view)));
            }
            if is_last || found.len() >= TYPES_SHOWN_MAX {
                found.truncate(TYPES_SHOWN_MAX);
                return Ok::<_, ReadFailure>(found);
            }
        }
    });
    let found = read.await.unwrap_or_default();
    let types = found.iter().map(|(queue, is_paused, view)| {
        let figures = of_type(context, queue, view);
        // In a paused queue, nothing can run.
        let none = Duration::ZERO;
        if *is_paused { TaskTypeFigures { unclaimed: none, missed: none, ..figures } } else { figures }
    });
    let types = types.collect();
    TaskQueues { types, workers: context.workers.counts() }
}

fn of_type(context: &Context, queue: &QueueName<'_>, view: &TypeView) -> TaskTypeFigures {
    let now = context.handle.wall_now();
    let oldest_ready = view.oldest_ready.map_or(0, |since| now.0.saturating_sub(since.0));
    let oldest_ready = Duration::from_millis(oldest_ready);
    let (unclaimed, missed) = match context.workers.attention(queue.as_str(), &view.task_type) {
        Attention::Waits => (Duration::ZERO, oldest_ready),
        Attention::Since(silent) => (silent.min(oldest_ready), Duration::ZERO),
    };
    TaskTypeFigures {
        queue: queue.as_str().to_owned(),
        task_type: view.task_type.clone(),
        delayed: view.delayed,
        blocked: view.blocked,
        ready: view.ready,
        running: view.running,
        done: view.done,
        dead: view.dead,
        cancelled: view.cancelled,
        oldest_ready,
        unclaimed,
        missed,
    }
}
