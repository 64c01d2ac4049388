//! Tasks and events in one transaction.

use crate::query;
use crate::testing::{Store, name};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use model::{
    Action, Append, Claim, Command, CreateGroup, Enqueue, EnqueuedTask, Expected, Filled, Fingerprint,
    GroupName, GroupTask, IdHash, Identity, KeyId, NewEvent, NewGroup, NewMember, NewTask, Outcome, Position,
    QueueName, Refusal, Settle, Settled, Settlement, TaskRef, Transaction, Write, Written,
};

fn queue() -> QueueName<'static> {
    QueueName::new("q").unwrap()
}

fn enqueue(id: Option<&'static str>, content: u128) -> Enqueue<'static> {
    let task = NewTask {
        id: id.map(Cow::Borrowed),
        fingerprint: Fingerprint(content),
        task_type: Cow::Borrowed("t"),
        run_after: None,
        priority: 5,
        key: None,
        claim_ms: None,
        retry: None,
        envelope: Cow::Borrowed(b"{}"),
        options: model::TaskOptions::default(),
    };
    Enqueue { keyed: None, queue: queue(), tasks: [task].to_vec() }
}

/// A group of one task, which is in the same queue.
fn group(task: &'static str, content: u128) -> Write<'static> {
    let tasks = enqueue(Some(task), 1).tasks.into_iter();
    let members = tasks.map(|task| NewMember::Task(GroupTask { queue: queue(), task })).collect();
    let content = CreateGroup {
        group: GroupName::new("g").unwrap(),
        fingerprint: Fingerprint(content),
        content: NewGroup { members, then: None, on_dead: None },
    };
    Write::CreateGroup(content)
}

fn append(id: u128, expected: Expected) -> Write<'static> {
    let event = NewEvent {
        identity: if id == 0 { Identity::Server } else { Identity::Client(IdHash(id)) },
        fingerprint: Fingerprint(1),
        filled: Filled::default(),
        event_type: Cow::Borrowed("t"),
        key_id: KeyId::NONE,
        envelope: Cow::Borrowed(b"{}"),
    };
    Write::Append(Append { keyed: None, stream: name("s"), expected, events: [event].to_vec() })
}

fn complete(task: Position, token: Position) -> Write<'static> {
    let action = Action::Complete { result: None };
    let settlement = Settlement { task: TaskRef::Server(task), token, action };
    Write::Settle(Settle { queue: queue(), settlements: [settlement].to_vec() })
}

/// A store with one running task.
struct Running {
    store: Store,
    task: Position,
    token: Position,
}

impl Running {
    fn new() -> Self {
        let mut store = Store::default();
        store.apply(Command::Enqueue(enqueue(None, 1)));
        let mut running = Self { store, task: Position::ZERO, token: Position::ZERO };
        running.claim();
        running
    }

    fn claim(&mut self) {
        let worker = Cow::Borrowed("w");
        let claim =
            Claim { queue: queue(), worker, types: Vec::new(), tasks_max: 1, claim_ms: None, request: None };
        self.store.apply(Command::Claim(claim));
        let Outcome::Claimed(claimed) = &self.store.applied.outcomes[0] else { panic!() };
        (self.task, self.token) = (claimed.tasks[0].position, claimed.tasks[0].token);
    }

    fn complete(&self) -> Write<'static> {
        complete(self.task, self.token)
    }

    fn transact(&mut self, writes: &[Write<'static>]) -> Outcome {
        let writes = writes.to_vec();
        self.store.apply(Command::Transaction(Transaction { keyed: None, checks: Vec::new(), writes }));
        self.store.applied.outcomes[0].clone()
    }

    /// The tasks' states, then the last revision of the stream.
    fn state(&self) -> String {
        let request = query::TasksRequest::default();
        let page = query::tasks(&self.store.rows, &queue(), request, self.store.elapsed).unwrap();
        let tasks: Vec<_> = page.tasks.iter().map(|task| format!("{:?}", task.state)).collect();
        let stream = query::stream(&self.store.rows, &name("s")).unwrap();
        format!("{}; {:?}", tasks.join(" "), stream.last().map(|last| last.0))
    }
}

#[test]
fn a_task_is_completed_with_its_events_and_the_next_task_or_not_at_all() {
    let mut running = Running::new();
    let rows = running.store.rows.clone();
    let next = Write::Enqueue(enqueue(Some("next"), 2));
    let outcome = running.transact(&[running.complete(), next.clone(), append(7, Expected::Exists)]);
    assert_eq!(outcome, Outcome::Refused(Refusal::WrongRevision { part: 2, current: None }));
    // Only the shard's own row has changed: its count of entries.
    let changed: Vec<_> =
        running.store.rows.iter().filter(|(key, value)| rows.get(*key) != Some(*value)).collect();
    assert_eq!(changed.len(), 1);
    assert!(running.store.applied.effects.is_empty());
    let outcome = running.transact(&[running.complete(), next, append(7, Expected::None)]);
    let Outcome::Transacted { replayed: false, writes } = outcome else { panic!("{outcome:?}") };
    assert_eq!(writes[0], Written::Settled([Settled::Completed].to_vec()));
    assert!(matches!(&writes[1], Written::Enqueued(e) if matches!(e.tasks[0], EnqueuedTask::Added(_))));
    assert_eq!(writes[2].appended().unwrap().events[0].revision.0, 0);
    assert_eq!(running.state(), "Done Ready; Some(0)");
}

#[test]
fn a_transaction_sent_again_says_what_it_did_at_first() {
    let mut running = Running::new();
    let writes = [running.complete(), Write::Enqueue(enqueue(Some("next"), 2)), append(7, Expected::None)];
    let first = running.transact(&writes);
    assert!(matches!(first, Outcome::Transacted { replayed: false, .. }), "{first:?}");
    let Outcome::Transacted { replayed: true, writes } = running.transact(&writes) else { panic!() };
    assert_eq!(writes[0], Written::Settled([Settled::Completed].to_vec()));
    assert!(matches!(&writes[1], Written::Enqueued(e) if matches!(e.tasks[0], EnqueuedTask::Replayed(_))));
    assert!(writes[2].appended().unwrap().all_replayed());
    assert_eq!(running.state(), "Done Ready; Some(0)");
}

#[test]
fn a_worker_whose_claim_is_over_writes_nothing() {
    let mut running = Running::new();
    let late = running.complete();
    running.store.run("wait 30000");
    while let Some(command) = running.store.due() {
        running.store.apply(command);
    }
    let lost = Outcome::Refused(Refusal::ClaimLost { part: 1, settlement: 0 });
    assert_eq!(running.transact(&[append(0, Expected::Any), late]), lost);
    assert_eq!(running.state(), "Delayed; None");
    // Nor does one that has completed its task with another request, or this one without ids.
    let mut running = Running::new();
    let writes = [append(0, Expected::Any), running.complete()];
    running.transact(&writes);
    assert_eq!(running.transact(&writes), lost);
    assert_eq!(running.state(), "Done; Some(0)");
}

#[test]
fn a_task_with_other_content_or_a_full_queue_refuses_the_transaction() {
    let mut running = Running::new();
    running.transact(&[Write::Enqueue(enqueue(Some("x"), 1))]);
    let outcome = running.transact(&[append(7, Expected::Any), Write::Enqueue(enqueue(Some("x"), 2))]);
    assert_eq!(outcome, Outcome::Refused(Refusal::TaskConflict { part: 1, task: 0 }));
    let outcome = running.transact(&[Write::Enqueue(enqueue(Some("x"), 2))]);
    assert_eq!(outcome, Outcome::Refused(Refusal::TaskConflict { part: 0, task: 0 }));
    let settings = model::QueueSettings { backlog_max: 2, ..model::QueueSettings::default() };
    running.store.apply(Command::PutQueue(model::PutQueue { queue: queue(), settings }));
    let outcome = running.transact(&[append(7, Expected::Any), Write::Enqueue(enqueue(Some("y"), 1))]);
    assert_eq!(outcome, Outcome::Refused(Refusal::QueueFull { backlog_max: 2 }));
    // The task that is completed makes space for the next.
    let next = Write::Enqueue(enqueue(Some("y"), 1));
    let outcome = running.transact(&[running.complete(), next, append(7, Expected::Any)]);
    assert!(matches!(outcome, Outcome::Transacted { .. }), "{outcome:?}");
    assert_eq!(running.state(), "Done Ready Ready; Some(0)");
}

#[test]
fn a_refused_transaction_has_unknown_tasks_in_no_place() {
    let mut running = Running::new();
    let unknown = complete(Position(7), running.token);
    let outcome = running.transact(&[unknown]);
    assert_eq!(outcome, Outcome::Refused(Refusal::ClaimLost { part: 0, settlement: 0 }));
    assert_eq!(running.state().to_string(), "Running; None");
}

#[test]
fn a_task_is_completed_with_the_group_that_follows_it_or_not_at_all() {
    let mut running = Running::new();
    let rows = running.store.rows.clone();
    let outcome = running.transact(&[running.complete(), group("a", 1), append(7, Expected::Exists)]);
    assert_eq!(outcome, Outcome::Refused(Refusal::WrongRevision { part: 2, current: None }));
    let changed: Vec<_> =
        running.store.rows.iter().filter(|(key, value)| rows.get(*key) != Some(*value)).collect();
    assert_eq!(changed.len(), 1, "only the count of entries");
    let writes = [running.complete(), group("a", 1), append(7, Expected::None)];
    let Outcome::Transacted { replayed: false, writes: first } = running.transact(&writes) else { panic!() };
    let [_, Written::GroupCreated(created), _] = first[..] else { panic!("{first:?}") };
    assert!(!created.replayed);
    assert_eq!(running.state(), "Done Ready; Some(0)");
    // Sent again, it says what it did at first.
    let Outcome::Transacted { replayed: true, writes: again } = running.transact(&writes) else { panic!() };
    let [_, Written::GroupCreated(known), _] = again[..] else { panic!("{again:?}") };
    assert_eq!((known.group, known.replayed), (created.group, true));
    assert_eq!(running.state(), "Done Ready; Some(0)");
}

#[test]
fn a_group_that_cannot_be_created_refuses_the_transaction() {
    let mut running = Running::new();
    running.transact(&[group("a", 1)]);
    let refused = |running: &mut Running, write: Write<'static>, refusal: Refusal| {
        let outcome = running.transact(&[append(7, Expected::Any), write]);
        assert_eq!(outcome, Outcome::Refused(refusal));
        assert_eq!(running.state(), "Running Ready; None");
    };
    refused(&mut running, group("b", 2), Refusal::GroupConflict { part: 1 });
    // One that was known is there with what it was created with.
    let outcome = running.transact(&[append(7, Expected::Any), group("a", 1)]);
    assert!(matches!(outcome, Outcome::Transacted { replayed: false, .. }), "{outcome:?}");
    let mut running = Running::new();
    running.transact(&[Write::Enqueue(enqueue(Some("a"), 1))]);
    refused(&mut running, group("a", 1), Refusal::TaskConflict { part: 1, task: 0 });
    let settings = model::QueueSettings { backlog_max: 2, ..model::QueueSettings::default() };
    running.store.apply(Command::PutQueue(model::PutQueue { queue: queue(), settings }));
    refused(&mut running, group("b", 1), Refusal::QueueFull { backlog_max: 2 });
    // The task that is completed makes space for its group.
    let outcome = running.transact(&[running.complete(), group("b", 1)]);
    assert!(matches!(outcome, Outcome::Transacted { .. }), "{outcome:?}");
}
