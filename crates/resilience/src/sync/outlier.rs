//! Outlier ejection that threads share.

use super::primitives::{Mutex, lock};
use crate::contract::{Decide, Decision, Input, Outcome, Recorded, Time};
use crate::outlier::{Config, Ejected, Request, Snapshot, State, Ticket};

/// Which of several hosts fail, for all threads of a program: the plain state behind a lock.
///
/// ```
/// use mainstay_resilience::{Input, Outcome, sync, outlier};
///
/// let hosts = sync::Outlier::new(outlier::Config::default());
/// let (host, answer) = hosts.pick(Input::default(), &[7]).unwrap();
/// assert_eq!(host, 7);
/// hosts.tell(Input::default(), answer.admitted().unwrap(), Outcome::Success);
/// ```
#[derive(Debug)]
pub struct Outlier {
    config: Config,
    state: Mutex<State>,
}

impl Outlier {
    /// One that has seen nothing yet.
    ///
    /// ```
    /// # use mainstay_resilience::{Time, sync, outlier};
    /// assert!(sync::Outlier::new(outlier::Config::default()).snapshot(Time::ZERO).hosts.is_empty());
    /// ```
    #[must_use]
    pub fn new(config: Config) -> Self {
        let state = Mutex::new(config.state());
        Self { config, state }
    }

    /// One of these hosts by chance, but none that is ejected, and what is said of it. None if all are, or there is
    /// none.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time, sync, outlier};
    /// let hosts = sync::Outlier::new(outlier::Config::default());
    /// let pick = |random| hosts.pick(Input { now: Time::ZERO, random }, &[1, 2]).map(|(host, _)| host);
    /// assert_eq!((pick(0), pick(u64::MAX)), (Some(1), Some(2)));
    /// assert!(hosts.pick(Input::default(), &[]).is_none());
    /// ```
    pub fn pick(&self, input: Input, hosts: &[u32]) -> Option<(u32, Decision<Ticket>)> {
        let mut state = lock(&self.state);
        let host = state.pick(hosts, input)?;
        Some((host, self.config.ask(&mut state, input, Request { host })))
    }

    /// May this host be called? As [`Decide::ask`], for those who choose by themselves.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, sync, outlier};
    /// let hosts = sync::Outlier::new(outlier::Config::default());
    /// let answer = hosts.ask(Input::default(), outlier::Request { host: 4 });
    /// assert_eq!(answer.admitted().map(|ticket| ticket.host()), Some(4));
    /// ```
    pub fn ask(&self, input: Input, request: Request) -> Decision<Ticket> {
        self.config.ask(&mut lock(&self.state), input, request)
    }

    /// What came of a call to a host. As [`Decide::tell`].
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Outcome, Recorded, sync, outlier};
    /// let config = outlier::Config::new().consecutive_failures(1);
    /// let (hosts, input) = (sync::Outlier::new(config), Input::default());
    /// let tickets = [1, 2].map(|host| hosts.ask(input, outlier::Request { host }).admitted().unwrap());
    /// let told = hosts.tell(input, tickets[0], Outcome::Failure);
    /// assert!(matches!(told, Recorded::Changed(ejected) if ejected.host == 1));
    /// // The last one stays.
    /// assert_eq!(hosts.tell(input, tickets[1], Outcome::Failure), Recorded::Counted);
    /// ```
    pub fn tell(&self, input: Input, ticket: Ticket, outcome: Outcome) -> Recorded<Ejected> {
        self.config.tell(&mut lock(&self.state), input, ticket, outcome, 1)
    }

    /// All hosts as they are, for people and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, sync, outlier};
    /// let (hosts, input) = (sync::Outlier::new(outlier::Config::default()), Input::default());
    /// let _ = hosts.ask(input, outlier::Request { host: 9 });
    /// let seen = hosts.snapshot(input.now);
    /// assert_eq!((seen.hosts[0].host, seen.ejected), (9, 0));
    /// ```
    pub fn snapshot(&self, now: Time) -> Snapshot {
        self.config.snapshot(&lock(&self.state), now)
    }
}
