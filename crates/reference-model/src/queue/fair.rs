//! Tenants: whose turn it is among those that tasks name.
//!
//! A tenant has a place in each lane of a type in which it has tasks that can be claimed. Which places there must be is
//! found by looking at all tasks; a place only remembers how far its tenant has come.

use super::{NewTask, Queue, State, Task};
use crate::{Simple, SimpleOutcome};
use model::limits::TENANTS_PASSED_MAX;

/// What a claim costs a tenant of weight 1.
const STRIDE: u64 = 16_777_216;

/// The place of a tenant in a lane of a type. Tasks without a tenant have the empty name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub task_type: String,
    pub lane: u8,
    pub tenant: String,
    /// The lowest one is next, and of equal ones the one that came first.
    pub pass: u64,
    order: u64,
}

/// What a queue remembers about tenants.
#[derive(Clone, Debug, Default)]
pub struct Fair {
    /// Whether a task has ever named a tenant.
    pub is_on: bool,
    /// Those that were set.
    pub weights: Vec<(String, u32)>,
    pub places: Vec<Place>,
    /// The pass of the last claim in each lane of a type.
    nows: Vec<(String, u8, u64)>,
    entered: u64,
}

impl Fair {
    #[must_use]
    pub fn weight(&self, tenant: &str) -> u64 {
        let own = self.weights.iter().find(|(of, _)| of == tenant);
        u64::from(own.map_or(1, |(_, weight)| *weight))
    }

    fn now(&self, task_type: &str, lane: u8) -> u64 {
        let found = self.nows.iter().find(|(of, at, _)| of == task_type && *at == lane);
        found.map_or(0, |(.., now)| *now)
    }

    fn enter(&mut self, task_type: &str, lane: u8, tenant: &str) {
        self.entered += 1;
        let pass = self.now(task_type, lane) + STRIDE / self.weight(tenant);
        let (task_type, tenant) = (task_type.to_owned(), tenant.to_owned());
        self.places.push(Place { task_type, lane, tenant, pass, order: self.entered });
    }

    /// The tenant that is next in a lane.
    pub(super) fn next(&self, task_type: &str, lane: u8) -> Option<&Place> {
        let of_lane = self.places.iter().filter(|place| place.task_type == task_type && place.lane == lane);
        of_lane.min_by_key(|place| (place.pass, place.order))
    }
}

impl NewTask {
    /// The name of its tenant, which may be empty.
    #[must_use]
    pub fn tenant(&self) -> &str {
        self.fair.as_deref().unwrap_or_default()
    }
}

impl Queue {
    #[must_use]
    pub fn running_of(&self, tenant: &str) -> u64 {
        let running = self.tasks.iter().filter(|task| task.running().is_some());
        running.filter(|task| task.sent.tenant() == tenant).count() as u64
    }

    #[must_use]
    pub fn unfinished_of(&self, tenant: &str) -> u64 {
        let unfinished = self.tasks.iter().filter(|task| !task.is_final());
        unfinished.filter(|task| task.sent.tenant() == tenant).count() as u64
    }

    /// The tenants that run something or have something that can be claimed.
    #[must_use]
    pub fn taking_part(&self) -> Vec<String> {
        let running = self.tasks.iter().filter(|task| task.running().is_some());
        let mut all: Vec<String> = running.map(|task| task.sent.tenant().to_owned()).collect();
        all.extend(self.fair.places.iter().map(|place| place.tenant.clone()));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether a tenant runs its share, if one more task ran.
    fn has_its_share(&self, tenant: &str) -> bool {
        let weights: u64 = self.taking_part().iter().map(|other| self.fair.weight(other)).sum();
        let running = self.tasks.iter().filter(|task| task.running().is_some()).count() as u64;
        self.running_of(tenant) * weights >= (running + 1) * self.fair.weight(tenant)
    }

    /// Where tenants must have places: those with ready tasks that do not wait for a limit.
    fn wanted_places(&self) -> Vec<(String, u8, String)> {
        let mut wanted = Vec::new();
        for task in &self.tasks {
            let State::Ready { lane, .. } = task.state else { continue };
            let tenant = task.sent.tenant();
            if task.gates().is_empty() && tenant.is_empty() {
                wanted.push((task.sent.task_type.clone(), lane, String::new()));
            }
        }
        for cohort in &self.cohorts {
            for (lane, _) in &cohort.turns {
                wanted.push((cohort.task_type.clone(), *lane, cohort.tenant.clone().unwrap_or_default()));
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }

    /// Tenants enter and leave lanes with their tasks.
    pub(super) fn follow_tenants(&mut self) {
        if !self.fair.is_on {
            return;
        }
        let wanted = self.wanted_places();
        let is = |place: &Place, (of, lane, tenant): &(String, u8, String)| {
            place.task_type == *of && place.lane == *lane && place.tenant == *tenant
        };
        self.fair.places.retain(|place| wanted.iter().any(|one| is(place, one)));
        for one in &wanted {
            if !self.fair.places.iter().any(|place| is(place, one)) {
                self.fair.enter(&one.0, one.1, &one.2);
            }
        }
    }

    /// A task is about to be unfinished.
    pub(super) fn may_become_fair(&mut self, sent: &NewTask) {
        if sent.fair.is_some() && !self.fair.is_on {
            self.fair.is_on = true;
            self.follow_tenants();
        }
    }

    /// Whether the tenant whose turn it is runs its share already, and another one is looked at.
    pub(super) fn is_passed_over(&self, place: &Place, passed: &[String]) -> bool {
        let tenants = self
            .fair
            .places
            .iter()
            .filter(|other| other.task_type == place.task_type && other.lane == place.lane)
            .count();
        tenants > 1
            && passed.len() < TENANTS_PASSED_MAX
            && !passed.contains(&place.tenant)
            && self.has_its_share(&place.tenant)
    }

    /// A tenant has had its turn: it pays, and goes behind.
    pub(super) fn pay(&mut self, place: &Place) {
        let Place { task_type, lane, tenant, pass, .. } = place;
        match self.fair.nows.iter_mut().find(|(of, at, _)| of == task_type && at == lane) {
            Some((.., now)) => *now = (*now).max(*pass),
            None => self.fair.nows.push((task_type.clone(), *lane, *pass)),
        }
        let before = self.fair.places.len();
        self.fair
            .places
            .retain(|other| other.task_type != *task_type || other.lane != *lane || other.tenant != *tenant);
        if self.fair.places.len() < before {
            self.fair.enter(task_type, *lane, tenant);
        }
    }
}

impl Simple {
    /// Without a weight, the tenant has the usual one again.
    pub(super) fn put_tenant(&mut self, queue: usize, tenant: &str, weight: Option<u32>) -> SimpleOutcome {
        if weight.is_some() {
            self.queues.make(queue);
        }
        let weights = &mut self.queues.all[queue].fair.weights;
        let before = weights.len();
        weights.retain(|(of, _)| of != tenant);
        let existed = weights.len() < before;
        match weight {
            None => SimpleOutcome::TenantDeleted(existed),
            Some(weight) => {
                weights.push((tenant.to_owned(), weight));
                SimpleOutcome::TenantPut
            }
        }
    }
}

/// Whether a ready task belongs to a cohort.
pub(super) fn is_in_cohort(task: &Task) -> bool {
    !task.gates().is_empty() || task.sent.fair.is_some()
}
