//! Load shedding: as load grows, only more important requests are admitted.
//!
//! The decision is a pure function of the load and keeps no state. Use it on its own in front of anything
//! that knows how full it is, or inside a [`bulkhead`](crate::bulkhead), where it reserves the last permits
//! for more important callers.
//!
//! ```
//! use mainstay_resilience::shed::{Config, Priority};
//!
//! // Of 40 permits, reports may use 20. Payments may use all of them.
//! let config = Config::new();
//! assert_eq!(config.share(Priority::Low, 40), 20);
//! assert_eq!(config.share(Priority::Critical, 40), 40);
//! ```

use crate::config::config;
use crate::contract::{
    ConfigError, Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time, percent_of,
};

/// How important a request is, as its sender sees it. Greater values are more important.
///
/// ```
/// use mainstay_resilience::shed::Priority;
///
/// assert!(Priority::Critical > Priority::Normal && Priority::Normal > Priority::Low);
/// assert_eq!(Priority::default(), Priority::Normal);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Priority {
    /// No user is waiting for the result: prefetching, reports, retries of background work.
    Low,
    /// A user is waiting for the result.
    #[default]
    Normal,
    /// The last kind of request to give up: a payment, a health check.
    Critical,
}

config! {
    /// The share of the permits that requests of each priority may use.
    ///
    /// A request is rejected when the permits in use, by requests of any priority, have reached the share of
    /// its priority. Shares are rounded up, so that a bulkhead with one permit admits every priority.
    ///
    /// ```
    /// use mainstay_resilience::shed::{Config, Priority, Request};
    /// use mainstay_resilience::{Decide, Input};
    ///
    /// let config = Config::default();
    /// let ask = |priority, in_use| {
    ///     config.ask(&mut (), Input::default(), Request { priority, in_use, limit: 10 }).admitted().is_some()
    /// };
    /// assert!(ask(Priority::Low, 4) && !ask(Priority::Low, 5));
    /// assert!(ask(Priority::Normal, 7) && !ask(Priority::Normal, 8));
    /// assert!(ask(Priority::Critical, 9) && !ask(Priority::Critical, 10));
    /// ```
    pub struct Config {
        /// The share for critical requests, in percent. From 1 to 100; default 100.
        pub critical_percent: u8 = 100,
        /// The share for normal requests, in percent. From 0 to `critical_percent`; default 80.
        pub normal_percent: u8 = 80,
        /// The share for low-priority requests, in percent. From 0 to `normal_percent`; default 50.
        pub low_percent: u8 = 50,
        /// The lowest priority that may wait in the queue of a bulkhead; less important callers are rejected
        /// at once. The places in the queue are shared by the same percentages as the permits. Default:
        /// normal.
        pub queue_from: Priority = Priority::Normal,
    }
}

/// A request and the present load.
///
/// ```
/// use mainstay_resilience::shed::{Config, Priority, Request};
/// use mainstay_resilience::{Decision, Rejected, Reason, Decide, Input};
///
/// let request = Request { priority: Priority::Low, in_use: 50, limit: 100 };
/// let decision = Config::default().ask(&mut (), Input::default(), request);
/// assert_eq!(decision, Decision::Reject(Rejected { reason: Reason::Shed, retry_at: None }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// How important the request is.
    pub priority: Priority,
    /// The number of permits in use, by requests of any priority.
    pub in_use: u32,
    /// The total number of permits.
    pub limit: u32,
}

impl Config {
    /// The number of permits, out of `limit`, that may be in use for a request of this priority still to be
    /// admitted.
    ///
    /// ```
    /// use mainstay_resilience::shed::{Config, Priority};
    ///
    /// assert_eq!(Config::default().share(Priority::Low, 5), 3);
    /// ```
    #[must_use]
    pub fn share(&self, priority: Priority, limit: u32) -> u32 {
        let percent = match priority {
            Priority::Critical => self.critical_percent,
            Priority::Normal => self.normal_percent,
            Priority::Low => self.low_percent,
        };
        // The share is rounded up because the reserved part is rounded down.
        let reserved = percent_of(limit.into(), u64::from(100 - percent.min(100)));
        limit.saturating_sub(u32::try_from(reserved).unwrap_or(u32::MAX))
    }
}

impl Decide for Config {
    type State = ();
    type Request = Request;
    type Ticket = ();
    type Change = core::convert::Infallible;
    type Snapshot = ();

    fn state(&self) {}

    fn ask(&self, (): &mut (), _: Input, request: Request) -> Decision<()> {
        if request.in_use < self.share(request.priority, request.limit) {
            return Decision::Admit(());
        }
        Decision::Reject(Rejected { reason: Reason::Shed, retry_at: None })
    }

    fn tell(&self, (): &mut (), _: Input, (): (), _: Outcome, _: u32) -> Recorded<Self::Change> {
        Recorded::Counted
    }

    fn snapshot(&self, (): &(), _: Time) {}

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless("critical_percent", self.critical_percent.into(), 1..=100)?;
        ConfigError::unless("normal_percent", self.normal_percent.into(), 0..=self.critical_percent.into())?;
        ConfigError::unless("low_percent", self.low_percent.into(), 0..=self.normal_percent.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_priority_gets_its_share_and_a_single_permit_is_open_to_all() {
        let config = Config::default();
        for (limit, critical, normal, low) in [
            (0, 0, 0, 0),
            (1, 1, 1, 1),
            (2, 2, 2, 1),
            (5, 5, 4, 3),
            (10, 10, 8, 5),
            (u32::MAX, u32::MAX, 3_435_973_836, 2_147_483_648),
        ] {
            assert_eq!(config.share(Priority::Critical, limit), critical, "{limit}");
            assert_eq!(config.share(Priority::Normal, limit), normal, "{limit}");
            assert_eq!(config.share(Priority::Low, limit), low, "{limit}");
        }
    }

    #[test]
    fn a_share_of_zero_sheds_every_request_and_a_share_above_100_percent_means_all() {
        let config = Config { low_percent: 0, critical_percent: 255, ..Config::default() };
        assert_eq!(config.share(Priority::Low, 1_000), 0);
        assert_eq!(config.share(Priority::Critical, 1_000), 1_000);
        let request = Request { priority: Priority::Low, in_use: 0, limit: 1_000 };
        let decision = config.ask(&mut (), Input::default(), request);
        assert_eq!(decision, Decision::Reject(Rejected { reason: Reason::Shed, retry_at: None }));
    }

    #[test]
    fn a_less_important_priority_never_gets_a_larger_share() {
        assert_eq!(Config::default().check(), Ok(()));
        let field = |config: Config| config.check().map_err(|error| error.field.into_owned());
        assert_eq!(field(Config { low_percent: 81, ..Config::default() }), Err("low_percent".into()));
        assert_eq!(field(Config { normal_percent: 101, ..Config::default() }), Err("normal_percent".into()));
        assert_eq!(
            field(Config { critical_percent: 0, ..Config::default() }),
            Err("critical_percent".into())
        );
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_configuration_serializes_with_defaults_and_rejects_unknown_fields() {
        let written =
            r#"{"critical_percent":100,"normal_percent":80,"low_percent":50,"queue_from":"normal"}"#;
        assert_eq!(serde_json::to_string(&Config::default()).unwrap(), written);
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
        assert!(serde_json::from_str::<Config>(r#"{"low":1}"#).is_err());
    }
}
