//! The ticks of cron expressions where the clocks of real zones jump.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use calendar::Calendar;
use model::{CatchUp, Overlap, ScheduleRules, Timing, Wall};
use std::borrow::Cow;

fn wall(text: &str) -> Wall {
    let moment: jiff::Timestamp = text.parse().unwrap();
    Wall(u64::try_from(moment.as_millisecond()).unwrap())
}

fn text(wall: Wall) -> String {
    jiff::Timestamp::from_millisecond(wall.0.cast_signed()).unwrap().to_string()
}

fn rules(timing: Timing<'static>) -> ScheduleRules<'static> {
    ScheduleRules {
        timing,
        start: None,
        end: None,
        exclusions: Vec::new(),
        runs_max: None,
        jitter_ms: 0,
        catch_up: CatchUp::One,
        late_ms: 60_000,
        overlap: Overlap::Skip,
        pause_on_failure: false,
    }
}

fn cron(expression: &'static str, zone: &'static str) -> ScheduleRules<'static> {
    rules(Timing::Cron { expression: expression.into(), zone: zone.into() })
}

fn ticks(rules: &ScheduleRules<'_>, after: &str, count: usize) -> Vec<String> {
    let calendar = Calendar::new(rules, wall(after)).unwrap();
    calendar.after(wall(after)).take(count).map(text).collect()
}

/// Expression, zone, after, the ticks that follow.
type Case = (&'static str, &'static str, &'static str, &'static [&'static str]);

fn check(cases: &[Case]) {
    for (expression, zone, after, want) in cases {
        assert_eq!(
            ticks(&cron(expression, zone), after, want.len()),
            *want,
            "{expression} in {zone} after {after}"
        );
    }
}

#[test]
fn a_time_of_day_in_a_gap_is_a_tick_at_the_first_moment_after_it() {
    check(&[
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        ),
        (
            "30 2 * * *",
            "America/New_York",
            "2026-03-07T12:00:00Z",
            &["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
        ),
        // Half an hour.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T00:00:00Z",
            &["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"],
        ),
        // Midnight does not exist.
        (
            "0 0 * * *",
            "America/Sao_Paulo",
            "2018-11-03T12:00:00Z",
            &["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"],
        ),
        (
            "0 0 * * *",
            "Africa/Cairo",
            "2024-04-25T12:00:00Z",
            &["2024-04-25T22:00:00Z", "2024-04-26T21:00:00Z"],
        ),
        // A whole day does not exist.
        (
            "0 9 30 12 *",
            "Pacific/Apia",
            "2011-12-29T12:00:00Z",
            &["2011-12-30T10:00:00Z", "2012-12-29T19:00:00Z"],
        ),
    ]);
}

#[test]
fn times_of_day_that_one_gap_swallows_are_one_tick() {
    check(&[
        (
            "10,50 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-30T00:10:00Z"],
        ),
        (
            "0 2,3 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"],
        ),
    ]);
}

#[test]
fn a_time_of_day_in_a_repeated_hour_is_a_tick_once() {
    check(&[
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        // Between the two, and in the second of them.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", &["2026-10-26T01:30:00Z"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", &["2026-10-26T01:30:00Z"]),
        (
            "30 1 * * *",
            "America/New_York",
            "2026-10-31T12:00:00Z",
            &["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T00:00:00Z",
            &["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"],
        ),
        (
            "30 23 * * *",
            "America/Sao_Paulo",
            "2019-02-16T12:00:00Z",
            &["2019-02-17T01:30:00Z", "2019-02-18T02:30:00Z"],
        ),
    ]);
}

#[test]
fn a_list_of_times_of_day_is_several_times_of_day() {
    check(&[
        (
            "0 2,14 * * *",
            "Europe/Berlin",
            "2026-03-28T20:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-29T12:00:00Z", "2026-03-30T00:00:00Z"],
        ),
        (
            "0 2,14 * * *",
            "Europe/Berlin",
            "2026-10-24T20:00:00Z",
            &["2026-10-25T00:00:00Z", "2026-10-25T13:00:00Z", "2026-10-26T01:00:00Z"],
        ),
        (
            "0 1-3 * * *",
            "Europe/Berlin",
            "2026-10-24T20:00:00Z",
            &["2026-10-24T23:00:00Z", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"],
        ),
    ]);
}

#[test]
fn wildcards_follow_real_time() {
    check(&[
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:50:00Z",
            &[
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z",
            ],
        ),
        (
            "*/30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            &[
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-26T01:00:00Z",
            ],
        ),
        ("*/30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", &["2026-03-30T00:00:00Z"]),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:30:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"],
        ),
        (
            "0 * * * *",
            "America/New_York",
            "2026-11-01T04:30:00Z",
            &["2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z"],
        ),
        (
            "*/15 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T14:20:00Z",
            &[
                "2026-04-04T14:30:00Z",
                "2026-04-04T14:45:00Z",
                "2026-04-04T15:00:00Z",
                "2026-04-04T15:15:00Z",
                "2026-04-05T14:30:00Z",
            ],
        ),
    ]);
}

#[test]
fn an_expression_says_what_it_says_elsewhere() {
    check(&[
        ("0 2 * * *", "UTC", "2026-01-01T02:00:00Z", &["2026-01-02T02:00:00Z"]),
        ("@daily", "UTC", "2026-01-01T02:00:00Z", &["2026-01-02T00:00:00Z"]),
        (
            "*/20 * * * * *",
            "UTC",
            "2026-01-01T00:00:05Z",
            &["2026-01-01T00:00:20Z", "2026-01-01T00:00:40Z", "2026-01-01T00:01:00Z"],
        ),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        ("0 9 * * MON-FRI", "UTC", "2026-01-02T10:00:00Z", &["2026-01-05T09:00:00Z"]),
        ("0 9 L * *", "UTC", "2026-02-01T00:00:00Z", &["2026-02-28T09:00:00Z"]),
        // Either of the two days matches, as in every cron.
        ("0 0 13 * FRI", "UTC", "2026-01-10T00:00:00Z", &["2026-01-13T00:00:00Z", "2026-01-16T00:00:00Z"]),
        // There is no daylight saving any more.
        ("0 0 * * *", "America/Sao_Paulo", "2026-11-01T12:00:00Z", &["2026-11-02T03:00:00Z"]),
        // A millisecond before and at a tick.
        ("0 2 * * *", "UTC", "2026-01-01T01:59:59.999Z", &["2026-01-01T02:00:00Z"]),
    ]);
}

#[test]
fn a_day_that_never_comes_again_is_no_tick() {
    let past = cron("0 0 0 1 1 * 2020", "UTC");
    assert_eq!(ticks(&past, "2026-01-01T00:00:00Z", 1), Vec::<String>::new());
}

#[test]
fn an_interval_counts_from_its_start_or_from_when_it_was_put() {
    let every = rules(Timing::Every(90_000));
    assert_eq!(ticks(&every, "2026-01-01T00:00:30Z", 2), ["2026-01-01T00:02:00Z", "2026-01-01T00:03:30Z"]);
    let from = ScheduleRules { start: Some(wall("2026-01-01T06:00:00Z")), ..every.clone() };
    assert_eq!(ticks(&from, "2026-01-01T00:00:00Z", 2), ["2026-01-01T06:00:00Z", "2026-01-01T06:01:30Z"]);
    assert_eq!(ticks(&from, "2026-01-01T06:00:01Z", 1), ["2026-01-01T06:01:30Z"]);
}

#[test]
fn there_are_no_ticks_before_the_start_and_after_the_end() {
    let mut rules = cron("0 * * * *", "UTC");
    rules.start = Some(wall("2026-01-01T06:00:00Z"));
    rules.end = Some(wall("2026-01-01T07:00:00Z"));
    assert_eq!(ticks(&rules, "2026-01-01T00:00:00Z", 5), ["2026-01-01T06:00:00Z", "2026-01-01T07:00:00Z"]);
    assert_eq!(ticks(&rules, "2026-01-01T07:00:00Z", 5), Vec::<String>::new());
}

#[test]
fn there_are_no_ticks_on_excluded_days_and_in_excluded_ranges() {
    let mut rules = cron("0 0,12 * * *", "Europe/Berlin");
    // The day before is a range in UTC, and the day is one of Berlin.
    rules.exclusions = ["2026-12-25", "2026-12-24T11:00:00Z/2026-12-24T11:00:00.001Z", "2026-12-26"]
        .map(Cow::Borrowed)
        .into();
    assert_eq!(
        ticks(&rules, "2026-12-23T20:00:00Z", 3),
        ["2026-12-23T23:00:00Z", "2026-12-26T23:00:00Z", "2026-12-27T11:00:00Z"]
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_its_part() {
    use calendar::Part;
    let part = |rules: &ScheduleRules<'_>| Calendar::new(rules, Wall(0)).unwrap_err().part;
    for expression in [
        "",
        "x",
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "@never",
        "*/0 * * * *",
        "5-1 * * * *",
        "🦀 * * * *",
    ] {
        assert_eq!(part(&cron(expression, "UTC")), Part::Cron, "{expression}");
    }
    for zone in ["", "Mars/Olympus", "Europe/Berlin ", "../etc/passwd"] {
        assert_eq!(part(&cron("0 0 * * *", zone)), Part::Zone, "{zone}");
    }
    for exclusion in [
        "",
        "2026-02-30",
        "christmas",
        "2026-12-25T00:00",
        "2026-12-25T00:00:00Z/2026-12-24T00:00:00Z",
        "2026-12-25/2026-12-26",
    ] {
        let mut rules = cron("0 0 * * *", "UTC");
        rules.exclusions = vec![Cow::Borrowed("2026-12-25"), Cow::Borrowed(exclusion)];
        assert_eq!(part(&rules), Part::Exclusion(1), "{exclusion}");
    }
}

#[test]
fn the_version_of_the_time_zones_is_known() {
    let version = calendar::tzdata_version();
    assert!(version.len() == 5 && version.starts_with("20"), "{version}");
}

#[test]
fn an_expression_without_any_date_is_refused() {
    let is_refused = |expression: &'static str| {
        let calendar = Calendar::new(&cron(expression, "UTC"), wall("2026-01-01T00:00:00Z"));
        calendar.is_err_and(|error| format!("{error:?}").contains("no month that it names has such a day"))
    };
    for (expression, want) in [
        ("0 0 31 2 *", true),
        ("0 0 30 2 *", true),
        ("0 0 30,31 2 *", true),
        ("0 0 30-31 FEB *", true),
        ("0 0 31 4 *", true),
        ("0 0 31 2,4,6,9,11 *", true),
        ("0 0 31 2 +MON", true),
        // In leap years.
        ("0 0 29 2 *", false),
        ("0 0 29-31 2 *", false),
        ("0 0 31 */2 *", false),
        ("0 0 31 */3 *", false),
        ("0 0 31 4,5 *", false),
        ("0 0 30 4 *", false),
        ("0 0 31 * *", false),
        ("0 0 * 2 *", false),
        // A Monday is enough.
        ("0 0 31 2 MON", false),
        ("0 0 31 2 */2", false),
        ("0 0 L 2 *", false),
        ("0 0 31,L 2 *", false),
        ("0 0 LW 2 *", false),
        ("0 0 15W 2 *", false),
        ("0 0 * 2 MON#5", false),
        ("@monthly", false),
    ] {
        assert_eq!(is_refused(expression), want, "{expression}");
    }
}
