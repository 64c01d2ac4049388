//! Other processes of this program, so that some of them can die.

use crate::{Result, report};
use mainstay_client::{Client, NewEvent, TaskError, Worker};
use serde_json::json;
use std::env;
use std::process::{Child, Command};
use std::time::Duration;

/// How often the cleanup is due. In the story it is once a night.
pub(crate) const NIGHT: Duration = Duration::from_secs(1);
pub(crate) const NIGHTS: u32 = 3;
/// How long a leader may be out of reach before another takes over.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// A process, which is killed when this is dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts this program in another role.
    pub(crate) fn start(role: &str) -> Result<Self> {
        Ok(Self(Command::new(env::current_exe()?).arg(role).spawn()?))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What a process does whose name is not that of a step.
pub(crate) async fn play(role: &str, store: &Client) -> Result {
    match role {
        "worker" => {
            let worker = Worker::new(store.queue("reports"));
            worker.on("monthly", make).run(std::future::pending()).await?;
        }
        "timer" => {
            for _ in 0..NIGHTS {
                tokio::time::sleep(NIGHT).await;
                clean_up(store, "cleanups-by-timers", None).await?;
            }
        }
        "nightly" => {
            let by_task = store.clone();
            let worker = Worker::new(store.queue("nightly")).on_task("cleanup", move |task| {
                let store = by_task.clone();
                async move {
                    // The task's id makes this safe to repeat.
                    clean_up(&store, "cleanups-by-schedule", Some(&task.id)).await?;
                    Ok(json!({"by": std::process::id()}))
                }
            });
            worker.run(std::future::pending()).await?;
        }
        "leader" => {
            let elected = store.elected("cleaner").ttl(LEASE).holder(std::process::id().to_string());
            let _ = elected.run(async |_| std::future::pending::<()>().await).await?;
        }
        other => return Err(format!("{other:?} is neither a step nor a role").into()),
    }
    Ok(())
}

async fn make(month: String) -> Result<serde_json::Value, TaskError> {
    Ok(tokio::task::spawn_blocking(move || report::make(&month)).await?)
}

/// The cleanup, which here only writes down that it has happened.
async fn clean_up(store: &Client, stream: &str, id: Option<&str>) -> Result<(), mainstay_client::Error> {
    let event = NewEvent::new("cleaned-up").data(&json!({"by": std::process::id()}))?;
    let event = match id {
        Some(id) => event.id(id.trim_start_matches('~')),
        None => event,
    };
    store.append(stream, [event]).await.map(drop)
}
