//! What one attempt acquires from the policies and gives back: breaker, rate limit, bulkhead, and its outcome
//! recorded with each. Nothing here waits.

use super::attempt::{Attempted, Caller};
use super::classify::Classification;
use super::error::{CallError, CallRejected};
use super::running::Running;
use crate::breaker;
use crate::contract::{Outcome, Reason, Recorded, Rejected, Time};
use crate::sync::clock::{self, TimeSource};
use crate::sync::{Admission, BreakerPermit, BulkheadPermit, Queued, RateLimiter};
use crate::timeout;
use core::time::Duration;

/// What one attempt holds. Dropping it returns everything; if the policies had admitted the attempt, it then
/// counts as cancelled, or as failed if the operation panicked.
///
/// Everything is acquired into these fields in place. Values this large are slow to return and move, and a
/// call that need not wait is short enough for that to matter.
#[derive(Debug)]
pub(super) struct Held<'a> {
    pub(super) running: &'a Running,
    breaker: Option<BreakerPermit<'a>>,
    bulkhead: Option<BulkheadPermit<'a>>,
    /// When the attempt was admitted. Until then, when the policies were last asked.
    pub(super) begun: Time,
    is_admitted: bool,
}

/// What an attempt must wait for before it can be admitted.
#[derive(Debug)]
pub(super) enum Wait<'a> {
    /// A token, which may be available at that moment.
    Token(&'a RateLimiter, Time),
    /// A permit of the bulkhead.
    Permit(Queued<'a>),
}

impl<'a> Held<'a> {
    pub(super) fn nothing(running: &'a Running, now: Time) -> Self {
        Self { running, breaker: None, bulkhead: None, begun: now, is_admitted: false }
    }

    /// Asks the policies in their order. Returns what the attempt must wait for, or `None` if it may begin.
    #[inline]
    pub(super) fn ask(&mut self, caller: &Caller) -> Result<Option<Wait<'a>>, CallRejected> {
        self.ask_breaker(caller)?;
        match self.running.token(self.begun)? {
            None => self.ask_bulkhead(caller),
            Some((rate, until)) => Ok(Some(Wait::Token(rate, until))),
        }
    }

    #[inline]
    fn ask_breaker(&mut self, caller: &Caller) -> Result<(), CallRejected> {
        let Some(breaker) = &self.running.breaker else { return Ok(()) };
        let request = breaker::Request { source: caller.source };
        match breaker.try_acquire_at(clock::input_at(self.begun), request) {
            Ok(permit) => {
                if let Some(transition) = permit.change() {
                    self.running.observer.changed(transition);
                }
                self.breaker = Some(permit);
                Ok(())
            }
            Err(rejected) => Err(self.running.rejected(self.begun, rejected)),
        }
    }

    #[inline]
    fn ask_bulkhead(&mut self, caller: &Caller) -> Result<Option<Wait<'a>>, CallRejected> {
        if let Some(bulkhead) = &self.running.bulkhead {
            let input = clock::input_at(self.begun);
            match bulkhead.enter_with(input, caller.priority, TimeSource::Clock) {
                Ok(Admission::Permit(permit)) => self.bulkhead = Some(permit),
                Ok(Admission::Queued(queued)) => return Ok(Some(Wait::Permit(queued))),
                Err(rejected) => return Err(self.running.rejected(self.begun, rejected)),
            }
        }
        self.admit(caller).map(|()| None)
    }

    /// The attempt has its token. Returns its place in the queue if it must also wait for a permit.
    pub(super) fn got_token(&mut self, now: Time, caller: &Caller) -> Result<Option<Wait<'a>>, CallRejected> {
        self.begun = now;
        self.ask_bulkhead(caller)
    }

    /// The attempt has its permit, so it has everything.
    pub(super) fn got_permit(
        &mut self,
        permit: BulkheadPermit<'a>,
        caller: &Caller,
    ) -> Result<(), CallRejected> {
        self.bulkhead = Some(permit);
        self.begun = clock::now();
        self.admit(caller)
    }

    /// Checks that the caller may still begin: not past its deadline. If the breaker changed while it waited,
    /// it is asked again, so that queued calls do not reach a dependency that is known to be down.
    #[inline]
    fn admit(&mut self, caller: &Caller) -> Result<(), CallRejected> {
        if self.begun >= caller.deadline {
            let rejected = Rejected { reason: Reason::Deadline, retry_at: None };
            return Err(self.running.rejected(self.begun, rejected));
        }
        if let Some(stale) = self.breaker.take_if(|permit| permit.is_stale()) {
            // No call was made with this permit, so there is nothing to record.
            stale.forget();
            self.ask_breaker(caller)?;
        }
        self.is_admitted = true;
        if self.bulkhead.is_some() {
            self.running.observer.permit_taken();
        }
        Ok(())
    }

    /// When the attempt is cut short.
    pub(super) fn ends(&self, deadline: Time) -> Time {
        timeout::ends(self.begun, self.running.policy.timeout, deadline)
    }

    fn record(&mut self, now: Time, outcome: Outcome) {
        self.is_admitted = false;
        let observer = &self.running.observer;
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
        &mut self,
        result: Option<Result<T, E>>,
        classify: &impl Fn(Result<&T, &E>) -> Classification,
    ) -> Attempted<T, E> {
        let now = clock::now();
        let ran = now.since(self.begun);
        let classification = match &result {
            Some(result) => self.timed(ran, classify(result.as_ref())),
            None => self.cut_short(ran),
        };
        self.record(now, classification.outcome);
        let result = match result {
            Some(result) => result.map_err(CallError::Failed),
            None => {
                self.running.observer.timed_out();
                Err(CallError::TimedOut(ran))
            }
        };
        Attempted { result, classification }
    }

    /// A success that took too long is slow.
    #[inline]
    fn timed(&self, ran: Duration, classification: Classification) -> Classification {
        if classification.outcome == Outcome::Success && ran >= self.running.slow_after {
            return Classification { outcome: Outcome::Slow, ..classification };
        }
        classification
    }

    /// An attempt that was cut short is a failure of the dependency, unless the caller's deadline left it
    /// less than half of the policy's timeout, or of the total timeout if the policy has no other.
    fn cut_short(&self, ran: Duration) -> Classification {
        let policy = &self.running.policy;
        let may_take = policy.timeout.or(policy.total_timeout);
        let had_time = may_take.is_none_or(|may_take| ran.saturating_mul(2) >= may_take);
        Classification::from(if had_time { Outcome::Failure } else { Outcome::Cancelled })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.is_admitted {
            let outcome = if std::thread::panicking() { Outcome::Failure } else { Outcome::Cancelled };
            self.record(clock::now(), outcome);
        }
    }
}
