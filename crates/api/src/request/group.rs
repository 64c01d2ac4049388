//! `POST /v1/groups`, and a group as a write of a transaction: tasks of any queues that belong together, and what
//! follows.
//!
//! The fingerprint covers what the tasks' fingerprints cover, and where each of them is. It is stored, so its input never
//! changes.

use crate::catalogue::Code;
use crate::json::Reader;
use crate::media;
use crate::problem::{Problem, Result};
use crate::request::head::Head;
use crate::request::object::{Known, invalid, missing, read_array, read_name, read_object};
use crate::request::queue::tasks::{MEMBERS, Sent};
use crate::trace::Trace;
use crate::uri;
use http::HeaderMap;
use model::{CreateGroup, Fingerprint, GroupName, GroupTask, NewGroup, NewMember, QueueName, Wall, limits};
use xxhash_rust::xxh3::Xxh3Default;

/// The group's name in a segment of the path.
///
/// # Errors
/// When the segment cannot be decoded or is not a valid name.
pub fn group_in_path(segment: &str) -> Result<GroupName<'_>> {
    let name =
        uri::decode(segment.as_bytes()).map_err(|error| Problem::new(Code::InvalidPath, error.why()))?;
    Ok(GroupName::new(name)?)
}

/// Reads the request. `now` is the node's time of day, from which a `delay` counts.
///
/// # Errors
/// The problem with the request, which then has no effect.
pub fn read(headers: &HeaderMap, body: &[u8], now: Wall) -> Result<CreateGroup<'static>> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    head.refuse_key("the group's `id` makes the request safe to repeat")?;
    let trace = head.trace();
    let mut reader = Reader::new(body)?;
    let create = read_write(&mut reader, trace.as_ref(), now, limits::GROUP_TASKS_MAX)?;
    reader.end()?;
    Ok(create)
}

/// Reads one group of at most `tasks_max` tasks, and of no more than a group may have.
pub(super) fn read_write(
    reader: &mut Reader<'_>,
    trace: Option<&Trace>,
    now: Wall,
    tasks_max: usize,
) -> Result<CreateGroup<'static>> {
    let left = tasks_max.min(limits::GROUP_TASKS_MAX);
    let mut tasks = Tasks { trace, now, left, hasher: Xxh3Default::new() };
    let mut id = None;
    let content = tasks.group(reader, Depth::Outermost(&mut id))?;
    let id = id.ok_or_else(|| missing("id"))?;
    Ok(CreateGroup {
        group: GroupName::new(id)?,
        fingerprint: Fingerprint(tasks.hasher.digest128()),
        content,
    })
}

/// How deep a group lies in others.
enum Depth<'d> {
    /// It has an id.
    Outermost(&'d mut Option<String>),
    Inner(usize),
}

impl Depth<'_> {
    const fn inner(&self) -> usize {
        match self {
            Self::Outermost(_) => 2,
            Self::Inner(depth) => *depth + 1,
        }
    }

    const fn members(&self) -> &'static str {
        match self {
            Self::Outermost(_) => "`id`, `members`, `then` and `on_dead`",
            Self::Inner(_) => "`members`, `then` and `on_dead`",
        }
    }
}

/// What all tasks of the request have in common.
struct Tasks<'t> {
    trace: Option<&'t Trace>,
    now: Wall,
    /// How many more tasks the group may have.
    left: usize,
    hasher: Xxh3Default,
}

impl Tasks<'_> {
    fn group(&mut self, reader: &mut Reader<'_>, mut depth: Depth<'_>) -> Result<NewGroup<'static>> {
        let (inner, known) = (depth.inner(), depth.members());
        let mut group = NewGroup::default();
        self.hasher.update(b"{");
        read_object(reader, known, |name, reader| {
            match (name, &mut depth) {
                ("id", Depth::Outermost(id)) => {
                    **id = Some(read_name(reader, "a group's id must be a string")?.into_owned());
                }
                ("members", _) => {
                    self.hasher.update(b"[");
                    read_array(reader, |_, reader| {
                        group.members.push(self.member(reader, inner)?);
                        Ok(())
                    })?;
                    self.hasher.update(b"]");
                }
                ("then", _) => {
                    self.hasher.update(b"then");
                    group.then = self.follower(reader)?.map(Box::new);
                }
                ("on_dead", _) => {
                    self.hasher.update(b"dead");
                    group.on_dead = self.follower(reader)?.map(Box::new);
                }
                _ => return Ok(Known::No),
            }
            Ok(Known::Yes)
        })?;
        self.hasher.update(b"}");
        if group.members.is_empty() {
            return Err(Problem::new(Code::EmptyBatch, "a group needs at least one member").member("members"));
        }
        Ok(group)
    }

    /// Reads a task with its queue, or `{"group": {...}}`.
    fn member(&mut self, reader: &mut Reader<'_>, depth: usize) -> Result<NewMember<'static>> {
        let mut probe = reader.clone();
        let mut is_group = false;
        read_object(&mut probe, "", |name, reader| {
            is_group |= name == "group";
            reader.raw()?;
            Ok(Known::Yes)
        })?;
        if !is_group {
            return self.task(reader).map(NewMember::Task);
        }
        if depth > limits::GROUP_DEPTH_MAX {
            let detail = format!("groups may lie {} deep in each other", limits::GROUP_DEPTH_MAX);
            let problem = Problem::new(Code::TooManyItems, detail);
            return Err(problem.number("limit", limits::GROUP_DEPTH_MAX as u64));
        }
        let mut group = None;
        read_object(reader, "`group`", |name, reader| {
            if name != "group" {
                return Ok(Known::No);
            }
            group = Some(self.group(reader, Depth::Inner(depth))?);
            Ok(Known::Yes)
        })?;
        group.map(NewMember::Group).ok_or_else(|| missing("group"))
    }

    fn follower(&mut self, reader: &mut Reader<'_>) -> Result<Option<GroupTask<'static>>> {
        if reader.peek() == Some(b'n') {
            reader.value()?;
            return Ok(None);
        }
        let task = self.task(reader)?;
        if task.task.run_after.is_some() || task.task.options.deadline.is_some() {
            let detail = "a task that follows has no `run_after`, `delay` or `deadline`: nobody knows when it is enqueued";
            return Err(invalid(detail));
        }
        Ok(Some(task))
    }

    fn task(&mut self, reader: &mut Reader<'_>) -> Result<GroupTask<'static>> {
        let Some(left) = self.left.checked_sub(1) else {
            let detail = format!(
                "a group has at most {} tasks, and a transaction at most as many events and tasks",
                limits::GROUP_TASKS_MAX
            );
            let problem = Problem::new(Code::TooManyItems, detail);
            return Err(problem.number("limit", limits::GROUP_TASKS_MAX as u64));
        };
        self.left = left;
        let mut queue = None;
        let known = format!("`queue`, {MEMBERS}");
        let sent = Sent::read_with(reader, &known, |name, reader| {
            if name != "queue" {
                return Ok(Known::No);
            }
            queue = Some(QueueName::new(read_name(reader, "a queue name must be a string")?)?.into_owned());
            Ok(Known::Yes)
        })?;
        let queue = queue.ok_or_else(|| missing("queue"))?;
        let task = sent.into_task(self.trace, self.now)?;
        if task.options.unique.is_some() {
            return Err(invalid("a task of a group is not `unique`, because a group has all its tasks")
                .member("unique"));
        }
        self.hasher.update(&(queue.as_str().len() as u32).to_le_bytes());
        self.hasher.update(queue.as_str().as_bytes());
        let id = task.id.as_deref().unwrap_or_default();
        self.hasher.update(&(id.len() as u32).to_le_bytes());
        self.hasher.update(id.as_bytes());
        self.hasher.update(&task.fingerprint.0.to_le_bytes());
        Ok(GroupTask { queue, task })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_TYPE, HeaderValue};

    fn group(body: &str) -> Result<CreateGroup<'static>> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        read(&headers, body.as_bytes(), Wall(1_000))
    }

    #[test]
    fn a_group_has_tasks_groups_and_what_follows() {
        let read = group(
            r#"{"id":"g","members":[{"queue":"q","id":"1","type":"t","payload":1},
                {"group":{"members":[{"queue":"r","type":"u"}],"then":{"queue":"r","type":"v"}}}],
                "then":{"queue":"q","type":"sum"},"on_dead":null}"#,
        )
        .unwrap();
        assert_eq!(read.group.as_str(), "g");
        let content = read.content;
        assert_eq!((content.depth(), content.tasks().count(), content.followers().count()), (2, 2, 2));
        let then = content.then.unwrap();
        assert_eq!((then.queue.as_str(), &*then.task.task_type), ("q", "sum"));
        assert!(content.on_dead.is_none());
    }

    #[test]
    fn a_retry_of_a_group_is_recognised_by_what_was_sent() {
        let of = |body: &str| group(body).unwrap().fingerprint;
        let first =
            of(r#"{"id":"g","members":[{"queue":"q","type":"t","id":"1"}],"then":{"queue":"q","type":"u"}}"#);
        assert_eq!(
            of(r#"{"id":"g","members":[{"id":"1","type":"t","queue":"q"}],"then":{"type":"u","queue":"q"}}"#),
            first
        );
        for other in [
            r#"{"id":"g","members":[{"queue":"r","type":"t","id":"1"}],"then":{"queue":"q","type":"u"}}"#,
            r#"{"id":"g","members":[{"queue":"q","type":"t","id":"2"}],"then":{"queue":"q","type":"u"}}"#,
            r#"{"id":"g","members":[{"queue":"q","type":"t","id":"1"}],"on_dead":{"queue":"q","type":"u"}}"#,
            r#"{"id":"g","members":[{"queue":"q","type":"t","id":"1"}]}"#,
            r#"{"id":"g","members":[{"group":{"members":[{"queue":"q","type":"t","id":"1"}]}}],"then":{"queue":"q","type":"u"}}"#,
        ] {
            assert_ne!(of(other), first, "{other}");
        }
    }

    #[test]
    fn groups_that_cannot_be_are_refused_with_the_member() {
        let task = r#"{"queue":"q","type":"t"}"#;
        let mut deep = format!(r#"{{"members":[{task}]}}"#);
        for _ in 0..limits::GROUP_DEPTH_MAX - 1 {
            deep = format!(r#"{{"members":[{{"group":{deep}}}]}}"#);
        }
        let allowed = deep.replacen('{', r#"{"id":"g","#, 1);
        assert!(group(&allowed).is_ok(), "{allowed}");
        let many = vec![task; limits::GROUP_TASKS_MAX + 1].join(",");
        for (body, code) in [
            (format!(r#"{{"members":[{task}]}}"#), "missing_member"),
            (r#"{"id":"g"}"#.to_owned(), "empty_batch"),
            (r#"{"id":"g","members":[]}"#.to_owned(), "empty_batch"),
            (r#"{"id":"g","members":[{"group":{"members":[]}}]}"#.to_owned(), "empty_batch"),
            (r#"{"id":"g","members":[{"type":"t"}]}"#.to_owned(), "missing_member"),
            (r#"{"id":"g","members":[{"queue":"q"}]}"#.to_owned(), "missing_member"),
            (
                r#"{"id":"g","members":[{"queue":"q","type":"t","unique":{"key":"u"}}]}"#.to_owned(),
                "invalid_member",
            ),
            (
                format!(r#"{{"id":"g","members":[{task}],"then":{{"queue":"q","type":"t","delay":"1s"}}}}"#),
                "invalid_member",
            ),
            (format!(r#"{{"id":"g","members":[{{"group":{deep}}}]}}"#), "too_many_items"),
            (format!(r#"{{"id":"g","members":[{many}]}}"#), "too_many_items"),
            (
                format!(r#"{{"id":"g","members":[{{"group":{{"id":"h","members":[{task}]}}}}]}}"#),
                "unknown_member",
            ),
            (
                format!(r#"{{"id":"g","members":[{{"group":{{"members":[{task}]}},"queue":"q"}}]}}"#),
                "unknown_member",
            ),
            (format!(r#"{{"id":"g","members":[{task}],"after":1}}"#), "unknown_member"),
            ("[]".to_owned(), "invalid_member"),
        ] {
            let problem = group(&body).expect_err(&body);
            assert_eq!(
                (problem.status(), problem.code.as_str()),
                (400, code),
                "{}",
                &body[..body.len().min(90)]
            );
        }
    }
}
