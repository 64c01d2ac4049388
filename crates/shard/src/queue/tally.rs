//! A queue's own row and the counts of its types, as one command changes them. They are written once, at its end.

use crate::damage::{bad_row, contradiction};
use crate::fair;
use crate::overlay::Overlay;
use crate::queue::id_of;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::row::{
    CohortId, Lane, QueueKeys, QueueRange, QueueRow, RankRow, Turn, TypeCohorts, TypeRow, decode_cohort_hash,
    encode_cohort_hash, encode_number,
};
use model::{Namespace, Order, Position, QueueName, QueueSettings, TaskState, View, ViewError, limits};

/// A queue during one command.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) keys: QueueKeys,
    pub(crate) row: QueueRow,
    is_changed: bool,
    types: BTreeMap<String, Tally>,
}

#[derive(Debug)]
struct Tally {
    row: TypeRow,
    is_changed: bool,
}

impl Queue {
    /// Loads a queue; `None` if it was never used.
    pub(crate) fn load<V: View>(
        name: &QueueName<'_>,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<Option<Self>, ViewError> {
        id_of(overlay, name)?.map(|keys| Self::by_id(keys, overlay)).transpose()
    }

    /// Loads a queue that has rows.
    pub(crate) fn by_id<V: View>(keys: QueueKeys, overlay: &Overlay<'_, '_, V>) -> Result<Self, ViewError> {
        let row = queue_row(overlay, keys)?;
        Ok(Self { keys, row, is_changed: false, types: BTreeMap::new() })
    }

    /// Loads a queue, or makes a new one with default settings.
    pub(crate) fn load_or_new<V: View>(
        name: &QueueName<'_>,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<Self, ViewError> {
        if let Some(queue) = Self::load(name, overlay)? {
            return Ok(queue);
        }
        let slot = name.slot(Namespace::ROOT);
        let mut keys = QueueKeys { slot, id: overlay.moment().0 };
        while overlay.get(&keys.queue())?.is_some() {
            keys.id += 1;
        }
        let row = QueueRow {
            name: name.as_str().to_owned(),
            settings: QueueSettings::default(),
            unfinished: 0,
            types: 0,
            generation: 0,
            is_fair: false,
        };
        Ok(Self { keys, row, is_changed: true, types: BTreeMap::new() })
    }

    /// The queue's row, to be changed.
    pub(crate) fn row_mut(&mut self) -> &mut QueueRow {
        self.is_changed = true;
        &mut self.row
    }

    /// Whether the queue has had tasks of this type.
    pub(crate) fn has_type<V: View>(
        &mut self,
        task_type: &str,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<bool, ViewError> {
        if self.types.contains_key(task_type) {
            return Ok(true);
        }
        let Some(value) = overlay.get(&self.keys.task_type(task_type))? else { return Ok(false) };
        let row = TypeRow::decode(&value).map_err(|error| bad_row("type's row", error))?;
        self.types.insert(task_type.to_owned(), Tally { row, is_changed: false });
        Ok(true)
    }

    /// Gives a new type its number.
    pub(crate) fn add_type(&mut self, task_type: &str) {
        let row = TypeRow { number: self.row.types, ..TypeRow::default() };
        self.row_mut().types += 1;
        self.types.insert(task_type.to_owned(), Tally { row, is_changed: true });
    }

    /// Loads the counts of all types.
    pub(crate) fn load_types<V: View>(&mut self, overlay: &Overlay<'_, '_, V>) -> Result<(), ViewError> {
        for (task_type, row) in type_rows(overlay, self.keys)? {
            self.types.entry(task_type).or_insert(Tally { row, is_changed: false });
        }
        Ok(())
    }

    /// The types loaded so far.
    pub(crate) fn types(&self) -> impl Iterator<Item = (&str, &TypeRow)> {
        self.types.iter().map(|(task_type, tally)| (task_type.as_str(), &tally.row))
    }

    /// How many more tasks may run at the same time.
    pub(crate) fn free<V: View>(&mut self, overlay: &Overlay<'_, '_, V>) -> Result<u32, ViewError> {
        let Some(concurrency) = self.row.settings.options.concurrency else { return Ok(u32::MAX) };
        self.load_types(overlay)?;
        let running: u64 = self.types().map(|(_, row)| row.running).sum();
        Ok(u32::try_from(u64::from(concurrency).saturating_sub(running)).unwrap_or(u32::MAX))
    }

    /// Says that tasks can be claimed because others no longer run, if the queue limits how many do.
    pub(crate) fn announce_free<V: View>(
        &mut self,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let free = u64::from(self.free(overlay)?);
        for (task_type, row) in self.types() {
            // Tasks that wait for earlier limits are looked at again by the next claim.
            let is_stale = row.cohorts.generation < self.row.generation;
            let waiting = if is_stale { row.cohorts.waiting } else { 0 };
            overlay.ready_again(&self.row.name, task_type, (row.ready() + waiting).min(free));
        }
        Ok(())
    }

    /// Says again which tasks of the types loaded so far are ready.
    pub(crate) fn ready_again<V: View>(&self, overlay: &mut Overlay<'_, '_, V>) {
        for (task_type, row) in self.types() {
            overlay.ready_again(&self.row.name, task_type, row.ready());
        }
    }

    /// A type's row, to be changed.
    fn tally<V: View>(
        &mut self,
        task_type: &str,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<&mut TypeRow, ViewError> {
        self.has_type(task_type, overlay)?;
        let tally = self.types.get_mut(task_type).ok_or_else(|| contradiction("a task's type has no row"))?;
        tally.is_changed = true;
        Ok(&mut tally.row)
    }

    /// The number that stands for a type.
    pub(crate) fn type_number<V: View>(
        &mut self,
        task_type: &str,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<u32, ViewError> {
        Ok(self.tally(task_type, overlay)?.number)
    }

    /// Counts a task that enters a state other than ready.
    pub(crate) fn enters<V: View>(
        &mut self,
        task_type: &str,
        state: TaskState,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        if let Some(count) = count_of(self.tally(task_type, overlay)?, state) {
            *count += 1;
        }
        Ok(())
    }

    /// Counts a task that leaves a state other than ready.
    pub(crate) fn leaves<V: View>(
        &mut self,
        task_type: &str,
        state: TaskState,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        if let Some(count) = count_of(self.tally(task_type, overlay)?, state) {
            *count = count.checked_sub(1).ok_or_else(miscounted)?;
        }
        Ok(())
    }

    /// Counts a task that becomes ready.
    pub(crate) fn enters_lane<V: View>(
        &mut self,
        task_type: &str,
        lane: u8,
        ready: Position,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let lanes = &mut self.tally(task_type, overlay)?.lanes;
        match lanes.binary_search_by_key(&lane, |lane| lane.lane) {
            Ok(at) => lanes[at].tasks += 1,
            Err(at) => lanes.insert(at, Lane { lane, tasks: 1, from: ready }),
        }
        fair::follow_unnamed(self, task_type, lane, overlay)
    }

    /// Counts a ready task that leaves its lane.
    pub(crate) fn leaves_lane<V: View>(
        &mut self,
        task_type: &str,
        lane: u8,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let lanes = &mut self.tally(task_type, overlay)?.lanes;
        let at = lanes.binary_search_by_key(&lane, |lane| lane.lane).map_err(|_| miscounted())?;
        lanes[at].tasks = lanes[at].tasks.checked_sub(1).ok_or_else(miscounted)?;
        if lanes[at].tasks == 0 {
            lanes.remove(at);
        }
        fair::follow_unnamed(self, task_type, lane, overlay)
    }

    /// Whether tasks that name no tenant can be claimed from this lane of a type.
    pub(crate) fn has_in_lane<V: View>(
        &mut self,
        task_type: &str,
        lane: u8,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<bool, ViewError> {
        let row = self.tally(task_type, overlay)?;
        let has_cohorts = row.cohorts.ranks.iter().any(|rank| rank.rank == u16::from(lane));
        Ok(has_cohorts || row.lanes.iter().any(|found| found.lane == lane))
    }

    /// No ready task of the type in this lane became ready before `from`.
    pub(crate) fn lane_begins<V: View>(
        &mut self,
        task_type: &str,
        lane: u8,
        from: Position,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let lanes = &mut self.tally(task_type, overlay)?.lanes;
        if let Ok(at) = lanes.binary_search_by_key(&lane, |lane| lane.lane) {
            lanes[at].from = lanes[at].from.max(from);
        }
        Ok(())
    }

    /// The cohorts of a type.
    pub(crate) fn cohorts<V: View>(
        &mut self,
        task_type: &str,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<&TypeCohorts, ViewError> {
        self.has_type(task_type, overlay)?;
        let tally = self.types.get(task_type).ok_or_else(|| contradiction("a task's type has no row"))?;
        Ok(&tally.row.cohorts)
    }

    /// The cohorts of a type, to be changed.
    pub(crate) fn cohorts_mut<V: View>(
        &mut self,
        task_type: &str,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<&mut TypeCohorts, ViewError> {
        Ok(&mut self.tally(task_type, overlay)?.cohorts)
    }

    /// A cohort goes behind all others of a rank. Returns its place in the index.
    pub(crate) fn enters_rank<V: View>(
        &mut self,
        task_type: &str,
        rank: u16,
        cohort: u128,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<Turn, ViewError> {
        let keys = self.keys;
        let row = self.tally(task_type, overlay)?;
        let turn = Turn { rank, turn: row.cohorts.next_turn };
        row.cohorts.next_turn += 1;
        let ranks = &mut row.cohorts.ranks;
        match ranks.binary_search_by_key(&rank, |found| found.rank) {
            Ok(at) => ranks[at].cohorts += 1,
            Err(at) => ranks.insert(at, RankRow { rank, cohorts: 1, from: turn.turn }),
        }
        overlay.put(keys.cohort_turn(row.number, turn), encode_cohort_hash(cohort));
        self.follow_rank(task_type, rank, overlay)?;
        Ok(turn)
    }

    /// The place of tasks without a tenant follows a change of a rank.
    fn follow_rank<V: View>(
        &mut self,
        task_type: &str,
        rank: u16,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        match u8::try_from(rank) {
            Ok(lane) => fair::follow_unnamed(self, task_type, lane, overlay),
            // Those that wait are nobody's turn.
            Err(_) => Ok(()),
        }
    }

    /// A cohort gives up its place in the index.
    pub(crate) fn leaves_rank<V: View>(
        &mut self,
        task_type: &str,
        turn: Turn,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        let keys = self.keys;
        let row = self.tally(task_type, overlay)?;
        overlay.delete(keys.cohort_turn(row.number, turn));
        let ranks = &mut row.cohorts.ranks;
        let at = ranks.binary_search_by_key(&turn.rank, |found| found.rank).map_err(|_| miscounted())?;
        ranks[at].cohorts = ranks[at].cohorts.checked_sub(1).ok_or_else(miscounted)?;
        if ranks[at].from == turn.turn {
            ranks[at].from += 1;
        }
        if ranks[at].cohorts == 0 {
            ranks.remove(at);
        }
        self.follow_rank(task_type, turn.rank, overlay)
    }

    /// The first cohort of a rank that has some. What is before it need not be looked at again.
    pub(crate) fn first_of_rank<V: View>(
        &mut self,
        task_type: &str,
        rank: u16,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<CohortId, ViewError> {
        let keys = self.keys;
        let row = self.tally(task_type, overlay)?;
        let ranks = &mut row.cohorts.ranks;
        let at = ranks.binary_search_by_key(&rank, |found| found.rank).map_err(|_| miscounted())?;
        let mut first = None;
        let from = Turn { rank, turn: ranks[at].from };
        overlay.scan(
            QueueRange::cohort_turns(keys, row.number, from).as_range(),
            Order::Ascending,
            &mut |key, value| {
                first = Some(
                    QueueKeys::parse_cohort_turn(key).and_then(|turn| Ok((turn, decode_cohort_hash(value)?))),
                );
                ControlFlow::Break(())
            },
        )?;
        let (turn, hash) =
            first.ok_or_else(miscounted)?.map_err(|error| bad_row("turn of a cohort", error))?;
        ranks[at].from = turn.turn;
        Ok(CohortId { type_number: row.number, hash })
    }

    /// Whether the queue holds as many unfinished tasks as it may, if `more` are added.
    pub(crate) fn would_overflow(&self, more: u64) -> bool {
        more > 0 && self.row.unfinished.saturating_add(more) > self.row.settings.backlog_max
    }

    /// Whether the queue has as many types as it may, if `more` are added.
    pub(crate) fn has_too_many_types(&self, more: usize) -> bool {
        self.row.types as usize + more > limits::QUEUE_TYPES_MAX
    }

    /// An unfinished task is finished.
    pub(crate) fn one_finished(&mut self) -> Result<(), ViewError> {
        let row = self.row_mut();
        row.unfinished = row.unfinished.checked_sub(1).ok_or_else(miscounted)?;
        Ok(())
    }

    /// Writes what has changed.
    pub(crate) fn save<V: View>(self, overlay: &mut Overlay<'_, '_, V>) {
        if self.is_changed {
            let name = QueueKeys::name(self.keys.slot, &self.row.name);
            overlay.put(name, encode_number(self.keys.id));
            overlay.put(self.keys.queue(), self.row.encode());
        }
        let changed: Vec<_> = self.types.into_iter().filter(|(_, tally)| tally.is_changed).collect();
        for (task_type, tally) in changed {
            overlay.put(self.keys.task_type(&task_type), tally.row.encode());
        }
    }
}

/// A queue's own row.
pub(crate) fn queue_row(view: &impl View, queue: QueueKeys) -> Result<QueueRow, ViewError> {
    let value = view.get(&queue.queue())?.ok_or_else(|| contradiction("a queue has no row"))?;
    QueueRow::decode(&value).map_err(|error| bad_row("queue row", error))
}

/// The counts of one type that the queue has had.
pub(crate) fn type_row(view: &impl View, queue: QueueKeys, task_type: &str) -> Result<TypeRow, ViewError> {
    let value =
        view.get(&queue.task_type(task_type))?.ok_or_else(|| contradiction("a task's type has no row"))?;
    TypeRow::decode(&value).map_err(|error| bad_row("type's row", error))
}

/// The counts of all types of a queue, by type.
pub(crate) fn type_rows(view: &impl View, queue: QueueKeys) -> Result<Vec<(String, TypeRow)>, ViewError> {
    let mut rows = Vec::new();
    let mut bad = None;
    view.scan(QueueRange::types(queue).as_range(), Order::Ascending, &mut |key, value| {
        match QueueKeys::parse_type(key).and_then(|name| Ok((name.to_owned(), TypeRow::decode(value)?))) {
            Ok(row) => rows.push(row),
            Err(error) => bad = Some(error),
        }
        if bad.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    bad.map_or(Ok(rows), |error| Err(bad_row("type's row", error)))
}

fn count_of(row: &mut TypeRow, state: TaskState) -> Option<&mut u64> {
    match state {
        TaskState::Delayed => Some(&mut row.delayed),
        TaskState::Blocked => Some(&mut row.blocked),
        TaskState::Ready => None,
        TaskState::Running => Some(&mut row.running),
        TaskState::Done => Some(&mut row.done),
        TaskState::Dead => Some(&mut row.dead),
        TaskState::Cancelled => Some(&mut row.cancelled),
    }
}

fn miscounted() -> ViewError {
    contradiction("the count of a queue's tasks is wrong")
}
