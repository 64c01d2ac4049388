//! Tasks and queues as they are.

use super::{write_id, write_name, write_number_member, write_text_member};
use crate::json;
use crate::request::queue::settings;
use crate::request::queue::tasks::write_duration;
use crate::response::page::{write_list, write_next};
use crate::response::task_state;
use crate::time::write_wall;
use model::{Cursor, Position, QueueSettings, Slot, TaskState, Wall};

/// Everything about one task.
#[derive(Clone, Debug)]
pub struct Task<'a> {
    pub slot: Slot,
    pub position: Position,
    /// The id that the client gave it.
    pub id: Option<&'a str>,
    pub state: TaskState,
    /// Attempts that count so far.
    pub attempts: u32,
    /// How long a delayed task waits before another attempt, if it waits for that.
    pub delay_ms: Option<u64>,
    /// Why it cannot be claimed.
    pub blocked_on: Option<BlockedOn<'a>>,
    /// Who runs it, and how much longer the claim lasts.
    pub claim: Option<(&'a str, u64)>,
    /// JSON values.
    pub progress: Option<&'a [u8]>,
    pub result: Option<&'a [u8]>,
    /// Oldest first.
    pub failures: Vec<Failure<'a>>,
    /// All attempts that are remembered, in the order in which they ended.
    pub history: Vec<Attempt<'a>>,
    /// JSON members.
    pub envelope: &'a [u8],
}

/// Why a task cannot be claimed.
#[derive(Clone, Copy, Debug)]
pub struct BlockedOn<'a> {
    pub reason: &'static str,
    /// The limit, and the task's key of it.
    pub limit: Option<(&'a str, &'a str)>,
    /// Its breaker.
    pub breaker: Option<&'a str>,
    /// When it may go on.
    pub opens_ms: Option<u64>,
}

impl BlockedOn<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        write_name(out, "blocked_on");
        out.extend_from_slice(b"{\"reason\":");
        json::write_text(out, self.reason);
        if let Some((limit, key)) = self.limit {
            write_text_member(out, "limit", limit);
            write_text_member(out, "key", key);
        }
        if let Some(breaker) = self.breaker {
            write_text_member(out, "breaker", breaker);
        }
        if let Some(ms) = self.opens_ms {
            write_name(out, "opens_in");
            write_duration(out, ms);
        }
        out.push(b'}');
    }
}

/// One attempt that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub attempt: u32,
    pub worker: &'a str,
    pub started: Wall,
    pub ended: Wall,
    /// How it ended, in the words of the API.
    pub outcome: &'a str,
    /// The class of a failure.
    pub class: Option<&'a str>,
}

/// One attempt that failed.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    pub attempt: u32,
    pub worker: &'a str,
    pub started: Wall,
    pub ended: Wall,
    pub class: &'a str,
    /// JSON members.
    pub detail: &'a [u8],
}

impl Task<'_> {
    /// Writes the task as an object.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        write_id(out, self.id, self.position, self.slot);
        write_text_member(out, "state", task_state(self.state));
        write_number_member(out, "attempts", self.attempts.into());
        write_time(out, "enqueued", self.position.wall());
        if let Some(ms) = self.delay_ms {
            write_name(out, "runs_in");
            write_duration(out, ms);
        }
        if let Some(blocked_on) = &self.blocked_on {
            blocked_on.write(out);
        }
        if let Some((worker, left_ms)) = self.claim {
            out.extend_from_slice(b",\"claim\":{\"worker\":");
            json::write_text(out, worker);
            write_name(out, "expires_in");
            write_duration(out, left_ms);
            out.push(b'}');
        }
        for (name, value) in [("progress", self.progress), ("result", self.result)] {
            if let Some(value) = value {
                write_name(out, name);
                out.extend_from_slice(value);
            }
        }
        out.extend_from_slice(b",\"failures\":[");
        for (at, failure) in self.failures.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"{\"attempt\":" } else { b",{\"attempt\":" });
            failure.write_members(out);
            out.push(b'}');
        }
        out.extend_from_slice(b"],\"history\":[");
        for (at, attempt) in self.history.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"{\"attempt\":" } else { b",{\"attempt\":" });
            attempt.write_members(out);
            out.push(b'}');
        }
        out.push(b']');
        write_more(out, self.envelope);
        out.push(b'}');
    }
}

impl Attempt<'_> {
    fn write_members(&self, out: &mut Vec<u8>) {
        json::write_number(out, self.attempt.into());
        write_text_member(out, "worker", self.worker);
        write_time(out, "started", self.started);
        write_time(out, "ended", self.ended);
        write_text_member(out, "outcome", self.outcome);
        if let Some(class) = self.class {
            write_text_member(out, "class", class);
        }
    }
}

impl Failure<'_> {
    fn write_members(&self, out: &mut Vec<u8>) {
        json::write_number(out, self.attempt.into());
        write_text_member(out, "worker", self.worker);
        write_time(out, "started", self.started);
        write_time(out, "ended", self.ended);
        write_text_member(out, "class", self.class);
        write_more(out, self.detail);
    }
}

/// Writes `{"tasks":[...],"next":...}`
pub fn write_tasks<'a>(out: &mut Vec<u8>, tasks: impl Iterator<Item = Task<'a>>, next: Option<&str>) {
    out.extend_from_slice(b"{\"tasks\":[");
    for (at, task) in tasks.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        task.write(out);
    }
    out.push(b']');
    write_next(out, next);
}

/// Writes `{"queue":...,"classes":[{"class":...,"tasks":...}],"more":...}`
pub fn write_classes<'a>(
    out: &mut Vec<u8>,
    queue: &str,
    classes: impl Iterator<Item = (&'a str, u64)>,
    has_more: bool,
) {
    out.extend_from_slice(b"{\"queue\":");
    json::write_text(out, queue);
    out.extend_from_slice(b",\"classes\":[");
    for (at, (class, tasks)) in classes.enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"class\":" } else { b",{\"class\":" });
        json::write_text(out, class);
        write_number_member(out, "tasks", tasks);
        out.push(b'}');
    }
    out.extend_from_slice(if has_more { b"],\"more\":true}" } else { b"],\"more\":false}" });
}

/// A worker that has asked for tasks.
#[derive(Clone, Copy, Debug)]
pub struct Worker<'a> {
    pub worker: &'a str,
    pub version: Option<&'a str>,
    pub types: &'a [String],
    pub waiting: bool,
    pub tasks: u64,
    pub last_asked_ms: u64,
}

/// Writes `{"queue":...,"workers":[...],"more":...}`
pub fn write_workers<'a>(
    out: &mut Vec<u8>,
    queue: &str,
    workers: impl Iterator<Item = Worker<'a>>,
    has_more: bool,
) {
    out.extend_from_slice(b"{\"queue\":");
    json::write_text(out, queue);
    out.extend_from_slice(b",\"workers\":[");
    for (at, worker) in workers.enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"worker\":" } else { b",{\"worker\":" });
        json::write_text(out, worker.worker);
        write_name(out, "version");
        match worker.version {
            Some(version) => json::write_text(out, version),
            None => out.extend_from_slice(b"null"),
        }
        write_name(out, "types");
        out.push(b'[');
        for (at, task_type) in worker.types.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            json::write_text(out, task_type);
        }
        out.extend_from_slice(if worker.waiting { b"],\"waiting\":true" } else { b"],\"waiting\":false" });
        write_number_member(out, "tasks", worker.tasks);
        write_name(out, "last_asked");
        write_duration(out, worker.last_asked_ms);
        out.push(b'}');
    }
    out.extend_from_slice(if has_more { b"],\"more\":true}" } else { b"],\"more\":false}" });
}

/// Writes `{"changed":...,"kept":...,"next":...}`
pub fn write_changed(out: &mut Vec<u8>, changed: u32, kept: u32, next: Option<Cursor>) {
    out.extend_from_slice(b"{\"changed\":");
    json::write_number(out, changed.into());
    write_number_member(out, "kept", kept.into());
    write_next(out, next.map(|cursor| cursor.to_string()).as_deref());
}

/// Writes `{"queues":[{"queue":...}],"next":...}`
pub fn write_queues<'a>(out: &mut Vec<u8>, queues: impl Iterator<Item = &'a str>, next: Option<&str>) {
    write_list(out, "queues", queues, next, |out, queue| {
        out.extend_from_slice(b"{\"queue\":");
        json::write_text(out, queue);
        out.push(b'}');
    });
}

/// Tasks by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    pub delayed: u64,
    pub blocked: u64,
    pub ready: u64,
    pub running: u64,
    /// Finished tasks that are still kept.
    pub done: u64,
    pub dead: u64,
    pub cancelled: u64,
    /// When the task that has been ready for the longest time became so.
    pub oldest_ready: Option<Wall>,
}

impl Depth {
    /// Both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            delayed: self.delayed + other.delayed,
            blocked: self.blocked + other.blocked,
            ready: self.ready + other.ready,
            running: self.running + other.running,
            done: self.done + other.done,
            dead: self.dead + other.dead,
            cancelled: self.cancelled + other.cancelled,
            oldest_ready: self.oldest_ready.into_iter().chain(other.oldest_ready).min(),
        }
    }

    /// Writes the members, the first without a comma before it. `now` is the node's time of day.
    fn write_members(&self, out: &mut Vec<u8>, now: Wall) {
        let states = [
            (TaskState::Delayed, self.delayed),
            (TaskState::Blocked, self.blocked),
            (TaskState::Ready, self.ready),
            (TaskState::Running, self.running),
            (TaskState::Done, self.done),
            (TaskState::Dead, self.dead),
            (TaskState::Cancelled, self.cancelled),
        ];
        for (at, (state, count)) in states.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            json::write_text(out, task_state(state));
            out.push(b':');
            json::write_number(out, count);
        }
        match self.oldest_ready {
            None => out.extend_from_slice(b",\"oldest_ready\":null,\"oldest_ready_age\":null"),
            Some(wall) => {
                write_time(out, "oldest_ready", wall);
                write_name(out, "oldest_ready_age");
                write_duration(out, now.0.saturating_sub(wall.0));
            }
        }
    }
}

/// Writes `{"queue":...,"settings":{...},"depth":{...},"types":[...]}`
pub fn write_queue<'a>(
    out: &mut Vec<u8>,
    queue: &str,
    settings: &QueueSettings,
    types: impl Iterator<Item = (&'a str, Depth)> + Clone,
    now: Wall,
) {
    out.extend_from_slice(b"{\"queue\":");
    json::write_text(out, queue);
    write_name(out, "settings");
    settings::write(out, settings);
    out.extend_from_slice(b",\"depth\":{");
    types.clone().map(|(_, depth)| depth).fold(Depth::default(), Depth::with).write_members(out, now);
    out.extend_from_slice(b"},\"types\":[");
    for (at, (name, depth)) in types.enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"type\":" } else { b",{\"type\":" });
        json::write_text(out, name);
        out.push(b',');
        depth.write_members(out, now);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
}

/// Writes `{"queue":...,"settings":{...}}`
pub fn write_settings(out: &mut Vec<u8>, queue: &str, settings: &QueueSettings) {
    out.extend_from_slice(b"{\"queue\":");
    json::write_text(out, queue);
    write_name(out, "settings");
    settings::write(out, settings);
    out.push(b'}');
}

fn write_time(out: &mut Vec<u8>, name: &str, wall: Wall) {
    write_name(out, name);
    out.push(b'"');
    write_wall(out, wall);
    out.push(b'"');
}

/// Adds JSON members that are stored without their braces.
fn write_more(out: &mut Vec<u8>, members: &[u8]) {
    if !members.is_empty() {
        out.push(b',');
        out.extend_from_slice(members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parsed(write: impl FnOnce(&mut Vec<u8>)) -> Value {
        let mut out = Vec::new();
        write(&mut out);
        serde_json::from_slice(&out)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)))
    }

    #[test]
    fn a_task_is_shown_with_all_that_is_known() {
        let failure = Failure {
            attempt: 1,
            worker: "w",
            started: Wall(0),
            ended: Wall(1_000),
            class: "E",
            detail: br#""message":"m""#,
        };
        let task = Task {
            slot: Slot(7),
            position: Position::first_of(Wall(1_500)),
            id: None,
            state: TaskState::Delayed,
            attempts: 1,
            delay_ms: Some(1_000),
            blocked_on: Some(BlockedOn {
                reason: "rate",
                limit: Some(("api", "x")),
                breaker: None,
                opens_ms: Some(5),
            }),
            claim: Some(("w", 500)),
            progress: Some(b"1"),
            result: Some(b"[2]"),
            failures: vec![failure, Failure { detail: b"", ..failure }],
            history: vec![Attempt {
                attempt: 1,
                worker: "w",
                started: Wall(0),
                ended: Wall(1_000),
                outcome: "failed",
                class: Some("E"),
            }],
            envelope: br#""type":"t""#,
        };
        let failed = json!({"attempt":1,"worker":"w","started":"1970-01-01T00:00:00.000Z",
            "ended":"1970-01-01T00:00:01.000Z","class":"E"});
        let mut with_message = failed.clone();
        with_message["message"] = "m".into();
        let shown = json!({
            "id":"~0000000005dc00000007","state":"delayed","attempts":1,"enqueued":"1970-01-01T00:00:01.500Z",
            "runs_in":"1s","blocked_on":{"reason":"rate","limit":"api","key":"x","opens_in":"5ms"},
            "claim":{"worker":"w","expires_in":"500ms"},"progress":1,"result":[2],
            "failures":[with_message, failed],
            "history":[{"attempt":1,"worker":"w","started":"1970-01-01T00:00:00.000Z",
                "ended":"1970-01-01T00:00:01.000Z","outcome":"failed","class":"E"}],
            "type":"t"
        });
        assert_eq!(parsed(|out| task.write(out)), shown);
        let list = parsed(|out| write_tasks(out, [task.clone(), task].into_iter(), Some("/v1/x")));
        assert_eq!(list, json!({"tasks":[shown, shown],"next":"/v1/x"}));
    }

    #[test]
    fn a_queue_counts_its_tasks_by_type_and_in_all() {
        let first = Depth { ready: 2, done: 1, oldest_ready: Some(Wall(1_000)), ..Depth::default() };
        let second = Depth { ready: 1, running: 1, oldest_ready: Some(Wall(500)), ..Depth::default() };
        let types = [("a", first), ("b", second), ("c", Depth::default())];
        let queue =
            parsed(|out| write_queue(out, "q", &QueueSettings::default(), types.into_iter(), Wall(2_000)));
        assert_eq!((&queue["queue"], &queue["settings"]["paused"]), (&"q".into(), &false.into()));
        assert_eq!(
            queue["depth"],
            json!({"delayed":0,"blocked":0,"ready":3,"running":1,"done":1,"dead":0,"cancelled":0,
                "oldest_ready":"1970-01-01T00:00:00.500Z","oldest_ready_age":"1500ms"})
        );
        assert_eq!((&queue["types"][0]["type"], &queue["types"][0]["ready"]), (&"a".into(), &2.into()));
        assert_eq!(queue["types"][2]["oldest_ready"], Value::Null);
        let empty = parsed(|out| {
            write_queue(out, "q", &QueueSettings::default(), [].into_iter(), Wall(0));
        });
        assert_eq!((&empty["types"], &empty["depth"]["ready"]), (&json!([]), &0.into()));
        let names = parsed(|out| write_queues(out, ["a", "b"].into_iter(), None));
        assert_eq!(names, json!({"queues":[{"queue":"a"},{"queue":"b"}],"next":null}));
        let changed = parsed(|out| write_changed(out, 2, 1, Some(Cursor::new(Position(1), Slot(7)))));
        assert_eq!(changed, json!({"changed":2,"kept":1,"next":"00000000000000010007"}));
        assert_eq!(parsed(|out| write_changed(out, 0, 0, None))["next"], Value::Null);
        let classes = parsed(|out| write_classes(out, "q", [("E", 2), ("", 1)].into_iter(), true));
        let listed = json!([{"class":"E","tasks":2},{"class":"","tasks":1}]);
        assert_eq!(classes, json!({"queue":"q","classes":listed,"more":true}));
        let put = parsed(|out| write_settings(out, "q", &QueueSettings::default()));
        assert_eq!(put["settings"]["claim_timeout"], "30s");
    }
}
