//! The runtime behind the blocking client, and how a thread waits for a future on it.

use crate::error::{Error, Result};
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::Thread;
use tokio::runtime;
use tokio::task::unconstrained;

pub(super) struct Runtime {
    /// Taken only on drop.
    runtime: Option<runtime::Runtime>,
    handle: runtime::Handle,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

impl Runtime {
    pub(super) fn start() -> Result<Self> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("mainstay-client")
            .enable_all()
            .build()
            .map_err(Error::Runtime)?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Polls `future` on this thread until it is ready; its sockets and timers run on the background thread.
    ///
    /// tokio's own `block_on` would panic on a thread of another runtime. This one only blocks it.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        // On a thread of another runtime, the future would share the coop budget of the current task. That
        // budget is renewed when the task yields, which it cannot do while it waits here.
        let mut future = pin!(unconstrained(future));
        let _entered = self.handle.enter();
        let waker = Arc::new(Unpark(std::thread::current())).into();
        let mut context = Context::from_waker(&waker);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(output) => return output,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // A plain drop of a runtime panics inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
