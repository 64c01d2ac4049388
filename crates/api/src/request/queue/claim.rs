//! `POST /v1/queues/{queue}/claims`: a worker asks for tasks.

use super::settle::read_settlement;
use super::tasks::claim_range;
use super::{required, slot_of};
use crate::catalogue::Code;
use crate::json::Reader;
use crate::media;
use crate::problem::{Problem, Result};
use crate::request::head::Head;
use crate::request::object::{
    Known, invalid, read_array, read_duration_in, read_label, read_labels, read_number_in, read_object,
};
use http::HeaderMap;
use model::{Claim, IdHash, QueueName, Settlement, Slot, limits};
use std::borrow::Cow;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_128;

const MEMBERS: &str =
    "`worker`, `version`, `types`, `max`, `claim_timeout`, `wait`, `request_id` and `settle`";

/// A claim, and how long it may wait for tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    pub claim: Claim<'static>,
    /// What the worker says about tasks that it has claimed earlier. These come first.
    pub settle: Settle,
    pub wait: Duration,
    /// The version of the worker's program, for people.
    pub version: Option<String>,
}

/// Settlements, and the ids that the response repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settle {
    pub settlements: Vec<Settlement<'static>>,
    pub ids: Vec<String>,
}

/// Reads the request.
///
/// # Errors
/// The problem with the request, which then has no effect.
pub fn read(headers: &HeaderMap, queue: QueueName<'_>, body: &[u8]) -> Result<ClaimRequest> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    head.refuse_key("name the request in `request_id`: sent again, it gets the same tasks")?;
    let (mut worker, mut types, mut tasks_max, mut claim_ms) = (None, Vec::new(), 1, None);
    let (mut wait_ms, mut request, mut version) = (0, None, None);
    let mut settle = Settle::default();
    let slot = slot_of(&queue);
    let mut reader = Reader::new(body)?;
    read_object(&mut reader, MEMBERS, |name, reader| {
        match name {
            "worker" => worker = read_label(reader)?,
            "version" => version = read_label(reader)?,
            "types" => types = read_labels(reader, limits::CLAIM_TYPES_MAX)?,
            "max" => {
                tasks_max = read_number_in(reader, 1..=limits::CLAIM_TASKS_MAX as u64)?.unwrap_or(1);
            }
            "claim_timeout" => claim_ms = read_duration_in(reader, claim_range())?,
            "wait" => wait_ms = read_duration_in(reader, 0..=limits::CLAIM_WAIT_MS_MAX)?.unwrap_or(0),
            "request_id" => request = read_label(reader)?,
            "settle" => settle = read_settle(reader, slot)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    reader.end()?;
    let worker = required(worker, "worker")?;
    if wait_ms > 0 && !settle.settlements.is_empty() {
        let why = "a request that settles tasks does not wait for others; send a claim with `wait` after it";
        return Err(invalid(why).member("wait"));
    }
    let claim = Claim {
        queue: queue.into_owned(),
        request: request.map(|id| request_hash(&worker, &id)),
        worker: Cow::Owned(worker.into_owned()),
        types: types.into_iter().map(|name| Cow::Owned(name.into_owned())).collect(),
        tasks_max: u32::try_from(tasks_max).unwrap_or(1),
        claim_ms,
    };
    let version = version.map(Cow::into_owned);
    Ok(ClaimRequest { claim, settle, wait: Duration::from_millis(wait_ms), version })
}

fn read_settle(reader: &mut Reader<'_>, slot: Slot) -> Result<Settle> {
    let mut settle = Settle::default();
    read_array(reader, |at, reader| {
        if at == limits::TASK_BATCH_MAX {
            let detail = format!("at most {} settlements are allowed here", limits::TASK_BATCH_MAX);
            return Err(
                Problem::new(Code::TooManyItems, detail).number("limit", limits::TASK_BATCH_MAX as u64)
            );
        }
        let mut id = None;
        settle.settlements.push(read_settlement(reader, slot, &mut id)?);
        settle.ids.push(id.unwrap_or_default());
        Ok(())
    })?;
    Ok(settle)
}

/// A request is identified by its worker and its id, so that workers may simply count. The hash is stored, so its
/// input never changes.
fn request_hash(worker: &str, id: &str) -> IdHash {
    let mut bytes = Vec::with_capacity(4 + worker.len() + id.len());
    bytes.extend_from_slice(&(worker.len() as u32).to_le_bytes());
    bytes.extend_from_slice(worker.as_bytes());
    bytes.extend_from_slice(id.as_bytes());
    IdHash(xxh3_128(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_TYPE, HeaderValue};

    fn claim(body: &str) -> Result<ClaimRequest> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        read(&headers, QueueName::new("q").unwrap(), body.as_bytes())
    }

    #[test]
    fn a_claim_needs_only_a_worker() {
        let read = claim(r#"{"worker":"w"}"#).unwrap();
        assert_eq!((read.claim.worker.as_ref(), read.claim.tasks_max, read.wait), ("w", 1, Duration::ZERO));
        assert_eq!((read.claim.types.len(), read.claim.claim_ms, read.claim.request), (0, None, None));
        let read = claim(
            r#"{"worker":"w","version":"3","types":["a","b"],"max":20,"claim_timeout":"2m","wait":"30s","request_id":"1"}"#,
        )
        .unwrap();
        assert_eq!((read.claim.types, read.claim.tasks_max), (vec!["a".into(), "b".into()], 20));
        assert_eq!((read.claim.claim_ms, read.wait), (Some(120_000), Duration::from_secs(30)));
        assert_eq!((read.claim.request, read.version.as_deref()), (Some(request_hash("w", "1")), Some("3")));
        assert_ne!(request_hash("w", "1"), request_hash("w1", ""));
    }

    #[test]
    fn a_claim_can_settle_tasks_first() {
        let token = model::Cursor::new(model::Position(7), slot_of(&QueueName::new("q").unwrap()));
        let both = format!(
            r#"{{"worker":"w","settle":[{{"id":"a","token":"{token}","action":"complete","result":1}},
                {{"id":"b","token":"{token}","action":"return"}}]}}"#
        );
        let read = claim(&both).unwrap();
        assert_eq!(read.settle.ids, ["a", "b"]);
        assert_eq!(read.settle.settlements[1].action, model::Action::Return);
        for (settle, code, member) in [
            (r#"[{"id":"a","action":"complete"}]"#.to_owned(), "missing_member", "settle[0].token"),
            (format!(r#"[{{"id":"a","token":"{token}"}}]"#), "missing_member", "settle[0].action"),
            (
                format!(r#"[{{"id":"a","token":"{token}","action":"return","result":1}}]"#),
                "unknown_member",
                "settle[0].result",
            ),
            ("{}".to_owned(), "invalid_member", "settle"),
            ("[7]".to_owned(), "invalid_member", "settle[0]"),
            (
                format!(r#"[{{"id":"a","token":"{token}","action":"return"}}],"wait":"1s""#),
                "invalid_member",
                "wait",
            ),
        ] {
            let body = format!(r#"{{"worker":"w","settle":{settle}}}"#);
            let problem = claim(&body).expect_err(&body);
            let rendered: serde_json::Value = serde_json::from_slice(&problem.to_bytes()).unwrap();
            assert_eq!((problem.code.as_str(), rendered["member"].as_str()), (code, Some(member)), "{body}");
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_with_its_member() {
        let types = format!(r#"{{"worker":"w","types":[{}]}}"#, vec!["\"t\""; 101].join(","));
        for (body, code, member) in [
            ("{}", "missing_member", "worker"),
            (r#"{"worker":null}"#, "missing_member", "worker"),
            (r#"{"worker":""}"#, "invalid_member", "worker"),
            (r#"{"worker":7}"#, "invalid_member", "worker"),
            (r#"{"worker":"a\nb"}"#, "invalid_member", "worker"),
            (r#"{"worker":"w","max":0}"#, "invalid_member", "max"),
            (r#"{"worker":"w","max":101}"#, "invalid_member", "max"),
            (r#"{"worker":"w","wait":"61s"}"#, "invalid_member", "wait"),
            (r#"{"worker":"w","wait":5}"#, "invalid_member", "wait"),
            (r#"{"worker":"w","claim_timeout":"999ms"}"#, "invalid_member", "claim_timeout"),
            (r#"{"worker":"w","claim_timeout":"25h"}"#, "invalid_member", "claim_timeout"),
            (r#"{"worker":"w","types":["t",7]}"#, "invalid_member", "types[1]"),
            (&types, "too_many_items", "types[100]"),
            (r#"{"worker":"w","limit":1}"#, "unknown_member", "limit"),
        ] {
            let problem = claim(body).expect_err(body);
            let rendered: serde_json::Value = serde_json::from_slice(&problem.to_bytes()).unwrap();
            assert_eq!((problem.code.as_str(), rendered["member"].as_str()), (code, Some(member)), "{body}");
        }
    }
}
