//! One attempt in the current thread. It asks the same policies in the same order as an async attempt; only
//! the waiting differs.

use super::attempt::{Attempted, Caller};
use super::classify::Classification;
use super::error::CallRejected;
use super::held::{Held, Wait};
use super::running::Running;
use crate::contract::Time;
use crate::sync::{BulkheadPermit, Queued, RateLimiter, clock};
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};

impl Running {
    pub(super) fn attempt_blocking<T, E>(
        &self,
        asked_at: Time,
        caller: &Caller,
        operation: impl FnOnce(Time) -> Result<T, E>,
        classify: &impl Fn(Result<&T, &E>) -> Classification,
    ) -> Attempted<T, E> {
        let mut held = Held::nothing(self, asked_at);
        let admitted = held.ask(caller).and_then(|wait| match wait {
            None => Ok(()),
            Some(wait) => held.wait_blocking(wait, caller),
        });
        if let Err(rejected) = admitted {
            return Attempted::rejected(rejected);
        }
        let result = operation(held.ends(caller.deadline));
        held.conclude(Some(result), classify)
    }

    fn block_for_token(
        &self,
        rate: &RateLimiter,
        now: Time,
        mut until: Time,
        deadline: Time,
    ) -> Result<Time, CallRejected> {
        let _waiting = self.observer.waiting();
        let wait_ends = now + rate.wait_max();
        loop {
            self.may_wait(until, wait_ends, deadline)?;
            thread::sleep(until.since(clock::now()));
            let now = clock::now();
            match self.token(now)? {
                None => return Ok(now),
                Some((_, later)) => until = later,
            }
        }
    }

    fn block_in_queue<'a>(
        &self,
        queued: Queued<'a>,
        now: Time,
        deadline: Time,
    ) -> Result<BulkheadPermit<'a>, CallRejected> {
        let _waiting = self.observer.waiting();
        let until = queued.until();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut queued = pin!(queued);
        loop {
            if let Poll::Ready(permit) = queued.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Ok(permit);
            }
            let left = until.min(deadline).since(clock::now());
            if left.is_zero() {
                return Err(self.waited_in_vain(now, until, deadline));
            }
            thread::park_timeout(left);
        }
    }
}

impl<'a> Held<'a> {
    /// Waits for what the attempt still needs.
    fn wait_blocking(&mut self, mut wait: Wait<'a>, caller: &Caller) -> Result<(), CallRejected> {
        if let Wait::Token(rate, until) = wait {
            let granted = self.running.block_for_token(rate, self.begun, until, caller.deadline)?;
            match self.got_token(granted, caller)? {
                None => return Ok(()),
                Some(next) => wait = next,
            }
        }
        let Wait::Permit(queued) = wait else { return Ok(()) };
        let permit = self.running.block_in_queue(queued, self.begun, caller.deadline)?;
        self.got_permit(permit, caller)
    }
}

/// Wakes a thread that waits for a permit.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
