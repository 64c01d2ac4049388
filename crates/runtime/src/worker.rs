//! A thread with an inbox. When its handle is dropped, it finishes the jobs that were sent and ends.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// The handle of a thread. The code that sends jobs bounds the inbox: at most one or two jobs of each kind
/// are under way.
#[derive(Debug)]
pub(crate) struct Worker<J> {
    jobs: Option<Sender<J>>,
    thread: Option<JoinHandle<()>>,
}

impl<J: Send + 'static> Worker<J> {
    pub(crate) fn start(name: &str, body: impl FnOnce(Receiver<J>) + Send + 'static) -> io::Result<Self> {
        let (jobs, inbox) = channel();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || body(inbox))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Sends a job. If the thread has ended after a failure, the job is dropped: the failure has been
    /// reported.
    pub(crate) fn send(&self, job: J) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }
}

impl<J> Drop for Worker<J> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
