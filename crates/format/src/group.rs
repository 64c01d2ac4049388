//! The command that creates a group. A member is a tag, then an enqueue of one task or another group.

use crate::options::Options;
use crate::queue::{get_enqueue, get_option, put_enqueue, put_option};
use crate::wire::{FormatError, Reader, Writer};
use alloc::boxed::Box;
use alloc::vec::Vec;
use model::{CreateGroup, Enqueue, Fingerprint, GroupName, GroupTask, NewGroup, NewMember, TaskOptions};

/// Numbers that never change.
mod tag {
    pub(super) const TASK: u8 = 1;
    pub(super) const TASK_WITH_OPTIONS: u8 = 2;
    pub(super) const GROUP: u8 = 3;
}

/// How deep groups are read. What a shard accepts is less.
const DEPTH_MAX: usize = 16;

/// The smallest encoding of a member: an empty group.
const MEMBER_BYTES_MIN: usize = 4;

pub(crate) fn put_create(writer: &mut Writer<'_>, create: &CreateGroup<'_>) {
    writer.prefixed(create.group.as_str().as_bytes());
    writer.u128(create.fingerprint.0);
    put_group(writer, &create.content);
}

pub(crate) fn get_create<'a>(reader: &mut Reader<'a>) -> Result<CreateGroup<'a>, FormatError> {
    let what = "group name";
    let group = GroupName::new(reader.text(what)?).map_err(|_| FormatError::Text { what })?;
    let fingerprint = Fingerprint(reader.u128()?);
    Ok(CreateGroup { group, fingerprint, content: get_group(reader, DEPTH_MAX)? })
}

fn put_group(writer: &mut Writer<'_>, group: &NewGroup<'_>) {
    writer.varint(group.members.len() as u64);
    for member in &group.members {
        match member {
            NewMember::Task(task) => put_task(writer, task),
            NewMember::Group(group) => {
                writer.u8(tag::GROUP);
                put_group(writer, group);
            }
        }
    }
    put_option(writer, group.then.as_deref(), put_task);
    put_option(writer, group.on_dead.as_deref(), put_task);
}

/// Groups in groups are read to a bounded depth, so that hostile bytes cannot exhaust the stack.
fn get_group<'a>(reader: &mut Reader<'a>, depth: usize) -> Result<NewGroup<'a>, FormatError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(FormatError::invalid("depth of groups", DEPTH_MAX as u64));
    };
    let count = reader.count(MEMBER_BYTES_MIN)?;
    let mut members = Vec::with_capacity(count.min(16));
    for _ in 0..count {
        members.push(match reader.u8()? {
            tag::GROUP => NewMember::Group(get_group(reader, depth)?),
            tag => NewMember::Task(get_task_of(tag, reader)?),
        });
    }
    let task = |reader: &mut Reader<'a>| get_task(reader).map(Box::new);
    Ok(NewGroup { members, then: get_option(reader, task)?, on_dead: get_option(reader, task)? })
}

/// A task and its queue, as an enqueue of one task.
pub(crate) fn put_task(writer: &mut Writer<'_>, task: &GroupTask<'_>) {
    let has_options = task.task.options != TaskOptions::default();
    writer.u8(if has_options { tag::TASK_WITH_OPTIONS } else { tag::TASK });
    let tasks = [task.task.clone()].to_vec();
    put_enqueue(writer, &Enqueue { keyed: None, queue: task.queue.clone(), tasks });
}

pub(crate) fn get_task<'a>(reader: &mut Reader<'a>) -> Result<GroupTask<'a>, FormatError> {
    get_task_of(reader.u8()?, reader)
}

fn get_task_of<'a>(tag: u8, reader: &mut Reader<'a>) -> Result<GroupTask<'a>, FormatError> {
    let options = match tag {
        tag::TASK => Options::None,
        tag::TASK_WITH_OPTIONS => Options::Listed,
        other => return Err(FormatError::invalid("member of a group", u64::from(other))),
    };
    let mut enqueue = get_enqueue(reader, options)?;
    match (enqueue.tasks.pop(), enqueue.tasks.len()) {
        (Some(task), 0) => Ok(GroupTask { queue: enqueue.queue, task }),
        (_, others) => Err(FormatError::invalid("number of tasks", others as u64)),
    }
}
