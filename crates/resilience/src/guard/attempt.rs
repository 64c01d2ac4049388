//! One attempt: admitted by the policies, cut short by its timeout, its outcome recorded.
//!
//! Everything that an attempt acquires is [`Held`] by a value that returns it when it is dropped, wherever
//! the future was and whatever ended it.

use super::classify::Classification;
use super::error::{CallError, CallRejected};
use super::held::{Held, Wait};
use super::running::Running;
use crate::contract::{Decision, Outcome, Reason, Rejected, Time};
use crate::rate;
use crate::retry::Safety;
use crate::shed::Priority;
use crate::sync::clock;
use crate::sync::{BulkheadPermit, Queued, RateLimiter};
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

/// What the policies know about the caller of an attempt.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) source: u32,
    pub(super) priority: Priority,
    pub(super) safety: Safety,
    pub(super) deadline: Time,
}

/// The result of an attempt, and what it means.
#[derive(Debug)]
pub(super) struct Attempted<T, E> {
    pub(super) result: Result<T, CallError<E>>,
    pub(super) classification: Classification,
}

impl<T, E> Attempted<T, E> {
    pub(super) fn rejected(rejected: CallRejected) -> Self {
        Self { result: Err(CallError::Rejected(rejected)), classification: Outcome::Neutral.into() }
    }

    pub(super) fn is_good(&self) -> bool {
        matches!(self.classification.outcome, Outcome::Success | Outcome::Slow)
    }

    pub(super) fn is_rejected(&self) -> bool {
        matches!(self.result, Err(CallError::Rejected(_)))
    }

    /// Returns this result, unless the other one says more.
    pub(super) fn or(self, other: Self) -> Self {
        let says_less = !self.is_good() && self.is_rejected() && !other.is_rejected();
        if other.is_good() && !self.is_good() || says_less { other } else { self }
    }
}

impl Running {
    /// One attempt, which ends at the caller's deadline at the latest.
    pub(super) async fn attempt<T, E, F, J>(
        &self,
        asked_at: Time,
        caller: &Caller,
        begin: impl FnOnce(Time) -> F,
        classify: &J,
    ) -> Attempted<T, E>
    where
        F: Future<Output = Result<T, E>>,
        J: Fn(Result<&T, &E>) -> Classification,
    {
        let mut held = Held::nothing(self, asked_at);
        let admitted = match held.ask(caller) {
            Ok(None) => Ok(()),
            // A future of its own, because most calls do not wait.
            Ok(Some(wait)) => Box::pin(held.wait(wait, caller)).await,
            Err(rejected) => Err(rejected),
        };
        if let Err(rejected) = admitted {
            return Attempted::rejected(rejected);
        }
        let ends = held.ends(caller.deadline);
        let result = within(ends, begin(ends)).await;
        held.conclude(result, classify)
    }

    /// Spends a token, or returns when to ask again.
    pub(super) fn token(&self, now: Time) -> Result<Option<(&RateLimiter, Time)>, CallRejected> {
        let Some(rate) = &self.rate else { return Ok(None) };
        match rate.ask_at(clock::input_at(now), rate::Request::default()) {
            Decision::Admit(()) => Ok(None),
            Decision::Wait { until } => Ok(Some((rate, until))),
            Decision::Reject(rejected) => Err(self.rejected(now, rejected)),
        }
    }

    /// Checks that a wait for a token ends in time.
    pub(super) fn may_wait(&self, until: Time, wait_ends: Time, deadline: Time) -> Result<(), CallRejected> {
        if until > wait_ends || until >= deadline {
            let rejected = Rejected { reason: Reason::RateLimit, retry_at: Some(until) };
            return Err(self.rejected(clock::now(), rejected));
        }
        Ok(())
    }

    /// Waits for a token. Returns the moment at which it was granted.
    async fn wait_for_token(
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
            tokio::time::sleep_until(clock::instant_of(until)).await;
            let now = clock::now();
            match self.token(now)? {
                None => return Ok(now),
                Some((_, later)) => until = later,
            }
        }
    }

    async fn wait_in_queue<'a>(
        &self,
        queued: Queued<'a>,
        now: Time,
        deadline: Time,
    ) -> Result<BulkheadPermit<'a>, CallRejected> {
        let _waiting = self.observer.waiting();
        let until = queued.until();
        let granted = tokio::time::timeout_at(clock::instant_of(until.min(deadline)), queued).await;
        granted.map_err(|_| self.waited_in_vain(now, until, deadline))
    }

    pub(super) fn waited_in_vain(&self, now: Time, until: Time, deadline: Time) -> CallRejected {
        let reason = if deadline < until { Reason::Deadline } else { Reason::BulkheadWait };
        self.rejected(now, Rejected { reason, retry_at: None })
    }

    pub(super) fn rejected(&self, now: Time, rejected: Rejected) -> CallRejected {
        self.observer.rejected(rejected.reason);
        CallRejected::new(self.observer.name().clone(), rejected.reason, rejected.retry_after(now))
    }
}

impl<'a> Held<'a> {
    /// Waits for what the attempt still needs.
    async fn wait(&mut self, mut wait: Wait<'a>, caller: &Caller) -> Result<(), CallRejected> {
        if let Wait::Token(rate, until) = wait {
            let granted = self.running.wait_for_token(rate, self.begun, until, caller.deadline).await?;
            match self.got_token(granted, caller)? {
                None => return Ok(()),
                Some(next) => wait = next,
            }
        }
        let Wait::Permit(queued) = wait else { return Ok(()) };
        let permit = self.running.wait_in_queue(queued, self.begun, caller.deadline).await?;
        self.got_permit(permit, caller)
    }
}

/// The output of a future if it is ready by that moment. An output that is ready at once counts even later.
pub(super) async fn within<F: Future>(ends: Time, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    // The timer is created only when it is needed: a future that is ready at once needs none.
    if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        return Some(output);
    }
    // The future has already been polled in this poll.
    let mut was_polled = true;
    let rest =
        poll_fn(|cx| if core::mem::take(&mut was_polled) { Poll::Pending } else { future.as_mut().poll(cx) });
    if ends == Time::FAR {
        return Some(rest.await);
    }
    // Tokio's own timeout, because it fires even if the future uses up the task's budget with every poll. A
    // plain timer would then have to yield forever. It is on the heap, so that the future of a call stays
    // small.
    Box::pin(tokio::time::timeout_at(clock::instant_of(ends), rest)).await.ok()
}
