//! Groups: tasks of any queues that belong together, and what follows when all of them are done, or one is not.

use crate::ids::{Cursor, Fingerprint};
use crate::name::{GroupName, QueueName};
use crate::queue::NewTask;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Enqueue the tasks of a group, all or none. A group is counted in the state: each end of a task is also a step of its
/// group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateGroup<'a> {
    /// The client's name for the group. Creating it again is a replay.
    pub group: GroupName<'a>,
    /// A hash of everything that the client sent, apart from the trace context.
    pub fingerprint: Fingerprint,
    pub content: NewGroup<'a>,
}

/// A group to be created. At most [`crate::limits::GROUP_TASKS_MAX`] tasks in all, and groups in groups to a
/// depth of [`crate::limits::GROUP_DEPTH_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewGroup<'a> {
    pub members: Vec<NewMember<'a>>,
    /// Enqueued when all members are done. In a group that is a member of another one, it takes the group's place there.
    pub then: Option<Box<GroupTask<'a>>>,
    /// Enqueued when a member is dead or cancelled, at most once.
    pub on_dead: Option<Box<GroupTask<'a>>>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "almost all members are tasks")]
pub enum NewMember<'a> {
    Task(GroupTask<'a>),
    Group(NewGroup<'a>),
}

/// A task of a group, and its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTask<'a> {
    pub queue: QueueName<'a>,
    pub task: NewTask<'a>,
}

/// The result of [`CreateGroup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupCreated {
    pub group: Cursor,
    /// The group was there already, with the same content.
    pub replayed: bool,
}

impl<'a> NewGroup<'a> {
    /// All tasks that are enqueued at once, in order.
    pub fn tasks(&self) -> impl Iterator<Item = &GroupTask<'a>> {
        let mut tasks = Vec::new();
        self.add_tasks(&mut tasks);
        tasks.into_iter()
    }

    fn add_tasks<'g>(&'g self, tasks: &mut Vec<&'g GroupTask<'a>>) {
        for member in &self.members {
            match member {
                NewMember::Task(task) => tasks.push(task),
                NewMember::Group(group) => group.add_tasks(tasks),
            }
        }
    }

    /// The tasks that may follow, in this group and in those that are in it.
    pub fn followers(&self) -> impl Iterator<Item = &GroupTask<'a>> {
        let mut tasks = Vec::new();
        self.add_followers(&mut tasks);
        tasks.into_iter()
    }

    fn add_followers<'g>(&'g self, tasks: &mut Vec<&'g GroupTask<'a>>) {
        tasks.extend(self.then.as_deref().into_iter().chain(self.on_dead.as_deref()));
        for member in &self.members {
            if let NewMember::Group(group) = member {
                group.add_followers(tasks);
            }
        }
    }

    /// How deep groups lie in groups: 1 for one without others in it.
    #[must_use]
    pub fn depth(&self) -> usize {
        let inner = self.members.iter().map(|member| match member {
            NewMember::Task(_) => 0,
            NewMember::Group(group) => group.depth(),
        });
        1 + inner.max().unwrap_or(0)
    }
}
