//! Tables of cases for limits. A script is a list of lines:
//!
//! ```text
//! limit api 2                            at most 2 tasks of each key run at the same time
//! rate api 2/1000 burst 4                at most 2 in 1,000 ms, and 4 after a pause
//! unlimit api                            remove the limit
//! set q api:payload.host db paused       the limits of a queue, with expressions for their keys; or a pause
//! set q breaker=mail/:payload.host       the queue's breaker
//! add q a host h type t prio 9 key k     enqueue a task that the script calls a
//! add q a fair f                         enqueue one of a tenant
//! claim q 2 t                            claim up to 2 tasks, of these types or any
//! done a | fail a 50 | bug a | defer a 50 | return a | beat a
//! throttle a api 50 x                    close the key x of a limit, or the one that the task has
//! cancel a
//! tick 50                                time passes, and the node does what is due
//! ```

use crate::query::{self, BlockedOn, Closed, LimitUse};
use crate::testing::{Store, play};
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use model::{
    Action, CancelTask, Claim, Command, DeleteLimit, Effect, Enqueue, EnqueuedTask, Failure, Fingerprint,
    KeyExpression, LimitName, LimitSettings, NewTask, Outcome, Position, PutLimit, PutQueue, QueueBreaker,
    QueueLimit, QueueName, QueueSettings, Rate, Settle, Settled, Settlement, TaskOptions, TaskRef, TaskState,
    TenantName, Throttle, limits,
};

fn limit(name: &str) -> LimitName<'static> {
    LimitName::new(name.to_string()).unwrap()
}

fn queue(name: &str) -> QueueName<'static> {
    QueueName::new(name.to_string()).unwrap()
}

struct Named {
    queue: String,
    task: Position,
    token: Option<Position>,
}

#[derive(Default)]
pub(crate) struct Script {
    pub(crate) store: Store,
    tasks: BTreeMap<String, Named>,
}

impl Script {
    pub(crate) fn run(&mut self, script: &str) -> String {
        play(script, |line| self.line(line))
    }

    fn line(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["limit", name, tasks] => self.put(name, Some(tasks.parse().unwrap()), None),
            ["rate", name, rate, "burst", burst] => {
                let (cost_max, per_ms) = rate.split_once('/').unwrap();
                let rate = Rate {
                    cost_max: cost_max.parse().unwrap(),
                    per_ms: per_ms.parse().unwrap(),
                    burst: burst.parse().unwrap(),
                };
                self.put(name, None, Some(rate))
            }
            ["unlimit", name] => self.apply(Command::DeleteLimit(DeleteLimit { limit: limit(name) })),
            ["set", name, ref words @ ..] => self.set(name, words),
            ["add", name, task, ref words @ ..] => self.add(name, task, words),
            ["claim", name, tasks_max, ref types @ ..] => self.claim(name, tasks_max.parse().unwrap(), types),
            ["cancel", task] => {
                let Named { queue: of, task, .. } = &self.tasks[task];
                let (of, task) = (queue(of), TaskRef::Server(*task));
                self.apply(Command::CancelTask(CancelTask { queue: of, task }))
            }
            ["tick", ms] => {
                self.store.run(&format!("wait {ms}"));
                self.store.do_what_is_due();
                String::new()
            }
            ["throttle", task, name, ms, ref key @ ..] => {
                let key = key.first().map(|key| Cow::Owned((*key).to_string()));
                let close_ms = ms.parse().unwrap();
                self.settle(task, Action::Throttle(Throttle { limit: limit(name), key, close_ms }))
            }
            [verb, task] => self.settle(task, action(verb, 0)),
            [verb, task, delay_ms] => self.settle(task, action(verb, delay_ms.parse().unwrap())),
            _ => panic!("{line} is not a line"),
        }
    }

    fn apply(&mut self, command: Command<'_>) -> String {
        self.store.apply(command);
        format!("{:?}", self.store.applied.outcomes[0])
    }

    fn put(&mut self, name: &str, concurrency: Option<u32>, rate: Option<Rate>) -> String {
        let settings = LimitSettings { concurrency, rate };
        let outcome = self.apply(Command::PutLimit(PutLimit { limit: limit(name), settings }));
        self.store.do_what_is_due();
        outcome
    }

    fn set(&mut self, name: &str, words: &[&str]) -> String {
        let mut settings = QueueSettings { claim_ms: 1_000, ..QueueSettings::default() };
        settings.retry.first_ms = 0;
        for word in words {
            if let Some(tasks) = word.strip_prefix("concurrency=") {
                settings.options.concurrency = Some(tasks.parse().unwrap());
                continue;
            }
            if let Some(breaker) = word.strip_prefix("breaker=") {
                let (prefix, key) = breaker.split_once(':').unwrap_or((breaker, ""));
                let key = KeyExpression::new(key).unwrap();
                let breaker = QueueBreaker { prefix: prefix.to_string(), key, types: Vec::new() };
                settings.options.breaker = Some(breaker);
                continue;
            }
            if *word == "paused" {
                settings.paused = true;
                continue;
            }
            let (name, key) = word.split_once(':').unwrap_or((word, ""));
            let (name, cost) = name.split_once('*').unwrap_or((name, "1"));
            let (key, types) = key.split_once('@').unwrap_or((key, ""));
            settings.options.limits.push(QueueLimit {
                limit: limit(name),
                key: KeyExpression::new(key).unwrap(),
                types: types.split(',').filter(|name| !name.is_empty()).map(ToString::to_string).collect(),
                cost: cost.parse().unwrap(),
            });
        }
        self.apply(Command::PutQueue(PutQueue { queue: queue(name), settings }))
    }

    fn add(&mut self, name: &str, called: &str, words: &[&str]) -> String {
        let mut task = NewTask {
            id: None,
            fingerprint: Fingerprint(0),
            task_type: Cow::Borrowed("t"),
            run_after: None,
            priority: limits::PRIORITY_DEFAULT,
            key: None,
            claim_ms: None,
            retry: None,
            envelope: Cow::Borrowed(b"\"payload\":{}"),
            options: TaskOptions::default(),
        };
        for pair in words.chunks(2) {
            let text = Cow::Owned(pair[1].to_string());
            match pair[0] {
                "type" => task.task_type = text,
                "key" => task.key = Some(text),
                "fair" => task.options.fair = Some(TenantName::new(text).unwrap()),
                "prio" => task.priority = pair[1].parse().unwrap(),
                "host" => {
                    task.envelope = Cow::Owned(format!("\"payload\":{{\"host\":\"{text}\"}}").into_bytes())
                }
                other => panic!("{other} is not a property"),
            }
        }
        let tasks = [task].to_vec();
        self.store.apply(Command::Enqueue(Enqueue { keyed: None, queue: queue(name), tasks }));
        let Outcome::Enqueued(enqueued) = &self.store.applied.outcomes[0] else { panic!() };
        let EnqueuedTask::Added(task) = enqueued.tasks[0] else { panic!() };
        self.tasks.insert(called.to_string(), Named { queue: name.to_string(), task, token: None });
        "added".to_string()
    }

    fn claim(&mut self, name: &str, tasks_max: u32, types: &[&str]) -> String {
        let claim = Claim {
            queue: queue(name),
            worker: Cow::Borrowed("w"),
            types: types.iter().map(|name| Cow::Owned((*name).to_string())).collect(),
            tasks_max,
            claim_ms: None,
            request: None,
        };
        self.store.apply(Command::Claim(claim));
        let Outcome::Claimed(claimed) = &self.store.applied.outcomes[0] else { panic!() };
        let mut granted = Vec::new();
        for task in &claimed.tasks {
            let (called, named) =
                self.tasks.iter_mut().find(|(_, named)| named.task == task.position).unwrap();
            named.token = Some(task.token);
            granted.push(called.clone());
        }
        granted.join(" ")
    }

    fn settle(&mut self, called: &str, action: Action<'_>) -> String {
        let Named { queue: of, task, token } = &self.tasks[called];
        let (of, task) = (queue(of), TaskRef::Server(*task));
        let settlements = [Settlement { task, token: token.unwrap(), action }].to_vec();
        self.store.apply(Command::Settle(Settle { queue: of, settlements }));
        let Outcome::Settled(settled) = &self.store.applied.outcomes[0] else { panic!() };
        match settled[0] {
            Settled::ClaimLost => "lost".to_string(),
            _ => "settled".to_string(),
        }
    }

    /// Completes running tasks of one queue, all in one command.
    pub(crate) fn complete(&mut self, tasks: &str) {
        let settlements = |named: &Named| Settlement {
            task: TaskRef::Server(named.task),
            token: named.token.unwrap(),
            action: Action::Complete { result: None },
        };
        let named: Vec<&Named> = tasks.split(' ').map(|called| &self.tasks[called]).collect();
        let of = queue(&named[0].queue);
        let settlements = named.into_iter().map(settlements).collect();
        self.store.apply(Command::Settle(Settle { queue: of, settlements }));
    }

    /// Why a task does not run.
    pub(crate) fn blocked_on(&self, called: &str) -> String {
        let Named { queue: of, task, .. } = &self.tasks[called];
        let task = TaskRef::Server(*task);
        let task = query::task(&self.store.rows, &queue(of), &task, self.store.elapsed).unwrap().unwrap();
        match task.blocked_on {
            None => format!("{:?}", task.state),
            Some(BlockedOn::Limit { limit, key, closed }) => {
                let why = match closed {
                    Closed::Concurrency => "concurrency".to_string(),
                    Closed::Rate { opens_ms } => format!("rate for {opens_ms}"),
                    Closed::Throttle { opens_ms } => format!("throttle for {opens_ms}"),
                };
                format!("{limit}:{key} {why}")
            }
            Some(other) => format!("{other:?}"),
        }
    }

    /// Attempts of a task that count.
    pub(crate) fn attempts(&self, called: &str) -> u32 {
        let Named { queue: of, task, .. } = &self.tasks[called];
        let task = TaskRef::Server(*task);
        query::task(&self.store.rows, &queue(of), &task, self.store.elapsed).unwrap().unwrap().attempts
    }

    /// What each key of a limit has in use.
    fn running(&self, name: &str) -> String {
        let found = query::limit(&self.store.rows, &limit(name), 10, self.store.elapsed).unwrap();
        let mut keys: Vec<String> =
            found.unwrap().keys.iter().map(|key| format!("{}={}", key.key, key.running)).collect();
        keys.sort();
        keys.join(" ")
    }

    /// What a limit has in use, as far as this many rows say.
    fn used(&self, name: &str, rows_max: usize) -> LimitUse {
        query::limit_use(&self.store.rows, &limit(name), rows_max, self.store.elapsed).unwrap().unwrap()
    }

    /// How many tasks of a queue were announced by the last entry.
    pub(crate) fn announced(&self, name: &str) -> u32 {
        let announced = self.store.applied.effects.iter().map(|effect| match effect {
            Effect::TasksReady { queue, tasks, .. } if queue.as_str() == name => *tasks,
            _ => 0,
        });
        announced.sum()
    }
}

fn action(verb: &str, delay_ms: u64) -> Action<'static> {
    let failure = |retryable| {
        let (class, detail) = (Cow::Borrowed("E"), Cow::Borrowed(&b""[..]));
        Action::Fail(Failure { class, detail, retryable, delay_ms: Some(delay_ms) })
    };
    match verb {
        "done" => Action::Complete { result: None },
        "fail" => failure(true),
        "bug" => failure(false),
        "defer" => Action::Defer { delay_ms },
        "return" => Action::Return,
        "beat" => Action::Heartbeat { progress: None },
        other => panic!("{other} is not a line"),
    }
}

/// Before, line, outcome.
#[track_caller]
fn check(cases: &[(&str, &str, &str)]) {
    for (before, line, outcome) in cases {
        let mut script = Script::default();
        script.run(before);
        assert_eq!(script.run(line), *outcome, "the outcome of {line:?} after {before:?}");
    }
}

const TWO_HOSTS: &str = "limit api 1; set q api:payload.host; add q a host x; add q b host x; add q c host y";

#[test]
fn a_key_runs_as_many_tasks_as_its_limit_says() {
    check(&[
        (TWO_HOSTS, "claim q 9", "a c"),
        ("limit api 2; set q api; add q a; add q b; add q c", "claim q 9", "a b"),
        ("limit api 2; set q api; add q a; add q b; add q c; claim q 1; claim q 1", "claim q 1", ""),
        ("set q api; add q a; add q b", "claim q 9", "a b"),
        ("limit api 0; set q api; add q a", "claim q 9", ""),
        ("limit api 1; set q api; set r api; add q a; add r b; claim q 1", "claim r 1", ""),
        ("limit api 1; set q api:@u; add q a; add q b; add q c type u; add q d type u", "claim q 9", "a b c"),
        (
            "limit api 1; limit db 1; set q api:payload.host db; add q a host x; add q b host y",
            "claim q 9",
            "a",
        ),
    ]);
}

#[test]
fn however_a_claim_ends_the_next_task_of_its_key_can_be_claimed() {
    for end in ["done a", "fail a", "bug a", "fail a 500", "defer a 500", "tick 1000", "return a"] {
        let mut script = Script::default();
        script.run(TWO_HOSTS);
        assert_eq!(script.run("claim q 9"), "a c");
        assert_eq!(script.run("claim q 9"), "", "b waits");
        script.run(end);
        let next = if end == "return a" { "a" } else { "b" };
        let claimed = script.run("claim q 9");
        assert!(claimed.split(' ').any(|task| task == next), "{end}: {claimed:?}");
        assert!(script.running("api").contains("x=1"), "{end}: {}", script.running("api"));
    }
}

#[test]
fn the_use_of_a_limit_is_the_sum_over_its_keys_as_far_as_they_were_read() {
    let mut script = Script::default();
    script.run("limit api 2; set q api:payload.host; set r api:payload.host; add q a host x; add q b host x");
    script.run("add q c host x; add q d host x; add r e host x; add q f host y; claim q 9; claim r 9");
    let used = script.used("api", 6);
    assert_eq!((used.keys, used.running, used.running_max), (2, 3, 2), "a and b of x, f of y");
    assert_eq!((used.waiting, used.throttled, used.rate_left_min), (3, 0, None), "c, d and e");
    // Two keys, a list for each queue, and a cohort in each.
    assert_eq!((used.rows, used.is_cut), (6, false));
    for rows_max in 0..6 {
        let used = script.used("api", rows_max);
        assert_eq!((used.rows, used.is_cut), (rows_max, true));
    }
    script.run("throttle a api 50 x");
    assert_eq!((script.used("api", 9).throttled, script.used("api", 9).running), (1, 2));
    script.run("tick 50");
    assert_eq!(script.used("api", 9).throttled, 0);
    let missing = query::limit_use(&script.store.rows, &limit("none"), 9, script.store.elapsed);
    assert_eq!(missing.unwrap(), None);
}

#[test]
fn the_use_of_a_rate_is_what_still_fits_in_the_key_that_has_least_left() {
    let mut script = Script::default();
    script.run("rate api 2/1000 burst 4; set q api:payload.host");
    assert_eq!(script.used("api", 9).rate_left_min, Some(4), "no key is in use");
    script.run("add q a host x; add q b host x; add q c host x; add q d host y; claim q 9");
    assert_eq!(script.used("api", 9).rate_left_min, Some(1));
    script.run("tick 499");
    assert_eq!(script.used("api", 9).rate_left_min, Some(1));
    script.run("tick 1");
    assert_eq!(script.used("api", 9).rate_left_min, Some(2));
    script.run("rate api 2/1000 burst 1");
    assert_eq!(script.used("api", 9).rate_left_min, Some(0), "less than nothing is nothing");
}

#[test]
fn whoever_waits_for_tasks_hears_of_a_key_that_opens() {
    let mut script = Script::default();
    script.run("limit api 1; set q api; set r api; add q a; add q b; add r c; claim q 9; claim r 9");
    assert_eq!((script.announced("q"), script.announced("r")), (0, 0));
    script.run("done a");
    assert_eq!((script.announced("q"), script.announced("r")), (1, 1), "either may be claimed");
    assert_eq!(script.run("claim r 1"), "c");
    assert_eq!(script.run("claim q 1"), "");
    script.run("add q d");
    assert_eq!(script.announced("q"), 0, "a task of a closed key cannot be claimed");
    script.run("done c");
    assert_eq!((script.announced("q"), script.announced("r")), (2, 0));
}

#[test]
fn a_queue_without_workers_holds_nothing_back() {
    let mut script = Script::default();
    script.run("limit api 1; set q api:type; set r api:type; add q a; add r b; add r c; add r d");
    assert_eq!(script.run("claim q 1"), "a");
    assert_eq!(script.run("claim r 9"), "");
    // The worker of q has gone. Its task comes back, and no one claims it any more.
    script.run("tick 1000");
    for task in ["b", "c", "d"] {
        assert_eq!(script.run("claim r 9"), task);
        script.run(&format!("done {task}"));
    }
    assert_eq!(script.run("claim q 9"), "a");
    // Both wait when the key opens, and no one claims from the queue that comes first.
    for (idle, worked) in [("q", "r"), ("r", "q")] {
        let mut script = Script::default();
        script.run("limit api 1; set q api; set r api; set s api; add s run; claim s 1");
        script
            .run(&format!("add {idle} left; add {worked} next; claim {idle} 9; claim {worked} 9; done run"));
        assert_eq!(script.run(&format!("claim {worked} 9")), "next", "{worked}");
    }
}

#[test]
fn a_limit_holds_for_what_is_in_the_queue_already() {
    check(&[
        ("add q a host x; add q b host x; limit api 1; set q api:payload.host", "claim q 9", "a"),
        ("add q a; add q b; claim q 1; limit api 1; set q api", "claim q 9", "b"),
        ("limit api 1; set q api; add q a; add q b; claim q 9; set q", "claim q 9", "b"),
        ("limit api 1; set q api; add q a; add q b; claim q 9; set q db; limit db 0", "claim q 9", ""),
        ("limit api 1; set q api; add q a; add q b; claim q 9; limit api 2", "claim q 9", "b"),
        ("limit api 1; set q api; add q a; add q b; claim q 9; unlimit api", "claim q 9", ""),
        ("limit api 1; set q api; add q a; add q b; claim q 9; unlimit api; tick 0", "claim q 9", "b"),
        (
            "limit api 3; set q api; add q a; add q b; add q c; claim q 2; limit api 1; done a",
            "claim q 9",
            "",
        ),
        (
            "limit api 3; set q api; add q a; add q b; add q c; claim q 2; limit api 1; done a; done b",
            "claim q 9",
            "c",
        ),
        (
            "limit api 1; set q api; set q api:payload.host; add q a host x; add q b host y",
            "claim q 9",
            "a b",
        ),
        (
            "limit api 1; set q api; add q a host x; add q b host y; claim q 1; set q api:payload.host; add q c host x",
            "claim q 9",
            "c b",
        ),
    ]);
}

#[test]
fn cohorts_take_turns_and_priorities_go_first() {
    check(&[
        (
            "limit api 9; set q api:payload.host; add q a host x; add q b host x; add q c host x; add q d host y",
            "claim q 9",
            "a d b c",
        ),
        (
            "limit api 9; set q api:payload.host; add q a host x; add q b host x prio 9; add q c host y prio 9",
            "claim q 9",
            "b c a",
        ),
        (
            "limit api 1; set q api:payload.host; add q a host x; add q b host x; claim q 9; add q c host x prio 9; done a",
            "claim q 9",
            "c",
        ),
        (
            "limit api 9; set q api:payload.host; add q a host x; tick 300000; add q b host y prio 9",
            "claim q 9",
            "a b",
        ),
    ]);
}

#[test]
fn a_task_that_meets_two_closed_gates_takes_nothing_of_either() {
    let mut script = Script::default();
    script.run("limit a 1; limit b 1; set q a b; set r a; set s b");
    script.run("add q both; add r first; add s second; claim r 1; claim s 1");
    assert_eq!(script.run("claim q 1"), "");
    assert_eq!(script.blocked_on("both"), "a: concurrency");
    script.run("done first");
    assert_eq!(script.run("claim q 1"), "");
    assert_eq!(script.blocked_on("both"), "b: concurrency");
    assert_eq!((script.running("a"), script.running("b")), (String::new(), "=1".to_string()));
    // What the task leaves free is free for others.
    script.run("add r third");
    assert_eq!(script.run("claim r 1"), "third");
    script.run("done second");
    assert_eq!(script.run("claim q 1"), "");
    script.run("done third");
    assert_eq!(script.run("claim q 1"), "both");
    // A cohort that could go on, and meets another gate that has closed meanwhile, makes way for the next.
    let mut script = Script::default();
    script.run("limit a 1; limit b 1; set q a b:payload.host; set r a; set s b:payload.host");
    script.run("add r run; claim r 1; add q one host x; add q two host y; claim q 9; done run");
    script.run("add s hold host x; claim s 1");
    assert_eq!((script.run("claim q 9"), script.announced("q")), (String::new(), 1));
    assert_eq!(script.run("claim q 9"), "two");
}

#[test]
fn a_task_that_costs_more_than_there_is_leaves_the_one_before_it_ready() {
    let mut script = Script::default();
    script.run("rate api 1/1000 burst 3; set q api; add q x; add q y; add q z; claim q 9");
    // `a` waits as one that costs 1, and `b` costs 3. After two seconds, there is 2.
    script.run("done x; done y; done z; add q a; set q api*3; add q b; tick 2000");
    assert_eq!(script.run("claim q 9"), "", "by now, `a` costs 3 as well");
    let mut claimed: Vec<String> = Vec::new();
    for _ in 0..2 {
        script.run("tick 3000");
        claimed.push(script.run("claim q 9"));
        script.run(&format!("done {}", claimed[claimed.len() - 1]));
    }
    claimed.sort();
    assert_eq!(claimed, ["a", "b"]);
}

#[test]
fn a_cohort_that_goes_on_elsewhere_makes_way_for_the_next() {
    // Both cohorts wait for `a`. When it opens, the first one turns out to need `b`, which is closed.
    let mut script = Script::default();
    script.run("limit a 1; limit b 1; set q a b:@x; set r a; set s b");
    script.run("add r run; add s hold; claim r 1; claim s 1");
    script.run("add q one type x; add q two type y; claim q 9; done run");
    assert_eq!(script.run("claim q 9"), "two");
    script.run("done two; done hold");
    assert_eq!(script.run("claim q 9"), "one");
}

#[test]
fn a_cancelled_task_makes_way_for_the_next_of_its_key() {
    let mut script = Script::default();
    script.run("limit api 1; set q api; set r api; add q a; add r b; claim q 1; claim r 1");
    script.run("add q c; done a");
    assert_eq!(script.run("cancel b; claim q 9"), "c");
    script.run("add q d; claim q 9; cancel d; done c");
    assert_eq!(script.running("api"), "", "nothing is left of a key that is not in use");
}

#[test]
fn a_rate_lets_a_burst_through_and_then_refills() {
    let mut script = Script::default();
    script.run("rate api 2/1000 burst 3; set q api");
    for name in ["a", "b", "c", "d", "e", "f"] {
        script.run(&format!("add q {name}"));
    }
    assert_eq!(script.run("claim q 9"), "a b c");
    assert_eq!(script.blocked_on("d"), "api: rate for 500");
    script.run("tick 499");
    assert_eq!((script.run("claim q 9"), script.announced("q")), (String::new(), 0));
    script.run("tick 1");
    assert_eq!(script.run("claim q 9"), "d");
    script.run("tick 1000");
    assert_eq!(script.run("claim q 9"), "e f");
    for name in ["a", "b", "c", "d", "e", "f"] {
        script.run(&format!("beat {name}; done {name}"));
    }
    script.run("tick 3000");
    assert_eq!(script.running("api"), "", "a key whose rate has refilled is not in use");
    assert_eq!(script.store.timers(), script.store.agenda.next());
}

#[test]
fn what_costs_more_waits_for_longer() {
    check(&[
        ("rate api 2/1000 burst 2; set q api*2; add q a; add q b; claim q 9; tick 999", "claim q 9", ""),
        ("rate api 2/1000 burst 2; set q api*2; add q a; add q b; claim q 9; tick 1000", "claim q 9", "b"),
        ("rate api 2/1000 burst 2; set q api*4; add q a; add q b; claim q 9; tick 1999", "claim q 9", ""),
        ("rate api 2/1000 burst 2; set q api*4; add q a; add q b; claim q 9; tick 2000", "claim q 9", "b"),
    ]);
}

#[test]
fn a_throttled_key_is_closed_for_a_while_and_no_attempt_is_spent() {
    let mut script = Script::default();
    script.run("set q api:payload.host; add q a host x; add q b host x; add q c host y");
    assert_eq!(script.run("claim q 1; throttle a api 500"), "settled");
    assert_eq!(
        (script.blocked_on("a"), script.blocked_on("b")),
        ("api:x throttle for 500".into(), "api:x throttle for 500".into())
    );
    assert_eq!(script.run("claim q 9"), "c", "other keys go on");
    script.run("tick 499");
    assert_eq!(script.run("claim q 9"), "");
    script.run("tick 1");
    assert_eq!(script.run("claim q 9"), "a b", "the task that was given back goes first");
    let task = TaskRef::Server(script.tasks["a"].task);
    let view = query::task(&script.store.rows, &queue("q"), &task, script.store.elapsed).unwrap().unwrap();
    assert_eq!(view.attempts, 1);
    script.run("done a; done b; done c; tick 10000");
    assert_eq!(script.store.timers().elapsed, script.store.agenda.next().elapsed);
}

#[test]
fn a_task_that_closes_the_key_of_another_waits_as_long() {
    let mut script = Script::default();
    script.run("set q api:payload.host; add q a host x; add q b host y; claim q 1; throttle a api 500 y");
    assert_eq!(
        (script.blocked_on("a"), script.blocked_on("b")),
        ("Time".into(), "api:y throttle for 500".into())
    );
    script.run("tick 500");
    assert_eq!(script.run("claim q 9"), "b a");
}

#[test]
fn a_queue_runs_as_many_tasks_as_its_concurrency_says() {
    let mut script = Script::default();
    script.run("set q concurrency=2; add q a; add q b; add q c type u; add q d");
    assert_eq!(script.run("claim q 9"), "a b");
    assert_eq!(script.run("claim q 9"), "");
    assert_eq!(script.blocked_on("c"), "Concurrency");
    script.run("done a");
    assert_eq!(script.announced("q"), 2, "one of either type can be claimed");
    assert_eq!(script.run("claim q 9"), "c");
    script.run("set q concurrency=3");
    assert_eq!(script.run("claim q 9"), "d");
}

#[test]
fn a_task_says_what_it_waits_for() {
    for (before, why) in [
        (
            "limit api 1; set q api:payload.host; add q b host x; add q a host x; claim q 1",
            "api:x concurrency",
        ),
        ("limit api 1; set q api; add q b; add q a; claim q 9", "api: concurrency"),
        ("set q paused; add q a", "Pause"),
        ("add q b key k; add q a key k", "Key"),
        ("add q a; claim q 1; defer a 50", "Time"),
        ("add q a", "Ready"),
        ("add q a; claim q 1", "Running"),
        ("add q a; claim q 1; done a", "Done"),
    ] {
        let mut script = Script::default();
        script.run(before);
        assert_eq!(script.blocked_on("a"), why, "after {before:?}");
    }
}

#[test]
fn tasks_that_wait_for_a_limit_count_as_blocked() {
    let mut script = Script::default();
    script.run("limit api 1; set q api; add q a; add q b; add q c; claim q 9");
    let found = query::queue(&script.store.rows, &queue("q")).unwrap().unwrap();
    let [of_type] = &found.types[..] else { panic!() };
    assert_eq!((of_type.ready, of_type.blocked, of_type.running), (0, 2, 1));
    let request = query::TasksRequest { state: Some(TaskState::Blocked), ..query::TasksRequest::default() };
    let blocked = query::tasks(&script.store.rows, &queue("q"), request, script.store.elapsed).unwrap();
    assert_eq!(blocked.tasks.len(), 2);
}

#[test]
fn a_claim_puts_away_a_bounded_number_of_cohorts_and_the_next_one_goes_on() {
    let mut script = Script::default();
    script.run("limit api 1; limit db 1; set q db:payload.host api; set r api; add r run; claim r 1");
    let cohorts = 2 * limits::CLAIM_STEPS_MAX + 10;
    script.run("limit api 9; done run");
    for at in 0..cohorts {
        script.run(&format!("add q t{at} host h{at}"));
    }
    script.run("limit api 1; add r hold; claim r 1");
    let mut claims = 0;
    while script.run("claim q 9").is_empty() && script.announced("q") > 0 {
        claims += 1;
        assert!(claims < 5, "every claim makes progress");
    }
    assert_eq!(claims, 2, "one for each bounded number of steps");
    assert_eq!(script.run("done hold; claim q 9"), "t0");
}

#[test]
fn every_key_of_a_limit_that_was_raised_opens_a_few_at_a_time() {
    let mut script = Script::default();
    script.run("limit api 0; set q api:payload.host");
    let keys = 2 * limits::ADVANCE_LIMITS_MAX + 5;
    for at in 0..keys {
        script.run(&format!("add q t{at} host h{at}"));
    }
    assert_eq!(script.run("claim q 9"), "");
    script.run("limit api 1");
    let mut claimed = 0;
    loop {
        let granted = script.run("claim q 100");
        if granted.is_empty() {
            break;
        }
        claimed += granted.split(' ').count();
    }
    assert_eq!(claimed, keys);
    assert_eq!(script.store.timers().elapsed, script.store.agenda.next().elapsed);
}
