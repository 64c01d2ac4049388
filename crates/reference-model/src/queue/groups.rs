//! Groups: after each command, every group looks at every member of it.

use super::{NewTask, State};
use crate::{Simple, SimpleOutcome};
use model::TaskState;
use model::limits::{GROUP_DEPTH_MAX, GROUP_TASKS_MAX, QUEUE_TYPES_MAX};

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentGroup {
    pub name: String,
    pub slot: u16,
    /// A hash of it.
    pub content: u128,
    pub spec: Spec,
}

/// The tasks of a group. Queues are given by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    pub members: Vec<SpecMember>,
    pub then: Option<(usize, NewTask)>,
    pub on_dead: Option<(usize, NewTask)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "almost all members are tasks")]
pub enum SpecMember {
    Task(usize, NewTask),
    Group(Box<Spec>),
}

/// How a member, or a whole group, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    Open,
    Done,
    Failed,
}

/// Who a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Is {
    Task { queue: usize, position: u64 },
    Group(u64),
}

#[derive(Clone, Debug)]
pub struct Member {
    pub is: Is,
    pub stands: Stands,
    pub is_gone: bool,
}

#[derive(Clone, Debug)]
pub struct Group {
    pub position: u64,
    pub slot: u16,
    pub name: Option<String>,
    pub content: u128,
    /// The group around it, and its number there.
    pub outer: Option<(u64, usize)>,
    pub members: Vec<Member>,
    pub then: Option<(usize, NewTask)>,
    pub on_dead: Option<(usize, NewTask)>,
    pub then_at: Option<u64>,
    pub on_dead_at: Option<u64>,
}

impl Group {
    #[must_use]
    pub fn count(&self, stands: Stands) -> usize {
        self.members.iter().filter(|member| member.stands == stands).count()
    }

    #[must_use]
    pub fn stands(&self) -> Stands {
        match (self.count(Stands::Open), self.count(Stands::Failed)) {
            (0, 0) => Stands::Done,
            (0, _) => Stands::Failed,
            _ => Stands::Open,
        }
    }
}

impl Simple {
    pub(crate) fn find_group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name.as_deref() == Some(name))
    }

    /// `part` is its number in its transaction.
    pub(crate) fn create_group(&mut self, part: usize, sent: &SentGroup) -> SimpleOutcome {
        let SentGroup { name, slot, content, spec } = sent;
        if let Some(group) = self.find_group(name) {
            return if group.content == *content {
                SimpleOutcome::GroupCreated(group.position, *slot, true)
            } else {
                SimpleOutcome::GroupConflict(part)
            };
        }
        if !spec.is_bounded() {
            return SimpleOutcome::Unsupported;
        }
        if let Some(refusal) = self.refuse_group(part, spec) {
            return refusal;
        }
        // Decided: queues that only what follows goes to exist from now on, and know its type.
        for (queue, task) in spec.enqueued().into_iter().chain(spec.follows()) {
            self.queues.make(queue);
            let types = &mut self.queues.all[queue].types;
            if !types.contains(&task.task_type) {
                types.push(task.task_type.clone());
            }
        }
        let position = self.add_group(Some(name), *slot, *content, None, spec);
        SimpleOutcome::GroupCreated(position, *slot, false)
    }

    fn refuse_group(&self, part: usize, spec: &Spec) -> Option<SimpleOutcome> {
        let enqueued = spec.enqueued();
        for (at, (queue, task)) in enqueued.iter().enumerate() {
            let state = &self.queues.all[*queue];
            let before = enqueued[..at].iter().filter(|(other, _)| other == queue);
            let unfinished = state.unfinished() + before.clone().count() as u64;
            if unfinished >= state.settings.backlog_max {
                return Some(SimpleOutcome::QueueFull(state.settings.backlog_max));
            }
            let same_id = |other: &NewTask| task.id.is_some() && other.id == task.id;
            let is_known = state.tasks.iter().any(|other| same_id(&other.sent));
            if is_known || before.clone().any(|(_, other)| same_id(other)) {
                return Some(SimpleOutcome::TaskConflict { part, task: at });
            }
        }
        let mut types: Vec<(usize, &String)> = Vec::new();
        for (at, (queue, task)) in enqueued.into_iter().chain(spec.follows()).enumerate() {
            let known = &self.queues.all[queue].types;
            if known.contains(&task.task_type) || types.contains(&(queue, &task.task_type)) {
                continue;
            }
            types.push((queue, &task.task_type));
            let new = types.iter().filter(|(other, _)| *other == queue).count();
            if known.len() + new > QUEUE_TYPES_MAX {
                return Some(SimpleOutcome::TooManyTypes(at));
            }
        }
        None
    }

    fn add_group(
        &mut self,
        name: Option<&str>,
        slot: u16,
        content: u128,
        outer: Option<(u64, usize)>,
        spec: &Spec,
    ) -> u64 {
        let position = self.take_position();
        let mut members = Vec::new();
        for (number, member) in spec.members.iter().enumerate() {
            let is = match member {
                SpecMember::Task(queue, task) => {
                    Is::Task { queue: *queue, position: self.add_task(*queue, task) }
                }
                SpecMember::Group(inner) => {
                    Is::Group(self.add_group(None, slot, 0, Some((position, number)), inner))
                }
            };
            members.push(Member { is, stands: Stands::Open, is_gone: false });
        }
        self.groups.push(Group {
            position,
            slot,
            name: name.map(str::to_owned),
            content,
            outer,
            members,
            then: spec.then.clone(),
            on_dead: spec.on_dead.clone(),
            then_at: None,
            on_dead_at: None,
        });
        self.groups.sort_unstable_by_key(|group| group.position);
        position
    }

    /// Looks at all members, and enqueues what follows.
    pub(crate) fn settle_groups(&mut self) {
        // Groups in groups are younger than those around them.
        for number in (0..self.groups.len()).rev() {
            for member in 0..self.groups[number].members.len() {
                self.look_at(number, member);
            }
        }
        for number in 0..self.groups.len() {
            let group = &self.groups[number];
            if group.count(Stands::Failed) > 0 && group.on_dead_at.is_none() {
                let task = group.on_dead.clone();
                self.groups[number].on_dead_at = task.map(|(queue, task)| self.follow(queue, task));
            }
            let group = &self.groups[number];
            if group.stands() == Stands::Done
                && group.then_at.is_none()
                && let Some((queue, task)) = group.then.clone()
            {
                let position = self.follow(queue, task);
                self.groups[number].then_at = Some(position);
                if let Some((outer, place)) = self.groups[number].outer {
                    let is = Is::Task { queue, position };
                    self.group_mut(outer).members[place] =
                        Member { is, stands: Stands::Open, is_gone: false };
                }
            }
        }
        for number in (0..self.groups.len()).rev() {
            if self.groups[number].members.iter().all(|member| member.is_gone) {
                let gone = self.groups.remove(number);
                if let (Some((outer, place)), None) = (gone.outer, gone.then_at) {
                    self.group_mut(outer).members[place].is_gone = true;
                }
            }
        }
    }

    fn look_at(&mut self, number: usize, member: usize) {
        let now = match self.groups[number].members[member].is {
            Is::Task { queue, position } => {
                self.queues.all[queue].find_position(position).map(|task| match task.state {
                    State::Final { end: TaskState::Done, .. } => Stands::Done,
                    State::Final { .. } => Stands::Failed,
                    _ => Stands::Open,
                })
            }
            Is::Group(position) => self.groups.iter().find(|group| group.position == position).map(|group| {
                match group.stands() {
                    Stands::Done if group.then.is_some() => Stands::Open,
                    stands => stands,
                }
            }),
        };
        let member = &mut self.groups[number].members[member];
        match now {
            Some(now) => member.stands = now,
            None => member.is_gone = true,
        }
    }

    fn group_mut(&mut self, position: u64) -> &mut Group {
        match self.groups.iter_mut().find(|group| group.position == position) {
            Some(group) => group,
            None => unreachable!("a group around another one is kept as long as that"),
        }
    }

    /// What follows needs no space, and gives up an id that another task has.
    fn follow(&mut self, queue: usize, mut task: NewTask) -> u64 {
        if self.queues.all[queue].tasks.iter().any(|other| other.sent.id == task.id) {
            task.id = None;
        }
        let position = self.add_task(queue, &task);
        let state = &mut self.queues.all[queue];
        state.ever.backlog_max = state.ever.backlog_max.max(state.unfinished());
        position
    }

    /// A dead letter is in another queue.
    pub(super) fn member_moved(&mut self, from: (usize, u64), to: (usize, u64)) {
        let from = Is::Task { queue: from.0, position: from.1 };
        let members = self.groups.iter_mut().flat_map(|group| &mut group.members);
        for member in members.filter(|member| member.is == from) {
            member.is = Is::Task { queue: to.0, position: to.1 };
        }
    }
}

impl Spec {
    /// The tasks that are enqueued at once, in order.
    fn enqueued(&self) -> Vec<(usize, &NewTask)> {
        let mut tasks = Vec::new();
        for member in &self.members {
            match member {
                SpecMember::Task(queue, task) => tasks.push((*queue, task)),
                SpecMember::Group(inner) => tasks.extend(inner.enqueued()),
            }
        }
        tasks
    }

    /// The tasks that may follow: those of a group before those of the groups in it.
    fn follows(&self) -> Vec<(usize, &NewTask)> {
        let own = [&self.then, &self.on_dead];
        let mut tasks: Vec<(usize, &NewTask)> =
            own.into_iter().flatten().map(|(queue, task)| (*queue, task)).collect();
        for member in &self.members {
            if let SpecMember::Group(inner) = member {
                tasks.extend(inner.follows());
            }
        }
        tasks
    }

    fn depth(&self) -> usize {
        let inner = self.members.iter().map(|member| match member {
            SpecMember::Task(..) => 0,
            SpecMember::Group(inner) => inner.depth(),
        });
        1 + inner.max().unwrap_or(0)
    }

    fn has_empty(&self) -> bool {
        self.members.is_empty()
            || self
                .members
                .iter()
                .any(|member| matches!(member, SpecMember::Group(inner) if inner.has_empty()))
    }

    fn is_bounded(&self) -> bool {
        self.depth() <= GROUP_DEPTH_MAX && self.enqueued().len() <= GROUP_TASKS_MAX && !self.has_empty()
    }
}
