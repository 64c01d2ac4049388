//! Tables of cases for queues. A script is a list of lines:
//!
//! ```text
//! add a type mail key k prio 9 after 50 id x     enqueue a task that the script calls a
//! claim 2 mail                                   claim up to 2 tasks, of these types or any
//! claim 1 req r                                  with a request id
//! done a | fail a | fail a 50 | bug a            complete; fail, with a delay; fail for good
//! defer a 50 | return a | beat a
//! late done a                                    with the token of the claim before
//! cancel a | replay a | drop a
//! set tries 3 lost 2 backlog 5 claim 100 paused 1 of-key 2 events 1
//! weight acme 3 | forget acme                    the weight of a tenant, which tasks name with `fair acme`
//! tick 50                                        time passes, and the node does what is due
//! ```
//!
//! Tasks of one claim are `name#attempt`.

use crate::query;
use crate::testing::{Store, play};
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use model::{
    Action, CancelTask, Claim, Command, DeadLetterEnd, DeleteTenant, Effect, Enqueue, EnqueuedTask, Failure,
    Fingerprint, IdHash, NewTask, Outcome, Position, PutQueue, PutTenant, QueueName, QueueSettings, Refusal,
    Settle, SettleDeadLetter, Settled, Settlement, StreamName, TaskOptions, TaskRef, TenantName, Unique,
    UniqueMode, Wall, limits,
};

pub(crate) fn queue() -> QueueName<'static> {
    QueueName::new("q").unwrap()
}

fn tenant(name: &str) -> TenantName<'static> {
    TenantName::new(name.to_string()).unwrap()
}

fn plain_task() -> NewTask<'static> {
    NewTask {
        id: None,
        fingerprint: Fingerprint(0),
        task_type: Cow::Borrowed("t"),
        run_after: None,
        priority: limits::PRIORITY_DEFAULT,
        key: None,
        claim_ms: None,
        retry: None,
        envelope: Cow::Borrowed(b"b"),
        options: TaskOptions::default(),
    }
}

#[derive(Default)]
pub(crate) struct Script {
    pub(crate) store: Store,
    tasks: BTreeMap<String, Position>,
    /// The tokens of each task, oldest first.
    tokens: BTreeMap<String, Vec<Position>>,
    settings: QueueSettings,
}

impl Script {
    pub(crate) fn run(&mut self, script: &str) -> String {
        play(script, |line| self.line(line))
    }

    fn line(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words.get(at).map(|word| word.parse::<u64>().unwrap());
        let named = words.get(1).copied().unwrap_or_default();
        match words[0] {
            "add" => return self.add(named, &words[2..]),
            "claim" => return self.claim(number(1).unwrap(), &words[2..]),
            "tick" => {
                self.store.run(&format!("wait {named}"));
                while let Some(command) = self.store.due() {
                    self.store.apply(command);
                }
                return String::new();
            }
            "set" => {
                for pair in words[1..].chunks(2) {
                    let number: u64 = pair[1].parse().unwrap();
                    let settings = &mut self.settings;
                    match pair[0] {
                        "tries" => settings.retry.attempts_max = number as u32,
                        "lost" => settings.lost_max = number as u32,
                        "backlog" => settings.backlog_max = number,
                        "claim" => settings.claim_ms = number,
                        "keep" => (settings.keep_done_ms, settings.keep_dead_ms) = (number, number),
                        "paused" => settings.paused = number == 1,
                        "of-key" => settings.options.key_concurrency = Some(number as u32),
                        "events" => {
                            settings.options.events = (number == 1).then(|| StreamName::new("told").unwrap());
                        }
                        "age" => settings.options.give_up.age_ms_max = Some(number),
                        "never" => {
                            let class = if number == 0 { "E" } else { "worker_lost" };
                            settings.options.give_up.classes.push(Cow::Borrowed(class));
                        }
                        other => panic!("{other} is not a setting"),
                    }
                }
                self.store
                    .apply(Command::PutQueue(PutQueue { queue: queue(), settings: self.settings.clone() }));
            }
            "weight" | "forget" => self.store_weight(named, number(2)),
            "late" => {
                let tokens = &self.tokens[words[2]];
                let token = tokens[tokens.len() - 2];
                return self.settle(words[1], words[2], token, number(3));
            }
            "cancel" => {
                let task = self.task(named);
                self.store.apply(Command::CancelTask(CancelTask { queue: queue(), task }));
            }
            "replay" | "drop" => {
                let end = if words[0] == "drop" { DeadLetterEnd::Drop } else { DeadLetterEnd::Replay };
                let task = self.task(named);
                self.store.apply(Command::SettleDeadLetter(SettleDeadLetter { queue: queue(), task, end }));
            }
            verb => {
                let token = self.tokens.get(named).map_or(Position(1), |tokens| *tokens.last().unwrap());
                return self.settle(verb, named, token, number(2));
            }
        }
        match &self.store.applied.outcomes[0] {
            Outcome::QueuePut | Outcome::TenantPut => "put".to_string(),
            Outcome::TenantDeleted { existed } => format!("forgotten {existed}"),
            Outcome::TaskCancelled(state) => format!("{state:?}"),
            Outcome::DeadLetterSettled => "settled".to_string(),
            Outcome::Refused(refusal) => format!("{refusal:?}"),
            other => panic!("{other:?}"),
        }
    }

    /// Sets the weight of a tenant, or forgets it.
    fn store_weight(&mut self, name: &str, weight: Option<u64>) {
        let (queue, tenant) = (queue(), tenant(name));
        self.store.apply(match weight {
            Some(weight) => Command::PutTenant(PutTenant { queue, tenant, weight: weight as u32 }),
            None => Command::DeleteTenant(DeleteTenant { queue, tenant }),
        });
    }

    pub(crate) fn task(&self, name: &str) -> TaskRef<'static> {
        TaskRef::Server(self.tasks.get(name).copied().unwrap_or(Position(7)))
    }

    /// The token of a task's last claim.
    pub(crate) fn token(&self, name: &str) -> Position {
        *self.tokens[name].last().unwrap()
    }

    fn add(&mut self, name: &str, words: &[&str]) -> String {
        let mut task = NewTask { envelope: Cow::Owned(name.as_bytes().to_vec()), ..plain_task() };
        for pair in words.chunks(2) {
            let text = Cow::Owned(pair[1].to_string());
            match pair[0] {
                "type" => task.task_type = text,
                "key" => task.key = Some(text),
                "id" => task.id = Some(text),
                "as" => task.fingerprint = Fingerprint(pair[1].parse().unwrap()),
                "fair" => task.options.fair = Some(tenant(&text)),
                "prio" => task.priority = pair[1].parse().unwrap(),
                "after" => {
                    task.run_after = Some(Wall(self.store.wall.0 + pair[1].parse::<u64>().unwrap()));
                }
                "until" => {
                    let deadline = self.store.wall.0 + pair[1].parse::<u64>().unwrap();
                    task.options.deadline = Some(Wall(deadline));
                }
                "existing" | "waiting" | "replace" => {
                    let mode = match pair[0] {
                        "existing" => UniqueMode::Existing,
                        "waiting" => UniqueMode::OneWaiting,
                        _ => UniqueMode::Replace,
                    };
                    task.options.unique = Some(Unique { key: text, mode });
                }
                other => panic!("{other} is not a property"),
            }
        }
        let tasks = [task].to_vec();
        self.store.apply(Command::Enqueue(Enqueue { keyed: None, queue: queue(), tasks }));
        match &self.store.applied.outcomes[0] {
            Outcome::Enqueued(enqueued) => match &enqueued.tasks[0] {
                EnqueuedTask::Added(at) => {
                    let at = *at;
                    self.tasks.insert(name.to_string(), at);
                    "added".to_string()
                }
                EnqueuedTask::Replayed(at) => format!("replay of {}", self.name(*at)),
                EnqueuedTask::Conflict(at) => format!("conflict with {}", self.name(*at)),
                EnqueuedTask::Existing { task, .. } => format!("is {}", self.name(*task)),
            },
            Outcome::Refused(refusal) => format!("{refusal:?}"),
            other => panic!("{other:?}"),
        }
    }

    fn name(&self, at: Position) -> String {
        self.tasks.iter().find(|(_, task)| **task == at).map(|(name, _)| name.clone()).unwrap()
    }

    fn claim(&mut self, tasks_max: u64, words: &[&str]) -> String {
        let mut types = Vec::new();
        let mut request = None;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if *word == "req" {
                request = words.next().map(|id| IdHash(u128::from(id.as_bytes()[0])));
            } else {
                types.push(Cow::Owned((*word).to_string()));
            }
        }
        let worker = Cow::Borrowed("w");
        let tasks_max = tasks_max as u32;
        let claim = Claim { queue: queue(), worker, types, tasks_max, claim_ms: None, request };
        self.store.apply(Command::Claim(claim));
        let Outcome::Claimed(claimed) = &self.store.applied.outcomes[0] else { panic!() };
        let mut granted = Vec::new();
        for task in claimed.tasks.clone() {
            let name = self.name(task.position);
            assert_eq!(task.envelope, name.as_bytes());
            let tokens = self.tokens.entry(name.clone()).or_default();
            if tokens.last() != Some(&task.token) {
                assert!(tokens.last().is_none_or(|last| *last < task.token), "tokens grow");
                tokens.push(task.token);
            }
            granted.push(format!("{name}#{}", task.attempt));
        }
        granted.join(" ")
    }

    fn settle(&mut self, verb: &str, name: &str, token: Position, delay_ms: Option<u64>) -> String {
        let failure = |retryable| {
            Action::Fail(Failure {
                class: Cow::Borrowed("E"),
                detail: Cow::Borrowed(b""),
                retryable,
                delay_ms: delay_ms.or(Some(0)),
            })
        };
        let action = match verb {
            "done" => Action::Complete { result: None },
            "fail" => failure(true),
            "bug" => failure(false),
            "defer" => Action::Defer { delay_ms: delay_ms.unwrap_or(0) },
            "return" => Action::Return,
            "beat" => Action::Heartbeat { progress: None },
            other => panic!("{other} is not a line"),
        };
        let settlements = [Settlement { task: self.task(name), token, action }].to_vec();
        self.store.apply(Command::Settle(Settle { queue: queue(), settlements }));
        match &self.store.applied.outcomes[0] {
            Outcome::Settled(settled) => match settled[0] {
                Settled::Waiting { delay_ms: 0 } => "again".to_string(),
                Settled::Waiting { delay_ms } => format!("again in {delay_ms}"),
                Settled::Extended { cancelled: false, .. } => "extended".to_string(),
                Settled::Extended { cancelled: true, .. } => "extended, but cancelled".to_string(),
                other => format!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Every task and its state, in the order in which they were enqueued.
    pub(crate) fn state(&self) -> String {
        let request = query::TasksRequest::default();
        let page = query::tasks(&self.store.rows, &queue(), request, self.store.elapsed).unwrap();
        let state = |task: &query::TaskView| {
            let name = String::from_utf8(task.envelope.clone()).unwrap();
            format!("{name} {}", format!("{:?}", task.state).to_lowercase())
        };
        page.tasks.iter().map(state).collect::<Vec<_>>().join(", ")
    }
}

/// Before, line, outcome, states after.
#[track_caller]
fn check(cases: &[(&str, &str, &str, &str)]) {
    for (before, line, outcome, after) in cases {
        let mut script = Script::default();
        script.run(before);
        assert_eq!(script.run(line), *outcome, "the outcome of {line:?} after {before:?}");
        assert_eq!(script.state(), *after, "the state after {line:?} after {before:?}");
    }
}

#[test]
fn a_task_is_claimed_once_and_completed_once() {
    check(&[
        ("add a; add b", "claim 1", "a#1", "a running, b ready"),
        ("add a; add b; claim 1", "claim 5", "b#1", "a running, b running"),
        ("add a; claim 1", "claim 1", "", "a running"),
        ("add a; claim 1", "done a", "Completed", "a done"),
        ("add a; claim 1; done a", "done a", "Completed", "a done"),
        ("add a; claim 1; done a", "fail a", "ClaimLost", "a done"),
        ("add a", "done a", "ClaimLost", "a ready"),
        ("add a", "done z", "NoTask", "a ready"),
        ("", "claim 1", "", ""),
    ]);
}

#[test]
fn the_same_id_is_the_same_task() {
    check(&[
        ("add a id x", "add b id x", "replay of a", "a ready"),
        ("add a id x as 1", "add b id x as 2", "conflict with a", "a ready"),
        ("add a id x; claim 1; done a", "add b id x", "replay of a", "a done"),
        ("set keep 100; add a id x; claim 1; done a; tick 100", "add b id x", "added", "b ready"),
    ]);
}

#[test]
fn a_conflict_touches_one_task_of_a_batch_and_a_full_queue_refuses_all_of_it() {
    let mut script = Script::default();
    script.run("set backlog 3; add a id x as 1");
    let batch = |ids: &[&'static str]| {
        let task = |id: &&'static str| NewTask {
            id: Some(Cow::Borrowed(*id)),
            fingerprint: Fingerprint(2),
            task_type: Cow::Borrowed("t"),
            run_after: None,
            priority: 0,
            key: None,
            claim_ms: None,
            retry: None,
            envelope: Cow::Borrowed(b"b"),
            options: TaskOptions::default(),
        };
        let tasks = ids.iter().map(task).collect();
        Command::Enqueue(Enqueue { keyed: None, queue: queue(), tasks })
    };
    script.store.apply(batch(&["y", "x", "y"]));
    let Outcome::Enqueued(enqueued) = &script.store.applied.outcomes[0] else { panic!() };
    let [EnqueuedTask::Added(y), EnqueuedTask::Conflict(_), EnqueuedTask::Replayed(again)] =
        enqueued.tasks[..]
    else {
        panic!("{enqueued:?}");
    };
    assert_eq!(y, again);
    script.store.apply(batch(&["u", "v"]));
    let full = Outcome::Refused(Refusal::QueueFull { backlog_max: 3 });
    assert_eq!(script.store.applied.outcomes, [full]);
    assert_eq!(script.state(), "a ready, b ready");
}

#[test]
fn a_queue_refuses_types_beyond_its_limit() {
    let mut script = Script::default();
    for number in 0..limits::QUEUE_TYPES_MAX {
        assert_eq!(script.run(&format!("add a type t{number}")), "added");
    }
    assert_eq!(script.run("add b type one-more"), "TooManyTypes { task: 0 }");
    assert_eq!(script.run("add b type t7"), "added");
}

#[test]
fn tasks_go_by_priority_then_by_age_and_returned_ones_go_first() {
    check(&[
        ("add a; add b prio 9; add c prio 9", "claim 3", "b#1 c#1 a#1", "a running, b running, c running"),
        ("add a prio 9; add b prio 0; claim 2; return b", "claim 1", "b#1", "a running, b running"),
        ("add a type x; add b type y", "claim 2 y", "b#1", "a ready, b running"),
        ("add a type x; add b type y prio 9", "claim 2 x y", "b#1 a#1", "a running, b running"),
        ("add a; tick 299999; add b prio 9", "claim 1", "b#1", "a ready, b running"),
        ("add a; tick 300000; add b prio 9", "claim 1", "a#1", "a running, b ready"),
    ]);
}

#[test]
fn a_failed_task_runs_again_until_its_attempts_are_spent() {
    check(&[
        ("add a; claim 1", "fail a", "again", "a ready"),
        ("add a; claim 1", "fail a 50", "again in 50", "a delayed"),
        ("add a; claim 1; fail a 50", "claim 1", "", "a delayed"),
        ("add a; claim 1; fail a 50; tick 49", "claim 1", "", "a delayed"),
        ("add a; claim 1; fail a 50; tick 50", "claim 1", "a#2", "a running"),
        ("set tries 2; add a; claim 1; fail a; claim 1", "fail a", "Dead", "a dead"),
        ("add a; claim 1", "bug a", "Dead", "a dead"),
        ("add a; claim 1; fail a", "fail a", "again", "a ready"),
        ("add a; claim 1; fail a; claim 1", "late done a", "ClaimLost", "a running"),
    ]);
}

#[test]
fn neither_deferring_nor_returning_spends_an_attempt() {
    check(&[
        ("set tries 1; add a; claim 1", "defer a 50", "again in 50", "a delayed"),
        ("set tries 1; add a; claim 1; defer a 50; tick 50", "claim 1", "a#1", "a running"),
        ("set tries 1; add a; claim 1; return a", "claim 1", "a#1", "a running"),
    ]);
    let mut script = Script::default();
    script.run("add a");
    for _ in 0..limits::TASK_DEFERS_MAX {
        assert_eq!(script.run("claim 1; defer a"), "again");
    }
    assert_eq!(script.run("claim 1; defer a"), "Dead");
}

#[test]
fn a_worker_that_is_lost_costs_an_attempt_and_three_make_a_dead_letter() {
    check(&[
        ("set claim 100; add a; claim 1", "tick 99", "", "a running"),
        ("set claim 100; add a; claim 1; tick 99; beat a", "tick 99", "", "a running"),
        ("set claim 100 lost 1; add a; claim 1; tick 99; beat a; tick 1", "tick 99", "", "a dead"),
        ("set claim 100 lost 1; add a; claim 1", "tick 100", "", "a dead"),
        ("set claim 100 tries 1; add a; claim 1", "tick 100", "", "a dead"),
        ("set claim 100; add a; claim 1; tick 100", "done a", "ClaimLost", "a delayed"),
        ("set claim 100; add a; claim 1; tick 100; tick 1001", "claim 1", "a#2", "a running"),
    ]);
    let mut script = Script::default();
    script.run("set claim 100 tries 9; add a");
    for lost in 1..=3 {
        assert_eq!(script.run("claim 1"), format!("a#{lost}"));
        script.run("tick 100; tick 10000");
    }
    assert_eq!(script.state(), "a dead");
    let view =
        query::task(&script.store.rows, &queue(), &script.task("a"), script.store.elapsed).unwrap().unwrap();
    assert!(view.failures.iter().all(|failure| failure.class == "worker_lost" && failure.worker == "w"));
    assert_eq!((view.failures.len(), view.attempts), (3, 3));
}

#[test]
fn tasks_with_one_key_run_one_at_a_time_and_in_order() {
    check(&[
        ("add a key k; add b key k prio 9; add c", "claim 5", "a#1 c#1", "a running, b blocked, c running"),
        ("add a key k; add b key k; claim 1; done a", "claim 1", "b#1", "a done, b running"),
        ("add a key k; add b key k; claim 1; fail a 50", "claim 1", "", "a delayed, b blocked"),
        ("add a key k after 50; add b key k", "claim 1", "", "a delayed, b blocked"),
        ("add a key k; add b key k; cancel a", "claim 1", "b#1", "a cancelled, b running"),
        (
            "add a key k; add b key k; add c key k; cancel b; claim 1; done a",
            "claim 1",
            "c#1",
            "a done, b cancelled, c running",
        ),
        ("add a key k; add b key k; claim 1; bug a", "claim 1", "b#1", "a dead, b running"),
        ("add a key k; add b key k; claim 1; bug a; replay a", "claim 5", "b#1", "a blocked, b running"),
        (
            "add a key k; add b key k; add c key k; claim 1; bug a; replay a; claim 1; done b",
            "claim 1",
            "a#1",
            "a running, b done, c blocked",
        ),
        ("add a key k; add b key k after 50; claim 1; done a", "claim 1", "", "a done, b delayed"),
    ]);
}

#[test]
fn the_new_queues_of_one_slot_have_their_own_tasks_also_if_they_are_of_one_moment() {
    let mut store = Store::default();
    let queues = ["a{t}", "b{t}", "c{t}"].map(|name| QueueName::new(name).unwrap());
    let task = |id: &'static str| NewTask { id: Some(Cow::Borrowed(id)), ..plain_task() };
    for (queue, id) in queues.iter().zip(["x", "y", "z"]) {
        let tasks = [task(id)].to_vec();
        store.apply(Command::Enqueue(Enqueue { keyed: None, queue: queue.clone(), tasks }));
    }
    for (queue, id) in queues.iter().zip(["x", "y", "z"]) {
        let request = query::TasksRequest::default();
        let page = query::tasks(&store.rows, queue, request, store.elapsed).unwrap();
        let ids: Vec<_> = page.tasks.into_iter().filter_map(|task| task.id).collect();
        assert_eq!(ids, [id], "{queue:?}");
    }
}

#[test]
fn as_many_tasks_of_a_key_run_as_the_queue_says_and_they_begin_in_order() {
    const THREE: &str = "add a key k; add b key k prio 9; add c key k";
    let script = |rest: &str| format!("set of-key 2; {THREE}; {rest}");
    let cases = [
        // A priority orders keys, and never the tasks within one.
        ("", "claim 5", "a#1", "a running, b ready, c blocked"),
        ("claim 1", "claim 5", "b#1", "a running, b running, c blocked"),
        ("claim 1; claim 1; done a", "claim 5", "c#1", "a done, b running, c running"),
        ("claim 1; claim 1; done b", "claim 5", "c#1", "a running, b done, c running"),
        // A task that waits for another attempt still counts.
        ("claim 1; fail a 50; claim 1", "claim 5", "", "a delayed, b running, c blocked"),
        ("claim 1; return a", "claim 5", "a#1 b#1", "a running, b running, c blocked"),
        ("claim 1; bug a; claim 5", "claim 5", "c#1", "a dead, b running, c running"),
        ("cancel a", "claim 5", "b#1", "a cancelled, b running, c ready"),
        ("claim 1; cancel b", "claim 5", "c#1", "a running, b cancelled, c running"),
        // Fewer from now on: those that run go on.
        ("claim 1; claim 1; set of-key 1; done a", "claim 5", "", "a done, b running, c blocked"),
        // More from now on, when one of the key begins or ends.
        ("claim 1; claim 1; set of-key 3; done b", "claim 5", "c#1", "a running, b done, c running"),
        (
            "add d key l; add e key l type u; claim 5",
            "claim 5",
            "b#1 e#1",
            "a running, b running, c blocked, d running, e running",
        ),
        (
            "add d key u replace u; add e key u replace u; claim 5",
            "claim 5",
            "b#1",
            "a running, b running, c blocked, d cancelled, e running",
        ),
        (
            "add d key u waiting u; claim 5; add e waiting u",
            "claim 5",
            "b#1",
            "a running, b running, c blocked, d running, e blocked",
        ),
    ];
    check(&[(
        "set of-key 2; add a key k; claim 1; add b key k; claim 1; add c key k; add d key k",
        "claim 5",
        "",
        "a running, b running, c blocked, d blocked",
    )]);
    for (before, line, outcome, after) in cases {
        check(&[(&script(before), line, outcome, after)]);
    }
}

#[test]
fn a_task_is_not_added_while_another_one_with_its_unique_key_is_unfinished() {
    check(&[
        ("add a existing u", "add b existing u", "is a", "a ready"),
        ("add a existing u after 50", "add b existing u", "is a", "a delayed"),
        ("add a existing u; claim 1", "add b existing u", "is a", "a running"),
        ("add a existing u; claim 1; fail a 50", "add b existing u", "is a", "a delayed"),
        ("add a key k; add b key k existing u", "add c existing u", "is b", "a ready, b blocked"),
        ("add a existing u; claim 1; done a", "add b existing u", "added", "a done, b ready"),
        ("add a existing u; claim 1; bug a", "add b existing u", "added", "a dead, b ready"),
        ("add a existing u; cancel a", "add b existing u", "added", "a cancelled, b ready"),
        ("add a existing u", "add b existing v", "added", "a ready, b ready"),
        ("add a existing u", "add b", "added", "a ready, b ready"),
        // Its key is another thing, and a known id comes first.
        ("add a existing u; add b key u", "claim 2", "a#1 b#1", "a running, b running"),
        ("add a id x as 1 existing u", "add b id x as 2 existing u", "conflict with a", "a ready"),
        (
            "add a id x existing u; claim 1; done a; add b existing u",
            "add c id x existing u",
            "replay of a",
            "a done, b ready",
        ),
        // A full queue knows the task already.
        ("set backlog 1; add a existing u", "add b existing u", "is a", "a ready"),
    ]);
}

#[test]
fn one_task_of_a_unique_key_runs_and_one_waits() {
    check(&[
        ("add a waiting u", "add b waiting u", "is a", "a ready"),
        ("add a waiting u; claim 1", "add b waiting u", "added", "a running, b blocked"),
        ("add a waiting u; claim 1; add b waiting u", "add c waiting u", "is b", "a running, b blocked"),
        ("add a waiting u; claim 1; add b waiting u; done a", "claim 5", "b#1", "a done, b running"),
        ("add a waiting u; claim 1; fail a 50", "add b waiting u", "is a", "a delayed"),
        // A retry does not conflict with what came later.
        (
            "add a waiting u; claim 1; add b waiting u; fail a 50",
            "add c waiting u",
            "is b",
            "a delayed, b blocked",
        ),
        (
            "add a waiting u; claim 1; add b waiting u; fail a 50; tick 50",
            "claim 5",
            "a#2",
            "a running, b blocked",
        ),
        // One that may run next to others is no reason to run two of the others.
        ("add a existing u; claim 1; add b waiting u", "claim 5", "b#1", "a running, b running"),
        (
            "add a existing u; claim 1; add b waiting u; claim 1; add c waiting u",
            "add d waiting u",
            "is c",
            "a running, b running, c blocked",
        ),
    ]);
}

#[test]
fn a_task_takes_the_place_of_the_one_that_waits() {
    check(&[
        ("add a replace u after 50", "add b replace u after 60", "added", "a cancelled, b delayed"),
        (
            "add a replace u after 50; add b replace u after 60; tick 59",
            "claim 5",
            "",
            "a cancelled, b delayed",
        ),
        (
            "add a replace u after 50; add b replace u after 60; tick 60",
            "claim 5",
            "b#1",
            "a cancelled, b running",
        ),
        ("add a replace u; claim 1", "add b replace u", "added", "a running, b blocked"),
        (
            "add a replace u; claim 1; add b replace u",
            "add c replace u",
            "added",
            "a running, b cancelled, c blocked",
        ),
        (
            "add a replace u; claim 1; add b replace u; add c replace u; done a",
            "claim 5",
            "c#1",
            "a done, b cancelled, c running",
        ),
        ("set backlog 1; add a replace u", "add b replace u", "added", "a cancelled, b ready"),
        (
            "set backlog 1; add a replace u; claim 1",
            "add b replace u",
            "QueueFull { backlog_max: 1 }",
            "a running",
        ),
        // Sent again after it was replaced, a task does not come back.
        (
            "add a id x replace u; add b replace u",
            "add c id x replace u",
            "replay of a",
            "a cancelled, b ready",
        ),
    ]);
}

#[test]
fn a_replayed_dead_letter_does_not_conflict_with_what_came_later() {
    check(&[
        ("add a existing u; claim 1; bug a; replay a", "add b existing u", "is a", "a ready"),
        ("add a existing u; claim 1; bug a; add b existing u", "replay a", "settled", "a ready, b ready"),
        (
            "add a existing u; claim 1; bug a; add b existing u; replay a; cancel b",
            "add c existing u",
            "added",
            "a ready, b cancelled, c ready",
        ),
        (
            "add a waiting u; claim 1; bug a; add b waiting u; replay a; claim 1; done b",
            "claim 5",
            "a#1",
            "a running, b done",
        ),
    ]);
}

#[test]
fn a_task_that_was_not_begun_by_its_deadline_is_a_dead_letter() {
    check(&[
        ("add a until 50; tick 49", "claim 1", "a#1", "a running"),
        ("add a until 50; tick 50", "claim 1", "", "a dead"),
        ("add a until 50; claim 1; tick 50", "done a", "Completed", "a done"),
        ("add a until 50; claim 1; fail a 20; tick 50", "claim 1", "", "a dead"),
        ("add a until 50; claim 1; fail a 90; tick 100", "claim 1", "", "a dead"),
        ("add a after 20 until 50; tick 20", "claim 1", "a#1", "a running"),
        ("add a after 50 until 20; tick 20", "claim 1", "", "a dead"),
        ("add a key k; add b key k until 50; tick 50", "claim 5", "a#1", "a running, b dead"),
        ("add a key k until 50; add b key k; tick 50", "claim 5", "b#1", "a dead, b running"),
        ("add a until 50; tick 50; replay a; tick 50", "claim 1", "a#1", "a running"),
        ("add a until 50; cancel a; tick 50", "claim 1", "", "a cancelled"),
    ]);
    let mut script = Script::default();
    script.run("add a until 50; add b; add c until 50");
    // The claim is in the entry in which the deadline passes, before the node has looked at it.
    script.store.run("wait 50");
    assert_eq!(script.run("claim 3"), "b#1");
    assert_eq!(script.state(), "a dead, b running, c dead");
    let view = query::task(&script.store.rows, &queue(), &script.task("a"), script.store.elapsed).unwrap();
    let failures = view.unwrap().failures;
    assert_eq!((failures.len(), &*failures[0].class, &*failures[0].worker), (1, "deadline", ""));
    // A claim that finds only such tasks says what else is ready, so that it is proposed again.
    script.run("add d until 50; add e");
    script.store.run("wait 50");
    assert_eq!(script.run("claim 1"), "");
    let ready = Effect::TasksReady { queue: queue(), task_type: "t".to_string(), tasks: 1 };
    assert!(script.store.applied.effects.contains(&ready), "{:?}", script.store.applied.effects);
}

#[test]
fn a_task_that_is_too_old_or_fails_for_an_excluded_reason_is_not_tried_again() {
    check(&[
        ("set age 100; add a; claim 1; tick 99", "fail a", "again", "a ready"),
        ("set age 100; add a; claim 1; tick 100", "fail a", "Dead", "a dead"),
        (
            "set age 100; add a; claim 1; tick 100; fail a; replay a; claim 1; tick 99",
            "fail a",
            "again",
            "a ready",
        ),
        ("set age 100 claim 100; add a; claim 1", "tick 100", "", "a dead"),
        ("set never 0; add a; claim 1", "fail a", "Dead", "a dead"),
        ("set never 1; add a; claim 1", "fail a", "again", "a ready"),
        ("set never 1 claim 100; add a; claim 1", "tick 100", "", "a dead"),
    ]);
}

#[test]
fn a_delayed_task_waits_for_its_time_of_day() {
    check(&[
        ("add a after 50", "claim 1", "", "a delayed"),
        ("add a after 50; tick 49", "claim 1", "", "a delayed"),
        ("add a after 50; tick 50", "claim 1", "a#1", "a running"),
        ("add a after 50; cancel a; tick 50", "claim 1", "", "a cancelled"),
    ]);
}

#[test]
fn a_cancel_reaches_a_worker_by_its_heartbeat() {
    check(&[
        ("add a", "cancel a", "Cancelled", "a cancelled"),
        ("add a; cancel a", "cancel a", "Cancelled", "a cancelled"),
        ("add a; claim 1", "cancel a", "Running", "a running"),
        ("add a; claim 1; cancel a", "beat a", "extended, but cancelled", "a running"),
        ("add a; claim 1; cancel a", "fail a", "Cancelled", "a cancelled"),
        ("add a; claim 1; cancel a", "return a", "Cancelled", "a cancelled"),
        ("add a; claim 1; cancel a", "done a", "Completed", "a done"),
        ("set claim 100; add a; claim 1; cancel a", "tick 100", "", "a cancelled"),
        ("add a; claim 1; done a", "cancel a", "WrongTaskState { state: Done }", "a done"),
        ("", "cancel z", "NoTask", ""),
    ]);
}

#[test]
fn a_dead_letter_is_replayed_from_the_start_or_dropped() {
    check(&[
        ("set tries 1; add a; claim 1; fail a", "replay a", "settled", "a ready"),
        ("set tries 1; add a; claim 1; fail a; replay a", "claim 1", "a#1", "a running"),
        ("set tries 1; add a; claim 1; fail a", "drop a", "settled", ""),
        ("add a", "drop a", "WrongTaskState { state: Ready }", "a ready"),
        (
            "set tries 1 backlog 1; add a; claim 1; fail a; add b",
            "replay a",
            "QueueFull { backlog_max: 1 }",
            "a dead, b ready",
        ),
        ("set tries 1 keep 100; add a; claim 1; fail a", "tick 100", "", ""),
    ]);
}

#[test]
fn a_claim_sent_again_gets_the_tasks_that_it_still_holds() {
    check(&[
        ("add a; add b; add c; claim 2 req r", "claim 2 req r", "a#1 b#1", "a running, b running, c ready"),
        ("add a; add b; add c; claim 2 req r; done a", "claim 2 req r", "b#1", "a done, b running, c ready"),
        ("add a; add b; claim 1 req r; done a", "claim 1 req r", "b#1", "a done, b running"),
        ("add a; add b; claim 1 req r", "claim 1 req s", "b#1", "a running, b running"),
    ]);
}

#[test]
fn a_paused_queue_gives_out_nothing_and_says_what_is_ready_when_it_resumes() {
    check(&[
        ("set paused 1; add a", "claim 1", "", "a ready"),
        ("set paused 1; add a; set paused 0", "claim 1", "a#1", "a running"),
    ]);
    let mut script = Script::default();
    script.run("set paused 1; add a; add b; set paused 0");
    let ready = Effect::TasksReady { queue: queue(), task_type: "t".to_string(), tasks: 2 };
    assert_eq!(script.store.applied.effects, [ready]);
}

#[test]
fn an_effect_says_which_tasks_can_be_claimed_now() {
    let ready = |tasks| [Effect::TasksReady { queue: queue(), task_type: "t".to_string(), tasks }];
    let mut script = Script::default();
    for (line, want) in [("add a key k", 1), ("add b key k", 0), ("claim 1", 0), ("add c", 1), ("claim 1", 0)]
    {
        script.run(line);
        let effects: Vec<_> = script.store.applied.effects.clone();
        let effects: Vec<_> =
            effects.into_iter().filter(|effect| matches!(effect, Effect::TasksReady { .. })).collect();
        assert_eq!(effects, ready(want)[..want.min(1) as usize], "{line}");
    }
    script.run("done a");
    assert!(script.store.applied.effects.contains(&ready(1)[0]), "b can be claimed now");
}

#[test]
fn a_finished_queue_leaves_only_its_own_rows() {
    let mut script = Script::default();
    script.run("set keep 100 tries 1 claim 100 lost 1");
    let empty = script.store.rows.len();
    script.run("add e existing u until 5; cancel e; add f replace u after 9; add g replace u after 1; tick 1; claim 1; done g; tick 100");
    assert_eq!((script.state(), script.store.rows.len()), (String::new(), empty + 1));
    script.run("add a id x key k; add b key k after 10; add c; add d; claim 5; beat a; done a; tick 10");
    script.run("claim 1 req r; fail b; cancel c; done d; tick 100; tick 100; tick 100");
    assert_eq!(script.state(), "");
    // The type's row stays.
    assert_eq!(script.store.rows.len(), empty + 1);
    let view = query::queue(&script.store.rows, &queue()).unwrap().unwrap();
    let counts = &view.types[0];
    let all = [counts.delayed, counts.blocked, counts.ready, counts.running, counts.done, counts.dead];
    assert_eq!((all, counts.cancelled), ([0; 6], 0));
}
