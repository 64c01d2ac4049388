//! Tables of groups.

use crate::query::{self, GroupState, MemberView};
use crate::testing::Store;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use model::{
    Action, CancelTask, ChangeTasks, Claim, Command, CreateGroup, DeadLetterEnd, Failure, Fingerprint,
    GroupName, GroupTask, NewGroup, NewMember, NewTask, Outcome, Position, PutQueue, QueueName,
    QueueSettings, Refusal, RetryPolicy, Settle, SettleDeadLetter, Settlement, TaskChange, TaskOptions,
    TaskRef, limits,
};

fn queue(name: &str) -> QueueName<'static> {
    QueueName::new(name.to_string()).unwrap()
}

/// A task whose id is also its queue's name in the first letter: `a1` is a task of `a`.
fn task(id: &str) -> GroupTask<'static> {
    let task = NewTask {
        id: Some(Cow::Owned(id.to_string())),
        fingerprint: Fingerprint(1),
        task_type: Cow::Borrowed("t"),
        run_after: None,
        priority: 5,
        key: None,
        claim_ms: None,
        retry: Some(RetryPolicy { attempts_max: 1, first_ms: 0, delay_ms_max: 0 }),
        envelope: Cow::Owned(id.as_bytes().to_vec()),
        options: TaskOptions::default(),
    };
    GroupTask { queue: queue(&id[..1]), task }
}

fn group(members: &[&str]) -> NewGroup<'static> {
    let members = members.iter().map(|id| NewMember::Task(task(id))).collect();
    NewGroup { members, then: None, on_dead: None }
}

fn with(group: NewGroup<'static>, then: &str, on_dead: &str) -> NewGroup<'static> {
    let follower = |id: &str| (!id.is_empty()).then(|| Box::new(task(id)));
    NewGroup { then: follower(then), on_dead: follower(on_dead), ..group }
}

fn name() -> GroupName<'static> {
    GroupName::new("g").unwrap()
}

#[derive(Default)]
struct Script {
    store: Store,
}

impl Script {
    fn with(content: NewGroup<'static>) -> Self {
        let mut script = Self::default();
        let outcome = script.create(1, content);
        assert!(matches!(outcome, Outcome::GroupCreated(created) if !created.replayed), "{outcome:?}");
        script
    }

    fn apply(&mut self, command: Command<'_>) -> Outcome {
        self.store.apply(command);
        self.store.applied.outcomes[0].clone()
    }

    fn create(&mut self, fingerprint: u128, content: NewGroup<'static>) -> Outcome {
        let fingerprint = Fingerprint(fingerprint);
        self.apply(Command::CreateGroup(CreateGroup { group: name(), fingerprint, content }))
    }

    /// `done a1; dead b1; cancel c1; replay b1; drop b1; tick 10`
    fn run(&mut self, lines: &str) {
        for line in lines.split(';').map(str::trim).filter(|line| !line.is_empty()) {
            let (verb, id) = line.split_once(' ').unwrap();
            let named = TaskRef::Client(Cow::Owned(id.to_string()));
            let of = queue(&id[..1]);
            match verb {
                "done" => self.settle(id, Action::Complete { result: None }),
                "dead" => {
                    let (class, detail) = (Cow::Borrowed("E"), Cow::Borrowed(&b""[..]));
                    let failure = Failure { class, detail, retryable: false, delay_ms: None };
                    self.settle(id, Action::Fail(failure));
                }
                "cancel" => drop(self.apply(Command::CancelTask(CancelTask { queue: of, task: named }))),
                "replay" | "drop" => {
                    let end = if verb == "drop" { DeadLetterEnd::Drop } else { DeadLetterEnd::Replay };
                    let settle = SettleDeadLetter { queue: of, task: named, end };
                    assert_eq!(
                        self.apply(Command::SettleDeadLetter(settle)),
                        Outcome::DeadLetterSettled,
                        "{line}"
                    );
                }
                "tick" => {
                    self.store.run(&format!("wait {id}"));
                    while let Some(command) = self.store.due() {
                        self.store.apply(command);
                    }
                }
                other => panic!("{other}"),
            }
        }
    }

    /// Claims all tasks of a queue, settles one of them, and gives the others back.
    fn settle(&mut self, id: &str, action: Action<'static>) {
        let queue = queue(&id[..1]);
        let worker = Cow::Borrowed("w");
        let claim = Claim {
            queue: queue.clone(),
            worker,
            types: Vec::new(),
            tasks_max: 100,
            claim_ms: None,
            request: None,
        };
        let Outcome::Claimed(claimed) = self.apply(Command::Claim(claim)) else { panic!() };
        let mut found = false;
        let settlements: Vec<Settlement<'_>> = claimed
            .tasks
            .iter()
            .map(|task| {
                let is_it = task.id.as_deref() == Some(id);
                found |= is_it;
                let action = if is_it { action.clone() } else { Action::Return };
                Settlement { task: TaskRef::Server(task.position), token: task.token, action }
            })
            .collect();
        assert!(found, "{id} cannot be claimed");
        self.apply(Command::Settle(Settle { queue, settlements }));
    }

    fn view(&self) -> Option<query::GroupView> {
        query::group(&self.store.rows, &name()).unwrap()
    }

    /// The group's state and counts, then the tasks of the queue `z`.
    fn state(&self) -> String {
        let group = self.view().map_or("gone".to_string(), |view| {
            let counts = view.counts;
            format!("{:?} {}+{}/{}", counts.state, counts.done, counts.failed, counts.members)
        });
        let request = query::TasksRequest::default();
        let tasks = query::tasks(&self.store.rows, &queue("z"), request, self.store.elapsed).unwrap().tasks;
        let followers: Vec<String> =
            tasks.iter().map(|task| String::from_utf8(task.envelope.clone()).unwrap()).collect();
        format!("{group}: {}", followers.join(" "))
    }
}

#[track_caller]
fn check(content: &NewGroup<'static>, cases: &[(&str, &str)]) {
    for (lines, want) in cases {
        let mut script = Script::with(content.clone());
        script.run(lines);
        assert_eq!(script.state(), *want, "after {lines:?}");
    }
}

#[test]
fn what_follows_is_enqueued_once_when_all_are_done_or_one_is_not() {
    check(
        &with(group(&["a1", "b1"]), "zthen", "zdead"),
        &[
            ("", "Open 0+0/2: "),
            ("done a1", "Open 1+0/2: "),
            ("done a1; done b1", "Done 2+0/2: zthen"),
            ("dead a1", "Open 0+1/2: zdead"),
            ("dead a1; done b1", "Failed 1+1/2: zdead"),
            ("dead a1; dead b1", "Failed 0+2/2: zdead"),
            ("cancel a1; done b1", "Failed 1+1/2: zdead"),
            ("dead a1; replay a1", "Open 0+0/2: zdead"),
            ("dead a1; replay a1; dead a1", "Open 0+1/2: zdead"),
            ("dead a1; done b1; replay a1; done a1", "Done 2+0/2: zdead zthen"),
            ("dead a1; drop a1; done b1", "Failed 1+1/2: zdead"),
        ],
    );
    check(&group(&["a1"]), &[("dead a1", "Failed 0+1/1: "), ("done a1", "Done 1+0/1: ")]);
}

#[test]
fn a_group_in_a_group_is_done_when_what_follows_it_is() {
    let inner = with(group(&["a1", "a2"]), "zinner", "");
    let mut outer = with(group(&["b1"]), "zouter", "zdead");
    outer.members.push(NewMember::Group(inner));
    check(
        &outer,
        &[
            ("done a1; done a2", "Open 0+0/2: zinner"),
            ("done b1; done a1; done a2", "Open 1+0/2: zinner"),
            ("done b1; done a1; done a2; done zinner", "Done 2+0/2: zinner zouter"),
            ("done b1; done a1; done a2; dead zinner", "Failed 1+1/2: zinner zdead"),
            // One dead task of the inner group does not end it; only its end counts outside.
            ("dead a1", "Open 0+0/2: "),
            ("dead a1; done a2", "Open 0+1/2: zdead"),
            ("dead a1; done a2; replay a1", "Open 0+0/2: zdead"),
            ("dead a1; done a2; replay a1; done a1; done zinner; done b1", "Done 2+0/2: zdead zinner zouter"),
        ],
    );
    let mut outer = with(group(&["b1"]), "zouter", "");
    outer.members.push(NewMember::Group(group(&["a1"])));
    check(&outer, &[("done a1", "Open 1+0/2: "), ("done a1; done b1", "Done 2+0/2: zouter")]);
}

#[test]
fn a_group_is_created_whole_or_not_at_all() {
    let content = with(group(&["a1", "b1"]), "zthen", "");
    let mut script = Script::with(content.clone());
    let rows = script.store.rows.clone();
    let outcome = script.create(1, content.clone());
    assert!(matches!(outcome, Outcome::GroupCreated(created) if created.replayed), "{outcome:?}");
    assert_eq!(script.create(2, content), Outcome::Refused(Refusal::GroupConflict { part: 0 }));
    // Only the count of entries has changed.
    assert_eq!(script.store.rows.iter().filter(|(key, value)| rows.get(*key) != Some(*value)).count(), 1);
    for (content, want) in [
        (group(&["b1", "c1", "c1"]), Refusal::TaskConflict { part: 0, task: 2 }),
        (group(&["b1", "d1", "d2"]), Refusal::QueueFull { backlog_max: 1 }),
        (NewGroup::default(), Refusal::Unsupported),
        (
            NewGroup { members: [NewMember::Group(group(&[]))].to_vec(), ..NewGroup::default() },
            Refusal::Unsupported,
        ),
        (deep(limits::GROUP_DEPTH_MAX + 1), Refusal::Unsupported),
    ] {
        let mut script = Script::default();
        let settings = QueueSettings { backlog_max: 1, ..QueueSettings::default() };
        script.apply(Command::PutQueue(PutQueue { queue: queue("d"), settings }));
        let rows = script.store.rows.len();
        assert_eq!(script.create(1, content), Outcome::Refused(want));
        assert_eq!(script.store.rows.len(), rows, "{want:?}");
    }
    Script::with(deep(limits::GROUP_DEPTH_MAX));
}

fn deep(depth: usize) -> NewGroup<'static> {
    let mut content = group(&["a1"]);
    for _ in 1..depth {
        content = NewGroup { members: [NewMember::Group(content)].to_vec(), ..NewGroup::default() };
    }
    content
}

#[test]
fn what_follows_needs_no_space_and_no_id() {
    let mut script = Script::with(with(group(&["a1"]), "zthen", ""));
    let settings = QueueSettings { backlog_max: 1, ..QueueSettings::default() };
    script.apply(Command::PutQueue(PutQueue { queue: queue("z"), settings }));
    let enqueue = model::Enqueue { keyed: None, queue: queue("z"), tasks: [task("zthen").task].to_vec() };
    script.apply(Command::Enqueue(enqueue));
    script.run("done a1");
    assert_eq!(script.state(), "Done 1+0/1: zthen zthen");
    let then = script.view().unwrap().then.unwrap();
    let named = TaskRef::Server(then.at.unwrap());
    let view = query::task(&script.store.rows, &queue("z"), &named, script.store.elapsed).unwrap().unwrap();
    assert_eq!((view.id, then.queue.as_str()), (None, "z"));
}

#[test]
fn a_moved_dead_letter_stays_in_its_group() {
    let mut script = Script::with(with(group(&["a1", "b1"]), "zthen", ""));
    script.run("done b1; dead a1");
    let view =
        query::task(&script.store.rows, &queue("a"), &TaskRef::Client("a1".into()), script.store.elapsed);
    let at: Position = view.unwrap().unwrap().position;
    let change = TaskChange::Replay { to: Some(queue("c")) };
    let tasks = [at].to_vec();
    let change = ChangeTasks { queue: queue("a"), tasks, state: None, task_type: None, class: None, change };
    script.apply(Command::ChangeTasks(change));
    assert_eq!(script.state(), "Open 1+0/2: ");
    let Some(MemberView::Task(moved)) = script.view().unwrap().members.into_iter().next() else { panic!() };
    assert_eq!((moved.queue.as_str(), moved.id.as_deref()), ("c", Some("a1")));
    let worker = Cow::Borrowed("w");
    let claim =
        Claim { queue: queue("c"), worker, types: Vec::new(), tasks_max: 1, claim_ms: None, request: None };
    let Outcome::Claimed(claimed) = script.apply(Command::Claim(claim)) else { panic!() };
    let (task, token) = (TaskRef::Client("a1".into()), claimed.tasks[0].token);
    let settlements = [Settlement { task, token, action: Action::Complete { result: None } }].to_vec();
    script.apply(Command::Settle(Settle { queue: queue("c"), settlements }));
    assert_eq!(script.state(), "Done 2+0/2: zthen");
}

#[test]
fn a_group_is_kept_as_long_as_one_of_its_members() {
    let day = 24 * 60 * 60 * 1_000;
    let inner = with(group(&["a1", "a2"]), "zinner", "");
    let mut outer = with(group(&["b1"]), "zouter", "zdead");
    outer.members.push(NewMember::Group(inner));
    let mut script = Script::with(outer);
    script.run(&format!("done a1; done a2; done zinner; tick {day}"));
    assert_eq!(script.view().unwrap().counts.state, GroupState::Open);
    script.run("done b1");
    assert!(script.view().is_some());
    script.run(&format!("done zouter; tick {day}"));
    assert_eq!(script.state(), "gone: ");
    let left: Vec<u8> =
        script.store.rows.keys().map(|key| key[6]).filter(|kind| (41..=45).contains(kind)).collect();
    assert_eq!(left, Vec::<u8>::new(), "rows of groups");
}

#[test]
fn the_new_queues_of_a_group_have_their_own_tasks_also_in_one_slot() {
    let queues = ["a{t}", "b{t}", "c{t}", "d{t}"];
    let mut content = group(&["a1", "b1", "c1", "d1"]);
    for (member, of) in content.members.iter_mut().zip(queues) {
        let NewMember::Task(task) = member else { panic!() };
        task.queue = queue(of);
    }
    let mut script = Script::default();
    // An older queue of the slot, created in the same millisecond.
    let settings = QueueSettings::default();
    script.apply(Command::PutQueue(PutQueue { queue: queue("z{t}"), settings }));
    script.create(1, content);
    let tasks = |of: &str| {
        let request = query::TasksRequest::default();
        let page = query::tasks(&script.store.rows, &queue(of), request, script.store.elapsed).unwrap();
        page.tasks.into_iter().filter_map(|task| task.id).collect::<Vec<_>>()
    };
    for of in queues {
        assert_eq!(tasks(of), [format!("{}1", &of[..1])]);
    }
    assert_eq!(tasks("z{t}"), Vec::<String>::new());
}

#[test]
fn a_group_adds_no_type_to_a_queue_that_has_as_many_as_it_may() {
    let of_types = |range: core::ops::Range<usize>| {
        let mut content = NewGroup::default();
        for number in range {
            let mut member = task(&format!("a{number}"));
            member.task.task_type = Cow::Owned(format!("t{number}"));
            content.members.push(NewMember::Task(member));
        }
        content
    };
    let most = limits::QUEUE_TYPES_MAX;
    let refused = |task| Outcome::Refused(Refusal::TooManyTypes { task });
    assert_eq!(Script::default().create(1, of_types(0..most + 1)), refused(most as u32));
    let mut script = Script::with(of_types(0..most));
    let mut other = of_types(most..most + 1);
    let GroupTask { queue, task } = task("a-then");
    let mut create = |content| {
        let group = GroupName::new("other").unwrap();
        script.apply(Command::CreateGroup(CreateGroup { group, fingerprint: Fingerprint(1), content }))
    };
    assert_eq!(create(other.clone()), refused(0));
    // What follows counts too. A type that the queue has is no new one.
    other.members = of_types(0..1).members;
    let NewMember::Task(first) = &mut other.members[0] else { panic!() };
    first.task.id = None;
    other.then = Some(Box::new(GroupTask { queue, task }));
    assert_eq!(create(other.clone()), refused(1));
    other.then = None;
    assert!(matches!(create(other), Outcome::GroupCreated(_)));
}
