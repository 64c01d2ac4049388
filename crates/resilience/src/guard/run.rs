//! A call from its first attempt to its last: deadline, retries, hedges.

use super::attempt::{Attempted, Rate};
use super::clock;
use super::observer::Observer;
use super::words::{Attempt, Call, CallError, Classification};
use crate::breaker::Forced;
use crate::contract::{ConfigError, Decision, Outcome, Reason, Rejected, Time};
use crate::policy::{Policy, RateLimit};
use crate::retry::Safety;
use crate::shed::Priority;
use crate::{hedge, retry, sync};
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::sync::Arc;

/// The policies of one dependency at work. Clones are the same guard: what one learns, all know.
///
/// ```
/// use mainstay_resilience::guard::{Guard, Policy};
/// use mainstay_resilience::{Input, breaker};
///
/// let policy = Policy::new().breaker(breaker::Config::default());
/// let guard = Guard::new("billing", policy).unwrap();
/// let clone = guard.clone();
/// guard.breaker().unwrap().trip(Input::at(guard.now()));
/// assert!(!clone.breaker().unwrap().is_closed());
/// ```
#[derive(Clone, Debug)]
pub struct Guard {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) observer: Observer,
    pub(super) policy: Policy,
    pub(super) breaker: Option<sync::Breaker>,
    pub(super) slow_after: Option<Duration>,
    pub(super) rate: Option<Rate>,
    pub(super) rate_wait_max: Duration,
    pub(super) bulkhead: Option<sync::Bulkhead>,
    retry: Option<sync::Retry>,
    hedge: Option<sync::Hedge>,
}

impl Guard {
    /// A guard under a name, which its rejections and metrics carry.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// use mainstay_resilience::retry;
    ///
    /// let retry = retry::Config::new().attempts_max(0);
    /// let policy = Policy::new().retry(retry);
    /// assert_eq!(Guard::new("billing", policy).unwrap_err().field, "retry.attempts_max");
    /// ```
    ///
    /// # Errors
    /// The first field of the policy that makes no sense.
    pub fn new(name: &str, policy: Policy) -> Result<Self, ConfigError> {
        policy.check()?;
        let rate_wait_max = match &policy.rate_limit {
            Some(RateLimit::TokenBucket(config)) => config.wait_max,
            Some(RateLimit::SlidingWindow(config)) => config.wait_max,
            None => Duration::ZERO,
        };
        let inner = Inner {
            observer: Observer::new(name.into()),
            breaker: policy.breaker.clone().map(sync::Breaker::new),
            slow_after: policy.breaker.as_ref().and_then(|breaker| breaker.slow_after),
            rate: policy.rate_limit.as_ref().map(Rate::new),
            rate_wait_max,
            bulkhead: policy.bulkhead.clone().map(sync::Bulkhead::new),
            retry: policy.retry.clone().map(sync::Retry::new),
            hedge: policy.hedge.clone().map(sync::Hedge::new),
            policy,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Its name.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// assert_eq!(Guard::new("billing", Policy::default()).unwrap().name(), "billing");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.observer.guard
    }

    /// Its policy.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// # use std::time::Duration;
    /// let policy = Policy::new().timeout(Duration::from_millis(400));
    /// let guard = Guard::new("billing", policy.clone()).unwrap();
    /// assert_eq!(guard.policy(), &policy);
    /// ```
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// Its breaker, to look at, to trip or to force.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// use mainstay_resilience::breaker::{Config, Forced};
    /// use mainstay_resilience::Input;
    ///
    /// let policy = Policy::new().breaker(Config::default());
    /// let guard = Guard::new("billing", policy).unwrap();
    /// // An operator takes the dependency out of service.
    /// let breaker = guard.breaker().unwrap();
    /// breaker.force(Input::at(guard.now()), Forced::Open);
    /// assert_eq!(breaker.snapshot(guard.now()).admitted_percent, 0);
    /// ```
    #[must_use]
    pub fn breaker(&self) -> Option<&sync::Breaker> {
        self.inner.breaker.as_ref()
    }

    /// Its bulkhead, to look at.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// use mainstay_resilience::bulkhead;
    ///
    /// let policy = Policy::new().bulkhead(bulkhead::Config::default());
    /// let guard = Guard::new("billing", policy).unwrap();
    /// let seen = guard.bulkhead().unwrap().snapshot(guard.now());
    /// assert_eq!((seen.in_use, seen.limit), (0, 32));
    /// ```
    #[must_use]
    pub fn bulkhead(&self) -> Option<&sync::Bulkhead> {
        self.inner.bulkhead.as_ref()
    }

    /// Its retries, to look at.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// # use mainstay_resilience::retry;
    /// let policy = Policy::new().retry(retry::Config::default());
    /// let guard = Guard::new("billing", policy).unwrap();
    /// assert_eq!(guard.retry().unwrap().snapshot(guard.now()).retries, 0);
    /// assert!(guard.hedge().is_none(), "what the policy leaves out is not there");
    /// ```
    #[must_use]
    pub fn retry(&self) -> Option<&sync::Retry> {
        self.inner.retry.as_ref()
    }

    /// Its hedges, to look at.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// # use mainstay_resilience::hedge;
    /// let policy = Policy::new().hedge(hedge::Config::default());
    /// let guard = Guard::new("billing", policy).unwrap();
    /// assert_eq!(guard.hedge().unwrap().snapshot(guard.now()).delay, None, "nothing was seen yet");
    /// ```
    #[must_use]
    pub fn hedge(&self) -> Option<&sync::Hedge> {
        self.inner.hedge.as_ref()
    }

    /// Opens its breaker by hand, as if it had tripped: it will probe. Nothing happens where there is none.
    ///
    /// ```
    /// use mainstay_resilience::breaker;
    /// use mainstay_resilience::guard::{Guard, Policy};
    ///
    /// let policy = Policy::new().breaker(breaker::Config::default());
    /// let guard = Guard::new("billing", policy).unwrap();
    /// guard.trip();
    /// assert!(!guard.breaker().unwrap().is_closed());
    /// ```
    pub fn trip(&self) {
        if let Some(breaker) = self.breaker() {
            let transition = breaker.trip(clock::input());
            if transition.from != transition.to {
                self.inner.observer.changed(transition);
            }
        }
    }

    /// Holds its breaker open or closed by hand, or lets go of it. Nothing happens where there is none.
    ///
    /// ```
    /// use mainstay_resilience::breaker::{self, Forced};
    /// use mainstay_resilience::guard::{Guard, Policy};
    ///
    /// let policy = Policy::new().breaker(breaker::Config::default());
    /// let guard = Guard::new("billing", policy).unwrap();
    /// guard.force(Forced::Open);
    /// assert_eq!(guard.breaker().unwrap().snapshot(guard.now()).forced, Forced::Open);
    /// ```
    pub fn force(&self, forced: Forced) {
        if let Some(breaker) = self.breaker() {
            breaker.force(clock::input(), forced);
            self.inner.observer.forced(forced);
        }
    }

    /// The present moment, as this guard's parts take it: on tokio's clock, counted from when this program first
    /// looked at it.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// let guard = Guard::new("billing", Policy::default()).unwrap();
    /// let earlier = guard.now();
    /// assert!(guard.now() >= earlier);
    /// ```
    #[must_use]
    pub fn now(&self) -> Time {
        clock::now()
    }

    /// Might such a call be made more than once?
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Call, Guard, Policy};
    /// # use mainstay_resilience::retry;
    /// let policy = Policy::new().retry(retry::Config::default());
    /// let guard = Guard::new("billing", policy).unwrap();
    /// assert!(guard.may_repeat(&Call::safe()));
    /// assert!(!guard.may_repeat(&Call::default()), "nobody said that it may");
    /// ```
    #[must_use]
    pub fn may_repeat(&self, call: &Call) -> bool {
        let retries = self.inner.policy.retry.as_ref().is_some_and(|retry| retry.allows(call.safety));
        retries || self.inner.hedge.is_some() && call.safety == Safety::Safe
    }

    /// Makes a call: `operation` begins one attempt, `classify` says what came of it.
    ///
    /// When there are no more attempts, or a policy rejects a further one, the last result is the result: a
    /// response that was judged a failure is still a response.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    /// # runtime.unwrap().block_on(async {
    /// # use mainstay_resilience::guard::{Attempt, Call, Guard, Policy, errors_are_failures};
    /// # use mainstay_resilience::retry;
    /// let policy = Policy::new().retry(retry::Config::default());
    /// let guard = Guard::new("billing", policy).unwrap();
    /// let billing = |attempt: Attempt| async move {
    ///     if attempt.number == 1 { Err("connection reset") } else { Ok("paid") }
    /// };
    /// assert_eq!(guard.call(Call::safe(), billing, errors_are_failures).await, Ok("paid"));
    /// # });
    /// ```
    ///
    /// # Errors
    /// The rejected, if no attempt was let through; else the last attempt's error.
    pub async fn call<T, E, F, O, C>(&self, call: Call, operation: O, classify: C) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
        O: Fn(Attempt) -> F,
        C: Fn(Result<&T, &E>) -> Classification,
    {
        let inner = &*self.inner;
        let (begun, deadline) = inner.begin(&call)?;
        let retries = inner.retry.as_ref();
        let ticket = retries.map(|retry| retry.first(clock::input_at(begun)));
        let begin = |number: u32| {
            let operation = &operation;
            move |ends: Time| begin(operation, number)(ends)
        };
        let first = inner.hedged(begun, &call, deadline, begin(1), &classify).await;
        match retries.zip(ticket) {
            // A future apart: most calls have no second attempt.
            Some((retry, ticket)) if first.classification.outcome == Outcome::Failure => {
                let progress = Progress { begun, deadline, ticket, last: first };
                Box::pin(inner.again(retry, &call, progress, begin, &classify)).await
            }
            _ => first.result,
        }
    }

    /// Makes a call of one attempt, whatever the policy says of retries and hedges: for what cannot be repeated at
    /// all, such as a body that is gone once it is sent.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # use mainstay_resilience::guard::{Call, Guard, Policy, errors_are_failures};
    /// let guard = Guard::new("uploads", Policy::default()).unwrap();
    /// let body = vec![0_u8; 1_024];
    /// // The body moves into the one attempt.
    /// let send = |_attempt| async move { Ok::<usize, std::io::Error>(body.into_iter().count()) };
    /// let sent = guard.call_once(Call::default(), send, errors_are_failures).await;
    /// assert_eq!(sent.unwrap(), 1_024);
    /// # });
    /// ```
    ///
    /// # Errors
    /// As [`Guard::call`].
    pub async fn call_once<T, E, F, O, C>(
        &self,
        call: Call,
        operation: O,
        classify: C,
    ) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
        O: FnOnce(Attempt) -> F,
        C: Fn(Result<&T, &E>) -> Classification,
    {
        let (begun, deadline) = self.inner.begin(&call)?;
        let asked_by = (call.source, call.priority);
        self.inner.attempt(begun, asked_by, deadline, begin(operation, 1), &classify).await.result
    }
}

/// Begins an attempt by the operation, which learns its number and when it will be cut short.
fn begin<F>(operation: impl FnOnce(Attempt) -> F, number: u32) -> impl FnOnce(Time) -> F {
    move |ends: Time| {
        let deadline = (ends != Time::FAR).then(|| clock::instant_of(ends));
        operation(Attempt { number, deadline })
    }
}

/// A call that has failed, so far.
struct Progress<T, E> {
    begun: Time,
    deadline: Time,
    ticket: retry::Ticket,
    last: Attempted<T, E>,
}

impl Inner {
    /// When a call begins, and its deadline, which is not over.
    fn begin<E>(&self, call: &Call) -> Result<(Time, Time), CallError<E>> {
        let begun = clock::now();
        let own = self.policy.total_timeout.map_or(Time::FAR, |deadline| begun + deadline);
        let deadline = call.deadline.map_or(own, |deadline| own.min(clock::time_of(deadline)));
        if begun >= deadline {
            return Err(CallError::Rejected(self.rejected(begun, Reason::Deadline, None)));
        }
        Ok((begun, deadline))
    }

    /// One attempt, and a second beside it when it is slow: the first good answer is the answer.
    async fn hedged<T, E, F, B, C>(
        &self,
        now: Time,
        call: &Call,
        deadline: Time,
        begin: B,
        classify: &C,
    ) -> Attempted<T, E>
    where
        F: Future<Output = Result<T, E>>,
        B: Fn(Time) -> F,
        C: Fn(Result<&T, &E>) -> Classification,
    {
        let asked_by = (call.source, call.priority);
        let Some(hedge) = self.hedge.as_ref().filter(|_| call.safety == Safety::Safe) else {
            return self.attempt(now, asked_by, deadline, &begin, classify).await;
        };
        // The two of them, and the timer, are only there for calls that may be hedged.
        Box::pin(self.race(hedge, now, asked_by, deadline, begin, classify)).await
    }

    async fn race<T, E, F, B, C>(
        &self,
        hedge: &sync::Hedge,
        begun: Time,
        asked_by: (u32, Priority),
        deadline: Time,
        begin: B,
        classify: &C,
    ) -> Attempted<T, E>
    where
        F: Future<Output = Result<T, E>>,
        B: Fn(Time) -> F,
        C: Fn(Result<&T, &E>) -> Classification,
    {
        let asked = hedge.ask(clock::input_at(begun), hedge::Request::First).admitted();
        let mut told_first = Hedged { hedge, ticket: asked };
        let mut first = pin!(self.attempt(begun, asked_by, deadline, &begin, classify));
        let due = pin!(self.second_is_due(hedge, begun));
        let asked = match either(first.as_mut(), due).await {
            Either::One(attempted) => return told_first.with(attempted),
            Either::Other(None) => return told_first.with(first.await),
            Either::Other(Some(ticket)) => Some(ticket),
        };
        self.observer.hedged();
        let mut told_second = Hedged { hedge, ticket: asked };
        let mut second = pin!(self.attempt(clock::now(), asked_by, deadline, &begin, classify));
        match either(first.as_mut(), second.as_mut()).await {
            Either::One(attempted) if attempted.is_good() => told_first.with(attempted),
            Either::Other(attempted) if attempted.is_good() => told_second.with(attempted),
            // One of them failed: the other decides. If that is no better, the first attempt's answer stands, unless
            // only the second was let through: then the dependency was called, and a rejection would say that it was not.
            Either::One(attempted) => {
                let attempted = told_first.with(attempted);
                attempted.or(told_second.with(second.await))
            }
            Either::Other(attempted) => {
                let other = told_second.with(attempted);
                told_first.with(first.await).or(other)
            }
        }
    }

    /// Waits until it is time for a second attempt: its ticket, if there may be one.
    async fn second_is_due(&self, hedge: &sync::Hedge, begun: Time) -> Option<hedge::Ticket> {
        loop {
            let request = hedge::Request::Second { begun, safety: Safety::Safe };
            match hedge.ask(clock::input(), request) {
                Decision::Admit(ticket) => return Some(ticket),
                Decision::Wait { until } => {
                    // A timer may be early by less than it can measure.
                    let least = clock::now() + Duration::from_micros(100);
                    tokio::time::sleep_until(clock::instant_of(until.max(least))).await;
                }
                Decision::Reject(Rejected { reason, .. }) => {
                    // Too few calls seen is how each begins, and says nothing.
                    if reason != Reason::HedgeUnknown {
                        self.observer.rejected(reason);
                    }
                    return None;
                }
            }
        }
    }

    /// Further attempts, as long as they fail and may be made.
    async fn again<T, E, F, B, N, C>(
        &self,
        retry: &sync::Retry,
        call: &Call,
        progress: Progress<T, E>,
        begin: N,
        classify: &C,
    ) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
        B: Fn(Time) -> F,
        N: Fn(u32) -> B,
        C: Fn(Result<&T, &E>) -> Classification,
    {
        let Progress { begun, deadline, mut ticket, mut last } = progress;
        let (mut backoff, mut attempts) = (Duration::ZERO, 1);
        while last.classification.outcome == Outcome::Failure {
            let retry_after = last.classification.retry_after;
            let again =
                retry::Again { attempts, begun, backoff, retry_after, safety: call.safety, due: None };
            let Some((next, waited)) = self.wait_to_retry(retry, again, deadline).await else { break };
            retry.tell(clock::input(), ticket, Outcome::Failure);
            (ticket, backoff, attempts) = (next, waited, attempts + 1);
            self.observer.retried(attempts);
            let attempted = self.hedged(clock::now(), call, deadline, begin(attempts), classify).await;
            if let Err(CallError::Rejected(_)) = attempted.result {
                // The last true answer says more than that there was to be no other.
                retry.tell(clock::input(), ticket, Outcome::Neutral);
                return last.result;
            }
            last = attempted;
        }
        retry.tell(clock::input(), ticket, last.classification.outcome);
        last.result
    }

    /// Waits out the backoff: the ticket for the next attempt, and how long that was.
    async fn wait_to_retry(
        &self,
        retry: &sync::Retry,
        again: retry::Again,
        deadline: Time,
    ) -> Option<(retry::Ticket, Duration)> {
        let asked_at = clock::now();
        let mut due = match retry.again(clock::input_at(asked_at), again) {
            Decision::Admit(ticket) => return Some((ticket, Duration::ZERO)),
            Decision::Wait { until } => until,
            Decision::Reject(Rejected { reason, .. }) => {
                self.observer.rejected(reason);
                return None;
            }
        };
        let backoff = due.since(asked_at);
        loop {
            if due >= deadline {
                self.observer.rejected(Reason::Deadline);
                return None;
            }
            tokio::time::sleep_until(clock::instant_of(due)).await;
            match retry.again(clock::input(), retry::Again { due: Some(due), ..again }) {
                Decision::Admit(ticket) => return Some((ticket, backoff)),
                // A timer may be early by less than it can measure.
                Decision::Wait { until } => due = until.max(due + Duration::from_millis(1)),
                Decision::Reject(Rejected { reason, .. }) => {
                    self.observer.rejected(reason);
                    return None;
                }
            }
        }
    }
}

/// A hedge's ticket: told what came of its attempt, or, where the other one won or the caller left, that it was
/// cancelled after so long. (Else what is slow would never be seen, and the hedges come ever sooner.)
#[derive(Debug)]
struct Hedged<'a> {
    hedge: &'a sync::Hedge,
    ticket: Option<hedge::Ticket>,
}

impl Hedged<'_> {
    fn with<T, E>(&mut self, attempted: Attempted<T, E>) -> Attempted<T, E> {
        if let Some(ticket) = self.ticket.take() {
            self.hedge.tell(clock::input(), ticket, attempted.classification.outcome);
        }
        attempted
    }
}

impl Drop for Hedged<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.hedge.tell(clock::input(), ticket, Outcome::Cancelled);
        }
    }
}

enum Either<A, B> {
    One(A),
    Other(B),
}

/// Whichever is there first; the one, if both are.
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
