//! Outcomes of the commands of task queues.

use super::{write_id, write_name, write_number_member, write_text_member};
use crate::catalogue::Code;
use crate::json;
use crate::problem::Problem;
use crate::request::queue::tasks::write_duration;
use crate::response::task_state;
use model::{Claimed, Cursor, Enqueued, EnqueuedTask, Position, Settled, Slot, TaskState};

/// What the response to an enqueue needs besides its outcome: the ids that the client gave.
#[derive(Clone, Debug, Default)]
pub struct EnqueueContext {
    pub ids: Vec<Option<String>>,
}

impl EnqueueContext {
    #[must_use]
    pub fn of(enqueue: &model::Enqueue<'_>) -> Self {
        Self { ids: enqueue.tasks.iter().map(|task| task.id.as_deref().map(str::to_owned)).collect() }
    }
}

/// Writes `{"id":...,"cursor":...,"replayed":...}` for one task, with `"existing":true` if that is another one.
///
/// # Errors
/// The problem of a task that was not enqueued because another one has its id.
pub fn write_enqueued(
    out: &mut Vec<u8>,
    id: Option<&str>,
    task: &EnqueuedTask,
    slot: Slot,
) -> Result<(), Box<Problem>> {
    let (position, id, end) = match task {
        EnqueuedTask::Added(position) => (*position, id, &b"\",\"replayed\":false}"[..]),
        EnqueuedTask::Replayed(position) => (*position, id, &b"\",\"replayed\":true}"[..]),
        EnqueuedTask::Conflict(position) => return Err(conflict(*position, slot)),
        EnqueuedTask::Existing { task, id } => {
            (*task, id.as_deref(), &b"\",\"replayed\":false,\"existing\":true}"[..])
        }
    };
    out.extend_from_slice(b"{\"id\":");
    write_id(out, id, position, slot);
    out.extend_from_slice(b",\"cursor\":\"");
    out.extend_from_slice(&Cursor::new(position, slot).to_hex());
    out.extend_from_slice(end);
    Ok(())
}

/// Writes a line for each task of a batch.
pub fn write_enqueued_lines(out: &mut Vec<u8>, context: &EnqueueContext, enqueued: &Enqueued) {
    for (task, id) in enqueued.tasks.iter().zip(&context.ids) {
        if let Err(problem) = write_enqueued(out, id.as_deref(), task, enqueued.slot) {
            out.extend_from_slice(b"{\"id\":");
            match id {
                Some(id) => json::write_text(out, id),
                None => out.extend_from_slice(b"null"),
            }
            write_name(out, "problem");
            problem.render(out);
            out.push(b'}');
        }
        out.push(b'\n');
    }
}

fn conflict(position: Position, slot: Slot) -> Box<Problem> {
    Problem::new(Code::TaskConflict, "the queue has a task with this `id` and different content")
        .text("cursor", Cursor::new(position, slot).to_string())
}

/// Writes `{"tasks":[...]}`, with `settled` before that if the request has settled tasks.
pub fn write_claimed(out: &mut Vec<u8>, claimed: &Claimed, settled: &[(&str, Settled)]) {
    out.reserve(claimed.tasks.iter().map(|task| task.envelope.len() + 160).sum());
    out.push(b'{');
    if !settled.is_empty() {
        out.extend_from_slice(b"\"settled\":[");
        for (at, (id, settled)) in settled.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"{\"id\":" } else { b",{\"id\":" });
            json::write_text(out, id);
            out.push(b',');
            write_result(out, Ok(*settled));
            out.push(b'}');
        }
        out.extend_from_slice(b"],");
    }
    out.extend_from_slice(b"\"tasks\":[");
    for (at, task) in claimed.tasks.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"id\":" } else { b",{\"id\":" });
        write_id(out, task.id.as_deref(), task.position, claimed.slot);
        out.extend_from_slice(b",\"token\":\"");
        out.extend_from_slice(&Cursor::new(task.token, claimed.slot).to_hex());
        out.push(b'"');
        write_number_member(out, "attempt", task.attempt.into());
        write_name(out, "expires_in");
        write_duration(out, task.claim_ms);
        if let Some(progress) = &task.progress {
            write_name(out, "progress");
            out.extend_from_slice(progress);
        }
        if !task.envelope.is_empty() {
            out.push(b',');
            out.extend_from_slice(&task.envelope);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
}

/// Writes `{"state":...}` for one settlement.
///
/// # Errors
/// The problem of a settlement that had no effect.
pub fn write_settled(out: &mut Vec<u8>, settled: Settled) -> Result<(), Box<Problem>> {
    out.push(b'{');
    if let Err(problem) = write_members(out, settled) {
        out.pop();
        return Err(problem);
    }
    out.push(b'}');
    Ok(())
}

fn write_members(out: &mut Vec<u8>, settled: Settled) -> Result<(), Box<Problem>> {
    let state = match settled {
        Settled::Extended { .. } => TaskState::Running,
        Settled::Completed => TaskState::Done,
        Settled::Waiting { delay_ms: 0 } => TaskState::Ready,
        Settled::Waiting { .. } => TaskState::Delayed,
        Settled::Dead => TaskState::Dead,
        Settled::Cancelled => TaskState::Cancelled,
        Settled::ClaimLost => {
            return Err(Problem::new(Code::ClaimLost, "the token is not that of a claim that still lasts"));
        }
        Settled::NoTask => return Err(no_task()),
    };
    out.extend_from_slice(b"\"state\":");
    json::write_text(out, task_state(state));
    match settled {
        Settled::Extended { claim_ms, cancelled } => {
            write_name(out, "expires_in");
            write_duration(out, claim_ms);
            out.extend_from_slice(if cancelled { b",\"cancelled\":true" } else { b",\"cancelled\":false" });
        }
        Settled::Waiting { delay_ms: 1.. } => {
            let Settled::Waiting { delay_ms } = settled else { return Ok(()) };
            write_name(out, "runs_in");
            write_duration(out, delay_ms);
        }
        _ => {}
    }
    Ok(())
}

/// What the result of one line of a batch needs besides the outcome.
#[derive(Clone, Debug)]
pub struct LineContext {
    pub number: u64,
    pub id: Option<String>,
    /// Why the line did not reach the node.
    pub problem: Option<Box<Problem>>,
}

/// Writes one line for each settlement of a batch. `settled` has the results of those that reached the node.
pub fn write_settled_lines(out: &mut Vec<u8>, lines: &[LineContext], settled: &[Settled]) {
    let mut settled = settled.iter().copied();
    for line in lines {
        out.extend_from_slice(b"{\"line\":");
        json::write_number(out, line.number);
        if let Some(id) = &line.id {
            write_text_member(out, "id", id);
        }
        out.push(b',');
        let result = match &line.problem {
            Some(problem) => Err(problem.clone()),
            None => settled.next().ok_or_else(no_task),
        };
        write_result(out, result);
        out.extend_from_slice(b"}\n");
    }
}

/// Writes the members of a result, or `"problem":{...}`.
fn write_result(out: &mut Vec<u8>, result: Result<Settled, Box<Problem>>) {
    let from = out.len();
    if let Err(problem) = result.and_then(|settled| write_members(out, settled)) {
        out.truncate(from);
        out.extend_from_slice(b"\"problem\":");
        problem.render(out);
    }
}

/// Writes `{"id":...,"state":...}`
pub fn write_state(out: &mut Vec<u8>, id: &str, state: &str) {
    out.extend_from_slice(b"{\"id\":");
    json::write_text(out, id);
    write_text_member(out, "state", state);
    out.push(b'}');
}

/// The problem of a task that does not exist.
#[must_use]
pub fn no_task() -> Box<Problem> {
    Problem::new(Code::TaskNotFound, "the queue has no task with this id")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ClaimedTask;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_batch_reports_each_task() {
        let tasks = vec![
            EnqueuedTask::Added(Position(1)),
            EnqueuedTask::Replayed(Position(2)),
            EnqueuedTask::Existing { task: Position(4), id: Some("e".into()) },
            EnqueuedTask::Conflict(Position(3)),
        ];
        let context = EnqueueContext { ids: vec![None, Some("b".into()), None, Some("c".into())] };
        let written = text(|out| write_enqueued_lines(out, &context, &Enqueued { slot: Slot(7), tasks }));
        let mut lines = written.lines();
        assert_eq!(
            lines.next(),
            Some(r#"{"id":"~00000000000000010007","cursor":"00000000000000010007","replayed":false}"#)
        );
        assert_eq!(lines.next(), Some(r#"{"id":"b","cursor":"00000000000000020007","replayed":true}"#));
        assert_eq!(
            lines.next(),
            Some(r#"{"id":"e","cursor":"00000000000000040007","replayed":false,"existing":true}"#)
        );
        let conflict: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!((&conflict["id"], &conflict["problem"]["code"]), (&"c".into(), &"task_conflict".into()));
    }

    #[test]
    fn claimed_tasks_are_json() {
        let task = ClaimedTask {
            position: Position(1),
            id: None,
            attempt: 2,
            token: Position(9),
            claim_ms: 30_000,
            envelope: br#""type":"t","payload":1"#.to_vec(),
            progress: Some(b"[1]".to_vec()),
        };
        let named = ClaimedTask { id: Some("a\"b".into()), progress: None, ..task.clone() };
        let claimed = Claimed { slot: Slot(7), tasks: vec![task, named] };
        let json: serde_json::Value =
            serde_json::from_str(&text(|out| write_claimed(out, &claimed, &[]))).unwrap();
        assert_eq!(
            json["tasks"][0],
            serde_json::json!({"id":"~00000000000000010007","token":"00000000000000090007","attempt":2,
                "expires_in":"30s","progress":[1],"type":"t","payload":1})
        );
        assert_eq!(json["tasks"][1]["id"], "a\"b");
        assert_eq!(text(|out| write_claimed(out, &Claimed::default(), &[])), r#"{"tasks":[]}"#);
        let settled = [("a", Settled::Completed), ("b", Settled::ClaimLost)];
        let written = text(|out| write_claimed(out, &Claimed::default(), &settled));
        assert!(
            written.starts_with(r#"{"settled":[{"id":"a","state":"done"},{"id":"b","problem":{"#),
            "{written}"
        );
        assert!(written.ends_with(r#"}],"tasks":[]}"#), "{written}");
    }

    #[test]
    fn each_settlement_has_its_form() {
        for (settled, want) in [
            (
                Settled::Extended { claim_ms: 1_500, cancelled: true },
                Ok(r#"{"state":"running","expires_in":"1500ms","cancelled":true}"#),
            ),
            (Settled::Completed, Ok(r#"{"state":"done"}"#)),
            (Settled::Waiting { delay_ms: 0 }, Ok(r#"{"state":"ready"}"#)),
            (Settled::Waiting { delay_ms: 60_000 }, Ok(r#"{"state":"delayed","runs_in":"1m"}"#)),
            (Settled::Dead, Ok(r#"{"state":"dead"}"#)),
            (Settled::Cancelled, Ok(r#"{"state":"cancelled"}"#)),
            (Settled::ClaimLost, Err(Code::ClaimLost)),
            (Settled::NoTask, Err(Code::TaskNotFound)),
        ] {
            let mut out = Vec::new();
            let written = write_settled(&mut out, settled).map_err(|problem| problem.code);
            let written = written.map(|()| String::from_utf8(out).unwrap());
            assert_eq!(written, want.map(str::to_owned), "{settled:?}");
        }
    }

    #[test]
    fn lines_that_did_not_reach_the_node_keep_their_place() {
        let line =
            |number, id: Option<&str>, problem| LineContext { number, id: id.map(str::to_owned), problem };
        let lines = [
            line(1, Some("a"), None),
            line(2, None, Some(Problem::new(Code::InvalidJson, "x"))),
            line(4, Some("c"), None),
        ];
        let written = text(|out| write_settled_lines(out, &lines, &[Settled::Completed, Settled::ClaimLost]));
        let read: Vec<serde_json::Value> =
            written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read[0], serde_json::json!({"line":1,"id":"a","state":"done"}));
        assert_eq!((&read[1]["line"], &read[1]["problem"]["code"]), (&2.into(), &"invalid_json".into()));
        assert_eq!((&read[2]["id"], &read[2]["problem"]["code"]), (&"c".into(), &"claim_lost".into()));
    }
}
