//! Cohorts: ready tasks of one type that have the same gates and name the same tenant.
//!
//! A cohort is ready or waits, as a whole. A ready one has a place in the index of its type for each lane in which it has
//! tasks, or among the cohorts of its tenant. A claim takes the first one's first task, and the lane then goes behind all
//! others of its rank: so cohorts take turns, and none of them starves the others. One that waits is in the list of a limit's key (`limit/list.rs`), and in
//! the index under a rank of its own.

use crate::breaker::tasks;
use crate::damage::{bad_row, contradiction};
use crate::fair::{self, place};
use crate::limit::key::LimitKey;
use crate::limit::list;
use crate::overlay::Overlay;
use crate::queue::tally::{Queue, type_row};
use crate::queue::task::Task;
use alloc::borrow::ToOwned;
use alloc::string::String;
use core::ops::ControlFlow;
use format::row::{
    CohortId, CohortLane, CohortRow, CohortWait, Gate, Lane, LimitListId, QueueKeys, QueueRange, ShareId,
    TextHash, Turn, decode_number, encode_number,
};
use model::{Order, Position, TaskState, TenantName, View, ViewError, gate_breaker};
use xxhash_rust::xxh3::Xxh3Default;

/// The rank of cohorts that wait, in the index of their type.
pub(crate) const WAITING: u16 = u16::MAX;

/// Where a cohort was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    Ready,
    Waiting,
}

/// A cohort during one command.
#[derive(Debug)]
pub(crate) struct Cohort {
    pub(crate) id: CohortId,
    task_type: String,
    pub(crate) row: CohortRow,
}

/// What stands for these gates and this tenant.
pub(crate) fn hash(gates: &[Gate], tenant: Option<&TenantName<'_>>) -> u128 {
    let mut hasher = Xxh3Default::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for gate in gates {
        add(gate.limit.as_bytes());
        add(gate.key.as_bytes());
        add(&gate.cost.to_le_bytes());
    }
    if let Some(tenant) = tenant {
        add(tenant.as_str().as_bytes());
    }
    hasher.digest128()
}

impl Cohort {
    pub(crate) fn load<V: View>(
        id: CohortId,
        task_type: &str,
        queue: &Queue,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<Option<Self>, ViewError> {
        let found = row(overlay, queue.keys, id)?;
        Ok(found.map(|row| Self { id, task_type: task_type.to_owned(), row }))
    }

    /// Loads a cohort that must be there.
    pub(crate) fn load_known<V: View>(
        id: CohortId,
        task_type: &str,
        queue: &Queue,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<Self, ViewError> {
        Self::load(id, task_type, queue, overlay)?.ok_or_else(lost)
    }

    /// Writes the cohort, or deletes it if it has no tasks.
    pub(crate) fn save<V: View>(self, queue: &Queue, overlay: &mut Overlay<'_, '_, V>) {
        if self.row.lanes.is_empty() {
            overlay.delete(queue.keys.cohort(self.id));
        } else {
            overlay.put(queue.keys.cohort(self.id), self.row.encode());
        }
    }

    /// Puts a cohort that is nowhere into the index, or where it waits.
    pub(crate) fn place<V: View>(
        &mut self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<Placed, ViewError> {
        match closed_gate(&self.row.gates, overlay)? {
            Some(gate) => {
                self.wait_at(gate, queue, overlay)?;
                Ok(Placed::Waiting)
            }
            None => {
                self.be_ready(queue, overlay)?;
                Ok(Placed::Ready)
            }
        }
    }

    /// Puts a cohort that is nowhere into the index.
    pub(crate) fn be_ready<V: View>(
        &mut self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        self.row.generation = queue.row.generation;
        let turns = self.turns();
        for lane in &mut self.row.lanes {
            let rank = u16::from(lane.lane.lane);
            lane.turn = turns.enter(rank, queue, overlay)?;
        }
        let tasks = self.row.tasks();
        queue.cohorts_mut(&self.task_type, overlay)?.ready += tasks;
        overlay.more_ready(queue, &self.task_type, tasks as i64);
        Ok(())
    }

    /// Lets a cohort that is nowhere wait for a gate.
    pub(crate) fn wait_at<V: View>(
        &mut self,
        gate: usize,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        self.row.generation = queue.row.generation;
        let closed = self.row.gates.get(gate).ok_or_else(lost)?;
        let mut key = LimitKey::of(closed, overlay)?;
        let order = list::join(&mut key, self.list(queue), &self.task_type, self.id.hash, overlay)?;
        if let Some(opens) = key.opens(closed.cost, overlay.shard.elapsed) {
            key.look_at(opens, overlay);
        }
        key.save(overlay);
        let turn = queue.enters_rank(&self.task_type, WAITING, self.id.hash, overlay)?;
        self.row.waits = Some(CohortWait { gate: gate as u32, order, turn });
        let tasks = self.row.tasks();
        queue.cohorts_mut(&self.task_type, overlay)?.waiting += tasks;
        // What was free for this cohort at its other gates is free for others.
        self.free_gates(Some(gate), overlay)
    }

    /// Takes a cohort out of the index, or away from where it waits.
    pub(crate) fn take_out<V: View>(
        &mut self,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let tasks = self.row.tasks();
        let Some(waits) = self.row.waits.take() else {
            for lane in &self.row.lanes {
                self.turns().leave(lane.turn, queue, overlay)?;
            }
            let cohorts = queue.cohorts_mut(&self.task_type, overlay)?;
            cohorts.ready = cohorts.ready.checked_sub(tasks).ok_or_else(lost)?;
            overlay.more_ready(queue, &self.task_type, -(tasks as i64));
            return Ok(());
        };
        let gate = self.row.gates.get(waits.gate as usize).ok_or_else(lost)?;
        let mut key = LimitKey::of(gate, overlay)?;
        list::leave(&mut key, self.list(queue), waits.order, overlay)?;
        key.save(overlay);
        queue.leaves_rank(&self.task_type, waits.turn, overlay)?;
        let cohorts = queue.cohorts_mut(&self.task_type, overlay)?;
        cohorts.waiting = cohorts.waiting.checked_sub(tasks).ok_or_else(lost)?;
        Ok(())
    }

    /// Its place in the list of the key for which it waits.
    pub(crate) fn place_in_list(&self) -> Option<u64> {
        self.row.waits.map(|waits| waits.order)
    }

    /// The gate for which it waits.
    pub(crate) fn waits_for(&self) -> Option<&Gate> {
        self.row.gates.get(self.row.waits?.gate as usize)
    }

    fn turns(&self) -> Turns {
        Turns { id: self.id, task_type: self.task_type.clone(), tenant: self.row.tenant }
    }

    fn list(&self, queue: &Queue) -> LimitListId {
        let QueueKeys { slot, id } = queue.keys;
        LimitListId { queue_slot: slot, queue: id, type_number: self.id.type_number }
    }

    /// The cohort takes nothing of its gates for now: others may have waited for that.
    fn free_gates<V: View>(
        &self,
        but: Option<usize>,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        for (number, gate) in self.row.gates.iter().enumerate() {
            if Some(number) != but && LimitKey::of(gate, overlay)?.row.waiting > 0 {
                overlay.freed(gate);
            }
        }
        Ok(())
    }

    /// When the first task of a lane became ready, and the task.
    pub(crate) fn first<V: View>(
        &self,
        lane: u8,
        queue: &Queue,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<Option<(Position, Position)>, ViewError> {
        first(overlay, queue.keys, self.id, &self.row, lane)
    }

    /// The first task of a lane was claimed: the lane goes behind all others of its rank.
    pub(crate) fn take_turn<V: View>(
        &mut self,
        lane: u8,
        behind: Position,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let turns = self.turns();
        if let Some(found) = self.row.lanes.iter_mut().find(|found| found.lane.lane == lane) {
            found.lane.from = found.lane.from.max(Position(behind.0.saturating_add(1)));
            turns.leave(found.turn, queue, overlay)?;
            found.turn = turns.enter(found.turn.rank, queue, overlay)?;
        }
        Ok(())
    }
}

/// Where a cohort is while it can be claimed from: in the index of its type, or among the cohorts of its tenant.
struct Turns {
    id: CohortId,
    task_type: String,
    tenant: Option<TextHash>,
}

impl Turns {
    fn share(&self, rank: u16) -> Option<ShareId> {
        let lane = u8::try_from(rank).ok()?;
        Some(ShareId { type_number: self.id.type_number, tenant: self.tenant?, lane })
    }

    /// It goes behind all others of a rank.
    fn enter<V: View>(
        &self,
        rank: u16,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<Turn, ViewError> {
        match self.share(rank) {
            None => queue.enters_rank(&self.task_type, rank, self.id.hash, overlay),
            Some(share) => {
                let turn = place::cohort_enters(queue.keys, share, self.id.hash, overlay)?;
                Ok(Turn { rank, turn })
            }
        }
    }

    fn leave<V: View>(
        &self,
        turn: Turn,
        queue: &mut Queue,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        match self.share(turn.rank) {
            None => queue.leaves_rank(&self.task_type, turn, overlay),
            Some(share) => place::cohort_leaves(queue.keys, share, turn.turn, overlay),
        }
    }
}

/// A cohort's own row.
pub(crate) fn row(view: &impl View, queue: QueueKeys, id: CohortId) -> Result<Option<CohortRow>, ViewError> {
    let Some(value) = view.get(&queue.cohort(id))? else { return Ok(None) };
    CohortRow::decode(&value).map(Some).map_err(|error| bad_row("cohort row", error))
}

/// The state of a task, as it is shown. One whose cohort waits is blocked.
pub(crate) fn shown_state(view: &impl View, queue: QueueKeys, task: &Task) -> Result<TaskState, ViewError> {
    if task.row.state == TaskState::Ready && !task.gates().is_empty() {
        let type_number = type_row(view, queue, &task.row.task_type)?.number;
        let id = CohortId { type_number, hash: hash(task.gates(), task.row.options.fair.as_ref()) };
        if row(view, queue, id)?.is_some_and(|row| row.waits.is_some()) {
            return Ok(TaskState::Blocked);
        }
    }
    Ok(task.row.state)
}

/// When the first task of a lane became ready, and the task.
pub(crate) fn first(
    view: &impl View,
    queue: QueueKeys,
    id: CohortId,
    row: &CohortRow,
    lane: u8,
) -> Result<Option<(Position, Position)>, ViewError> {
    let Some(found) = row.lanes.iter().find(|found| found.lane.lane == lane) else { return Ok(None) };
    let mut first = None;
    let range = QueueRange::cohort_tasks(queue, id, lane, found.lane.from);
    view.scan(range.as_range(), Order::Ascending, &mut |key, value| {
        let ready = QueueKeys::parse_cohort_task(key);
        first = Some(ready.and_then(|ready| Ok((ready, Position(decode_number(value)?)))));
        ControlFlow::Break(())
    })?;
    first.transpose().map_err(|error| bad_row("task of a cohort", error))
}

/// A task that has gates becomes ready: it enters its cohort.
pub(crate) fn enter<V: View>(
    task: &Task,
    (lane, ready): (u8, Position),
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let task_type = &task.row.task_type;
    let id = id_of(task, queue, overlay)?;
    overlay.put(queue.keys.cohort_task(id, lane, ready), encode_number(task.at.0));
    let Some(mut cohort) = Cohort::load(id, task_type, queue, overlay)? else {
        let gates = task.gates().to_vec();
        let turn = Turn { rank: u16::from(lane), turn: 0 };
        let lanes = [CohortLane { lane: Lane { lane, tasks: 1, from: ready }, turn }].to_vec();
        let tenant = task.row.options.fair.as_ref().map(|_| fair::hash_of(task));
        let row = CohortRow { generation: queue.row.generation, gates, tenant, lanes, waits: None };
        let mut cohort = Cohort { id, task_type: task_type.clone(), row };
        cohort.place(queue, overlay)?;
        cohort.save(queue, overlay);
        return Ok(());
    };
    let is_ready = cohort.row.waits.is_none();
    let turns = cohort.turns();
    let lanes = &mut cohort.row.lanes;
    match lanes.binary_search_by_key(&lane, |found| found.lane.lane) {
        Ok(at) => {
            lanes[at].lane.tasks += 1;
            lanes[at].lane.from = lanes[at].lane.from.min(ready);
        }
        Err(at) => {
            let rank = u16::from(lane);
            let turn = if is_ready { turns.enter(rank, queue, overlay)? } else { Turn { rank, turn: 0 } };
            lanes.insert(at, CohortLane { lane: Lane { lane, tasks: 1, from: ready }, turn });
        }
    }
    let cohorts = queue.cohorts_mut(task_type, overlay)?;
    if is_ready {
        cohorts.ready += 1;
        overlay.more_ready(queue, task_type, 1);
    } else {
        cohorts.waiting += 1;
    }
    cohort.save(queue, overlay);
    Ok(())
}

/// A task is ready no longer: it leaves its cohort.
pub(crate) fn leave<V: View>(
    task: &Task,
    (lane, ready): (u8, Position),
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let task_type = &task.row.task_type;
    let id = id_of(task, queue, overlay)?;
    overlay.delete(queue.keys.cohort_task(id, lane, ready));
    let mut cohort = Cohort::load_known(id, task_type, queue, overlay)?;
    let is_ready = cohort.row.waits.is_none();
    if cohort.row.tasks() == 1 {
        cohort.take_out(queue, overlay)?;
        cohort.row.lanes.clear();
        if is_ready {
            cohort.free_gates(None, overlay)?;
        }
        cohort.save(queue, overlay);
        return Ok(());
    }
    let turns = cohort.turns();
    let lanes = &mut cohort.row.lanes;
    let at = lanes.binary_search_by_key(&lane, |found| found.lane.lane).map_err(|_| lost())?;
    lanes[at].lane.tasks = lanes[at].lane.tasks.checked_sub(1).ok_or_else(lost)?;
    if lanes[at].lane.tasks == 0 {
        let gone = lanes.remove(at);
        if is_ready {
            turns.leave(gone.turn, queue, overlay)?;
        }
    }
    let cohorts = queue.cohorts_mut(task_type, overlay)?;
    let count = if is_ready { &mut cohorts.ready } else { &mut cohorts.waiting };
    *count = count.checked_sub(1).ok_or_else(lost)?;
    if is_ready {
        overlay.more_ready(queue, task_type, -1);
    }
    cohort.save(queue, overlay);
    Ok(())
}

/// The cohort of a task with these gates.
pub(crate) fn id_of<V: View>(
    task: &Task,
    queue: &mut Queue,
    overlay: &Overlay<'_, '_, V>,
) -> Result<CohortId, ViewError> {
    let type_number = queue.type_number(&task.row.task_type, overlay)?;
    Ok(CohortId { type_number, hash: hash(task.gates(), task.row.options.fair.as_ref()) })
}

/// The first gate that is closed for a task, by its number.
pub(crate) fn closed_gate<V: View>(
    gates: &[Gate],
    overlay: &Overlay<'_, '_, V>,
) -> Result<Option<usize>, ViewError> {
    for (number, gate) in gates.iter().enumerate() {
        let key = LimitKey::of(gate, overlay)?;
        if key.closed(gate.cost, overlay.shard.elapsed).is_some() {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// The gates of a task that begins to run count it.
pub(crate) fn begins<V: View>(task: &mut Task, overlay: &mut Overlay<'_, '_, V>) -> Result<(), ViewError> {
    let now = overlay.shard.elapsed;
    let breaker = task.gates().iter().find_map(|gate| gate_breaker(&gate.limit));
    task.row.call = breaker.map(|name| tasks::begin(name, overlay)).transpose()?;
    for gate in task.gates() {
        let mut key = LimitKey::of(gate, overlay)?;
        key.begins(gate.cost, now);
        key.save(overlay);
    }
    Ok(())
}

/// The gates of a task that runs no longer do not count it any more.
pub(crate) fn ends<V: View>(
    task: &Task,
    queue: &Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    if queue.row.settings.options.concurrency.is_some() {
        overlay.freed_in(queue.keys);
    }
    for gate in task.gates() {
        let mut key = LimitKey::of(gate, overlay)?;
        key.ends()?;
        if key.row.waiting > 0 {
            overlay.freed(gate);
        }
        key.save(overlay);
    }
    Ok(())
}

fn lost() -> ViewError {
    contradiction("a cohort does not match its tasks")
}

impl Task {
    /// Whether it is in a cohort while it is ready.
    pub(crate) fn is_in_cohort(&self) -> bool {
        !self.gates().is_empty() || self.row.options.fair.is_some()
    }

    /// What it has to pass before it can be claimed, or has passed.
    pub(crate) fn gates(&self) -> &[Gate] {
        self.row.gates.as_ref().map_or(&[], |gates| &gates.gates[..])
    }
}
