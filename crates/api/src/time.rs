//! Times on the wire: RFC 3339, read strictly (a time that does not exist is refused) and written in UTC
//! with milliseconds. Knows no clock and no time zone but offsets.

use model::Wall;
use std::fmt;

/// A moment with the precision that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    seconds: i64,
    nanoseconds: u32,
}

impl Moment {
    /// Reads `2010-10-02T07:20:39.266Z`; digits after the nanoseconds are dropped. `None` when the text is
    /// of another form or no such time exists. A leap second is one only at the end of June or December
    /// (UTC), and counts as the last nanosecond before the next day.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let b = text.as_bytes();
        let fixed = b.len() >= 20
            && b[4] == b'-'
            && b[7] == b'-'
            && matches!(b[10], b'T' | b't')
            && b[13] == b':'
            && b[16] == b':';
        if !fixed {
            return None;
        }
        let (year, month, day) = (digits(&b[0..4])?, digits(&b[5..7])?, digits(&b[8..10])?);
        let (hour, minute, second) = (digits(&b[11..13])?, digits(&b[14..16])?, digits(&b[17..19])?);
        let in_range = (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        if !in_range {
            return None;
        }
        let (nanoseconds, zone) = fraction(&b[19..])?;
        let offset = offset_seconds(zone)?;
        let minutes = days_from_civil(year, month, day) * 1_440 + hour * 60 + minute;
        if second < 60 {
            return Some(Self { seconds: minutes * 60 + second - offset, nanoseconds });
        }
        let next_day = (minutes + 1) * 60 - offset;
        let (_, month, day) = civil_from_days(next_day.div_euclid(86_400));
        let leap = next_day.rem_euclid(86_400) == 0 && day == 1 && matches!(month, 1 | 7);
        leap.then_some(Self { seconds: next_day - 1, nanoseconds: 999_999_999 })
    }

    /// The millisecond that the moment lies in; before 1970 there is none.
    #[must_use]
    pub fn wall(self) -> Option<Wall> {
        let seconds = u64::try_from(self.seconds).ok()?;
        Some(Wall(seconds.checked_mul(1_000)? + u64::from(self.nanoseconds / 1_000_000)))
    }

    /// The end of the moment's millisecond: a time covers its whole millisecond.
    #[must_use]
    pub const fn through_millisecond(self) -> Self {
        Self { seconds: self.seconds, nanoseconds: self.nanoseconds / 1_000_000 * 1_000_000 + 999_999 }
    }
}

/// Written in UTC with milliseconds. All times before 1970 are written as its last millisecond before: nothing
/// was recorded in any of them.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(wall) = self.wall() else { return f.write_str("1969-12-31T23:59:59.999Z") };
        let mut out = Vec::with_capacity(24);
        write_wall(&mut out, wall);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

impl From<Wall> for Moment {
    fn from(wall: Wall) -> Self {
        let seconds = i64::try_from(wall.0 / 1_000).unwrap_or(i64::MAX);
        Self { seconds, nanoseconds: (wall.0 % 1_000) as u32 * 1_000_000 }
    }
}

/// Writes a millisecond as `2010-10-02T07:20:39.266Z`. Years beyond 9999 keep their digits.
pub fn write_wall(out: &mut Vec<u8>, wall: Wall) {
    let (seconds, ms) = (wall.0 / 1_000, (wall.0 % 1_000) as u32);
    let (year, month, day) = civil_from_days(i64::try_from(seconds / 86_400).unwrap_or(i64::MAX / 2));
    let of_day = (seconds % 86_400) as u32;
    // Made in place and written at once, because every event that is read has a time.
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let century = if year > 9_999 { 0 } else { year.unsigned_abs() as u32 / 100 };
    let two_digits = [
        (0, century),
        (2, (year.unsigned_abs() % 100) as u32),
        (5, month),
        (8, day),
        (11, of_day / 3_600),
        (14, of_day / 60 % 60),
        (17, of_day % 60),
        (21, ms % 100),
    ];
    for (at, number) in two_digits {
        text[at] += (number / 10) as u8;
        text[at + 1] += (number % 10) as u8;
    }
    text[20] += (ms / 100) as u8;
    if year > 9_999 {
        crate::json::write_number(out, year.unsigned_abs());
        out.extend_from_slice(&text[4..]);
    } else {
        out.extend_from_slice(&text);
    }
}

/// The units of durations, longest first, in milliseconds.
const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration: a whole number and one of `ms`, `s`, `m`, `h`, `d` and `w`, such as `30d`. `None` when the
/// text is of another form; a duration of more than 2^64 ms counts as that long.
#[must_use]
pub fn parse_duration_ms(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(at);
    let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok().map(|number| number.saturating_mul(*unit_ms))
}

/// Writes a duration in the longest unit that it is a multiple of.
pub fn write_duration_ms(out: &mut Vec<u8>, ms: u64) {
    if ms == 0 {
        out.extend_from_slice(b"0s");
        return;
    }
    let (unit, unit_ms) =
        UNITS.iter().find(|(_, unit_ms)| ms.is_multiple_of(*unit_ms)).copied().unwrap_or(("ms", 1));
    crate::json::write_number(out, ms / unit_ms);
    out.extend_from_slice(unit.as_bytes());
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
}

/// Nanoseconds, and what follows them.
fn fraction(rest: &[u8]) -> Option<(u32, &[u8])> {
    let Some(fraction) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let len = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
    if len == 0 {
        return None;
    }
    let nanoseconds =
        (0..9).fold(0, |sum, n| sum * 10 + fraction[..len].get(n).map_or(0, |digit| u32::from(digit - b'0')));
    Some((nanoseconds, &fraction[len..]))
}

fn offset_seconds(zone: &[u8]) -> Option<i64> {
    match zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let seconds = hours * 3_600 + minutes * 60;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms").
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

const fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097) as u32;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year as i64 + era * 400 + if month <= 2 { 1 } else { 0 }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(wall: u64) -> String {
        let mut out = Vec::new();
        write_wall(&mut out, Wall(wall));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_that_exist_are_read() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2010-10-02T07:20:39.266Z", 1_286_004_039_266),
            ("2010-10-02t09:20:39.2669999999999+02:00", 1_286_004_039_266),
            ("2010-10-02T07:20:39.266-00:00", 1_286_004_039_266),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("2016-12-31T23:59:60Z", 1_483_228_799_999),
            ("2017-01-01T00:59:60.5+01:00", 1_483_228_799_999),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] {
            assert_eq!(Moment::parse(text).and_then(Moment::wall), Some(Wall(ms)), "{text}");
        }
        assert_eq!(Moment::parse("1969-12-31T23:59:59Z").map(Moment::wall), Some(None), "before the first");
        assert_eq!(Moment::parse("0000-01-01T00:00:00+23:59").map(Moment::wall), Some(None));
    }

    #[test]
    fn times_that_do_not_exist_are_refused() {
        for text in [
            "",
            "2010",
            "2010-10-02",
            "2010-10-02T07:20:39",
            "2010-10-02 07:20:39Z",
            "2010-10-02T07:20Z",
            "2010-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2010-04-31T00:00:00Z",
            "2010-00-01T00:00:00Z",
            "2010-13-01T00:00:00Z",
            "2010-10-00T00:00:00Z",
            "2010-10-02T24:00:00Z",
            "2010-10-02T07:60:00Z",
            "2010-10-02T07:20:60Z",
            "2016-12-31T22:59:60Z",
            "2010-10-02T07:20:39.Z",
            "2010-10-02T07:20:39,5Z",
            "2010-10-02T07:20:39+2:00",
            "2010-10-02T07:20:39+24:00",
            "2010-10-02T07:20:39+0200",
            "2010-10-02T07:20:39Zx",
            "+010-10-02T07:20:39Z",
            "2010-10-02T07:20:39é",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(written(1_286_004_039_266), "2010-10-02T07:20:39.266Z");
        assert_eq!(written(0), "1970-01-01T00:00:00.000Z");
        let mut wall = 0;
        while wall < 253_402_300_800_000 {
            assert_eq!(Moment::parse(&written(wall)).and_then(Moment::wall), Some(Wall(wall)));
            wall += 86_400_000 * 3 + 12_345_678;
        }
        assert!(written(u64::MAX).ends_with('Z'), "never panics");
    }

    #[test]
    fn a_time_covers_its_whole_millisecond() {
        let asked = Moment::parse("2010-10-02T07:20:39.266Z").unwrap().through_millisecond();
        assert!(Moment::parse("2010-10-02T07:20:39.266999Z").unwrap() <= asked);
        assert!(Moment::parse("2010-10-02T07:20:39.267Z").unwrap() > asked);
    }
}
