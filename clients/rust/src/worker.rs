//! A worker: claims tasks, runs them side by side, keeps their claims, and settles them.

use crate::error::{Error, Result};
use crate::id::new_id;
use crate::queue::{Claim, ClaimedTask, Queue, SettledAndClaimed, Settlement, TaskError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

type Work = Pin<Box<dyn Future<Output = Result<Value, TaskError>> + Send>>;
type Handler = Arc<dyn Fn(Arc<ClaimedTask>) -> Work + Send + Sync>;

/// How long one claim request waits for tasks.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// The pause after a claim request that failed although the client retried it.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs the tasks of one queue: an async function for each type of task.
///
/// The worker sends heartbeats at a third of a claim's time. It stops a task's function when the claim is lost or can
/// no longer be trusted, and when the task is cancelled. A panic is a failed attempt. When it is told to stop, it
/// claims nothing more, lets running tasks finish for a while, and gives the others back; their attempts do not count.
///
/// ```no_run
/// use mainstay_client::{Client, TaskError, Worker};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Report { month: String }
///
/// # async fn shutdown() {}
/// # async fn example() -> Result<(), mainstay_client::Error> {
/// let queue = Client::new("http://127.0.0.1:7070")?.queue("reports");
/// let done = Worker::new(queue)
///     .concurrency(4)
///     .on("monthly", async |report: Report| Ok::<_, TaskError>(format!("report of {}", report.month)))
///     .run(shutdown())
///     .await?;
/// println!("{} tasks completed", done.completed);
/// # Ok(()) }
/// ```
pub struct Worker {
    queue: Queue,
    name: String,
    concurrency: u32,
    grace: Duration,
    claim_timeout: Option<Duration>,
    handlers: Arc<BTreeMap<String, Handler>>,
    /// For tasks of all types.
    any: Option<Handler>,
}

/// What a worker did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerSummary {
    pub completed: u64,
    /// Attempts that failed or were deferred.
    pub failed: u64,
    /// Tasks that were given back, because the worker stopped or the task was cancelled.
    pub returned: u64,
    /// Tasks whose claim was lost, or whose end could not be reported.
    pub lost: u64,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("queue", &self.queue).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker of this queue, with a name of its own.
    #[must_use]
    pub fn new(queue: Queue) -> Self {
        Self {
            queue,
            name: format!("{}-{}", std::process::id(), new_id()),
            concurrency: 1,
            grace: Duration::from_secs(30),
            claim_timeout: None,
            handlers: Arc::default(),
            any: None,
        }
    }

    /// Sets the name that operators see. It must differ from that of every other running worker.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Sets how many tasks run at the same time: 1 by default.
    #[must_use]
    pub fn concurrency(self, tasks: u32) -> Self {
        Self { concurrency: tasks.max(1), ..self }
    }

    /// Sets how long running tasks may take to finish when the worker stops: 30 s by default.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Sets how long claims last. The default is what the tasks or the queue say.
    #[must_use]
    pub fn claim_timeout(self, timeout: Duration) -> Self {
        Self { claim_timeout: Some(timeout), ..self }
    }

    /// Runs tasks of this type with `run`, which gets the payload. What it returns is the task's result. A payload of
    /// another form makes the task a dead letter.
    #[must_use]
    pub fn on<P, R, E, F, Run>(self, task_type: &str, run: Run) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        E: Into<TaskError> + 'static,
        F: Future<Output = Result<R, E>> + Send + 'static,
        Run: Fn(P) -> F + Send + Sync + 'static,
    {
        let run = Arc::new(run);
        self.on_task(task_type, move |task| {
            let run = Arc::clone(&run);
            async move {
                let payload = task.decode().map_err(|error| TaskError::from(error).permanent())?;
                let result = run(payload).await.map_err(Into::into)?;
                serde_json::to_value(result).map_err(TaskError::from)
            }
        })
    }

    /// Runs tasks of this type with `run`, which gets the whole task.
    #[must_use]
    pub fn on_task<F, Run>(mut self, task_type: &str, run: Run) -> Self
    where
        F: Future<Output = Result<Value, TaskError>> + Send + 'static,
        Run: Fn(Arc<ClaimedTask>) -> F + Send + Sync + 'static,
    {
        let handlers = Arc::make_mut(&mut self.handlers);
        handlers.insert(task_type.to_owned(), Arc::new(move |task| Box::pin(run(task))));
        self
    }

    /// Runs the tasks of all types that have no function of their own with `run`.
    #[must_use]
    pub fn on_any<F, Run>(self, run: Run) -> Self
    where
        F: Future<Output = Result<Value, TaskError>> + Send + 'static,
        Run: Fn(Arc<ClaimedTask>) -> F + Send + Sync + 'static,
    {
        Self { any: Some(Arc::new(move |task| Box::pin(run(task)))), ..self }
    }

    /// Runs until `stop` completes and the running tasks have ended. Problems that a later attempt may cure, such as a
    /// node that is down, only delay the worker.
    ///
    /// # Errors
    /// [`Error`] when the server refuses the claims for good, such as for a name that is too long.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<WorkerSummary> {
        let mut stop = std::pin::pin!(stop);
        let mut running = JoinSet::new();
        let mut summary = WorkerSummary::default();
        let (told_to_stop, stopping) = tokio::sync::watch::channel(None);
        let mut claiming = None;
        let ended = loop {
            let free = self.concurrency.saturating_sub(u32::try_from(running.len()).unwrap_or(u32::MAX));
            if claiming.is_none() && free > 0 {
                claiming = Some(Box::pin(self.claim(free)));
            }
            tokio::select! {
                biased;
                () = &mut stop => break Ok(()),
                Some(ended) = running.join_next() => summary += ended.unwrap_or(LOST),
                (asked, claimed) = async { match &mut claiming {
                    Some(claiming) => claiming.await,
                    None => std::future::pending().await,
                }} => {
                    claiming = None;
                    match claimed {
                        Ok(tasks) => for task in tasks {
                            let run = self.attempts(task, asked, stopping.clone());
                            running.spawn(run);
                        },
                        Err(error) if error.is_retryable() => tokio::select! {
                            () = tokio::time::sleep(PAUSE) => {}
                            () = &mut stop => break Ok(()),
                        },
                        Err(error) => break Err(error),
                    }
                }
            }
        };
        // Tasks that the server grants to this request from now on go back to their queue.
        drop(claiming);
        told_to_stop.send_replace(Some(Instant::now() + self.grace));
        while let Some(end) = running.join_next().await {
            summary += end.unwrap_or(LOST);
        }
        ended.map(|()| summary)
    }

    async fn claim(&self, max: u32) -> (Instant, Result<Vec<ClaimedTask>>) {
        let wait = WAIT_MAX.min(self.queue.client.shared.transport.timeouts().response / 2);
        let claimed = self.queue.claim(&self.asking(max).wait(wait)).await;
        (Instant::now(), claimed)
    }

    /// What this worker asks for.
    fn asking(&self, max: u32) -> Claim {
        let mut claim = Claim::new(self.name.as_str()).max(max.min(100));
        if self.any.is_none() {
            claim = claim.types(self.handlers.keys().cloned());
        }
        if let Some(timeout) = self.claim_timeout {
            claim = claim.claim_timeout(timeout);
        }
        claim
    }

    /// Runs a task, and then those that come with the response to each settlement, one after another.
    fn attempts(
        &self,
        task: ClaimedTask,
        claimed: Instant,
        stopping: tokio::sync::watch::Receiver<Option<Instant>>,
    ) -> impl Future<Output = WorkerSummary> + Send + use<> {
        let (handlers, any) = (Arc::clone(&self.handlers), self.any.clone());
        let (queue, next) = (self.queue.clone(), self.asking(1));
        async move {
            let mut summary = WorkerSummary::default();
            let (mut task, mut claimed) = (Arc::new(task), claimed);
            loop {
                let watched = match handlers.get(&task.task_type).or(any.as_ref()) {
                    Some(handler) => {
                        // A task of its own, so that a panic is caught, and no blocking in it delays the heartbeats of others.
                        let work = tokio::spawn(handler(Arc::clone(&task)));
                        let stopping = stopping.clone();
                        Attempt { queue: &queue, task: &task, claimed, stopping }.watch(work).await
                    }
                    None => Watched::GiveBack,
                };
                // A claim that is made now counts from before the request.
                claimed = Instant::now();
                let follow = if stopping.borrow().is_some() { None } else { Some(&next) };
                let (end, follower) = settle(&queue, &task, watched, follow).await;
                summary.add(end);
                let Some(follower) = follower else { return summary };
                task = Arc::new(follower);
            }
        }
    }
}

/// Settles a task, and claims the one that this worker runs next, unless it stops.
async fn settle(
    queue: &Queue,
    task: &ClaimedTask,
    watched: Watched,
    next: Option<&Claim>,
) -> (End, Option<ClaimedTask>) {
    let (settlement, end) = match watched {
        Watched::Ended(Ok(result)) => (Settlement::complete(task, &result), End::Completed),
        Watched::Ended(Err(error)) => (Ok(Settlement::fail(task, &error)), End::Failed),
        Watched::GiveBack => (Ok(Settlement::give_back(task)), End::Returned),
        Watched::Lost => return (End::Lost, None),
    };
    let Ok(settlement) = settlement else { return (End::Lost, None) };
    let Some(next) = next else {
        let settled = queue.settle(&settlement).await;
        return (if settled.is_ok() { end } else { End::Lost }, None);
    };
    match queue.settle_and_claim(vec![settlement], next).await {
        Ok(SettledAndClaimed { settled, tasks }) => {
            let end = if settled.iter().all(Result::is_ok) { end } else { End::Lost };
            (end, tasks.into_iter().next())
        }
        Err(_) => (End::Lost, None),
    }
}

/// The end of one claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Completed,
    Failed,
    Returned,
    Lost,
}

/// The summary of a task that has ended in an unknown way.
const LOST: WorkerSummary = WorkerSummary { completed: 0, failed: 0, returned: 0, lost: 1 };

impl AddAssign for WorkerSummary {
    fn add_assign(&mut self, other: Self) {
        self.completed += other.completed;
        self.failed += other.failed;
        self.returned += other.returned;
        self.lost += other.lost;
    }
}

impl WorkerSummary {
    fn add(&mut self, end: End) {
        match end {
            End::Completed => self.completed += 1,
            End::Failed => self.failed += 1,
            End::Returned => self.returned += 1,
            End::Lost => self.lost += 1,
        }
    }
}

/// A running task with its claim.
struct Attempt<'a> {
    queue: &'a Queue,
    task: &'a ClaimedTask,
    claimed: Instant,
    /// When running tasks must have ended; `None` until the worker stops.
    stopping: tokio::sync::watch::Receiver<Option<Instant>>,
}

enum Watched {
    Ended(Result<Value, TaskError>),
    /// Cancelled, or not finished in time.
    GiveBack,
    /// Another worker may run the task now.
    Lost,
}

impl Attempt<'_> {
    /// Waits for the end of the work, keeps the claim meanwhile, and stops the work when the claim is no longer sure.
    async fn watch(mut self, mut work: tokio::task::JoinHandle<Result<Value, TaskError>>) -> Watched {
        let mut length = self.task.expires_in;
        let mut expires = self.claimed + length;
        let mut next = self.claimed + length / 3;
        let stopped = loop {
            let give_up = *self.stopping.borrow_and_update();
            tokio::select! {
                biased;
                ended = &mut work => return Watched::Ended(ended.unwrap_or_else(|error| Err(panicked(error)))),
                () = until(give_up) => break Watched::GiveBack,
                () = tokio::time::sleep_until(expires) => break Watched::Lost,
                Ok(()) = self.stopping.changed() => {}
                () = tokio::time::sleep_until(next) => {
                    // The claim counts from before the request, so that it never seems to last longer than it does.
                    let asked = Instant::now();
                    let heartbeat = tokio::time::timeout_at(expires, self.queue.heartbeat(self.task, None));
                    tokio::select! {
                        biased;
                        ended = &mut work => return Watched::Ended(ended.unwrap_or_else(|error| Err(panicked(error)))),
                        heartbeat = heartbeat => match heartbeat {
                            Ok(Ok(kept)) if kept.cancelled => break Watched::GiveBack,
                            Ok(Ok(kept)) => {
                                length = kept.expires_in;
                                expires = asked + length;
                            }
                            Ok(Err(error)) if !error.is_retryable() => break Watched::Lost,
                            Ok(Err(_)) | Err(_) => {}
                        },
                    }
                    next = Instant::now().max(asked) + length / 3;
                }
            }
        };
        work.abort();
        // Nothing of the work runs any more when the task is given back.
        drop(work.await);
        stopped
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn panicked(error: tokio::task::JoinError) -> TaskError {
    let message = match error.try_into_panic() {
        Err(error) => error.to_string(),
        Ok(panic) => match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(text), _) => text.clone(),
            (None, Some(text)) => (*text).to_owned(),
            (None, None) => "the function panicked".to_owned(),
        },
    };
    TaskError::new("panic", message)
}

impl Error {
    /// Whether a claim is over, so that another worker may run the task now.
    #[must_use]
    pub fn is_claim_lost(&self) -> bool {
        matches!(self.code(), Some("claim_lost" | "task_not_found"))
    }
}
