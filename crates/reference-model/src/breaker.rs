//! Circuit breakers in the model: every call since the last transition, counted again for each decision.

use super::{Simple, SimpleOutcome};
use model::{
    AskBreaker, BreakerCircuit, BreakerDecision, BreakerForced, BreakerName, BreakerPermit, BreakerReason,
    BreakerRecord, BreakerRecorded, BreakerSettings, BreakerWindow, CallOutcome, Command, ControlBreaker,
    DeleteBreaker, PutBreaker, RecordBreaker, SlowCalls, breaker_gate, breaker_source,
};
use seeded_rng::Rng;

/// The names that commands are drawn for.
pub const NAMES: [&str; 5] = ["partner", "mail-{7}", "żółw", "send", "mail-h0"];
const WORKERS: [&str; 4] = ["a", "b", "c", ""];

/// One breaker that has a row.
#[derive(Clone, Debug)]
pub struct Breaker {
    pub name: String,
    pub settings: BreakerSettings,
    pub circuit: BreakerCircuit,
    pub forced: BreakerForced,
    pub generation: u32,
    pub opened: u64,
    is_ramping: bool,
    since: u64,
    until: u64,
    trips: u32,
    /// When, and how.
    calls: Vec<(u64, Mark)>,
    consecutive: u32,
    failed: Vec<(u32, u64)>,
    /// Those under way, and when they are given up.
    pub probes: Vec<(u32, u64)>,
    probe_last: u32,
    succeeded: u32,
    lost: u32,
    recorded: Vec<u64>,
}

/// What a command asks of breakers.
#[derive(Clone, Debug)]
pub enum BreakerAsk {
    Put(String, BreakerSettings),
    Delete(String),
    Control(String, BreakerForced),
    Ask(String, u64),
    /// With what each record says: the permit, whether that is of this breaker, the worker, and the outcome.
    Record(String, Vec<(BreakerPermit, bool, u32, Call)>),
}

/// What a call counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Good,
    Slow,
    Failed,
}

/// How a call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Ok,
    OkIn(u64),
    Failed(String),
    Ignored,
}

impl BreakerAsk {
    pub(crate) fn of(command: &Command<'_>) -> Option<Self> {
        Some(match command {
            Command::PutBreaker(put) => Self::Put(put.breaker.as_str().to_owned(), put.settings.clone()),
            Command::DeleteBreaker(delete) => Self::Delete(delete.breaker.as_str().to_owned()),
            Command::ControlBreaker(control) => {
                Self::Control(control.breaker.as_str().to_owned(), control.forced)
            }
            Command::AskBreaker(ask) => Self::Ask(ask.breaker.as_str().to_owned(), ask.random),
            Command::RecordBreaker(record) => {
                let one = |one: &BreakerRecord<'_>| {
                    let call = match &one.outcome {
                        CallOutcome::Ok => Call::Ok,
                        CallOutcome::OkIn { took_ms } => Call::OkIn(*took_ms),
                        CallOutcome::Failed { class } => Call::Failed(class.clone().into_owned()),
                        CallOutcome::Ignored => Call::Ignored,
                    };
                    (one.permit, one.permit.is_of(&record.breaker), breaker_source(&one.worker), call)
                };
                let records = record.records.iter().map(one).collect();
                Self::Record(record.breaker.as_str().to_owned(), records)
            }
            _ => return None,
        })
    }
}

impl Breaker {
    fn new(name: &str, elapsed: u64) -> Self {
        Self {
            name: name.to_owned(),
            settings: BreakerSettings::default(),
            circuit: BreakerCircuit::Closed,
            forced: BreakerForced::No,
            generation: 0,
            opened: 0,
            is_ramping: false,
            since: 0,
            until: 0,
            trips: 0,
            calls: Vec::new(),
            consecutive: 0,
            failed: Vec::new(),
            probes: Vec::new(),
            probe_last: elapsed as u32,
            succeeded: 0,
            lost: 0,
            recorded: Vec::new(),
        }
    }

    /// How it is shown.
    #[must_use]
    pub const fn shown(&self) -> BreakerCircuit {
        match self.forced {
            BreakerForced::No => self.circuit,
            BreakerForced::Open => BreakerCircuit::Open,
            BreakerForced::Closed => BreakerCircuit::Closed,
        }
    }

    fn begin(&mut self, circuit: BreakerCircuit, now: u64) {
        self.circuit = circuit;
        self.is_ramping = false;
        self.since = now;
        self.generation += 1;
        self.calls.clear();
        self.consecutive = 0;
        self.failed.clear();
        self.probes.clear();
        (self.succeeded, self.lost) = (0, 0);
    }

    fn open(&mut self, now: u64) {
        let calm =
            self.circuit == BreakerCircuit::Closed && now - self.since >= self.settings.forget_after_ms;
        self.trips = if calm { 1 } else { self.trips + 1 };
        let mut open_ms = self.settings.open_ms;
        for _ in 1..self.trips.min(40) {
            open_ms *= 2;
        }
        self.begin(BreakerCircuit::Open, now);
        self.until = now + open_ms.min(self.settings.open_ms_max);
        self.opened += 1;
    }

    fn look_at_the_time(&mut self, now: u64) {
        self.is_ramping &= now - self.since < self.settings.ramp_ms;
    }

    fn put(&mut self, settings: &BreakerSettings, now: u64) {
        if self.settings.window != settings.window {
            self.calls.clear();
        }
        self.settings = settings.clone();
        self.look_at_the_time(now);
    }

    fn force(&mut self, forced: BreakerForced, now: u64) {
        if self.forced != forced {
            self.begin(BreakerCircuit::Closed, now);
            self.forced = forced;
            self.trips = 0;
        }
    }

    fn ask(&mut self, now: u64, random: u64, probe_ms: u64) -> BreakerDecision {
        self.look_at_the_time(now);
        let rejected =
            |reason, retry_ms: u64| BreakerDecision::Rejected { reason, retry_ms: retry_ms.max(1) };
        match self.forced {
            BreakerForced::Open => return rejected(BreakerReason::Forced, self.settings.open_ms),
            BreakerForced::Closed => {
                return BreakerDecision::Admitted { generation: self.generation, probe: 0 };
            }
            BreakerForced::No => {}
        }
        match self.circuit {
            BreakerCircuit::Closed => {
                let from = u64::from(self.settings.ramp_from_percent);
                let percent = from + (100 - from) * (now - self.since) / self.settings.ramp_ms.max(1);
                let drawn = (u128::from(random) * 100) >> 64;
                if self.is_ramping && drawn >= u128::from(percent) {
                    return rejected(
                        BreakerReason::Ramp,
                        (self.since + self.settings.ramp_ms - now).min(1_000),
                    );
                }
                return BreakerDecision::Admitted { generation: self.generation, probe: 0 };
            }
            BreakerCircuit::Open if now < self.until => {
                return rejected(BreakerReason::Open, self.until - now);
            }
            BreakerCircuit::Open => self.begin(BreakerCircuit::HalfOpen, now),
            BreakerCircuit::HalfOpen => {}
        }
        self.probes.retain(|(_, until)| now < *until);
        let (under_way, all) = (self.probes.len() as u32, self.settings.probes);
        if under_way == 0 && self.succeeded + self.lost >= all {
            (self.succeeded, self.lost) = (0, 0);
        }
        if under_way >= self.settings.probes_at_once.min(all) || under_way + self.succeeded + self.lost >= all
        {
            let free = self.probes.iter().map(|(_, until)| *until).min().unwrap_or(now);
            return rejected(BreakerReason::Probing, (free - now).min(1_000));
        }
        self.probe_last += 1;
        self.probes.push((self.probe_last, now + probe_ms));
        BreakerDecision::Admitted { generation: self.generation, probe: self.probe_last }
    }

    /// How many tasks may begin when this many run; or else when time may change that.
    fn tasks_admitted(&self, running: u64, now: u64) -> Result<u64, Option<u64>> {
        match self.forced {
            BreakerForced::Open => return Err(None),
            BreakerForced::Closed => return Ok(u64::MAX),
            BreakerForced::No => {}
        }
        let all = u64::from(self.settings.probes);
        let at_once = u64::from(self.settings.probes_at_once).min(all);
        match self.circuit {
            BreakerCircuit::Closed => {
                let end = self.since + self.settings.ramp_ms;
                if !self.is_ramping || now >= end {
                    return Ok(u64::MAX);
                }
                let may_run = self.window(now).len() as u64 + 1;
                if running < may_run { Ok(may_run - running) } else { Err(Some(end)) }
            }
            BreakerCircuit::Open if now < self.until => Err(Some(self.until)),
            BreakerCircuit::Open => Ok(at_once),
            BreakerCircuit::HalfOpen => {
                let live: Vec<u64> =
                    self.probes.iter().map(|(_, until)| *until).filter(|until| now < *until).collect();
                let ended = u64::from(self.succeeded + self.lost);
                let ended = if live.is_empty() && ended >= all { 0 } else { ended };
                let taken = live.len() as u64;
                let free = at_once.saturating_sub(taken).min(all.saturating_sub(taken + ended));
                if free > 0 { Ok(free) } else { Err(live.into_iter().min()) }
            }
        }
    }

    /// Whether the outcome counts.
    fn record(&mut self, permit: BreakerPermit, source: u32, call: &Call, now: u64) -> bool {
        self.look_at_the_time(now);
        let says_something = match call {
            Call::Ok | Call::OkIn(_) => true,
            Call::Failed(class) => !self.settings.ignore.contains(class),
            Call::Ignored => false,
        };
        let mark = match call {
            Call::Ok => Mark::Good,
            Call::OkIn(took_ms) => match &self.settings.slow {
                Some(slow) if slow.after_ms <= *took_ms => Mark::Slow,
                _ => Mark::Good,
            },
            Call::Failed(_) | Call::Ignored => Mark::Failed,
        };
        if permit.generation != self.generation {
            return false;
        }
        match self.circuit {
            BreakerCircuit::Closed => {}
            BreakerCircuit::HalfOpen if permit.probe != 0 => {
                let found = self.probes.iter().position(|(id, until)| *id == permit.probe && now < *until);
                let Some(found) = found else { return false };
                self.probes.swap_remove(found);
                self.end_probe(says_something.then_some(mark), now);
                return true;
            }
            _ => return true,
        }
        if !says_something {
            return true;
        }
        self.calls.push((now, mark));
        self.consecutive = if mark == Mark::Failed { self.consecutive + 1 } else { 0 };
        if mark != Mark::Good && self.forced == BreakerForced::No {
            self.note_failure(source, now);
            if self.is_too_much(now) {
                self.open(now);
            }
        }
        true
    }

    /// Counts a probe, unless it says nothing, and judges them all. The settings may have changed since the last one, so one
    /// that says nothing may be the occasion too.
    fn end_probe(&mut self, mark: Option<Mark>, now: u64) {
        match mark {
            Some(Mark::Good) => self.succeeded += 1,
            Some(Mark::Slow | Mark::Failed) => self.lost += 1,
            None => {}
        }
        let all = self.settings.probes;
        let percent = u32::from(self.settings.probe_success_percent);
        let needed = (all * percent).div_ceil(100).max(1);
        if self.succeeded >= needed {
            self.begin(BreakerCircuit::Closed, now);
            self.is_ramping = self.settings.ramp_ms > 0;
        } else if self.lost > all - needed {
            self.open(now);
        }
    }

    fn note_failure(&mut self, source: u32, now: u64) {
        let bound = self.settings.workers_min as usize;
        if bound < 2 {
            return;
        }
        if let Some(known) = self.failed.iter_mut().find(|(known, _)| *known == source) {
            known.1 = now;
            return;
        }
        if self.failed.len() >= bound {
            let oldest = self.failed.iter().map(|(_, last)| *last).min();
            let at = self.failed.iter().position(|(_, last)| Some(*last) == oldest);
            self.failed.remove(at.unwrap_or(0));
        }
        self.failed.push((source, now));
    }

    /// For each call in the window, what it counts as.
    fn window(&self, now: u64) -> Vec<Mark> {
        match self.settings.window {
            BreakerWindow::Calls(calls) => {
                self.calls.iter().rev().take(calls as usize).map(|(_, mark)| *mark).collect()
            }
            BreakerWindow::Time(length_ms) => {
                let bucket = |ms: u64| ms * 1_000_000 / (length_ms * 1_000_000 / 10);
                let recent = |(at, _): &&(u64, Mark)| bucket(now) - bucket(*at) < 10;
                self.calls.iter().filter(recent).map(|(_, mark)| *mark).collect()
            }
        }
    }

    fn is_too_much(&self, now: u64) -> bool {
        let of_late = |(_, last): &&(u32, u64)| now - last <= self.settings.workers_within_ms;
        let workers = self.failed.iter().filter(of_late).count();
        if self.settings.workers_min > 1 && workers < self.settings.workers_min as usize {
            return false;
        }
        if self.settings.consecutive_failures.is_some_and(|most| self.consecutive >= most) {
            return true;
        }
        let window = self.window(now);
        let is_share = |mark: Mark, percent: Option<u8>| {
            let marked = window.iter().filter(|other| **other == mark).count();
            percent.is_some_and(|percent| marked > 0 && marked * 100 >= usize::from(percent) * window.len())
        };
        window.len() >= self.settings.calls_min as usize
            && (is_share(Mark::Failed, self.settings.failure_percent)
                || is_share(Mark::Slow, self.settings.slow.map(|slow| slow.percent)))
    }
}

impl Simple {
    /// The breaker with this name, if it has been used.
    #[must_use]
    pub fn breaker(&self, name: &str) -> Option<&Breaker> {
        self.breakers.iter().find(|breaker| breaker.name == name)
    }

    pub(crate) fn tasks_admitted(&self, name: &str, running: u64) -> Result<u64, Option<u64>> {
        self.breaker(name).map_or(Ok(u64::MAX), |breaker| breaker.tasks_admitted(running, self.elapsed))
    }

    /// A task of a queue with this breaker begins. Returns the generation, and the number of the probe or 0.
    pub(crate) fn begin_task(&mut self, name: &str) -> (u32, u32) {
        const CLAIM_MS: u64 = 366 * 24 * 3_600_000;
        let now = self.elapsed;
        let mut breaker = self.breaker(name).cloned().unwrap_or_else(|| Breaker::new(name, now));
        match breaker.ask(now, 0, CLAIM_MS) {
            BreakerDecision::Admitted { generation, probe } => {
                if probe > 0 {
                    self.put_breaker(breaker);
                }
                (generation, probe)
            }
            BreakerDecision::Rejected { .. } => (breaker.generation, 0),
        }
    }

    /// A task that was admitted has ended.
    pub(crate) fn end_task_of(&mut self, name: &str, admitted: (u32, u32), worker: &str, call: &Call) {
        let now = self.elapsed;
        let mut breaker = self.breaker(name).cloned().unwrap_or_else(|| Breaker::new(name, now));
        let permit = BreakerPermit { name_hash: 0, generation: admitted.0, probe: admitted.1, nonce: 0 };
        if breaker.record(permit, breaker_source(worker), call, now) {
            self.put_breaker(breaker);
        }
    }

    fn put_breaker(&mut self, breaker: Breaker) {
        self.breakers.retain(|other| other.name != breaker.name);
        self.breakers.push(breaker);
    }

    pub(crate) fn ask_breaker(&mut self, ask: &BreakerAsk) -> SimpleOutcome {
        let (name, now) = (ask.name().to_owned(), self.elapsed);
        let mut breaker = self.breaker(&name).cloned().unwrap_or_else(|| Breaker::new(&name, now));
        let (is_changed, outcome) = match ask {
            BreakerAsk::Put(_, settings) => {
                breaker.put(settings, now);
                (true, SimpleOutcome::BreakerPut)
            }
            BreakerAsk::Delete(_) => {
                let before = self.breakers.len();
                self.breakers.retain(|breaker| breaker.name != name);
                let existed = self.breakers.len() < before;
                if existed {
                    self.free_key(&breaker_gate(&name), "");
                }
                return if existed { SimpleOutcome::BreakerDeleted } else { SimpleOutcome::NoBreaker };
            }
            BreakerAsk::Control(_, forced) => {
                let is_changed = breaker.forced != *forced;
                breaker.force(*forced, now);
                (is_changed, SimpleOutcome::BreakerControlled)
            }
            BreakerAsk::Ask(_, random) => {
                let probe_ms = breaker.settings.probe_ms;
                let decision = breaker.ask(now, *random, probe_ms);
                let is_probe = matches!(decision, BreakerDecision::Admitted { probe, .. } if probe > 0);
                (is_probe, SimpleOutcome::BreakerAsked(decision))
            }
            BreakerAsk::Record(_, records) => {
                let mut recorded = BreakerRecorded::default();
                for (permit, is_of_it, source, call) in records {
                    if *is_of_it && breaker.recorded.contains(&permit.nonce) {
                        recorded.replayed += 1;
                    } else if *is_of_it && breaker.record(*permit, *source, call, now) {
                        breaker.recorded.push(permit.nonce);
                        recorded.counted += 1;
                    } else {
                        recorded.stale += 1;
                    }
                }
                recorded.circuit = breaker.shown();
                (recorded.counted > 0, SimpleOutcome::BreakerRecorded(recorded))
            }
        };
        if is_changed {
            self.put_breaker(breaker);
            if !matches!(ask, BreakerAsk::Ask(..)) {
                self.free_key(&breaker_gate(&name), "");
            }
        }
        outcome
    }
}

impl BreakerAsk {
    fn name(&self) -> &str {
        match self {
            Self::Put(name, _)
            | Self::Delete(name)
            | Self::Control(name, _)
            | Self::Ask(name, _)
            | Self::Record(name, _) => name,
        }
    }
}

/// A command that a client sends.
pub fn command(rng: &mut Rng, model: &Simple) -> Command<'static> {
    let name = rng.pick(&NAMES);
    let breaker = match BreakerName::new(name) {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    };
    match rng.below(40) {
        0..=3 => Command::PutBreaker(PutBreaker { breaker, settings: settings(rng) }),
        4 => Command::DeleteBreaker(DeleteBreaker { breaker }),
        5..=6 => {
            let forced =
                rng.pick(&[BreakerForced::No, BreakerForced::No, BreakerForced::Open, BreakerForced::Closed]);
            Command::ControlBreaker(ControlBreaker { breaker, forced })
        }
        7..=19 => Command::AskBreaker(AskBreaker { breaker, random: rng.next_u64() }),
        _ => {
            let records = (0..rng.below(4)).map(|_| record(rng, model, &breaker)).collect();
            Command::RecordBreaker(RecordBreaker { breaker, records })
        }
    }
}

fn record(rng: &mut Rng, model: &Simple, breaker: &BreakerName<'_>) -> BreakerRecord<'static> {
    let known = model.breaker(breaker.as_str());
    let generation = known.map_or(0, |known| known.generation).wrapping_sub(u32::from(rng.one_in(8)));
    let probes = known.map_or(&[][..], |known| &known.probes);
    let probe = match probes {
        [] => u32::from(rng.one_in(10)),
        probes => probes[rng.below(probes.len() as u64) as usize].0 + u32::from(rng.one_in(10)),
    };
    let of = if rng.one_in(30) {
        BreakerName::new("another").unwrap_or_else(|_| unreachable!())
    } else {
        breaker.clone()
    };
    let outcome = match rng.below(10) {
        0..=1 => CallOutcome::Ok,
        2..=4 => CallOutcome::OkIn { took_ms: rng.pick(&[0, 9, 10, 300]) },
        5..=8 => CallOutcome::Failed { class: rng.pick(&["E", "timeout", ""]).into() },
        _ => CallOutcome::Ignored,
    };
    // Few of them, so that some are sent again. Groups keep more than that.
    let nonce = if rng.one_in(10) { rng.below(8) } else { rng.next_u64() };
    let permit = BreakerPermit::new(&of, generation, probe, nonce);
    BreakerRecord { permit, worker: rng.pick(&WORKERS).into(), outcome }
}

fn settings(rng: &mut Rng) -> BreakerSettings {
    let probes = rng.pick(&[1, 2, 3]);
    let open_ms = rng.pick(&[1, 5, 300]);
    BreakerSettings {
        window: rng.pick(&[BreakerWindow::Calls(4), BreakerWindow::Calls(70), BreakerWindow::Time(25)]),
        calls_min: rng.pick(&[1, 2, 4]),
        failure_percent: rng.pick(&[None, Some(50), Some(100)]),
        slow: rng.pick(&[None, Some(SlowCalls { after_ms: 10, percent: 50 })]),
        consecutive_failures: rng.pick(&[None, Some(2), Some(3)]),
        workers_min: rng.pick(&[1, 1, 2]),
        workers_within_ms: rng.pick(&[3, 500]),
        open_ms,
        open_ms_max: rng.pick(&[open_ms, 2 * open_ms, 1_000]),
        forget_after_ms: rng.pick(&[0, 20, 1_000]),
        probes,
        probes_at_once: rng.pick(&[1, 1, probes]),
        probe_success_percent: rng.pick(&[34, 100]),
        probe_ms: rng.pick(&[1, 20, 5_000]),
        ramp_ms: rng.pick(&[0, 3, 400]),
        ramp_from_percent: rng.pick(&[10, 100]),
        ignore: if rng.one_in(3) { vec!["E".to_owned()] } else { Vec::new() },
    }
}
