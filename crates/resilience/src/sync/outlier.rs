//! Outlier ejection shared by threads.

use super::clock;
use super::primitives::{Mutex, lock};
use crate::contract::{ConfigError, Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time};
use crate::outlier::{Config, Ejected, Request, Snapshot, State, Ticket};
use core::mem;

/// Finds hosts that fail more than their peers, and ejects them for a while. Shared by threads.
///
/// ```
/// use mainstay_resilience::{Outcome, outlier, sync::OutlierDetector};
///
/// let hosts = OutlierDetector::new(outlier::Config::default())?;
/// let permit = hosts.pick(&[1, 2, 3])?;
/// println!("calling host {}", permit.host());
/// permit.record(Outcome::Success);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OutlierDetector {
    config: Config,
    state: Mutex<State>,
}

/// A call to one host. If it is dropped without an outcome, the call counts as cancelled, which says nothing
/// about the host.
///
/// ```
/// use mainstay_resilience::{outlier, sync::OutlierDetector};
///
/// let hosts = OutlierDetector::new(outlier::Config::default())?;
/// assert_eq!(hosts.try_acquire(7)?.host(), 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped at once counts as a cancelled call"]
pub struct HostPermit<'a> {
    detector: &'a OutlierDetector,
    ticket: Ticket,
    acquired: Input,
}

impl HostPermit<'_> {
    /// The host to call.
    ///
    /// ```
    /// # use mainstay_resilience::{outlier, sync::OutlierDetector};
    /// let hosts = OutlierDetector::new(outlier::Config::default())?;
    /// assert_eq!(hosts.pick(&[4])?.host(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn host(&self) -> u32 {
        self.ticket.host()
    }

    /// Records how the call ended.
    ///
    /// ```
    /// # use mainstay_resilience::{Outcome, Recorded, outlier, sync::OutlierDetector};
    /// let config = outlier::Config::new().consecutive_failures(1);
    /// let hosts = OutlierDetector::new(config)?;
    /// let (one, other) = (hosts.try_acquire(1)?, hosts.try_acquire(2)?);
    /// assert!(matches!(one.record(Outcome::Failure), Recorded::Changed(ejected) if ejected.host == 1));
    /// // The last host is never ejected.
    /// assert_eq!(other.record(Outcome::Failure), Recorded::Counted);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record(self, outcome: Outcome) -> Recorded<Ejected> {
        self.record_at(clock::input(), outcome)
    }

    /// Like [`record`](Self::record), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Outcome, Recorded, outlier, sync::OutlierDetector};
    /// let hosts = OutlierDetector::new(outlier::Config::default())?;
    /// let permit = hosts.try_acquire_at(Input::default(), 1)?;
    /// assert_eq!(permit.record_at(Input::default(), Outcome::Success), Recorded::Counted);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_at(self, input: Input, outcome: Outcome) -> Recorded<Ejected> {
        let (detector, ticket) = (self.detector, self.ticket);
        mem::forget(self);
        detector.tell(input, ticket, outcome)
    }
}

impl Drop for HostPermit<'_> {
    fn drop(&mut self) {
        self.detector.tell(self.acquired, self.ticket, Outcome::Cancelled);
    }
}

impl OutlierDetector {
    /// Creates a detector that knows no hosts yet.
    ///
    /// ```
    /// # use mainstay_resilience::{outlier, sync::OutlierDetector};
    /// let config = outlier::Config::new().hosts_max(0);
    /// assert_eq!(OutlierDetector::new(config).unwrap_err().field, "hosts_max");
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let state = Mutex::new(config.state());
        Ok(Self { config, state })
    }

    /// Picks one of these hosts at random, among those that are not ejected.
    ///
    /// ```
    /// # use mainstay_resilience::{Reason, outlier, sync::OutlierDetector};
    /// let hosts = OutlierDetector::new(outlier::Config::default())?;
    /// assert!([1, 2].contains(&hosts.pick(&[1, 2])?.host()));
    /// assert_eq!(hosts.pick(&[]).unwrap_err().reason, Reason::Outlier);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if `hosts` is empty, or if all of these hosts are ejected.
    pub fn pick(&self, hosts: &[u32]) -> Result<HostPermit<'_>, Rejected> {
        self.pick_at(clock::input(), hosts)
    }

    /// Like [`pick`](Self::pick), but at a given time and with a given random number.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time, outlier, sync::OutlierDetector};
    /// let hosts = OutlierDetector::new(outlier::Config::default())?;
    /// let pick = |random| hosts.pick_at(Input { now: Time::ZERO, random }, &[1, 2]).map(|permit| permit.host());
    /// assert_eq!((pick(0), pick(u64::MAX)), (Ok(1), Ok(2)));
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if `hosts` is empty, or if all of these hosts are ejected.
    pub fn pick_at(&self, input: Input, hosts: &[u32]) -> Result<HostPermit<'_>, Rejected> {
        let mut state = lock(&self.state);
        let none = Rejected { reason: Reason::Outlier, retry_at: None };
        let host = state.pick(hosts, input).ok_or(none)?;
        let decision = self.config.ask(&mut state, input, Request { host });
        self.permit(input, decision)
    }

    /// Asks whether a host may be called, for callers that choose the host themselves.
    ///
    /// ```
    /// # use mainstay_resilience::{outlier, sync::OutlierDetector};
    /// let hosts = OutlierDetector::new(outlier::Config::default())?;
    /// assert!(hosts.try_acquire(4).is_ok());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the host is ejected. `retry_at` is the end of the ejection.
    pub fn try_acquire(&self, host: u32) -> Result<HostPermit<'_>, Rejected> {
        self.try_acquire_at(clock::input(), host)
    }

    /// Like [`try_acquire`](Self::try_acquire), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, outlier, sync::OutlierDetector};
    /// let hosts = OutlierDetector::new(outlier::Config::default())?;
    /// assert!(hosts.try_acquire_at(Input::default(), 4).is_ok());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the host is ejected. `retry_at` is the end of the ejection.
    pub fn try_acquire_at(&self, input: Input, host: u32) -> Result<HostPermit<'_>, Rejected> {
        let decision = self.config.ask(&mut lock(&self.state), input, Request { host });
        self.permit(input, decision)
    }

    fn permit(&self, input: Input, decision: Decision<Ticket>) -> Result<HostPermit<'_>, Rejected> {
        match decision {
            Decision::Admit(ticket) => Ok(HostPermit { detector: self, ticket, acquired: input }),
            Decision::Wait { until } => Err(Rejected { reason: Reason::Outlier, retry_at: Some(until) }),
            Decision::Reject(rejected) => Err(rejected),
        }
    }

    fn tell(&self, input: Input, ticket: Ticket, outcome: Outcome) -> Recorded<Ejected> {
        self.config.tell(&mut lock(&self.state), input, ticket, outcome, 1)
    }

    /// All known hosts, for display and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::{outlier, sync::OutlierDetector};
    /// let hosts = OutlierDetector::new(outlier::Config::default())?;
    /// drop(hosts.try_acquire(9)?);
    /// assert_eq!(hosts.snapshot().hosts[0].host, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_at(clock::now())
    }

    /// Like [`snapshot`](Self::snapshot), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Time, outlier, sync::OutlierDetector};
    /// let hosts = OutlierDetector::new(outlier::Config::default())?;
    /// assert!(hosts.snapshot_at(Time::ZERO).hosts.is_empty());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn snapshot_at(&self, now: Time) -> Snapshot {
        self.config.snapshot(&lock(&self.state), now)
    }
}
