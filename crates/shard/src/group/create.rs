//! Create a group, alone or as a write of a transaction.
//!
//! *All tasks of the group are enqueued, or none.* The group's name identifies it: the same name with the same content is
//! a replay, and with other content a conflict. If one of the queues has no space for its tasks, or a task with the id of
//! one of them, or would get too many types, nothing is enqueued. What follows later finds its type and needs no space.

use crate::damage::{bad_row, contradiction};
use crate::group::load;
use crate::overlay::Overlay;
use crate::queue::enqueue::insert;
use crate::queue::tally::Queue;
use crate::queue::task::id_row;
use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use format::row::{
    Follows, GroupKeys, GroupPlace, GroupRow, MemberRow, decode_number, encode_follower, encode_number,
};
use model::{
    CreateGroup, Cursor, Fingerprint, GroupCreated, GroupTask, Namespace, NewGroup, NewMember, Outcome,
    Position, QueueName, Refusal, Slot, View, ViewError, limits,
};

/// Decides the command.
pub(crate) fn apply<V: View>(
    create: &CreateGroup<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    Ok(write(create, 0, overlay)?.map_or_else(Outcome::Refused, Outcome::GroupCreated))
}

/// Creates the group, or finds it with the same content. A refusal changes nothing.
pub(crate) fn write<V: View>(
    create: &CreateGroup<'_>,
    part: u32,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Result<GroupCreated, Refusal>, ViewError> {
    let slot = create.group.slot(Namespace::ROOT);
    match known(create, overlay)? {
        Some(Known::Same(created)) => return Ok(Ok(created)),
        Some(Known::Other) => return Ok(Err(Refusal::GroupConflict { part })),
        None => {}
    }
    if !is_bounded(&create.content) {
        return Ok(Err(Refusal::Unsupported));
    }
    let mut queues = Queues::default();
    if let Some(refusal) = queues.check(&create.content, part, overlay)? {
        return Ok(Err(refusal));
    }
    let named = Some((create.group.as_str().to_owned(), create.fingerprint));
    let id = add(&create.content, named, None, slot, &mut queues, overlay)?;
    overlay.put(GroupKeys::name(slot, create.group.as_str()), encode_number(id.0));
    for queue in queues.loaded.into_values() {
        queue.save(overlay);
    }
    Ok(Ok(GroupCreated { group: Cursor::new(id, slot), replayed: false }))
}

/// The group, if it was created with the same content.
pub(crate) fn replay(create: &CreateGroup<'_>, view: &impl View) -> Result<Option<GroupCreated>, ViewError> {
    Ok(match known(create, view)? {
        Some(Known::Same(created)) => Some(created),
        Some(Known::Other) | None => None,
    })
}

/// A group that has the name of one to be created.
enum Known {
    Same(GroupCreated),
    /// It has other content.
    Other,
}

fn known(create: &CreateGroup<'_>, view: &impl View) -> Result<Option<Known>, ViewError> {
    let slot = create.group.slot(Namespace::ROOT);
    let Some(group) = find(view, slot, create.group.as_str())? else { return Ok(None) };
    let named = load(view, group)?.named;
    let is_same = named.is_some_and(|(_, fingerprint)| fingerprint == create.fingerprint);
    let created = GroupCreated { group: Cursor::new(group.id, slot), replayed: true };
    Ok(Some(if is_same { Known::Same(created) } else { Known::Other }))
}

/// The group with a name.
pub(crate) fn find(view: &impl View, slot: Slot, name: &str) -> Result<Option<GroupKeys>, ViewError> {
    let Some(value) = view.get(&GroupKeys::name(slot, name))? else { return Ok(None) };
    let id = decode_number(&value).map_err(|error| bad_row("group id", error))?;
    Ok(Some(GroupKeys { slot, id: Position(id) }))
}

/// Whether a group has as many tasks as it may, and no group in it is empty.
fn is_bounded(group: &NewGroup<'_>) -> bool {
    fn has_members(group: &NewGroup<'_>) -> bool {
        let inner = group.members.iter().all(|member| match member {
            NewMember::Task(_) => true,
            NewMember::Group(inner) => has_members(inner),
        });
        inner && !group.members.is_empty()
    }
    group.depth() <= limits::GROUP_DEPTH_MAX
        && group.tasks().count() <= limits::GROUP_TASKS_MAX
        && has_members(group)
}

/// The queues of a group's tasks, during the command.
#[derive(Default)]
struct Queues {
    loaded: BTreeMap<String, Queue>,
}

impl Queues {
    fn of<V: View>(
        &mut self,
        name: &QueueName<'_>,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<&mut Queue, ViewError> {
        if !self.loaded.contains_key(name.as_str()) {
            let mut queue = Queue::load_or_new(name, overlay)?;
            // Two new queues of one slot must not get the same id.
            while self.loaded.values().any(|other| other.keys == queue.keys) {
                queue.keys.id += 1;
            }
            self.loaded.insert(name.as_str().to_owned(), queue);
        }
        self.loaded.get_mut(name.as_str()).ok_or_else(|| contradiction("a queue was not loaded"))
    }

    /// Checks that all queues take their tasks, and registers the types of tasks that may follow.
    fn check<V: View>(
        &mut self,
        group: &NewGroup<'_>,
        part: u32,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<Option<Refusal>, ViewError> {
        let mut counts = BTreeMap::<&str, u64>::new();
        let mut ids = BTreeSet::new();
        for (at, GroupTask { queue: name, task }) in group.tasks().enumerate() {
            let queue = self.of(name, overlay)?;
            let count = counts.entry(name.as_str()).or_default();
            *count += 1;
            if queue.would_overflow(*count) {
                return Ok(Some(Refusal::QueueFull { backlog_max: queue.row.settings.backlog_max }));
            }
            if let Some(id) = &task.id
                && (id_row(overlay, queue.keys, id)?.is_some() || !ids.insert((name.as_str(), &**id)))
            {
                return Ok(Some(Refusal::TaskConflict { part, task: at as u32 }));
            }
        }
        for (at, GroupTask { queue: name, task }) in group.tasks().chain(group.followers()).enumerate() {
            let queue = self.of(name, overlay)?;
            if !queue.has_type(&task.task_type, overlay)? {
                if queue.has_too_many_types(1) {
                    return Ok(Some(Refusal::TooManyTypes { task: at as u32 }));
                }
                queue.add_type(&task.task_type);
            }
        }
        Ok(None)
    }
}

fn add<V: View>(
    group: &NewGroup<'_>,
    named: Option<(String, Fingerprint)>,
    place: Option<GroupPlace>,
    slot: Slot,
    queues: &mut Queues,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Position, ViewError> {
    let keys = GroupKeys { slot, id: overlay.take_position() };
    for (number, member) in (0..).zip(&group.members) {
        let place = Some(GroupPlace { group: keys, member: number });
        let row = match member {
            NewMember::Task(GroupTask { queue: name, task }) => {
                let at = insert(task, place, queues.of(name, overlay)?, overlay)?;
                MemberRow::Task { queue: name.as_str().to_owned(), task: at }
            }
            NewMember::Group(inner) => MemberRow::Group(add(inner, None, place, slot, queues, overlay)?),
        };
        overlay.put(keys.member(number), row.encode());
    }
    let members = group.members.len() as u32;
    let row = GroupRow {
        named,
        place,
        members,
        done: 0,
        failed: 0,
        kept: members,
        has_then: group.then.is_some(),
        has_on_dead: group.on_dead.is_some(),
        then_at: None,
        on_dead_at: None,
    };
    overlay.put(keys.group(), row.encode());
    for (which, task) in [(Follows::Then, &group.then), (Follows::OnDead, &group.on_dead)] {
        if let Some(task) = task {
            overlay.put(keys.follows(which), encode_follower(task));
        }
    }
    Ok(keys.id)
}
