//! One attempt: breaker, rate limit, bulkhead, time-out, and what came of it told to each.
//!
//! What an attempt has been given is held by values that give it back when they are dropped, wherever the future
//! stood and whatever ended it.

use super::clock;
use super::run::Inner;
use super::words::{CallError, CallRejected, Classification};
use crate::breaker;
use crate::bulkhead;
use crate::contract::{Decision, Outcome, Reason, Recorded, Rejected, Time};
use crate::policy::RateLimit;
use crate::rate;
use crate::shed::Priority;
use crate::sync::{self, Entry};
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

/// What came of an attempt, and what the caller made of it.
#[derive(Debug)]
pub(super) struct Attempted<T, E> {
    pub(super) result: Result<T, CallError<E>>,
    pub(super) classification: Classification,
}

impl<T, E> Attempted<T, E> {
    pub(super) fn is_good(&self) -> bool {
        matches!(self.classification.outcome, Outcome::Success | Outcome::Slow)
    }

    /// This, unless the other says more.
    pub(super) fn or(self, other: Self) -> Self {
        let was_rejected = |one: &Self| matches!(one.result, Err(CallError::Rejected(_)));
        let is_less = !self.is_good() && was_rejected(&self) && !was_rejected(&other);
        if other.is_good() && !self.is_good() || is_less { other } else { self }
    }

    fn rejected(rejected: CallRejected) -> Self {
        Self { result: Err(CallError::Rejected(rejected)), classification: Outcome::Neutral.into() }
    }
}

/// The rate limits of a program.
#[derive(Debug)]
pub(super) enum Rate {
    TokenBucket(sync::TokenBucket),
    SlidingWindow(sync::SlidingWindow),
}

impl Rate {
    pub(super) fn new(limit: &RateLimit) -> Self {
        match limit {
            RateLimit::TokenBucket(config) => Self::TokenBucket(sync::TokenBucket::new(config.clone())),
            RateLimit::SlidingWindow(config) => Self::SlidingWindow(sync::SlidingWindow::new(config.clone())),
        }
    }

    fn ask(&self, now: Time) -> Decision<rate::Ticket> {
        let input = clock::input_at(now);
        match self {
            Self::TokenBucket(bucket) => bucket.ask(input, rate::Request::default()),
            Self::SlidingWindow(window) => window.ask(input, rate::Request::default()),
        }
    }
}

/// A breaker's ticket, which is told once: as cancelled, unless something better is known.
#[derive(Debug)]
struct Asked<'a> {
    inner: &'a Inner,
    breaker: &'a sync::Breaker,
    ticket: Option<breaker::Ticket>,
}

impl Asked<'_> {
    fn tell(&mut self, now: Time, outcome: Outcome) {
        let Some(ticket) = self.ticket.take() else { return };
        match self.breaker.tell(clock::input_at(now), ticket, outcome) {
            Recorded::Counted => {}
            Recorded::Stale => self.inner.observer.stale(),
            Recorded::Changed(transition) => self.inner.observer.changed(transition),
        }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            self.tell(clock::now(), outcome_of_a_drop());
        }
    }
}

/// A bulkhead's permit, which goes back once.
#[derive(Debug)]
struct Permit<'a> {
    bulkhead: &'a sync::Bulkhead,
    ticket: Option<bulkhead::Ticket>,
}

impl Permit<'_> {
    fn tell(&mut self, now: Time, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            self.bulkhead.tell(clock::input_at(now), ticket, outcome);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            self.tell(clock::now(), outcome_of_a_drop());
        }
    }
}

/// An attempt that others see: also when it is dropped before there is a result.
#[derive(Debug)]
struct Seen<'a> {
    inner: &'a Inner,
    is_told: bool,
}

impl Seen<'_> {
    fn tell(&mut self, outcome: Outcome) {
        self.is_told = true;
        self.inner.observer.attempted(outcome);
    }
}

impl Drop for Seen<'_> {
    fn drop(&mut self) {
        if !self.is_told {
            self.tell(outcome_of_a_drop());
        }
    }
}

/// A place in the queue, which is left when it is dropped.
#[derive(Debug)]
struct Queued<'a> {
    bulkhead: &'a sync::Bulkhead,
    place: sync::Place,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.bulkhead.leave(clock::input(), self.place);
    }
}

/// What a bulkhead said to one who was not refused.
#[derive(Debug)]
enum Entered<'a> {
    /// With a permit, or without a bulkhead.
    Admitted(Option<Permit<'a>>),
    /// In line, until its patience ends.
    Queued(Queued<'a>, Time),
}

/// Dropped in a panic, the operation failed; otherwise its caller gave up.
fn outcome_of_a_drop() -> Outcome {
    if std::thread::panicking() { Outcome::Failure } else { Outcome::Cancelled }
}

impl Inner {
    /// One attempt, at most until `deadline`.
    pub(super) async fn attempt<T, E, F, B, C>(
        &self,
        asked_at: Time,
        asked_by: (u32, Priority),
        deadline: Time,
        begin: B,
        classify: &C,
    ) -> Attempted<T, E>
    where
        F: Future<Output = Result<T, E>>,
        B: FnOnce(Time) -> F,
        C: Fn(Result<&T, &E>) -> Classification,
    {
        let mut asked = match self.ask_breaker(asked_at, asked_by.0) {
            Ok(asked) => asked,
            Err(rejected) => return Attempted::rejected(rejected),
        };
        let now = match self.ask_rate(asked_at) {
            Ok(None) => Ok(asked_at),
            // Waits are futures apart: most calls have none.
            Ok(Some(until)) => Box::pin(self.wait_for_rate(asked_at, until, deadline)).await,
            Err(rejected) => Err(rejected),
        };
        let entered = match now {
            Ok(now) => self.ask_bulkhead(now, asked_by.1).map(|entered| (entered, now)),
            Err(rejected) => Err(rejected),
        };
        let admitted = match entered {
            Ok((Entered::Admitted(permit), now)) => Ok((permit, now)),
            Ok((Entered::Queued(queued, until), now)) => {
                Box::pin(self.wait_in_queue(queued, now, until, deadline)).await
            }
            Err(rejected) => Err(rejected),
        };
        let (mut permit, begun) = match admitted {
            Ok(admitted) => admitted,
            Err(rejected) => return Attempted::rejected(rejected),
        };
        // Whoever has waited meets a dependency that may have changed meanwhile.
        if begun != asked_at || begun >= deadline {
            match self.ask_after_wait(asked, begun, deadline, asked_by.0) {
                Ok(still) => asked = still,
                Err(rejected) => return Attempted::rejected(rejected),
            }
        }
        let ends = self.policy.timeout.map_or(Time::FAR, |timeout| begun + timeout).min(deadline);
        let mut seen = Seen { inner: self, is_told: false };
        let result = within(ends, begin(ends)).await;
        let now = clock::now();
        let ran = now.since(begun);
        let classification = match &result {
            Some(result) => self.time(ran, classify(result.as_ref())),
            None => self.classify_cut(ran),
        };
        if let Some(asked) = &mut asked {
            asked.tell(now, classification.outcome);
        }
        if let Some(permit) = &mut permit {
            permit.tell(now, classification.outcome);
        }
        seen.tell(classification.outcome);
        let result = match result {
            Some(result) => result.map_err(CallError::Failed),
            None => {
                self.observer.timed_out();
                Err(CallError::TimedOut(ran))
            }
        };
        Attempted { result, classification }
    }

    fn ask_breaker(&self, now: Time, source: u32) -> Result<Option<Asked<'_>>, CallRejected> {
        let Some(breaker) = &self.breaker else { return Ok(None) };
        let (answer, changed) = breaker.ask_and_see(clock::input_at(now), breaker::Request { source });
        if let Some(transition) = changed {
            self.observer.changed(transition);
        }
        match answer {
            Decision::Admit(ticket) => Ok(Some(Asked { inner: self, breaker, ticket: Some(ticket) })),
            // A breaker keeps nobody waiting.
            Decision::Wait { until } => Err(self.rejected(now, Reason::BreakerOpen, Some(until))),
            Decision::Reject(Rejected { reason, retry_at }) => Err(self.rejected(now, reason, retry_at)),
        }
    }

    /// Who has waited for a place does not begin past its deadline; and if the breaker changed meanwhile, it is asked
    /// again: a queue of calls must not run into a dependency that was found to be down.
    fn ask_after_wait<'a>(
        &'a self,
        asked: Option<Asked<'a>>,
        now: Time,
        deadline: Time,
        source: u32,
    ) -> Result<Option<Asked<'a>>, CallRejected> {
        if now >= deadline {
            return Err(self.rejected(now, Reason::Deadline, None));
        }
        match asked {
            Some(mut asked) if asked.ticket.is_some_and(|ticket| !asked.breaker.is_current(ticket)) => {
                // Nothing was called under it, so there is nothing to tell.
                asked.ticket = None;
                self.ask_breaker(now, source)
            }
            asked => Ok(asked),
        }
    }

    /// Until when to wait, if at all.
    fn ask_rate(&self, now: Time) -> Result<Option<Time>, CallRejected> {
        let Some(rate) = &self.rate else { return Ok(None) };
        match rate.ask(now) {
            Decision::Admit(_) => Ok(None),
            Decision::Wait { until } => Ok(Some(until)),
            Decision::Reject(Rejected { reason, retry_at }) => Err(self.rejected(now, reason, retry_at)),
        }
    }

    /// The moment when the rate allowed it. The line of those who wait is the runtime's timer: each waits at most as
    /// long as the limit says.
    async fn wait_for_rate(&self, now: Time, mut until: Time, deadline: Time) -> Result<Time, CallRejected> {
        let patience = now + self.rate_wait_max;
        loop {
            if until > patience || until >= deadline {
                return Err(self.rejected(clock::now(), Reason::RateLimit, Some(until)));
            }
            tokio::time::sleep_until(clock::instant_of(until)).await;
            let now = clock::now();
            match self.ask_rate(now)? {
                None => return Ok(now),
                Some(later) => until = later,
            }
        }
    }

    fn ask_bulkhead(&self, now: Time, priority: Priority) -> Result<Entered<'_>, CallRejected> {
        let Some(bulkhead) = &self.bulkhead else { return Ok(Entered::Admitted(None)) };
        match bulkhead.enter(clock::input_at(now), priority) {
            Entry::Admit(ticket) => Ok(Entered::Admitted(Some(Permit { bulkhead, ticket: Some(ticket) }))),
            Entry::Wait { place, until } => Ok(Entered::Queued(Queued { bulkhead, place }, until)),
            Entry::Reject(Rejected { reason, retry_at }) => Err(self.rejected(now, reason, retry_at)),
        }
    }

    /// A permit, and the moment when it was there.
    async fn wait_in_queue<'a>(
        &self,
        queued: Queued<'a>,
        now: Time,
        until: Time,
        deadline: Time,
    ) -> Result<(Option<Permit<'a>>, Time), CallRejected> {
        let bulkhead = queued.bulkhead;
        let granted = poll_fn(|cx| bulkhead.poll_granted(queued.place, cx.waker()));
        let reason = match within(until.min(deadline), granted).await {
            Some(Ok(ticket)) => return Ok((Some(Permit { bulkhead, ticket: Some(ticket) }), clock::now())),
            Some(Err(reason)) => reason,
            None if deadline < until => Reason::Deadline,
            None => Reason::BulkheadWait,
        };
        Err(self.rejected(now, reason, None))
    }

    /// A success may have taken too long.
    fn time(&self, ran: Duration, classification: Classification) -> Classification {
        match (classification.outcome, self.slow_after) {
            (Outcome::Success, Some(slow_after)) if ran >= slow_after => {
                Classification { outcome: Outcome::Slow, ..classification }
            }
            _ => classification,
        }
    }

    /// An attempt that was cut short is a failure of the dependency, unless its caller's deadline gave it less than
    /// half of what it may take: the policy's time-out, or its deadline if it has no time-out.
    fn classify_cut(&self, ran: Duration) -> Classification {
        let may_take = self.policy.timeout.or(self.policy.total_timeout);
        let had_time = may_take.is_none_or(|may_take| ran.saturating_mul(2) >= may_take);
        Classification::from(if had_time { Outcome::Failure } else { Outcome::Cancelled })
    }

    pub(super) fn rejected(&self, now: Time, reason: Reason, retry_at: Option<Time>) -> CallRejected {
        self.observer.rejected(reason);
        CallRejected {
            guard: self.observer.guard.clone(),
            reason,
            retry_after: retry_at.map(|at| at.since(now)),
        }
    }
}

/// A future's output, if it is there by that moment. What is ready is taken even then.
async fn within<F: Future>(ends: Time, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    // The timer is made only when it is needed: what is ready at once needs none.
    if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        return Some(output);
    }
    // It was polled just now, in this very poll.
    let mut was_polled = true;
    let rest =
        poll_fn(|cx| if core::mem::take(&mut was_polled) { Poll::Pending } else { future.as_mut().poll(cx) });
    if ends == Time::FAR {
        return Some(rest.await);
    }
    // Tokio's own time-out, for it fires even if the future uses up the task's budget with each poll, where a timer
    // would be told to wait for its turn for ever. And apart, so that what is moved about with each call stays small.
    Box::pin(tokio::time::timeout_at(clock::instant_of(ends), rest)).await.ok()
}
