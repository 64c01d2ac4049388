//! The error of a configuration.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;
use core::ops::RangeInclusive;
use core::time::Duration;

/// A field of a configuration is missing, malformed or out of range.
///
/// ```
/// use mainstay_resilience::{Decide, breaker};
///
/// let config = breaker::Config::new().probes(0);
/// let error = config.check().unwrap_err();
/// assert_eq!(error.to_string(), "`probes` must be from 1 to 1000, but is 0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The full path of the field, such as `breaker.probes`.
    pub field: Cow<'static, str>,
    /// What the field must be, and what it is.
    pub problem: String,
}

impl ConfigError {
    /// Creates an error about a field.
    ///
    /// ```
    /// # use mainstay_resilience::ConfigError;
    /// let error = ConfigError::new("url", "must start with https://");
    /// assert_eq!(error.to_string(), "`url` must start with https://");
    /// ```
    #[must_use]
    pub fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field: Cow::Borrowed(field), problem: problem.into() }
    }

    /// Returns the same error, with `outer` put before the field's path.
    ///
    /// ```
    /// # use mainstay_resilience::ConfigError;
    /// let error = ConfigError::new("burst", "must not be 0").within("token_bucket").within("rate_limit");
    /// assert_eq!(error.field, "rate_limit.token_bucket.burst");
    /// ```
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        Self { field: Cow::Owned(alloc::format!("{outer}.{}", self.field)), ..self }
    }

    /// Checks that a number is in a range.
    pub(crate) fn unless(field: &'static str, is: u64, range: RangeInclusive<u64>) -> Result<(), Self> {
        if range.contains(&is) {
            return Ok(());
        }
        let (min, max) = range.into_inner();
        Err(Self::new(field, alloc::format!("must be from {min} to {max}, but is {is}")))
    }

    /// Checks that a duration is in a range of milliseconds.
    pub(crate) fn unless_millis(
        field: &'static str,
        is: Duration,
        range: RangeInclusive<u64>,
    ) -> Result<(), Self> {
        let (min, max) = range.into_inner();
        if (Duration::from_millis(min)..=Duration::from_millis(max)).contains(&is) {
            return Ok(());
        }
        Err(Self::new(field, alloc::format!("must be from {min} to {max} ms, but is {is:?}")))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.problem)
    }
}

impl core::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_error_names_the_whole_path_of_its_field() {
        let error = ConfigError::new("probes", "is wrong").within("breaker");
        assert_eq!(error.to_string(), "`breaker.probes` is wrong");
    }
}
