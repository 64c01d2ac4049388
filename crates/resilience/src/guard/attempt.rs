//! One attempt: breaker, rate limit, bulkhead, timeout, and its outcome recorded with each.
//!
//! Everything that an attempt acquires is held by values that return it when they are dropped, wherever the
//! future was and whatever ended it.

use super::classify::Classification;
use super::error::{CallError, CallRejected};
use super::observer::Observer;
use super::running::Running;
use crate::breaker;
use crate::contract::{Decision, Outcome, Reason, Recorded, Rejected, Time};
use crate::rate;
use crate::shed::Priority;
use crate::sync::clock::{self, TimeSource};
use crate::sync::{Admission, BreakerPermit, BulkheadPermit, Queued, RateLimiter};
use crate::timeout;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

/// The parts that one call uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a> {
    pub(super) observer: &'a Observer,
    pub(super) running: &'a Running,
}

/// What the policies know about the caller of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) source: u32,
    pub(super) priority: Priority,
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

/// An attempt that all policies admitted. If it is dropped before it is concluded, it counts as cancelled, or
/// as failed if the operation panicked.
#[derive(Debug)]
pub(super) struct Admitted<'a> {
    run: Run<'a>,
    breaker: Option<BreakerPermit<'a>>,
    bulkhead: Option<BulkheadPermit<'a>>,
    begun: Time,
    is_over: bool,
}

impl<'a> Admitted<'a> {
    pub(super) fn new(
        run: Run<'a>,
        breaker: Option<BreakerPermit<'a>>,
        bulkhead: Option<BulkheadPermit<'a>>,
        begun: Time,
    ) -> Self {
        if bulkhead.is_some() {
            run.observer.permit_taken();
        }
        Self { run, breaker, bulkhead, begun, is_over: false }
    }

    /// When the attempt is cut short.
    pub(super) fn ends(&self, deadline: Time) -> Time {
        timeout::ends(self.begun, self.run.running.policy.timeout, deadline)
    }

    fn record(&mut self, now: Time, outcome: Outcome) {
        self.is_over = true;
        let observer = self.run.observer;
        if let Some(permit) = self.breaker.take() {
            match permit.record_at(clock::input_at(now), outcome) {
                Recorded::Counted => {}
                Recorded::Stale => observer.stale(),
                Recorded::Changed(transition) => observer.changed(transition),
            }
        }
        if let Some(permit) = self.bulkhead.take() {
            permit.record_at(clock::input_at(now), outcome);
            observer.permit_returned();
        }
        observer.attempted(outcome);
    }

    /// Ends the attempt: with a result, or because its time has run out.
    pub(super) fn conclude<T, E>(
        mut self,
        result: Option<Result<T, E>>,
        classify: &impl Fn(Result<&T, &E>) -> Classification,
    ) -> Attempted<T, E> {
        let now = clock::now();
        let ran = now.since(self.begun);
        let classification = match &result {
            Some(result) => self.run.timed(ran, classify(result.as_ref())),
            None => self.run.cut_short(ran),
        };
        self.record(now, classification.outcome);
        let result = match result {
            Some(result) => result.map_err(CallError::Failed),
            None => {
                self.run.observer.timed_out();
                Err(CallError::TimedOut(ran))
            }
        };
        Attempted { result, classification }
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let outcome = if std::thread::panicking() { Outcome::Failure } else { Outcome::Cancelled };
            self.record(clock::now(), outcome);
        }
    }
}

impl<'a> Run<'a> {
    /// One attempt, which ends at the caller's deadline at the latest.
    pub(super) async fn attempt<T, E, F, J>(
        self,
        asked_at: Time,
        caller: Caller,
        begin: impl FnOnce(Time) -> F,
        classify: &J,
    ) -> Attempted<T, E>
    where
        F: Future<Output = Result<T, E>>,
        J: Fn(Result<&T, &E>) -> Classification,
    {
        let admitted = match self.admit(asked_at, caller).await {
            Ok(admitted) => admitted,
            Err(rejected) => return Attempted::rejected(rejected),
        };
        let ends = admitted.ends(caller.deadline);
        let result = within(ends, begin(ends)).await;
        admitted.conclude(result, classify)
    }

    async fn admit(self, asked_at: Time, caller: Caller) -> Result<Admitted<'a>, CallRejected> {
        let mut breaker = self.breaker(asked_at, caller.source)?;
        // Waits are futures of their own, because most calls do not wait.
        let mut now = match self.token(asked_at)? {
            None => asked_at,
            Some((rate, until)) => {
                Box::pin(self.wait_for_token(rate, asked_at, until, caller.deadline)).await?
            }
        };
        let mut bulkhead = None;
        match self.permit(now, caller.priority)? {
            None => {}
            Some(Admission::Permit(permit)) => bulkhead = Some(permit),
            Some(Admission::Queued(queued)) => {
                bulkhead = Some(Box::pin(self.wait_in_queue(queued, now, caller.deadline)).await?);
                now = clock::now();
            }
        }
        if now != asked_at || now >= caller.deadline {
            breaker = self.after_wait(breaker, now, caller)?;
        }
        Ok(Admitted::new(self, breaker, bulkhead, now))
    }

    pub(super) fn breaker(self, now: Time, source: u32) -> Result<Option<BreakerPermit<'a>>, CallRejected> {
        let Some(breaker) = &self.running.breaker else { return Ok(None) };
        match breaker.try_acquire_at(clock::input_at(now), breaker::Request { source }) {
            Ok(permit) => {
                if let Some(transition) = permit.change() {
                    self.observer.changed(transition);
                }
                Ok(Some(permit))
            }
            Err(rejected) => Err(self.rejected(now, rejected)),
        }
    }

    /// Checks that a caller that has waited may still begin: not past its deadline. If the breaker changed in
    /// the meantime, it is asked again, so that queued calls do not reach a dependency that is known to be
    /// down.
    pub(super) fn after_wait(
        self,
        breaker: Option<BreakerPermit<'a>>,
        now: Time,
        caller: Caller,
    ) -> Result<Option<BreakerPermit<'a>>, CallRejected> {
        if now >= caller.deadline {
            return Err(self.rejected(now, Rejected { reason: Reason::Deadline, retry_at: None }));
        }
        match breaker {
            Some(permit) if permit.is_stale() => {
                // No call was made with this permit, so there is nothing to record.
                permit.forget();
                self.breaker(now, caller.source)
            }
            breaker => Ok(breaker),
        }
    }

    /// Spends a token, or returns when to ask again.
    pub(super) fn token(self, now: Time) -> Result<Option<(&'a RateLimiter, Time)>, CallRejected> {
        let Some(rate) = &self.running.rate else { return Ok(None) };
        match rate.ask_at(clock::input_at(now), rate::Request::default()) {
            Decision::Admit(()) => Ok(None),
            Decision::Wait { until } => Ok(Some((rate, until))),
            Decision::Reject(rejected) => Err(self.rejected(now, rejected)),
        }
    }

    /// Checks that a wait for a token ends in time.
    pub(super) fn may_wait(self, until: Time, wait_ends: Time, deadline: Time) -> Result<(), CallRejected> {
        if until > wait_ends || until >= deadline {
            let rejected = Rejected { reason: Reason::RateLimit, retry_at: Some(until) };
            return Err(self.rejected(clock::now(), rejected));
        }
        Ok(())
    }

    /// Waits for a token. Returns the moment at which it was granted.
    async fn wait_for_token(
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
            tokio::time::sleep_until(clock::instant_of(until)).await;
            let now = clock::now();
            match self.token(now)? {
                None => return Ok(now),
                Some((_, later)) => until = later,
            }
        }
    }

    pub(super) fn permit(self, now: Time, priority: Priority) -> Result<Option<Admission<'a>>, CallRejected> {
        let Some(bulkhead) = &self.running.bulkhead else { return Ok(None) };
        let admission = bulkhead.enter_with(clock::input_at(now), priority, TimeSource::Clock);
        admission.map(Some).map_err(|rejected| self.rejected(now, rejected))
    }

    async fn wait_in_queue(
        self,
        queued: Queued<'a>,
        now: Time,
        deadline: Time,
    ) -> Result<BulkheadPermit<'a>, CallRejected> {
        let _waiting = self.observer.waiting();
        let until = queued.until();
        let granted = tokio::time::timeout_at(clock::instant_of(until.min(deadline)), queued).await;
        granted.map_err(|_| self.waited_in_vain(now, until, deadline))
    }

    pub(super) fn waited_in_vain(self, now: Time, until: Time, deadline: Time) -> CallRejected {
        let reason = if deadline < until { Reason::Deadline } else { Reason::BulkheadWait };
        self.rejected(now, Rejected { reason, retry_at: None })
    }

    /// A success that took too long is slow.
    fn timed(self, ran: Duration, classification: Classification) -> Classification {
        let policy = &self.running.policy;
        let slow_after = policy.breaker.as_ref().and_then(|breaker| breaker.slow_after);
        // Only an attempt that cannot be interrupted can succeed after its timeout.
        let slow_after = [slow_after, policy.timeout].into_iter().flatten().min();
        match (classification.outcome, slow_after) {
            (Outcome::Success, Some(slow_after)) if ran >= slow_after => {
                Classification { outcome: Outcome::Slow, ..classification }
            }
            _ => classification,
        }
    }

    /// An attempt that was cut short is a failure of the dependency, unless the caller's deadline left it
    /// less than half of the policy's timeout, or of the total timeout if the policy has no other.
    fn cut_short(self, ran: Duration) -> Classification {
        let policy = &self.running.policy;
        let may_take = policy.timeout.or(policy.total_timeout);
        let had_time = may_take.is_none_or(|may_take| ran.saturating_mul(2) >= may_take);
        Classification::from(if had_time { Outcome::Failure } else { Outcome::Cancelled })
    }

    pub(super) fn rejected(self, now: Time, rejected: Rejected) -> CallRejected {
        self.observer.rejected(rejected.reason);
        CallRejected::new(self.observer.name().clone(), rejected.reason, rejected.retry_after(now))
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
