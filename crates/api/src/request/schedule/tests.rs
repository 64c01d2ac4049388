//! What requests about schedules may say.

use super::*;
use http::header::{CONTENT_TYPE, HeaderValue};

/// 2026-11-29T12:00:00Z
const NOW: Wall = Wall(1_795_953_600_000);

fn headers() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}

fn name() -> ScheduleName<'static> {
    ScheduleName::new("nightly").unwrap()
}

fn read(body: &str) -> Result<PutSchedule<'static>> {
    put(&headers(), name(), body.as_bytes(), NOW)
}

#[test]
fn absent_rules_have_their_defaults() {
    let put = read(r#"{"cron":"0 2 * * *","queue":"q","task":{"type":"t"}}"#).unwrap();
    let rules = &put.definition.rules;
    assert_eq!(rules.timing, Timing::Cron { expression: "0 2 * * *".into(), zone: "UTC".into() });
    assert_eq!((rules.catch_up, rules.overlap, rules.late_ms), (CatchUp::One, Overlap::Skip, 60_000));
    assert_eq!((rules.jitter_ms, rules.runs_max, rules.pause_on_failure), (0, None, false));
    assert_eq!(put.definition.enqueue.queue.as_str(), "q");
    let task = &put.definition.enqueue.tasks[0];
    assert_eq!((&*task.task_type, &*task.envelope), ("t", &br#""type":"t""#[..]));
}

#[test]
fn every_rule_is_read() {
    let put = read(
        r#"{"every":"15m","queue":"q","task":{"type":"t","payload":{"a":1},"key":"k"},
        "start":"2026-12-01T00:00:00Z","end":"2027-12-01T00:00:00Z","exclude":["2026-12-25"],"runs_max":7,"jitter":"5m",
        "catch_up":"all","catch_up_max":5,"late":"2m","overlap":"cancel_other","pause_on_failure":true}"#,
    )
    .unwrap();
    let rules = &put.definition.rules;
    assert_eq!(rules.timing, Timing::Every(900_000));
    assert_eq!((rules.start, rules.end), (Some(Wall(1_796_083_200_000)), Some(Wall(1_827_619_200_000))));
    assert_eq!((rules.exclusions.len(), rules.runs_max, rules.jitter_ms), (1, Some(7), 300_000));
    assert_eq!(
        (rules.catch_up, rules.late_ms, rules.overlap),
        (CatchUp::All(5), 120_000, Overlap::CancelOther)
    );
    assert!(rules.pause_on_failure);
}

#[test]
fn what_makes_no_sense_is_refused_with_its_member() {
    let with = |more: &str| format!(r#"{{"cron":"0 2 * * *","queue":"q","task":{{"type":"t"}},{more}}}"#);
    for (body, member) in [
        (r#"{"queue":"q","task":{"type":"t"}}"#.to_owned(), "cron"),
        (r#"{"cron":"* * * * *","task":{"type":"t"}}"#.to_owned(), "queue"),
        (r#"{"cron":"* * * * *","queue":"q"}"#.to_owned(), "task"),
        (r#"{"cron":"* * * * *","queue":"q","task":{}}"#.to_owned(), "task.type"),
        (r#"{"cron":"* * * * *","queue":"q","task":{"type":"t","id":"x"}}"#.to_owned(), "task.id"),
        (r#"{"cron":"* * * * *","queue":"q","task":{"type":"t","delay":"1s"}}"#.to_owned(), "task.run_after"),
        (r#"{"cron":"99 * * * *","queue":"q","task":{"type":"t"}}"#.to_owned(), "cron"),
        (r#"{"cron":"0 0 30 2 *","queue":"q","task":{"type":"t"}}"#.to_owned(), "cron"),
        (r#"{"every":"1ms","queue":"q","task":{"type":"t"}}"#.to_owned(), "every"),
        (r#"{"every":"1h","zone":"UTC","queue":"q","task":{"type":"t"}}"#.to_owned(), "zone"),
        (with(r#""every":"1h""#), "every"),
        (with(r#""zone":"Mars/Olympus""#), "zone"),
        (with(r#""exclude":["2026-12-25","never"]"#), "exclude[1]"),
        (with(r#""start":"tomorrow""#), "start"),
        (with(r#""start":"2027-01-01T00:00:00Z","end":"2026-01-01T00:00:00Z""#), "end"),
        (with(r#""runs_max":0"#), "runs_max"),
        (with(r#""jitter":"25h""#), "jitter"),
        (with(r#""catch_up":"some""#), "catch_up"),
        (with(r#""catch_up_max":5"#), "catch_up_max"),
        (with(r#""catch_up":"all","catch_up_max":101"#), "catch_up_max"),
        (with(r#""late":"0s""#), "late"),
        (with(r#""overlap":"maybe""#), "overlap"),
        (with(r#""pause_on_failure":1"#), "pause_on_failure"),
        (with(r#""crn":1"#), "crn"),
    ] {
        let problem = read(&body).expect_err(&body);
        assert_eq!(problem.status(), 400, "{body}");
        let json: serde_json::Value = serde_json::from_slice(&problem.to_bytes()).unwrap();
        assert_eq!(json["member"], member, "{body}: {json}");
    }
}

#[test]
fn a_schedule_whose_time_is_over_may_be_put_again() {
    let over = r#"{"cron":"0 2 * * *","end":"2020-01-01T00:00:00Z","queue":"q","task":{"type":"t"}}"#;
    assert!(read(over).is_ok());
}

#[test]
fn a_name_is_short_enough_for_the_ids_of_runs() {
    for (segment, is_name) in
        [("a", true), (&"x".repeat(200)[..], true), (&"x".repeat(201)[..], false), ("~a", false)]
    {
        assert_eq!(schedule_in_path(segment).is_ok(), is_name, "{segment}");
    }
}

#[test]
fn a_set_is_in_order_and_names_each_schedule_once() {
    let one =
        |name: &str| format!(r#"{{"schedule":"{name}","every":"1h","queue":"q","task":{{"type":"t"}}}}"#);
    let set = |schedules: String| {
        let body = format!(r#"{{"schedules":[{schedules}]}}"#);
        put_set(&headers(), name(), body.as_bytes(), NOW)
    };
    let put = set([one("b"), one("a")].join(",")).unwrap();
    assert_eq!(put.schedules.iter().map(|one| one.schedule.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(set(String::new()).unwrap().schedules.is_empty());
    for bad in [[one("a"), one("a")].join(","), one("~a"), r#"{"every":"1h"}"#.to_owned(), "7".to_owned()] {
        assert_eq!(set(bad.clone()).expect_err(&bad).status(), 400, "{bad}");
    }
    assert_eq!(put_set(&headers(), name(), b"{}", NOW).unwrap_err().status(), 400);
}

#[test]
fn a_backfill_names_a_range_with_ticks() {
    let put =
        read(r#"{"cron":"0 2 * * *","end":"2026-11-30T00:00:00Z","queue":"q","task":{"type":"t"}}"#).unwrap();
    let ticks = |body: &str| {
        let backfill = Backfill::read(&headers(), body.as_bytes())?;
        backfill.ticks(&put.definition.rules, NOW)
    };
    let body = r#"{"from":"2026-11-01T02:00:00Z","to":"2026-11-03T02:00:00Z"}"#;
    let read = Backfill::read(&headers(), body.as_bytes()).unwrap();
    assert_eq!(read.overlap, BackfillOverlap::Wait);
    assert_eq!(ticks(body).unwrap().len(), 3, "a tick at either end counts");
    for bad in [
        r#"{"from":"2026-11-01T03:00:00Z","to":"2026-11-01T04:00:00Z"}"#,
        r#"{"from":"2020-11-01T03:00:00Z","to":"2026-11-01T04:00:00Z"}"#,
        r#"{"from":"2026-11-02T03:00:00Z","to":"2026-11-01T04:00:00Z"}"#,
        r#"{"from":"2026-11-02T03:00:00Z"}"#,
        r#"{"to":"2026-11-02T03:00:00Z"}"#,
        r#"{"from":"x","to":"y"}"#,
        r#"{"from":"2026-11-01T02:00:00Z","to":"2026-11-03T02:00:00Z","overlap":"buffer_one"}"#,
    ] {
        assert_eq!(ticks(bad).expect_err(bad).status(), 400, "{bad}");
    }
}
