//! Durations as the API writes them: a whole number and a unit.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::time::Duration;

const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// In milliseconds, rounded up.
pub(crate) fn written(duration: Duration) -> String {
    format!("{}ms", duration.as_nanos().div_ceil(1_000_000))
}

pub(crate) fn parse(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(at);
    let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok().map(|number| Duration::from_millis(number.saturating_mul(*unit_ms)))
}

/// For members of responses.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not a duration")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_all_units() {
        for (text, ms) in
            [("0s", Some(0)), ("1500ms", Some(1_500)), ("2m", Some(120_000)), ("1w", Some(604_800_000))]
        {
            assert_eq!(parse(text), ms.map(Duration::from_millis), "{text}");
        }
        for text in ["", "5", "ms", "-1s", "1.5h", "1y"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(written(Duration::from_micros(1_500_001)), "1501ms");
    }
}
