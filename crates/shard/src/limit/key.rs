//! One key of a limit: what it has in use, and whether it is open.

use super::{keys_of, row, set_timer};
use crate::breaker::Breaker;
use crate::breaker::tasks::Begins;
use crate::damage::{bad_row, contradiction};
use crate::overlay::Overlay;
use alloc::borrow::ToOwned;
use alloc::string::String;
use format::row::{Gate, LimitKeyRow, LimitKeys, LimitSubject, LimitTimerKey};
use model::{Elapsed, LimitSettings, Rate, View, ViewError, gate_breaker, limit_key_hash};

/// Why nothing of a key can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// As many tasks run as may.
    Concurrency,
    /// The rate is used up until then.
    Rate(Elapsed),
    /// A worker has closed the key until then.
    Throttle(Elapsed),
    /// The breaker admits no task, until then unless something is recorded before; `None` if time does not change that.
    Breaker(Option<Elapsed>),
}

/// A key of a limit during one command.
#[derive(Debug)]
pub(crate) struct LimitKey {
    limit: String,
    pub(crate) keys: LimitKeys,
    pub(crate) hash: u128,
    settings: LimitSettings,
    /// If it stands for a breaker.
    breaker: Option<Breaker>,
    pub(crate) row: LimitKeyRow,
}

impl LimitKey {
    pub(crate) fn of(gate: &Gate, view: &impl View) -> Result<Self, ViewError> {
        let hash = limit_key_hash(&gate.key);
        let mut key = Self::by_hash(&gate.limit, hash, view)?;
        key.row.key.clone_from(&gate.key);
        Ok(key)
    }

    pub(crate) fn by_hash(limit: &str, hash: u128, view: &impl View) -> Result<Self, ViewError> {
        let keys = keys_of(limit);
        let row_of_key = match view.get(&keys.key(hash))? {
            None => LimitKeyRow::default(),
            Some(value) => {
                LimitKeyRow::decode(&value).map_err(|error| bad_row("row of a limit's key", error))?
            }
        };
        // A limit that does not exist limits nothing.
        let settings = row(view, limit)?.and_then(|row| row.settings).unwrap_or_default();
        let breaker = gate_breaker(limit).map(|name| Breaker::load(name, view)).transpose()?;
        Ok(Self { limit: limit.to_owned(), keys, hash, settings, breaker, row: row_of_key })
    }

    /// Why a task of this cost cannot be claimed now; `None` if it can.
    pub(crate) fn closed(&self, cost: u32, now: Elapsed) -> Option<Closed> {
        if let Some(breaker) = &self.breaker {
            return match breaker.begins(self.row.running, now) {
                Begins::UpTo(_) => None,
                Begins::NoneUntil(until) => Some(Closed::Breaker(until)),
            };
        }
        if self.row.closed_until > now {
            return Some(Closed::Throttle(self.row.closed_until));
        }
        if self.settings.concurrency.is_some_and(|tasks| self.row.running >= u64::from(tasks)) {
            return Some(Closed::Concurrency);
        }
        let opens = self.settings.rate.map(|rate| opens_at(rate, cost, self.row.refilled_us))?;
        (opens > now).then_some(Closed::Rate(opens))
    }

    /// How many tasks can begin now, if each costs 1.
    pub(crate) fn free(&self, now: Elapsed) -> u64 {
        if let Some(breaker) = &self.breaker {
            return match breaker.begins(self.row.running, now) {
                Begins::UpTo(tasks) => tasks,
                Begins::NoneUntil(_) => 0,
            };
        }
        if self.row.closed_until > now {
            return 0;
        }
        let slots = self.settings.concurrency.map(|tasks| u64::from(tasks).saturating_sub(self.row.running));
        let tokens = self.settings.rate.map(|rate| {
            let debt = self.row.refilled_us.saturating_sub(micros(now));
            used_us(rate, rate.burst.max(1)).saturating_sub(debt) / used_us(rate, 1).max(1)
        });
        slots.into_iter().chain(tokens).min().unwrap_or(u64::MAX)
    }

    /// When time opens the key for a task of this cost, if time does.
    pub(crate) fn opens(&self, cost: u32, now: Elapsed) -> Option<Elapsed> {
        match self.closed(cost, now)? {
            Closed::Concurrency => None,
            Closed::Rate(until) | Closed::Throttle(until) => Some(until),
            Closed::Breaker(until) => until,
        }
    }

    /// A task of the key was claimed.
    pub(crate) fn begins(&mut self, cost: u32, now: Elapsed) {
        self.row.running += 1;
        if let Some(rate) = self.settings.rate {
            let from = self.row.refilled_us.max(micros(now));
            self.row.refilled_us = from.saturating_add(used_us(rate, u64::from(cost)));
        }
    }

    /// Nothing of the key can be claimed before this. A key that is closed for longer stays so.
    pub(crate) fn close(&mut self, until: Elapsed) {
        self.row.closed_until = self.row.closed_until.max(until);
    }

    /// A claim of the key has ended.
    pub(crate) fn ends(&mut self) -> Result<(), ViewError> {
        let running = self.row.running.checked_sub(1);
        self.row.running = running.ok_or_else(|| contradiction("a limit has lost a claim"))?;
        Ok(())
    }

    /// The node must look at the key by then.
    pub(crate) fn look_at<V: View>(&mut self, due: Elapsed, overlay: &mut Overlay<'_, '_, V>) {
        if self.row.due.is_none_or(|before| due < before) {
            self.clear_timer(overlay);
            self.row.due = Some(due);
            set_timer(self.keys, &self.limit, due, LimitSubject::Key(self.hash), overlay);
        }
    }

    pub(crate) fn clear_timer<V: View>(&mut self, overlay: &mut Overlay<'_, '_, V>) {
        if let Some(due) = self.row.due.take() {
            let subject = LimitSubject::Key(self.hash);
            let timer = LimitTimerKey { slot: self.keys.slot, due, limit: self.keys.limit, subject };
            overlay.delete(timer.encode());
        }
    }

    /// Writes the key, or deletes it if it is not in use.
    pub(crate) fn save<V: View>(mut self, overlay: &mut Overlay<'_, '_, V>) {
        let now = overlay.shard.elapsed;
        let until = self.row.closed_until.max(millis(self.row.refilled_us));
        if self.row.waiting > 0
            && let Some(opens) = self.opens(1, now)
        {
            self.look_at(opens, overlay);
        }
        if until > now {
            // So that the row does not stay when nobody asks for the key again.
            self.look_at(until, overlay);
        } else if self.row.running == 0 && self.row.waiting == 0 {
            self.clear_timer(overlay);
            overlay.delete(self.keys.key(self.hash));
            return;
        }
        overlay.put(self.keys.key(self.hash), self.row.encode());
    }
}

/// What the tasks of a key may cost now. What is there again in part does not count.
pub(crate) fn rate_left(rate: Rate, refilled_us: u64, now: Elapsed) -> u64 {
    let refills = u128::from(refilled_us.saturating_sub(micros(now))) * u128::from(rate.cost_max);
    let used = refills.div_ceil(u128::from(rate.per_ms.max(1)) * 1_000);
    rate.burst.saturating_sub(u64::try_from(used).unwrap_or(u64::MAX))
}

/// When a task of this cost can begin.
fn opens_at(rate: Rate, cost: u32, refilled_us: u64) -> Elapsed {
    let cost_us = used_us(rate, u64::from(cost));
    // What costs more than the whole burst begins when all of it is there.
    let burst_us = used_us(rate, rate.burst).max(cost_us);
    millis(refilled_us.saturating_add(cost_us).saturating_sub(burst_us))
}

/// How long the rate needs to refill this much.
fn used_us(rate: Rate, cost: u64) -> u64 {
    let us = u128::from(cost) * u128::from(rate.per_ms) * 1_000 / u128::from(rate.cost_max.max(1));
    u64::try_from(us).unwrap_or(u64::MAX)
}

const fn micros(elapsed: Elapsed) -> u64 {
    elapsed.0.saturating_mul(1_000)
}

const fn millis(us: u64) -> Elapsed {
    Elapsed(us.div_ceil(1_000))
}
