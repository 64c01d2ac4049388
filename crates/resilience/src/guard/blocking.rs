//! One attempt in the current thread. It asks the same policies in the same order as an async attempt; only
//! the waiting differs.

use super::attempt::{Admitted, Attempted, Caller, Run};
use super::classify::Classification;
use super::error::CallRejected;
use crate::contract::Time;
use crate::sync::{Admission, BulkheadPermit, Queued, RateLimiter, clock};
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};

impl<'a> Run<'a> {
    pub(super) fn attempt_blocking<T, E>(
        self,
        asked_at: Time,
        caller: Caller,
        operation: impl FnOnce(Time) -> Result<T, E>,
        classify: &impl Fn(Result<&T, &E>) -> Classification,
    ) -> Attempted<T, E> {
        let admitted = match self.admit_blocking(asked_at, caller) {
            Ok(admitted) => admitted,
            Err(rejected) => return Attempted::rejected(rejected),
        };
        let result = operation(admitted.ends(caller.deadline));
        admitted.conclude(Some(result), classify)
    }

    fn admit_blocking(self, asked_at: Time, caller: Caller) -> Result<Admitted<'a>, CallRejected> {
        let mut breaker = self.breaker(asked_at, caller.source)?;
        let mut now = match self.token(asked_at)? {
            None => asked_at,
            Some((rate, until)) => self.block_for_token(rate, asked_at, until, caller.deadline)?,
        };
        let mut bulkhead = None;
        match self.permit(now, caller.priority)? {
            None => {}
            Some(Admission::Permit(permit)) => bulkhead = Some(permit),
            Some(Admission::Queued(queued)) => {
                bulkhead = Some(self.block_in_queue(queued, now, caller.deadline)?);
                now = clock::now();
            }
        }
        if now != asked_at || now >= caller.deadline {
            breaker = self.after_wait(breaker, now, caller)?;
        }
        Ok(Admitted::new(self, breaker, bulkhead, now))
    }

    fn block_for_token(
        self,
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

    fn block_in_queue(
        self,
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

/// Wakes a thread that waits for a permit.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
