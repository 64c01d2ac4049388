//! Load shedding: the fuller it gets, the more important a request must be.
//!
//! A pure function of the load, with nothing to remember. By itself it can stand in front of anything that knows
//! how full it is; inside a [`bulkhead`](crate::bulkhead) it keeps the last permits for the more important callers.
//!
//! ```
//! use mainstay_resilience::shed::{Config, Priority};
//!
//! // Of 40 permits the reports may use 20, and a payment all of them.
//! let config = Config::default();
//! assert_eq!(config.share(Priority::Low, 40), 20);
//! assert_eq!(config.share(Priority::Critical, 40), 40);
//! ```

use crate::config::config;
use crate::contract::{
    ConfigError, Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time, percent_of,
};

/// How important a request is, in the judgement of whoever sends it. Greater is more important.
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
    /// Nobody waits for it: prefetching, reports, retries of background work.
    Low,
    /// Somebody waits for it.
    #[default]
    Normal,
    /// It must be served as long as anything is: a payment, a health check.
    Critical,
}

config! {
    /// Which share of the permits the requests of each priority may use: a request is rejected when its share is in use
    /// already, by whomever. A share is rounded up, so that of a single permit everybody has the whole.
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
        /// From 1 to 100; 100.
        pub critical_percent: u8 = 100,
        /// From 0 to `critical_percent`; 80.
        pub normal_percent: u8 = 80,
        /// From 0 to `normal_percent`; 50.
        pub low_percent: u8 = 50,
        /// In a bulkhead: who may wait in the queue, from this priority on. The others are rejected at once. The line is
        /// shared as the permits are. Normal.
        pub queue_from: Priority = Priority::Normal,
    }
}

/// What is asked for, and how full it is.
///
/// ```
/// use mainstay_resilience::shed::{Config, Priority, Request};
/// use mainstay_resilience::{Decision, Rejected, Reason, Decide, Input};
///
/// let request = Request { priority: Priority::Low, in_use: 50, limit: 100 };
/// let answer = Config::default().ask(&mut (), Input::default(), request);
/// assert_eq!(answer, Decision::Reject(Rejected { reason: Reason::Shed, retry_at: None }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// How important the request is.
    pub priority: Priority,
    /// How many permits are in use, by requests of any priority.
    pub in_use: u32,
    /// How many there are.
    pub limit: u32,
}

impl Config {
    /// How many of so many permits (or place in the queue) may be in use when a request of that priority is let in.
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
        // Rounded up: what is kept for others is rounded down.
        let kept = percent_of(limit.into(), u64::from(100 - percent.min(100)));
        limit.saturating_sub(u32::try_from(kept).unwrap_or(u32::MAX))
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
    fn each_priority_has_its_share_and_the_whole_of_one_permit() {
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
    fn a_share_of_nothing_sheds_all_and_one_of_more_than_all_is_all() {
        let config = Config { low_percent: 0, critical_percent: 255, ..Config::default() };
        assert_eq!(config.share(Priority::Low, 1_000), 0);
        assert_eq!(config.share(Priority::Critical, 1_000), 1_000);
        let request = Request { priority: Priority::Low, in_use: 0, limit: 1_000 };
        let answer = config.ask(&mut (), Input::default(), request);
        assert_eq!(answer, Decision::Reject(Rejected { reason: Reason::Shed, retry_at: None }));
    }

    #[test]
    fn a_less_important_request_never_has_the_larger_share() {
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
    fn it_is_written_and_read() {
        let written =
            r#"{"critical_percent":100,"normal_percent":80,"low_percent":50,"queue_from":"normal"}"#;
        assert_eq!(serde_json::to_string(&Config::default()).unwrap(), written);
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
        assert!(serde_json::from_str::<Config>(r#"{"low":1}"#).is_err());
    }
}
