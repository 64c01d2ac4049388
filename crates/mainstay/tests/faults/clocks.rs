//! A wall clock that steps both ways, by hours and by days, while the node runs and while it does not. Order,
//! retention, idempotency keys and answers about the past must not notice. libfaketime fakes the clock of this
//! one process; its monotonic clock stays real.

use crate::node::{Node, serve};
use crate::tmpfs::not_run;
use crate::until;
use mainstay_client::blocking::Client;
use mainstay_client::{Expected, NewEvent, RecordedEvent, Request, Settings};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// In seconds from the real time, one after the other.
const STEPS: [i64; 7] = [0, HOUR, -2 * HOUR, 3 * DAY, -30 * DAY, 30 * DAY, 0];

/// A clock that can be set.
struct FakeClock {
    library: PathBuf,
    directory: tempfile::TempDir,
}

impl FakeClock {
    fn new() -> Self {
        // Each architecture has a directory of its own.
        let found = std::fs::read_dir("/usr/lib").ok().and_then(|entries| {
            let library = |entry: std::fs::DirEntry| entry.path().join("faketime/libfaketimeMT.so.1");
            entries.flatten().map(library).find(|library| library.exists())
        });
        let Some(library) = found else { not_run("libfaketime is not installed") };
        let clock = Self { library, directory: tempfile::tempdir().unwrap() };
        clock.set(0);
        clock
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("clock")
    }

    fn set(&self, seconds: i64) {
        let new = self.directory.path().join("clock.new");
        std::fs::write(&new, format!("{seconds:+}\n")).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    fn start(&self, data: &Path) -> Node {
        let mut command = serve(data, &[]);
        command.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", self.file());
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Node::try_start(command).unwrap()
    }
}

/// A question about the past, and its answer.
struct Answered {
    path: String,
    events: String,
}

/// The events of a page, as the node sent them.
fn selected(client: &Client, path: &str) -> String {
    let response = client.send(&Request::new("GET", path).unwrap()).unwrap();
    let body = String::from_utf8(response.body.to_vec()).unwrap();
    assert_eq!(response.status, 200, "{path}: {body}");
    let events = body.split_once("\"events\":").expect("a page has events").1;
    events.to_owned()
}

fn events(client: &Client, stream: &str) -> Vec<RecordedEvent> {
    client.read(stream).events().map(Result::unwrap).collect()
}

/// Appends under an idempotency key, and returns whether that was a replay.
fn append_under_key(client: &Client, key: &str) -> bool {
    let append = client.append("keyed", [NewEvent::new("t")]).idempotency_key(key);
    append.send().unwrap().all_replayed()
}

#[test]
fn order_retention_keys_and_answers_about_the_past_survive_a_clock_that_steps_both_ways() {
    let (clock, data) = (FakeClock::new(), tempfile::tempdir().unwrap());
    let mut node = clock.start(data.path());
    // Retention compares times of day, which never go back and here never move by more than this.
    node.client().put_settings("aged", &Settings::default().max_age("60d")).unwrap();
    let (mut appended, mut answered) = (Vec::new(), Vec::<Answered>::new());
    let mut positions = Vec::new();
    for (nth, seconds) in STEPS.into_iter().enumerate() {
        clock.set(seconds);
        // Half of the steps happen while no node runs.
        if nth % 2 == 1 {
            node.kill();
            node = clock.start(data.path());
        }
        let client = node.client();
        for stream in ["plain", "aged"] {
            let event = NewEvent::new("t").data(&seconds).unwrap();
            let new = client.append(stream, [event]).send().unwrap();
            positions.push(new.events[0].cursor.0.clone());
        }
        appended.push(seconds);
        assert!(positions.is_sorted_by(|a, b| a < b), "a cursor went back: {positions:?}");

        // Nothing is too old, and no position has been given twice.
        for stream in ["plain", "aged"] {
            let found = events(&client, stream);
            let data: Vec<i64> = found.iter().map(|event| event.data().unwrap()).collect();
            assert_eq!(data, appended, "{stream} after the step to {seconds:+} s");
            let recorded = found.iter().map(|event| &event.recorded_time);
            assert!(recorded.is_sorted(), "{stream}: a recorded time went back");
        }
        // Keys are kept for a day of real time, whatever the wall clock says.
        assert!(!append_under_key(&client, &format!("key-{nth}")));
        (0..=nth)
            .for_each(|nth| assert!(append_under_key(&client, &format!("key-{nth}")), "key-{nth} is gone"));

        for Answered { path, events } in &answered {
            assert_eq!(selected(&client, path), *events, "{path} after the step to {seconds:+} s");
        }
        for path in ["/v1/streams/plain/events", "/v1/events"] {
            for moment in [&positions[positions.len() - 1], &events(&client, "plain")[nth].recorded_time] {
                let path = format!("{path}?as_of={moment}");
                let events = selected(&client, &path);
                answered.push(Answered { path, events });
            }
            selected(&client, &format!("{path}?as_of=now"));
        }
    }
    assert!(node.stop().success());
}

#[test]
fn a_clock_set_back_removes_no_events_and_one_set_ahead_does_once_they_are_too_old() {
    let (clock, data) = (FakeClock::new(), tempfile::tempdir().unwrap());
    let mut node = clock.start(data.path());
    node.client().put_settings("short", &Settings::default().max_age("1h")).unwrap();
    node.client().append("short", [NewEvent::new("t").data(&1).unwrap()]).send().unwrap();
    for seconds in [-30 * DAY, -2 * HOUR, HOUR / 2] {
        clock.set(seconds);
        node.kill();
        node = clock.start(data.path());
        node.client().append("plain", [NewEvent::new("t")]).send().unwrap();
        assert_eq!(events(&node.client(), "short").len(), 1, "after the step to {seconds:+} s");
    }
    clock.set(2 * HOUR);
    // A node that runs notices the step when its next timer is due.
    node.kill();
    node = clock.start(data.path());
    let client = node.client();
    until("the end of the event", || events(&client, "short").is_empty().then_some(()));
    clock.set(-HOUR);
    client.append("short", [NewEvent::new("t").data(&2).unwrap()]).send().unwrap();
    let left: Vec<u64> = events(&client, "short").iter().map(|event| event.revision.0).collect();
    assert_eq!(left, [1]);
    assert!(node.stop().success());
}

#[test]
fn a_follower_receives_each_event_once_and_in_order_while_the_clock_steps() {
    let (clock, data) = (FakeClock::new(), tempfile::tempdir().unwrap());
    let node = clock.start(data.path());
    let client = node.client();
    let follow = client.read_all().follow();
    for seconds in STEPS {
        clock.set(seconds);
        client.append("plain", [NewEvent::new("t").data(&seconds).unwrap()]).send().unwrap();
    }
    let received: Vec<i64> = follow.take(STEPS.len()).map(|event| event.unwrap().data().unwrap()).collect();
    assert_eq!(received, STEPS);
    assert!(node.stop().success());
}

#[test]
fn no_step_of_the_clock_ends_a_lease_early_or_keeps_it() {
    const SECOND: Duration = Duration::from_secs(1);
    let (clock, data) = (FakeClock::new(), tempfile::tempdir().unwrap());
    let node = clock.start(data.path());
    let client = node.client();
    let long = client.acquire_lease("long", "a", Duration::from_secs(3_600)).send().unwrap();
    let mut sent_before: Option<Instant> = None;
    for seconds in STEPS {
        clock.set(seconds);
        // An entry that has the new time of day.
        let (fenced, event) = (client.transaction().check_lease("long", &long.token), [NewEvent::new("t")]);
        fenced.append("s", Expected::Any, event).send().unwrap();
        assert_eq!(client.lease("long").unwrap().holders[0].token, long.token, "after {seconds:+} s");
        let other = client.acquire_lease("long", "b", SECOND).send().unwrap_err();
        assert!(other.is_lease_held(), "after {seconds:+} s: {other}");
        // Each holder of this lease waits for the end of the one before, who vanishes.
        let sent = Instant::now();
        let short = client.acquire_lease("short", format!("h{seconds:+}-{sent:?}"), SECOND);
        short.wait(Duration::from_secs(60)).send().unwrap();
        if let Some(sent_before) = sent_before.replace(sent) {
            assert!(
                sent_before.elapsed() >= SECOND,
                "the lease before the step to {seconds:+} s ended early"
            );
        }
        assert!(sent.elapsed() < Duration::from_secs(30), "a step of the clock kept a lease");
    }
    assert!(node.stop().success());
}
