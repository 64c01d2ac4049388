//! A call from its first attempt to its last: total timeout, retries, hedges.

use super::attempt::{Attempted, Caller};
use super::classify::Classification;
use super::error::CallError;
use super::observer::Ending;
use super::options::{Attempt, CallOptions};
use super::running::Running;
use crate::contract::{Decision, Outcome, Reason, Rejected, Time};
use crate::retry::Safety;
use crate::sync::{Attempts, Hedge, HedgePermit, clock};
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

/// Records how long a call took, even if it is dropped before it ends.
struct Measured<'a> {
    running: &'a Running,
    begun: Time,
    ending: Ending,
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        self.running.observer.called(self.begun, self.ending);
    }
}

impl Running {
    fn measure(&self, begun: Time) -> Measured<'_> {
        Measured { running: self, begun, ending: Ending::Outcome(Outcome::Cancelled) }
    }

    /// A call with all its attempts.
    pub(crate) async fn call<T, E, F, J>(
        &self,
        options: &CallOptions,
        operation: impl Fn(Attempt) -> F,
        classify: &J,
    ) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
        J: Fn(Result<&T, &E>) -> Classification,
    {
        let (begun, caller) = self.begin(options)?;
        let mut measured = self.measure(begun);
        if let Some(retry) = &self.retry {
            retry.count_at(clock::input_at(begun));
        }
        let begin = |number: u32, ends: Time| operation(attempt(number, ends));
        let first = self.hedged(begun, &caller, |ends| begin(1, ends), classify).await;
        let last = match &self.retry {
            // In a future of its own, because most calls have no second attempt.
            Some(retry) if first.classification.outcome == Outcome::Failure => {
                let attempts = retry.attempts(begun, caller.safety);
                Box::pin(self.retry(attempts, &caller, first, begin, classify)).await
            }
            _ => first,
        };
        measured.ending = ending(&last);
        last.result
    }

    /// A call of one attempt.
    pub(crate) async fn call_once<T, E, F, J>(
        &self,
        options: &CallOptions,
        operation: impl FnOnce(Attempt) -> F,
        classify: &J,
    ) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
        J: Fn(Result<&T, &E>) -> Classification,
    {
        let (begun, caller) = self.begin(options)?;
        let mut measured = self.measure(begun);
        let last = self.attempt(begun, &caller, |ends| operation(attempt(1, ends)), classify).await;
        measured.ending = ending(&last);
        last.result
    }

    /// A call in the current thread.
    pub(super) fn call_blocking<T, E>(
        &self,
        options: &CallOptions,
        operation: impl Fn(Attempt) -> Result<T, E>,
        classify: &impl Fn(Result<&T, &E>) -> Classification,
    ) -> Result<T, CallError<E>> {
        let (begun, caller) = self.begin(options)?;
        let mut measured = self.measure(begun);
        let attempts = self.retry.as_ref().map(|retry| retry.begin_at(clock::input_at(begun), caller.safety));
        let attempt_now = |now, number: u32| {
            self.attempt_blocking(now, &caller, |ends| operation(attempt(number, ends)), classify)
        };
        let mut last = attempt_now(begun, 1);
        if let Some(mut attempts) = attempts {
            while last.classification.outcome == Outcome::Failure {
                let retry_after = last.classification.retry_after;
                let Some(due) = self.next_attempt(&mut attempts, caller.deadline, retry_after) else { break };
                std::thread::sleep(due.since(clock::now()));
                if !self.begin_attempt(&mut attempts) {
                    break;
                }
                let attempted = attempt_now(clock::now(), attempts.number());
                if attempted.is_rejected() {
                    break;
                }
                last = attempted;
            }
            attempts.record_at(clock::input(), last.classification.outcome);
        }
        measured.ending = ending(&last);
        last.result
    }

    /// When a call begins, and what the policies know of its caller.
    fn begin<E>(&self, options: &CallOptions) -> Result<(Time, Caller), CallError<E>> {
        let begun = clock::now();
        let own = self.policy.total_timeout.map_or(Time::FAR, |total| begun + total);
        let deadline = options.deadline.map_or(own, |deadline| own.min(clock::time_of(deadline)));
        if begun >= deadline {
            let rejected = Rejected { reason: Reason::Deadline, retry_at: None };
            return Err(CallError::Rejected(self.rejected(begun, rejected)));
        }
        let CallOptions { source, priority, safety, .. } = *options;
        Ok((begun, Caller { source, priority, safety, deadline }))
    }

    /// One attempt, and a second one alongside if the first is slow. The first good result wins.
    async fn hedged<T, E, F, J>(
        &self,
        now: Time,
        caller: &Caller,
        begin: impl Fn(Time) -> F,
        classify: &J,
    ) -> Attempted<T, E>
    where
        F: Future<Output = Result<T, E>>,
        J: Fn(Result<&T, &E>) -> Classification,
    {
        match &self.hedge {
            // Two attempts and a timer: only calls that may be hedged pay for them.
            Some(hedge) if caller.safety == Safety::Safe => {
                Box::pin(self.race(hedge, now, caller, begin, classify)).await
            }
            _ => self.attempt(now, caller, begin, classify).await,
        }
    }

    async fn race<T, E, F, J>(
        &self,
        hedge: &Hedge,
        begun: Time,
        caller: &Caller,
        begin: impl Fn(Time) -> F,
        classify: &J,
    ) -> Attempted<T, E>
    where
        F: Future<Output = Result<T, E>>,
        J: Fn(Result<&T, &E>) -> Classification,
    {
        let first_permit = hedge.first_with(clock::input_at(begun), None);
        let mut first = pin!(self.attempt(begun, caller, &begin, classify));
        let due = pin!(self.second_is_due(hedge, begun));
        let second_permit = match either(first.as_mut(), due).await {
            Either::One(attempted) => return recorded(first_permit, attempted),
            Either::Other(None) => return recorded(first_permit, first.await),
            Either::Other(Some(permit)) => permit,
        };
        self.observer.hedged();
        let mut second = pin!(self.attempt(clock::now(), caller, &begin, classify));
        match either(first.as_mut(), second.as_mut()).await {
            Either::One(attempted) if attempted.is_good() => recorded(first_permit, attempted),
            Either::Other(attempted) if attempted.is_good() => recorded(second_permit, attempted),
            // One attempt was not good, so the other decides. If neither is good, the first attempt's result
            // stands, unless only the second was admitted: then the dependency was called, and a rejection
            // would say that it was not.
            Either::One(attempted) => {
                let attempted = recorded(first_permit, attempted);
                attempted.or(recorded(second_permit, second.await))
            }
            Either::Other(attempted) => {
                let other = recorded(second_permit, attempted);
                recorded(first_permit, first.await).or(other)
            }
        }
    }

    /// Waits until a second attempt is due. Returns its permit, or `None` if there may be no second attempt.
    async fn second_is_due<'a>(&self, hedge: &'a Hedge, begun: Time) -> Option<HedgePermit<'a>> {
        loop {
            match hedge.second(begun, Safety::Safe) {
                Decision::Admit(permit) => return Some(permit),
                Decision::Wait { until } => {
                    // A timer may fire early, by less than its resolution.
                    let least = clock::now() + Duration::from_micros(100);
                    tokio::time::sleep_until(clock::instant_of(until.max(least))).await;
                }
                Decision::Reject(Rejected { reason, .. }) => {
                    // Every guard starts with too few calls, so this is not worth reporting.
                    if reason != Reason::HedgeUnknown {
                        self.observer.rejected(reason);
                    }
                    return None;
                }
            }
        }
    }

    /// Makes further attempts, as long as they fail and more are allowed.
    async fn retry<T, E, F, J>(
        &self,
        mut attempts: Attempts<'_>,
        caller: &Caller,
        mut last: Attempted<T, E>,
        begin: impl Fn(u32, Time) -> F,
        classify: &J,
    ) -> Attempted<T, E>
    where
        F: Future<Output = Result<T, E>>,
        J: Fn(Result<&T, &E>) -> Classification,
    {
        while last.classification.outcome == Outcome::Failure {
            let retry_after = last.classification.retry_after;
            let Some(due) = self.next_attempt(&mut attempts, caller.deadline, retry_after) else { break };
            tokio::time::sleep_until(clock::instant_of(due)).await;
            if !self.begin_attempt(&mut attempts) {
                break;
            }
            let number = attempts.number();
            let attempted = self.hedged(clock::now(), caller, |ends| begin(number, ends), classify).await;
            if attempted.is_rejected() {
                // The last real result says more than the rejection of a further attempt.
                break;
            }
            last = attempted;
        }
        attempts.record_at(clock::input(), last.classification.outcome);
        last
    }

    /// When the next attempt is due, or `None` if there may be none before the deadline.
    fn next_attempt(
        &self,
        attempts: &mut Attempts<'_>,
        deadline: Time,
        retry_after: Option<Duration>,
    ) -> Option<Time> {
        match attempts.due_at(clock::input(), retry_after) {
            Ok(due) if due < deadline => Some(due),
            Ok(_) => {
                self.observer.rejected(Reason::Deadline);
                None
            }
            Err(rejected) => {
                self.no_attempt(rejected);
                None
            }
        }
    }

    /// Spends the budget for the attempt that is due now. Returns whether it may begin.
    fn begin_attempt(&self, attempts: &mut Attempts<'_>) -> bool {
        match attempts.try_acquire_at(clock::input()) {
            Ok(()) => {
                self.observer.retried(attempts.number());
                self.observe_budget();
                true
            }
            Err(rejected) => {
                self.no_attempt(rejected);
                false
            }
        }
    }

    /// A call that has used up its own limits was not rejected; it has failed.
    fn no_attempt(&self, rejected: Rejected) {
        match rejected.reason {
            Reason::RetryAttempts | Reason::RetryElapsed => self.observer.exhausted(),
            Reason::RetryUnsafe => {}
            reason => self.observer.rejected(reason),
        }
        self.observe_budget();
    }

    fn observe_budget(&self) {
        #[cfg(feature = "metrics")]
        if let Some(retry) = &self.retry {
            self.observer.budget_left(retry.snapshot().budget.left);
        }
    }
}

fn attempt(number: u32, ends: Time) -> Attempt {
    Attempt { number, deadline: (ends != Time::FAR).then(|| clock::instant_of(ends)) }
}

fn ending<T, E>(last: &Attempted<T, E>) -> Ending {
    if last.is_rejected() { Ending::Rejected } else { Ending::Outcome(last.classification.outcome) }
}

fn recorded<T, E>(permit: HedgePermit<'_>, attempted: Attempted<T, E>) -> Attempted<T, E> {
    permit.record(attempted.classification.outcome);
    attempted
}

enum Either<A, B> {
    One(A),
    Other(B),
}

/// Whichever future is ready first; `one` if both are.
async fn either<A: Future + Unpin, B: Future + Unpin>(
    mut one: A,
    mut other: B,
) -> Either<A::Output, B::Output> {
    poll_fn(|cx| {
        if let Poll::Ready(output) = pin!(&mut one).poll(cx) {
            return Poll::Ready(Either::One(output));
        }
        pin!(&mut other).poll(cx).map(Either::Other)
    })
    .await
}
