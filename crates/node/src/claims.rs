//! Claims that wait for tasks: long-polls of workers.
//!
//! Waiting is not state. A claim first goes into an entry like any other command. If `apply` has granted it nothing,
//! it waits here, in the order of arrival. When tasks become ready, as many of the longest waiting claims as could
//! take them are proposed again: in the entry that enqueues the tasks, or in the next one after an effect has said so.
//! `apply` decides again, so a claim that comes too late waits on, where it was. Claims of other queues and types cost
//! nothing meanwhile but memory.

use crate::request::Replies;
use model::{Claim, Command, Enqueue, GroupTask, NewGroup, NewMember, NewTask, QueueName, Wall, Write};
use std::collections::{BTreeMap, BTreeSet};

/// A claim that takes no outcome without tasks.
#[derive(Debug)]
pub struct WaitingClaim<R: Replies> {
    /// Its number in the order of arrival.
    pub number: u64,
    pub claim: Claim<'static>,
    pub reply: R::Outcome,
}

/// Claims by queue and type.
#[derive(Debug)]
pub struct WaitingClaims<R: Replies> {
    by_queue: BTreeMap<String, OfQueue<R>>,
    len: usize,
    claims_max: usize,
    next_number: u64,
}

#[derive(Debug)]
struct OfQueue<R: Replies> {
    claims: BTreeMap<u64, WaitingClaim<R>>,
    /// Those that take any type.
    any_type: BTreeSet<u64>,
    by_type: BTreeMap<String, BTreeSet<u64>>,
}

impl<R: Replies> Default for OfQueue<R> {
    fn default() -> Self {
        Self { claims: BTreeMap::new(), any_type: BTreeSet::new(), by_type: BTreeMap::new() }
    }
}

impl<R: Replies> WaitingClaims<R> {
    #[must_use]
    pub fn new(claims_max: usize) -> Self {
        Self { by_queue: BTreeMap::new(), len: 0, claims_max, next_number: 0 }
    }

    /// Gives a new claim its number.
    pub fn arrive(&mut self, claim: Claim<'static>, reply: R::Outcome) -> WaitingClaim<R> {
        self.next_number += 1;
        WaitingClaim { number: self.next_number, claim, reply }
    }

    /// Adds a claim that was granted nothing.
    ///
    /// # Errors
    /// Too many wait: the reply is handed back.
    pub fn wait(&mut self, waiting: WaitingClaim<R>) -> Result<(), R::Outcome> {
        if self.len >= self.claims_max {
            self.forget_abandoned();
        }
        if self.len >= self.claims_max {
            return Err(waiting.reply);
        }
        self.len += 1;
        self.by_queue.entry(waiting.claim.queue.as_str().to_owned()).or_default().add(waiting);
        Ok(())
    }

    /// Removes and returns the longest waiting claims that can take this number of tasks of this type.
    pub fn take(&mut self, queue: &QueueName<'_>, task_type: &str, tasks: u32) -> Vec<WaitingClaim<R>> {
        let mut taken = Vec::new();
        let Some(of_queue) = self.by_queue.get_mut(queue.as_str()) else { return taken };
        let mut left = tasks;
        while left > 0
            && let Some(waiting) = of_queue.take_first(task_type)
        {
            self.len -= 1;
            if !R::is_abandoned(&waiting.reply) {
                // A request that was sent again gets the same tasks as the first one.
                let is_repeated = |other: &WaitingClaim<R>| other.claim.request == waiting.claim.request;
                if waiting.claim.request.is_none() || !taken.iter().any(is_repeated) {
                    left = left.saturating_sub(waiting.claim.tasks_max.max(1));
                }
                taken.push(waiting);
            }
        }
        if of_queue.claims.is_empty() {
            self.by_queue.remove(queue.as_str());
        }
        taken
    }

    /// Removes and returns the claims that can take tasks which these commands make ready by `now`, as far as that
    /// can be seen before they are applied.
    pub fn take_for(&mut self, commands: &[Command<'_>], now: Wall) -> Vec<WaitingClaim<R>> {
        let mut taken = Vec::new();
        if self.len == 0 {
            return taken;
        }
        let is_ready = |(_, task): &Enqueued<'_, '_>| task.run_after.is_none_or(|at| at <= now);
        let mut tasks = commands.iter().flat_map(enqueued).filter(is_ready).peekable();
        while let Some((queue, task)) = tasks.next() {
            // A batch is usually of one queue and one type.
            let is_alike = |other: &Enqueued<'_, '_>| other.0 == queue && other.1.task_type == task.task_type;
            let mut count = 1;
            while tasks.next_if(is_alike).is_some() {
                count += 1;
            }
            taken.extend(self.take(queue, &task.task_type, count));
        }
        taken
    }

    /// Removes and returns all claims.
    pub fn drain(&mut self) -> impl Iterator<Item = WaitingClaim<R>> + use<R> {
        self.len = 0;
        std::mem::take(&mut self.by_queue).into_values().flat_map(|of_queue| of_queue.claims.into_values())
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn forget_abandoned(&mut self) {
        self.by_queue.retain(|_, of_queue| {
            let gone = of_queue.claims.values().filter(|waiting| R::is_abandoned(&waiting.reply));
            let gone: Vec<u64> = gone.map(|waiting| waiting.number).collect();
            for number in gone {
                of_queue.remove(number);
            }
            !of_queue.claims.is_empty()
        });
        self.len = self.by_queue.values().map(|of_queue| of_queue.claims.len()).sum();
    }
}

/// A task that a command enqueues, and its queue.
type Enqueued<'a, 'b> = (&'a QueueName<'b>, &'a NewTask<'b>);

/// What a command enqueues at once: not what follows a group.
fn enqueued<'a, 'b>(command: &'a Command<'b>) -> Vec<Enqueued<'a, 'b>> {
    let mut found = Vec::new();
    match command {
        Command::Enqueue(enqueue) => batch(enqueue, &mut found),
        Command::CreateGroup(create) => group(&create.content, &mut found),
        Command::Transaction(transaction) => {
            for write in &transaction.writes {
                match write {
                    Write::Enqueue(enqueue) => batch(enqueue, &mut found),
                    Write::CreateGroup(create) => group(&create.content, &mut found),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    found
}

fn batch<'a, 'b>(enqueue: &'a Enqueue<'b>, found: &mut Vec<Enqueued<'a, 'b>>) {
    found.extend(enqueue.tasks.iter().map(|task| (&enqueue.queue, task)));
}

/// The depth of groups in groups has a limit.
fn group<'a, 'b>(group: &'a NewGroup<'b>, found: &mut Vec<Enqueued<'a, 'b>>) {
    for member in &group.members {
        match member {
            NewMember::Task(GroupTask { queue, task }) => found.push((queue, task)),
            NewMember::Group(inner) => self::group(inner, found),
        }
    }
}

impl<R: Replies> OfQueue<R> {
    fn add(&mut self, waiting: WaitingClaim<R>) {
        if waiting.claim.types.is_empty() {
            self.any_type.insert(waiting.number);
        }
        for task_type in &waiting.claim.types {
            self.by_type.entry(task_type.clone().into_owned()).or_default().insert(waiting.number);
        }
        self.claims.insert(waiting.number, waiting);
    }

    fn take_first(&mut self, task_type: &str) -> Option<WaitingClaim<R>> {
        let of_type = self.by_type.get(task_type).and_then(|numbers| numbers.first());
        let number = of_type.into_iter().chain(self.any_type.first()).min().copied()?;
        self.remove(number)
    }

    fn remove(&mut self, number: u64) -> Option<WaitingClaim<R>> {
        let waiting = self.claims.remove(&number)?;
        self.any_type.remove(&number);
        for task_type in &waiting.claim.types {
            if let Some(numbers) = self.by_type.get_mut(&**task_type) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.by_type.remove(&**task_type);
                }
            }
        }
        Some(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{CreateGroup, Fingerprint, GroupName, IdHash, TaskOptions, Transaction};
    use std::borrow::Cow;

    /// Replies are numbers. Odd ones are abandoned.
    #[derive(Debug)]
    struct Numbers;

    impl Replies for Numbers {
        type Outcome = u64;
        type TimeClosed = u64;
        type Woken = u64;

        fn is_gone(_: &u64) -> bool {
            false
        }

        fn is_abandoned(reply: &u64) -> bool {
            reply % 2 == 1
        }
    }

    fn queue(name: &'static str) -> QueueName<'static> {
        QueueName::new(name).unwrap()
    }

    /// Claims wait in this order: queue, types, tasks, reply.
    fn waiting(claims: &[(&'static str, &[&'static str], u32, u64)]) -> WaitingClaims<Numbers> {
        let mut table = WaitingClaims::new(100);
        for (name, types, tasks_max, reply) in claims {
            let types = types.iter().map(|task_type| Cow::Borrowed(*task_type)).collect();
            let worker = Cow::Borrowed("w");
            let tasks_max = *tasks_max;
            let claim = Claim { queue: queue(name), worker, types, tasks_max, claim_ms: None, request: None };
            let claim = table.arrive(claim, *reply);
            table.wait(claim).unwrap();
        }
        table
    }

    fn replies(taken: Vec<WaitingClaim<Numbers>>) -> Vec<u64> {
        taken.into_iter().map(|waiting| waiting.reply).collect()
    }

    #[test]
    fn the_longest_waiting_claims_that_fit_are_taken() {
        let claims: &[(_, &[_], _, _)] = &[
            ("q", &["x"], 1, 2),
            ("q", &[], 1, 4),
            ("r", &[], 1, 6),
            ("q", &["x", "y"], 5, 8),
            ("q", &["y"], 1, 10),
        ];
        for (task_type, tasks, want) in [
            ("x", 1, vec![2]),
            ("x", 2, vec![2, 4]),
            ("x", 3, vec![2, 4, 8]),
            ("y", 1, vec![4]),
            ("y", 3, vec![4, 8]),
            ("y", 9, vec![4, 8, 10]),
            ("z", 9, vec![4]),
        ] {
            let mut table = waiting(claims);
            assert_eq!(replies(table.take(&queue("q"), task_type, tasks)), want, "{tasks} of {task_type}");
            assert_eq!(table.len(), claims.len() - want.len());
        }
    }

    #[test]
    fn a_claim_that_comes_too_late_keeps_its_place() {
        let mut table = waiting(&[("q", &[], 1, 2), ("q", &[], 1, 4)]);
        let [first] = &mut table.take(&queue("q"), "x", 1)[..] else { panic!() };
        let first = WaitingClaim { number: first.number, claim: first.claim.clone(), reply: first.reply };
        table.wait(first).unwrap();
        assert_eq!(replies(table.take(&queue("q"), "x", 2)), [2, 4]);
        assert!(table.is_empty());
    }

    #[test]
    fn abandoned_claims_take_no_task_and_make_room_when_too_many_wait() {
        let mut table = waiting(&[("q", &["x"], 1, 1), ("q", &[], 1, 3), ("q", &[], 1, 4)]);
        assert_eq!(replies(table.take(&queue("q"), "x", 1)), [4]);
        assert!(table.is_empty());
        let mut table = waiting(&[("r", &[], 1, 4), ("q", &["x"], 1, 1)]);
        assert!(!table.is_empty());
        table.claims_max = 2;
        let claim = Claim {
            queue: queue("s"),
            worker: Cow::Borrowed("w"),
            types: vec![],
            tasks_max: 1,
            claim_ms: None,
            request: None,
        };
        let sixth = table.arrive(claim.clone(), 6);
        table.wait(sixth).unwrap();
        let eighth = table.arrive(claim, 8);
        assert_eq!(table.wait(eighth), Err(8));
        let mut rest = replies(table.drain().collect());
        rest.sort_unstable();
        assert_eq!(rest, [4, 6]);
    }

    #[test]
    fn a_batch_takes_claims_for_the_tasks_that_are_ready_at_once() {
        let task = |task_type: &'static str, run_after| NewTask {
            id: None,
            fingerprint: Fingerprint(0),
            task_type: Cow::Borrowed(task_type),
            run_after,
            priority: 0,
            key: None,
            claim_ms: None,
            retry: None,
            envelope: Cow::Borrowed(b""),
            options: TaskOptions::default(),
        };
        let tasks =
            vec![task("x", None), task("x", Some(Wall(51))), task("y", Some(Wall(50))), task("x", None)];
        let mut members: Vec<_> = tasks
            .iter()
            .map(|task| member("q", task.clone()))
            .chain([member("r", task("x", None))])
            .collect();
        // One of them in a group in the group. What comes after a group is not ready.
        let last = members.remove(3);
        let then = Some(Box::new(GroupTask { queue: queue("q"), task: task("x", None) }));
        members.push(NewMember::Group(NewGroup { members: vec![last], then: then.clone(), on_dead: None }));
        let create = CreateGroup {
            group: GroupName::new("g").unwrap(),
            fingerprint: Fingerprint(0),
            content: NewGroup { members, then, on_dead: None },
        };
        let enqueue = Enqueue { keyed: None, queue: queue("q"), tasks };
        let transaction = |write| {
            Command::Transaction(Transaction { keyed: None, checks: Vec::new(), writes: vec![write] })
        };
        for command in [
            transaction(Write::Enqueue(enqueue.clone())),
            transaction(Write::CreateGroup(create.clone())),
            Command::Enqueue(enqueue),
            Command::CreateGroup(create),
        ] {
            takes_for_three_of_four_tasks(&[command]);
        }
    }

    fn member(name: &'static str, task: NewTask<'static>) -> NewMember<'static> {
        NewMember::Task(GroupTask { queue: queue(name), task })
    }

    #[test]
    fn a_request_that_was_sent_again_takes_no_other_ones_task() {
        for (requests, tasks, want) in [
            ([Some(7), Some(7), None], 2, vec![2, 4, 6]),
            ([Some(7), Some(8), None], 2, vec![2, 4]),
            ([Some(7), None, None], 1, vec![2]),
        ] {
            let mut table = waiting(&[("q", &["x"], 1, 2), ("q", &["x"], 1, 4), ("q", &["x"], 1, 6)]);
            for (number, request) in (1..).zip(requests) {
                table.by_queue.get_mut("q").unwrap().claims.get_mut(&number).unwrap().claim.request =
                    request.map(IdHash);
            }
            assert_eq!(replies(table.take(&queue("q"), "x", tasks)), want, "{requests:?}");
        }
    }

    fn takes_for_three_of_four_tasks(commands: &[Command<'_>]) {
        let mut table =
            waiting(&[("q", &["x"], 1, 2), ("q", &["x"], 1, 4), ("q", &["x"], 1, 6), ("q", &["y"], 1, 8)]);
        assert_eq!(replies(table.take_for(commands, Wall(50))), [2, 8, 4]);
        assert_eq!(table.len(), 1);
    }
}
