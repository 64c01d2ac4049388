//! The rows that must be there, and no others.

use format::row::{FairRow, LimitKeyRow, LimitKeys, QueueKeys, TaskRow, TaskTimerKey, TypeRow};
use model::{Key, Position, Slot, TaskState, Value, limit_key_hash};
use reference_model::Simple;
use reference_model::queue::groups::Group;
use reference_model::queue::limit::Cohort;
use reference_model::queue::{EndedBy, Queue, State, Task};
use std::collections::{BTreeMap, BTreeSet};

type Rows = BTreeMap<Key, Value>;

/// All rows by their kinds, because looking for one kind means to look at all rows.
pub(crate) struct Kinds<'a>(Vec<Vec<(&'a Key, &'a Value)>>);

impl<'a> Kinds<'a> {
    pub(crate) fn of(rows: &'a Rows) -> Self {
        let mut kinds = vec![Vec::new(); 256];
        for (key, value) in rows {
            kinds[usize::from(key[6])].push((key, value));
        }
        Self(kinds)
    }

    /// The rows of one kind, in the order of their keys.
    pub(crate) fn rows(&self, kind: u8) -> &[(&'a Key, &'a Value)] {
        &self.0[usize::from(kind)]
    }

    /// The row with this key.
    fn get(&self, key: &[u8]) -> Option<&'a Value> {
        let rows = self.rows(key[6]);
        rows.binary_search_by(|(other, _)| other.as_slice().cmp(key)).ok().map(|at| rows[at].1)
    }

    pub(crate) fn keys(&self, kind: u8) -> BTreeSet<Key> {
        self.rows(kind).iter().map(|(key, _)| (*key).clone()).collect()
    }

    pub(crate) fn count(&self, kind: u8) -> usize {
        self.rows(kind).len()
    }
}

/// Compares the rows of all queues with the model.
pub(crate) fn compare(model: &Simple, kinds: &Kinds<'_>) {
    compare_counts(model, kinds);
    let queues = || model.queues.all.iter().filter(|queue| queue.made.is_some());
    let mut timers = BTreeSet::new();
    for queue in queues() {
        let slot = Slot(queue.slot);
        let id =
            kinds.get(&QueueKeys::name(slot, &queue.name)).map(|value| format::row::decode_number(value));
        let keys = QueueKeys { slot, id: id.unwrap().unwrap() };
        queue.types.iter().for_each(|of| compare_type(queue, of, keys, kinds));
        for task in &queue.tasks {
            let row = kinds.get(&keys.task(Position(task.position))).unwrap();
            let row = TaskRow::decode(row).unwrap();
            assert_eq!((row.due, row.state), (task.due(), task.state.name()), "{task:?}");
            let timer = |due| TaskTimerKey { slot, due, queue: keys.id, task: Position(task.position) };
            timers.extend(row.due.map(|due| timer(due).encode().to_vec()));
        }
    }
    let mut kept = kinds.keys(134);
    kept.append(&mut kinds.keys(135));
    assert_eq!(kept, timers, "one timer for each task that waits for a time");
}

/// Every task is in as many places as it must be.
fn compare_counts(model: &Simple, kinds: &Kinds<'_>) {
    let kind = |kind: u8| kinds.count(kind);
    let queues = || model.queues.all.iter();
    let count = |is: &dyn Fn(&Task) -> bool| {
        queues().map(|queue| queue.tasks.iter().filter(|task| is(task)).count()).sum::<usize>()
    };
    let made = queues().filter(|queue| queue.made.is_some()).count();
    let state = |state: TaskState| count(&|task| task.state.name() == state);
    assert_eq!((kind(7), kind(8)), (made, made), "names and queues");
    assert_eq!(kind(9), queues().map(|queue| queue.types.len()).sum::<usize>(), "types");
    assert_eq!((kind(10), kind(11)), (count(&|_| true), count(&|_| true)), "tasks and envelopes");
    assert_eq!(kind(12), count(&|task| task.result.is_some()), "results");
    assert_eq!(kind(13), count(&|task| task.progress.is_some()), "progress");
    assert_eq!(kind(14), count(&|task| !task.failures.is_empty()), "failures");
    assert_eq!(kind(15), count(&|task| task.sent.id.is_some()), "ids of clients");
    let is_in_cohort = |task: &Task| {
        task.state.name() == TaskState::Ready && (!task.gates().is_empty() || task.sent.fair.is_some())
    };
    let in_cohorts = count(&is_in_cohort);
    assert_eq!(kind(16) + in_cohorts, state(TaskState::Ready), "ready tasks");
    assert_eq!(kind(34), in_cohorts, "ready tasks of cohorts");
    compare_limits(model, kinds);
    compare_tenants(model, kinds);
    let keys = queues().map(|queue| {
        let heads = queue.tasks.iter().filter(|task| task.is_head());
        heads.map(|task| &task.sent.key).collect::<BTreeSet<_>>().len()
    });
    assert_eq!(kind(17), keys.sum::<usize>(), "keys");
    assert_eq!(kind(18), state(TaskState::Blocked), "blocked tasks");
    assert_eq!(kind(20), state(TaskState::Dead), "dead letters");
    let unique = queues().map(|queue| {
        let known = queue.tasks.iter().filter(|task| !task.is_final() && !task.is_unknown);
        known.filter_map(|task| task.sent.unique.as_ref().map(|(key, _)| key)).collect::<BTreeSet<_>>().len()
    });
    let classes = queues().map(|queue| {
        let dead = queue.tasks.iter().filter(|task| task.state.name() == TaskState::Dead);
        dead.map(|task| task.failures.last().map(|failed| &failed.class)).collect::<BTreeSet<_>>().len()
    });
    assert_eq!(kind(39), classes.sum::<usize>(), "classes of dead letters");
    assert_eq!(kind(40), state(TaskState::Dead), "dead letters by class");
    let groups = |is: &dyn Fn(&Group) -> bool| model.groups.iter().filter(|group| is(group)).count();
    assert_eq!((kind(41), kind(42)), (groups(&|group| group.name.is_some()), groups(&|_| true)), "groups");
    let follow = (groups(&|group| group.then.is_some()), groups(&|group| group.on_dead.is_some()));
    assert_eq!((kind(43), kind(44)), follow, "what may follow");
    let members = model.groups.iter().flat_map(|group| &group.members);
    assert_eq!(kind(45), members.filter(|member| !member.is_gone).count(), "members");
    let has_returned = |task: &Task| task.ended.iter().any(|ended| ended.how != EndedBy::Complete);
    assert_eq!(kind(38), count(&has_returned), "attempts that were given back");
    assert_eq!(kind(37), unique.sum::<usize>(), "unique keys");
    let requests = queues().map(|queue| {
        let running = queue.tasks.iter().filter_map(|task| task.running()?.request);
        running.collect::<BTreeSet<_>>().len()
    });
    assert_eq!(kind(19), requests.sum::<usize>(), "requests whose claims last");
}

/// Each limit has in use what its live claims take, and nothing else; and every cohort is where it belongs.
fn compare_limits(model: &Simple, kinds: &Kinds<'_>) {
    let cohorts = || model.queues.all.iter().flat_map(|queue| &queue.cohorts);
    for (key, value) in kinds.rows(30) {
        let row = LimitKeyRow::decode(value).unwrap();
        let mut names = model.queues.limits.uses.iter().map(|found| &found.limit[..]);
        let of = |name: &&str| keys_of(name).key(limit_key_hash(&row.key)).to_vec();
        let name = names.find(|name| of(name) == **key).unwrap();
        assert_eq!(row.running, model.running_of(name, &row.key), "claims of {name}:{}", row.key);
        assert_eq!(row.waiting, model.waiting_for(name, &row.key).len() as u64, "{name}:{}", row.key);
    }
    assert_eq!(kinds.count(30), model.queues.limits.uses.len(), "keys in use");
    let waiting = cohorts().filter(|cohort| cohort.waits.is_some()).count();
    assert_eq!((kinds.count(32), kinds.count(33)), (waiting, cohorts().count()), "cohorts");
    let turns = |is: &dyn Fn(&Cohort) -> bool| -> usize {
        cohorts().filter(|cohort| is(cohort)).map(|cohort| cohort.turns.len()).sum()
    };
    assert_eq!(kinds.count(35), waiting + turns(&|cohort| cohort.tenant.is_none()), "turns");
    assert_eq!(kinds.count(58), turns(&|cohort| cohort.tenant.is_some()), "turns among those of a tenant");
}

/// Each tenant has a row while it has something, and a place in each lane in which it has tasks to claim.
fn compare_tenants(model: &Simple, kinds: &Kinds<'_>) {
    let queues = || model.queues.all.iter();
    let known = queues().map(|queue| {
        let named = queue.tasks.iter().filter(|task| queue.fair.is_on && !task.is_final());
        let mut names: BTreeSet<&str> = named.map(|task| task.sent.tenant()).collect();
        names.extend(queue.fair.weights.iter().map(|(name, _)| &name[..]));
        names.len()
    });
    assert_eq!(kinds.count(53), known.sum::<usize>(), "tenants");
    assert_eq!(kinds.count(54), queues().filter(|queue| queue.fair.is_on).count(), "queues with tenants");
    let places: usize = queues().map(|queue| queue.fair.places.len()).sum();
    assert_eq!((kinds.count(56), kinds.count(57)), (places, places), "places of tenants");
    for queue in queues().filter(|queue| queue.fair.is_on) {
        let slot = Slot(queue.slot);
        let id =
            kinds.get(&QueueKeys::name(slot, &queue.name)).map(|value| format::row::decode_number(value));
        let keys = QueueKeys { slot, id: id.unwrap().unwrap() };
        let row = FairRow::decode(kinds.get(&keys.fair()).unwrap()).unwrap();
        let running = queue.tasks.iter().filter(|task| task.running().is_some()).count();
        let weights = queue.taking_part().iter().map(|tenant| queue.fair.weight(tenant)).sum::<u64>();
        assert_eq!((row.running, row.weights), (running as u64, weights), "{}", queue.name);
    }
}

fn keys_of(limit: &str) -> LimitKeys {
    LimitKeys { slot: model::gate_slot(limit), limit: limit_key_hash(limit) }
}

/// Nothing that is ready lies below where a claim begins to look.
fn compare_type(queue: &Queue, task_type: &str, keys: QueueKeys, kinds: &Kinds<'_>) {
    let row = TypeRow::decode(kinds.get(&keys.task_type(task_type)).unwrap()).unwrap();
    let mut ready = 0;
    for task in queue.tasks.iter().filter(|task| task.sent.task_type == task_type) {
        let State::Ready { since, lane } = task.state else { continue };
        ready += u64::from(queue.shown_state(task) == TaskState::Ready);
        if !task.gates().is_empty() || task.sent.fair.is_some() {
            continue;
        }
        let key = keys.ready(row.number, lane, Position(since));
        let position = kinds.get(&key).map(|value| format::row::decode_number(value).unwrap());
        assert_eq!(position, Some(task.position), "{task:?}");
        let found = row.lanes.iter().find(|known| known.lane == lane);
        assert!(found.is_some_and(|known| known.from.0 <= since), "{task:?} lies below {row:?}");
    }
    assert_eq!(row.ready(), ready, "ready tasks of {task_type}");
}
