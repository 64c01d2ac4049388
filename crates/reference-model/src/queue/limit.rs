//! Limits: how many tasks of a key may run, and which tasks wait for that.
//!
//! What a key has in use is counted among the tasks that run, whenever it is needed. Tasks with the same gates form a
//! cohort, which can be claimed or waits as a whole.

use super::fair::is_in_cohort;
use super::{Simple, State, Task};
use crate::SimpleOutcome;
use model::limits::{ADVANCE_LIMITS_MAX, LIMIT_COHORTS_MAX};
use model::{
    KeyExpression, KeySource, LimitSettings, Namespace, Rate, TaskState, breaker_gate, gate_breaker,
    gate_slot, limit_key_hash, slot_of,
};

/// A limit, and the key that a task has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    pub limit: String,
    pub key: String,
    pub cost: u32,
}

impl Gate {
    #[must_use]
    pub fn is_at(&self, limit: &str, key: &str) -> bool {
        self.limit == limit && self.key == key
    }
}

#[derive(Clone, Debug)]
pub struct Limit {
    pub name: String,
    pub slot: u16,
    /// `None`: it does not exist.
    pub settings: Option<LimitSettings>,
    /// The next key to look at, because the settings have changed.
    walk: Option<u128>,
    /// When the node will go on with that.
    walk_due: Vec<u64>,
}

/// A key about which something is remembered.
#[derive(Clone, Debug)]
pub struct Use {
    pub limit: String,
    pub key: String,
    /// In microseconds.
    refilled_us: u64,
    pub closed_until: u64,
    /// When the node will look at it.
    pub due: Option<u64>,
}

/// Ready tasks of one type that have the same gates and name the same tenant.
#[derive(Clone, Debug)]
pub struct Cohort {
    pub task_type: String,
    pub gates: Vec<Gate>,
    pub tenant: Option<String>,
    generation: u64,
    /// The turn of each lane, unless it waits.
    pub turns: Vec<(u8, u64)>,
    pub waits: Option<Wait>,
}

/// For which of its gates a cohort waits, since when in the list of the key, and since when in its queue.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    pub gate: usize,
    order: u64,
    turn: u64,
}

impl Cohort {
    pub fn holds(&self, task: &Task) -> bool {
        task.state.name() == TaskState::Ready
            && task.sent.task_type == self.task_type
            && task.gates() == self.gates
            && task.sent.fair == self.tenant
    }
}

/// All limits, and what is remembered about their keys.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    pub all: Vec<Limit>,
    pub uses: Vec<Use>,
    freed: Vec<Gate>,
    numbers: u64,
}

impl Limits {
    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn settings(&self, limit: &str) -> LimitSettings {
        let found = self.all.iter().find(|found| found.name == limit);
        found.and_then(|limit| limit.settings).unwrap_or_default()
    }

    fn use_of(&self, limit: &str, key: &str) -> Option<&Use> {
        self.uses.iter().find(|found| found.limit == limit && found.key == key)
    }

    fn use_mut(&mut self, limit: &str, key: &str) -> &mut Use {
        let at = self.uses.iter().position(|found| found.limit == limit && found.key == key);
        let at = at.unwrap_or_else(|| {
            self.uses.push(Use {
                limit: limit.to_owned(),
                key: key.to_owned(),
                refilled_us: 0,
                closed_until: 0,
                due: None,
            });
            self.uses.len() - 1
        });
        &mut self.uses[at]
    }

    fn look_at(&mut self, limit: &str, key: &str, due: u64) {
        let found = self.use_mut(limit, key);
        found.due = Some(found.due.map_or(due, |before| before.min(due)));
    }

    /// The number of a limit. A name that was never seen gets the next number.
    pub fn number(&mut self, name: &str) -> usize {
        self.all.iter().position(|limit| limit.name == name).unwrap_or_else(|| {
            let slot = slot_of(Namespace::ROOT, name).0;
            let name = name.to_owned();
            self.all.push(Limit { name, slot, settings: None, walk: None, walk_due: Vec::new() });
            self.all.len() - 1
        })
    }
}

/// Microseconds that a rate needs for this much.
fn micros(rate: Rate, cost: u64) -> u64 {
    let all = u128::from(rate.per_ms) * 1_000 * u128::from(cost);
    (all / u128::from(rate.cost_max)).min(u64::MAX.into()) as u64
}

/// Why a key is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    Full,
    Until(u64),
    Throttled(u64),
    /// By its breaker, until then if time changes that.
    Broken(Option<u64>),
}

impl Simple {
    /// The claims that last and count for a key.
    #[must_use]
    pub fn running_of(&self, limit: &str, key: &str) -> u64 {
        let tasks = self.queues.all.iter().flat_map(|queue| &queue.tasks);
        let running = tasks.filter(|task| task.running().is_some());
        running.filter(|task| task.gates().iter().any(|gate| gate.is_at(limit, key))).count() as u64
    }

    /// The queue and number of each cohort that waits for a key: list by list, first come, first served.
    #[must_use]
    pub fn waiting_for(&self, limit: &str, key: &str) -> Vec<((u16, u64, usize), usize, usize)> {
        let mut found = Vec::new();
        for (number, queue) in self.queues.all.iter().enumerate() {
            for (at, cohort) in queue.cohorts.iter().enumerate() {
                let Some(wait) = cohort.waits else { continue };
                if cohort.gates[wait.gate].is_at(limit, key) {
                    let of_type = queue.types.iter().position(|name| *name == cohort.task_type);
                    let list = (queue.slot, queue.made.unwrap_or(0), of_type.unwrap_or(0));
                    found.push((list, wait.order, number, at));
                }
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(list, _, number, at)| (list, number, at)).collect()
    }

    #[must_use]
    pub fn closed(&self, limit: &str, key: &str, cost: u32) -> Option<Closed> {
        if let Some(name) = gate_breaker(limit) {
            let running = self.running_of(limit, key);
            return self.tasks_admitted(name, running).err().map(Closed::Broken);
        }
        let settings = self.queues.limits.settings(limit);
        let (refilled_us, closed_until) = self
            .queues
            .limits
            .use_of(limit, key)
            .map_or((0, 0), |found| (found.refilled_us, found.closed_until));
        if closed_until > self.elapsed {
            return Some(Closed::Throttled(closed_until));
        }
        if settings.concurrency.is_some_and(|tasks| self.running_of(limit, key) >= u64::from(tasks)) {
            return Some(Closed::Full);
        }
        let rate = settings.rate?;
        let cost_us = micros(rate, cost.into());
        let burst_us = micros(rate, rate.burst).max(cost_us);
        let opens = refilled_us.saturating_add(cost_us).saturating_sub(burst_us).div_ceil(1_000);
        (opens > self.elapsed).then_some(Closed::Until(opens))
    }

    /// How many tasks of cost 1 may begin.
    #[must_use]
    pub fn free_of(&self, limit: &str, key: &str) -> u64 {
        if let Some(name) = gate_breaker(limit) {
            return self.tasks_admitted(name, self.running_of(limit, key)).unwrap_or(0);
        }
        let settings = self.queues.limits.settings(limit);
        let (refilled_us, closed_until) = self
            .queues
            .limits
            .use_of(limit, key)
            .map_or((0, 0), |found| (found.refilled_us, found.closed_until));
        if closed_until > self.elapsed {
            return 0;
        }
        let mut free = u64::MAX;
        if let Some(tasks) = settings.concurrency {
            free = u64::from(tasks).saturating_sub(self.running_of(limit, key));
        }
        if let Some(rate) = settings.rate {
            let used = refilled_us.saturating_sub(self.elapsed.saturating_mul(1_000));
            let left = micros(rate, rate.burst.max(1)).saturating_sub(used);
            free = free.min(left / micros(rate, 1).max(1));
        }
        free
    }

    fn opens(&self, limit: &str, key: &str, cost: u32) -> Option<u64> {
        match self.closed(limit, key, cost)? {
            Closed::Full => None,
            Closed::Until(at) | Closed::Throttled(at) => Some(at),
            Closed::Broken(at) => at,
        }
    }

    /// The node looks at a key again when time changes something about it. A key that is not in use is forgotten.
    fn tidy(&mut self, limit: &str, key: &str) {
        let waits = !self.waiting_for(limit, key).is_empty();
        let opens = self.opens(limit, key, 1).filter(|_| waits);
        let is_used = waits || self.running_of(limit, key) > 0;
        let now = self.elapsed;
        if let Some(opens) = opens {
            self.queues.limits.look_at(limit, key, opens);
        }
        let found = self.queues.limits.use_mut(limit, key);
        let until = found.closed_until.max(found.refilled_us.div_ceil(1_000));
        if until > now {
            self.queues.limits.look_at(limit, key, until);
        } else if !is_used {
            self.queues.limits.uses.retain(|found| found.limit != limit || found.key != key);
        }
    }

    pub(crate) fn put_limit(&mut self, limit: usize, settings: Option<LimitSettings>) -> SimpleOutcome {
        let now = self.elapsed;
        let found = &mut self.queues.limits.all[limit];
        let outcome = match settings {
            Some(_) => SimpleOutcome::LimitPut,
            None if found.settings.is_none() => return SimpleOutcome::NoLimit,
            None => SimpleOutcome::LimitDeleted,
        };
        if found.settings != settings {
            found.settings = settings;
            found.walk = Some(0);
            if !found.walk_due.contains(&now) {
                found.walk_due.push(now);
            }
        }
        outcome
    }

    /// When the node must look at something about limits in this slot.
    #[must_use]
    pub fn limits_due(&self, slot: u16) -> Vec<(u64, u128, Option<u128>)> {
        let mut due = Vec::new();
        for limit in self.queues.limits.all.iter().filter(|limit| limit.slot == slot) {
            due.extend(limit.walk_due.iter().map(|due| (*due, limit_key_hash(&limit.name), None)));
        }
        for found in self.queues.limits.uses.iter().filter(|found| gate_slot(&found.limit).0 == slot) {
            let hash = limit_key_hash(&found.key);
            due.extend(found.due.map(|due| (due, limit_key_hash(&found.limit), Some(hash))));
        }
        due.sort_unstable();
        due
    }

    pub(crate) fn advance_limits(&mut self, slot: u16, from: u64, keys_max: u32) -> SimpleOutcome {
        let mut left = ADVANCE_LIMITS_MAX.min(keys_max as usize);
        let mut due = self.limits_due(slot);
        due.retain(|(due, ..)| *due >= from && *due <= self.elapsed);
        let more = due.len() > left;
        due.truncate(left);
        for (at, limit, key) in due {
            if left == 0 {
                return SimpleOutcome::Advanced { more: true };
            }
            match key {
                Some(key) => {
                    left -= 1;
                    let found = self.queues.limits.uses.iter_mut().find(|found| {
                        limit_key_hash(&found.limit) == limit && limit_key_hash(&found.key) == key
                    });
                    let Some(found) = found.filter(|found| found.due == Some(at)) else { continue };
                    found.due = None;
                    let (limit, key) = (found.limit.clone(), found.key.clone());
                    self.tidy(&limit, &key);
                    self.open(&limit, &key);
                }
                None => left -= self.walk(limit, at, left),
            }
        }
        SimpleOutcome::Advanced { more }
    }

    fn walk(&mut self, hash: u128, at: u64, keys_max: usize) -> usize {
        let now = self.elapsed;
        let Some(limit) = self.queues.limits.all.iter_mut().find(|limit| limit_key_hash(&limit.name) == hash)
        else {
            return 1;
        };
        limit.walk_due.retain(|due| *due != at);
        let (name, Some(from)) = (limit.name.clone(), limit.walk) else { return 1 };
        let uses = self.queues.limits.uses.iter().filter(|found| found.limit == name);
        let mut keys: Vec<(u128, String)> =
            uses.map(|found| (limit_key_hash(&found.key), found.key.clone())).collect();
        keys.retain(|(hash, _)| *hash >= from);
        keys.sort_unstable();
        keys.truncate(keys_max);
        for (_, key) in &keys {
            self.open(&name, key);
        }
        let number = self.queues.limits.number(&name);
        let limit = &mut self.queues.limits.all[number];
        limit.walk = if keys.len() < keys_max { None } else { keys.last().map(|(hash, _)| hash + 1) };
        if limit.walk.is_some() && !limit.walk_due.contains(&now) {
            limit.walk_due.push(now);
        }
        keys.len().max(1)
    }

    /// What the last command has freed is for others.
    pub(crate) fn open_freed(&mut self) {
        while !self.queues.limits.freed.is_empty() {
            let mut done: Vec<Gate> = Vec::new();
            for gate in std::mem::take(&mut self.queues.limits.freed) {
                if !done.iter().any(|other| other.is_at(&gate.limit, &gate.key)) {
                    self.open(&gate.limit, &gate.key);
                    done.push(gate);
                }
            }
        }
    }

    fn open(&mut self, limit: &str, key: &str) {
        let free = self.free_of(limit, key);
        let waiting = self.waiting_for(limit, key);
        let mut lists: Vec<(u16, u64, usize)> = waiting.iter().map(|(list, ..)| *list).collect();
        lists.dedup();
        if free == 0 {
            lists.clear();
        }
        for list in lists {
            let of_list = waiting.iter().filter(|(other, ..)| *other == list);
            let all: Vec<(usize, Cohort)> = of_list
                .map(|(_, queue, at)| (*queue, self.queues.all[*queue].cohorts[*at].clone()))
                .collect();
            if !self.open_list(limit, key, free, &all) {
                let now = self.elapsed;
                self.queues.limits.look_at(limit, key, now);
            }
        }
        self.tidy(limit, key);
    }

    /// Returns whether that is all for now.
    fn open_list(&mut self, limit: &str, key: &str, free: u64, all: &[(usize, Cohort)]) -> bool {
        let (mut opened, mut looked_at) = (0, 0);
        for (queue, cohort) in all.iter().take(LIMIT_COHORTS_MAX) {
            if opened >= free {
                break;
            }
            looked_at += 1;
            let cost = cohort.gates.iter().find(|gate| gate.is_at(limit, key)).map_or(1, |gate| gate.cost);
            if self.closed(limit, key, cost).is_some() {
                if let Some(opens) = self.opens(limit, key, cost) {
                    self.queues.limits.look_at(limit, key, opens);
                    self.tidy(limit, key);
                }
                return true;
            }
            let at = self.cohort_of(*queue, &cohort.task_type, &cohort.gates, cohort.tenant.as_ref());
            let Some(at) = at else { continue };
            self.take_out(*queue, at);
            self.place(*queue, at);
            opened += u64::from(self.queues.all[*queue].cohorts[at].waits.is_none());
        }
        opened >= free || looked_at >= all.len()
    }

    pub(super) fn cohort_of(
        &self,
        queue: usize,
        task_type: &str,
        gates: &[Gate],
        tenant: Option<&String>,
    ) -> Option<usize> {
        let cohorts = &self.queues.all[queue].cohorts;
        cohorts.iter().position(|cohort| {
            cohort.task_type == task_type && cohort.gates == gates && cohort.tenant.as_ref() == tenant
        })
    }

    /// Puts a cohort that is nowhere where its tasks can be claimed, or where it waits.
    fn place(&mut self, queue: usize, cohort: usize) {
        let gates = self.queues.all[queue].cohorts[cohort].gates.clone();
        let closed = gates.iter().position(|gate| self.closed(&gate.limit, &gate.key, gate.cost).is_some());
        match closed {
            Some(gate) => self.wait_at(queue, cohort, gate),
            None => self.be_ready(queue, cohort),
        }
    }

    pub(super) fn be_ready(&mut self, queue: usize, cohort: usize) {
        let state = &mut self.queues.all[queue];
        let found = &state.cohorts[cohort];
        let tasks = state.tasks.iter().filter(|task| found.holds(task));
        let mut lanes: Vec<u8> = tasks.filter_map(Task::lane).collect();
        lanes.sort_unstable();
        lanes.dedup();
        let turns = lanes.into_iter().map(|lane| (lane, self.queues.limits.next_number())).collect();
        let found = &mut state.cohorts[cohort];
        (found.turns, found.waits, found.generation) = (turns, None, state.generation);
        state.follow_tenants();
    }

    pub(super) fn wait_at(&mut self, queue: usize, cohort: usize, gate: usize) {
        let (order, turn) = (self.queues.limits.next_number(), self.queues.limits.next_number());
        let state = &mut self.queues.all[queue];
        let found = &mut state.cohorts[cohort];
        (found.generation, found.waits) = (state.generation, Some(Wait { gate, order, turn }));
        found.turns.clear();
        let gates = found.gates.clone();
        state.follow_tenants();
        let closed = &gates[gate];
        if let Some(opens) = self.opens(&closed.limit, &closed.key, closed.cost) {
            self.queues.limits.look_at(&closed.limit, &closed.key, opens);
        }
        self.tidy(&closed.limit, &closed.key);
        self.free_gates(&gates, Some(gate));
    }

    /// Neither claimable nor waiting any more.
    pub(super) fn take_out(&mut self, queue: usize, cohort: usize) {
        let state = &mut self.queues.all[queue];
        state.cohorts[cohort].turns.clear();
        state.follow_tenants();
        let found = &mut state.cohorts[cohort];
        if let Some(wait) = found.waits.take() {
            let gate = found.gates[wait.gate].clone();
            self.tidy(&gate.limit, &gate.key);
        }
    }

    /// Others may take what a cohort does not need for now.
    fn free_gates(&mut self, gates: &[Gate], but: Option<usize>) {
        for (number, gate) in gates.iter().enumerate() {
            if Some(number) != but && !self.waiting_for(&gate.limit, &gate.key).is_empty() {
                self.queues.limits.freed.push(gate.clone());
            }
        }
    }

    /// A task leaves the state in which it is ready or runs. The caller gives it another one.
    pub(super) fn leave(&mut self, queue: usize, number: usize) {
        let state = &mut self.queues.all[queue];
        let task = &mut state.tasks[number];
        let is_in_cohort = is_in_cohort(task);
        let before = std::mem::replace(&mut task.state, State::Blocked);
        let (task_type, gates) = (task.sent.task_type.clone(), task.gates().to_vec());
        let tenant = task.sent.fair.clone();
        match before {
            State::Running(_) => {
                for gate in &gates {
                    if !self.waiting_for(&gate.limit, &gate.key).is_empty() {
                        self.queues.limits.freed.push(gate.clone());
                    }
                    self.tidy(&gate.limit, &gate.key);
                }
            }
            State::Ready { .. } if !is_in_cohort => self.queues.all[queue].follow_tenants(),
            State::Ready { lane, .. } => {
                let Some(at) = self.cohort_of(queue, &task_type, &gates, tenant.as_ref()) else { return };
                let state = &mut self.queues.all[queue];
                let found = &mut state.cohorts[at];
                let left: Vec<&Task> = state.tasks.iter().filter(|task| found.holds(task)).collect();
                if !left.is_empty() {
                    if !left.iter().any(|task| task.lane() == Some(lane)) {
                        found.turns.retain(|(of, _)| *of != lane);
                    }
                    state.follow_tenants();
                    return;
                }
                let was_ready = found.waits.is_none();
                self.take_out(queue, at);
                self.queues.all[queue].cohorts.remove(at);
                if was_ready {
                    self.free_gates(&gates, None);
                }
            }
            _ => {}
        }
    }

    /// A task becomes ready, in this lane.
    pub(super) fn enter_ready(&mut self, queue: usize, number: usize, since: u64, lane: u8) {
        let gates = self.find_gates(queue, number);
        let state = &mut self.queues.all[queue];
        let task = &mut state.tasks[number];
        task.gates.clone_from(&gates);
        task.state = State::Ready { since, lane };
        let gates = gates.map(|(_, gates)| gates).unwrap_or_default();
        if !is_in_cohort(task) {
            state.follow_tenants();
            return;
        }
        let (task_type, tenant) = (task.sent.task_type.clone(), task.sent.fair.clone());
        match self.cohort_of(queue, &task_type, &gates, tenant.as_ref()) {
            None => {
                let state = &mut self.queues.all[queue];
                let generation = state.generation;
                state.cohorts.push(Cohort {
                    task_type,
                    gates,
                    tenant,
                    generation,
                    turns: Vec::new(),
                    waits: None,
                });
                let at = state.cohorts.len() - 1;
                self.place(queue, at);
            }
            Some(at) => {
                let found = &mut self.queues.all[queue].cohorts[at];
                if found.waits.is_none() && !found.turns.iter().any(|(of, _)| *of == lane) {
                    found.turns.push((lane, self.queues.limits.next_number()));
                }
                self.queues.all[queue].follow_tenants();
            }
        }
    }

    /// The first task of a lane was claimed: the lane's turn is over.
    pub(super) fn turn_is_over(&mut self, queue: usize, cohort: usize, lane: u8) {
        let next = self.queues.limits.next_number();
        let turns = &mut self.queues.all[queue].cohorts[cohort].turns;
        if let Some((_, turn)) = turns.iter_mut().find(|(of, _)| *of == lane) {
            *turn = next;
        }
    }

    /// Nothing of the key may be claimed for a while.
    pub(super) fn close_key(&mut self, limit: &str, key: &str, close_ms: u64) {
        let until = self.elapsed.saturating_add(close_ms);
        let found = self.queues.limits.use_mut(limit, key);
        found.closed_until = found.closed_until.max(until);
        self.tidy(limit, key);
    }

    /// Those that wait for something that has changed may go on.
    pub(crate) fn free_key(&mut self, limit: &str, key: &str) {
        if !self.waiting_for(limit, key).is_empty() {
            let gate = Gate { limit: limit.to_owned(), key: key.to_owned(), cost: 1 };
            self.queues.limits.freed.push(gate);
        }
    }

    /// A task begins to run: its gates count it.
    pub(super) fn begins(&mut self, queue: usize, number: usize, gates: &[Gate]) {
        let breaker = gates.iter().find_map(|gate| gate_breaker(&gate.limit));
        let call = breaker.map(|name| self.begin_task(name));
        self.queues.all[queue].tasks[number].call = call;
        let now_us = self.elapsed.saturating_mul(1_000);
        for gate in gates {
            let rate = self.queues.limits.settings(&gate.limit).rate;
            let found = self.queues.limits.use_mut(&gate.limit, &gate.key);
            if let Some(rate) = rate {
                let from = found.refilled_us.max(now_us);
                found.refilled_us = from.saturating_add(micros(rate, gate.cost.into()));
            }
            self.tidy(&gate.limit, &gate.key);
        }
    }

    /// The gates that a task has under the queue's settings, and the number of those; `None` without limits.
    pub(super) fn find_gates(&self, queue: usize, number: usize) -> Option<(u64, Vec<Gate>)> {
        let state = &self.queues.all[queue];
        let task = &state.tasks[number];
        let options = &state.settings.options;
        if options.limits.is_empty() && options.breaker.is_none() {
            return None;
        }
        if let Some((generation, _)) = task.gates
            && generation == state.generation
        {
            return task.gates.clone();
        }
        let is_meant = |types: &[String]| types.is_empty() || types.contains(&task.sent.task_type);
        let key_of = |key: &KeyExpression| {
            let text = |member: &str| {
                let envelope = String::from_utf8_lossy(&task.sent.envelope).into_owned();
                let (_, rest) = envelope.split_once(&format!("\"{member}\":\""))?;
                rest.split_once('"').map(|(text, _)| text.to_owned())
            };
            let key = match key.source() {
                KeySource::Nothing => None,
                KeySource::Type => Some(task.sent.task_type.clone()),
                KeySource::Queue => Some(state.name.clone()),
                KeySource::Key => task.sent.key.clone(),
                // Decided: the model knows only payloads of one level, with texts.
                KeySource::Tag(name) | KeySource::Payload(name) => text(name),
            };
            key.unwrap_or_default()
        };
        let mut gates: Vec<Gate> = Vec::new();
        for limit in options.limits.iter().filter(|limit| is_meant(&limit.types)) {
            let key = key_of(&limit.key);
            if !gates.iter().any(|gate| gate.is_at(limit.limit.as_str(), &key)) {
                gates.push(Gate { limit: limit.limit.as_str().to_owned(), key, cost: limit.cost });
            }
        }
        if let Some(breaker) = options.breaker.as_ref().filter(|breaker| is_meant(&breaker.types)) {
            let name = format!("{}{}", breaker.prefix, key_of(&breaker.key));
            if !name.is_empty() {
                gates.push(Gate { limit: breaker_gate(&name), key: String::new(), cost: 1 });
            }
        }
        Some((state.generation, gates))
    }

    /// The first cohort of a type that has waited since before the queue's limits changed.
    pub(super) fn waits_for_old_limits(&self, queue: usize, task_type: &str) -> Option<usize> {
        let state = &self.queues.all[queue];
        let of_type = state.cohorts.iter().enumerate().filter(|(_, cohort)| cohort.task_type == task_type);
        let first = of_type.filter_map(|(at, cohort)| Some((cohort.waits?.turn, at))).min()?;
        (state.cohorts[first.1].generation < state.generation).then_some(first.1)
    }
}
