//! Runs one seed from beginning to end.

use crate::checkers::as_of::ClosedTimes;
use crate::checkers::clocks::Clocks;
use crate::checkers::order::Reader;
use crate::checkers::shown::Shown;
use crate::checkers::{acknowledged, whole};
use crate::clients::Client;
use crate::ledger::Ledger;
use crate::machine::Machine;
use crate::mutant::Mutant;
use crate::process::{Ended, Process, SimEffect, SimInput, Stepped, Work};
use crate::schedule::Schedule;
use crate::trace::{Echo, Trace};
use driver::{Effect, Input};
use model::{Outcome, Wall};
use node::{AskedTime, ClosedTime, Mono, Now, Request, Unavailable};
use seeded_rng::Rng;
use std::collections::BTreeSet;

/// A run counts if it crashed after at least this many acknowledgements.
const ACKNOWLEDGED_BEFORE_CRASH_MIN: u64 = 10;
const CLIENTS: u64 = 6;
/// Each time readers may see more, they look at everything with a chance of one in this many.
const LOOK_ONE_IN: u64 = 40;
/// The time between two checks of what changes slowly. Shorter than in a real node, because runs are short.
const CHECK_MICROS: u64 = 50_000;
/// How long clients send new commands, in virtual microseconds.
const ASKING_MICROS: u64 = 1_500_000;

#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    pub seed: u64,
    pub mutant: Mutant,
    pub echo: Echo,
}

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    pub seed: u64,
    /// A hash over all steps.
    pub hash: u64,
    pub steps: u64,
    pub acknowledgements: u64,
    pub replays: u64,
    pub crashes: u64,
    /// Whether it crashed after enough acknowledgements to count.
    pub counts: bool,
}

/// A promise was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub seed: u64,
    pub step: u64,
    pub what: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seed {} failed at step {}: {}", self.seed, self.step, self.what)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Client(u64),
    Work {
        boot: u64,
        work: Work,
    },
    TimerDue {
        boot: u64,
        at: Mono,
    },
    /// The power fails now, or in the middle of one of the next disk operations.
    Crash,
    /// A disk begins to fail: one of its next operations, or every one that needs more space.
    Fail,
    /// The process stops gracefully. The next start must replay nothing.
    Stop,
    StepWall,
    CloseTime,
    /// The process is killed, and the machine stays up.
    Kill,
    /// The disk fills up, or has space again.
    Space,
    /// The log thread has had nothing to do for a while.
    Idle {
        boot: u64,
    },
    /// The check of every second.
    Check {
        boot: u64,
    },
    /// More of a long piece of work, such as a replay.
    Continue {
        boot: u64,
    },
}

struct World {
    rng: Rng,
    trace: Trace,
    schedule: Schedule<Event>,
    machine: Machine,
    clients: Vec<Client>,
    ledger: Ledger,
    /// Clients that wait for an outcome of this boot.
    waiting: BTreeSet<u64>,
    reader: Reader,
    closed: ClosedTimes,
    clocks: Clocks,
    crashes: u64,
    counts: bool,
    /// The process was stopped gracefully, so the next start must replay nothing.
    stopped_well: bool,
    stopping: bool,
    /// The process serves readers.
    ready: bool,
}

/// Runs a seed.
///
/// # Errors
/// [`Failure`]: a promise was broken. The same seed breaks it again.
pub fn run(options: RunOptions) -> Result<Report, Failure> {
    let mut world = World::new(options);
    match world.run() {
        Ok(()) => Ok(Report {
            seed: options.seed,
            hash: world.trace.hash(),
            steps: world.trace.steps(),
            acknowledgements: world.ledger.acknowledgements,
            replays: world.ledger.replays,
            crashes: world.crashes,
            counts: world.counts,
        }),
        Err(what) => Err(Failure { seed: options.seed, step: world.trace.steps(), what }),
    }
}

impl World {
    fn new(options: RunOptions) -> Self {
        let mut world = Self {
            rng: Rng::new(options.seed),
            trace: Trace::new(options.echo),
            schedule: Schedule::default(),
            machine: Machine::new(options.mutant),
            clients: (0..CLIENTS).map(Client::new).collect(),
            ledger: Ledger::default(),
            waiting: BTreeSet::new(),
            reader: Reader::default(),
            closed: ClosedTimes::default(),
            clocks: Clocks::default(),
            crashes: 0,
            counts: false,
            stopped_well: false,
            stopping: false,
            ready: false,
        };
        for client in 0..CLIENTS {
            let after = world.rng.below(5_000);
            world.schedule.after(after, Event::Client(client));
        }
        for (event, count, from) in [
            (Event::Crash, world.rng.between(2, 8), 20_000),
            (Event::Kill, world.rng.below(4), 20_000),
            (Event::Fail, world.rng.below(3), 20_000),
            (Event::Space, 2 * world.rng.below(3), 20_000),
            (Event::Stop, world.rng.below(3), 20_000),
            (Event::StepWall, world.rng.below(6), 0),
            (Event::CloseTime, world.rng.between(2, 8), 1_000),
        ] {
            for _ in 0..count {
                let after = world.rng.between(from, ASKING_MICROS);
                world.schedule.after(after, event);
            }
        }
        world
    }

    fn run(&mut self) -> Result<(), String> {
        self.boot()?;
        while let Some(event) = self.schedule.advance() {
            self.trace.step(format_args!("{:?} {event:?}", self.schedule.now()));
            self.happen(event)?;
        }
        if self.machine.process.is_none() {
            return Err("the run ended without a process".into());
        }
        self.check()
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Client(client) => self.client(client),
            Event::Work { boot, work } if boot == self.machine.boot => self.work(work),
            Event::TimerDue { boot, at } if boot == self.machine.boot => {
                let now = self.machine.now(self.schedule.now());
                if now.mono >= at { self.step(Input::TimerDue) } else { Ok(()) }
            }
            Event::Idle { boot } if boot == self.machine.boot => self.idle(),
            Event::Check { boot } if boot == self.machine.boot => self.check_slowly(),
            Event::Continue { boot } if boot == self.machine.boot => self.step(Input::Continue),
            Event::Work { .. }
            | Event::TimerDue { .. }
            | Event::Idle { .. }
            | Event::Check { .. }
            | Event::Continue { .. } => Ok(()),
            Event::Kill => self.kill(),
            Event::Space => {
                self.machine.change_space(&mut self.rng);
                Ok(())
            }
            Event::Crash if self.rng.one_in(2) => {
                self.machine.crash_soon(&mut self.rng);
                Ok(())
            }
            Event::Crash => self.crash(),
            Event::Fail => {
                self.machine.fail_soon(&mut self.rng);
                Ok(())
            }
            Event::Stop => {
                self.stopping = true;
                self.step(Input::Stop)
            }
            Event::StepWall => {
                let ms = self.rng.below(20_000) as i64 - 10_000;
                self.machine.step_wall(ms);
                Ok(())
            }
            Event::CloseTime => {
                let now = self.machine.now(self.schedule.now()).wall;
                let wall = Wall(now.0.saturating_sub(self.rng.below(200)));
                self.step(Input::Requests(vec![Request::CloseTime {
                    time: AskedTime::At(wall),
                    reply: wall,
                }]))
            }
        }
    }

    fn client(&mut self, number: u64) -> Result<(), String> {
        let at = number as usize;
        if !self.clients[at].waits() && self.schedule.now().0 > ASKING_MICROS {
            return Ok(());
        }
        let command = self.clients[at].send(&mut self.rng, &mut self.ledger);
        if self.machine.process.is_none() {
            self.ask_again_later(number);
            return Ok(());
        }
        self.waiting.insert(number);
        self.step(Input::Requests(vec![Request::Command { command, reply: number }]))
    }

    /// Gives the node one input.
    fn step(&mut self, input: SimInput) -> Result<(), String> {
        self.with_process(|process, now| process.step(now, input))
    }

    /// Does something with the process, if there is one, and then what follows from it.
    fn with_process(
        &mut self,
        act: impl FnOnce(&mut Process, Now) -> Result<Stepped, Ended>,
    ) -> Result<(), String> {
        let now = self.machine.now(self.schedule.now());
        let Some(process) = &mut self.machine.process else { return Ok(()) };
        match act(process, now) {
            Ok(Stepped { effects, work }) => {
                work.into_iter().for_each(|work| self.later(work));
                for effect in effects {
                    match &effect {
                        // The state is large, and follows from the steps before.
                        Effect::Show { visible, .. } => self.trace.step(format_args!("Show {visible}")),
                        effect => self.trace.step(format_args!("{effect:?}")),
                    }
                    self.obey(effect)?;
                }
                Ok(())
            }
            Err(ended) => self.ended(&ended),
        }
    }

    fn obey(&mut self, effect: SimEffect) -> Result<(), String> {
        let boot = self.machine.boot;
        match effect {
            Effect::Outcome { reply, result } => self.answered(reply, result)?,
            Effect::TimeClosed { reply, result: Ok(ClosedTime::Through(wall)) } => {
                if wall != reply {
                    return Err(format!("closed {wall}, not {reply}"));
                }
                if let Some(process) = &self.machine.process {
                    let shown = Shown::read(process)?;
                    self.closed.record(reply, &shown, &self.ledger);
                }
            }
            Effect::Ready { replayed_entries } => {
                if std::mem::take(&mut self.stopped_well) && replayed_entries > 0 {
                    return Err(format!("a start after a graceful stop replayed {replayed_entries} entries"));
                }
                self.ready = true;
                self.check()?;
            }
            // Readers look at any time, not only when all is calm. A node that is not ready serves none.
            Effect::Show { .. } if self.ready && self.rng.one_in(LOOK_ONE_IN) => self.check()?,
            Effect::Wait(Some(at)) => {
                let now = self.machine.now(self.schedule.now()).mono;
                self.schedule.after((at.0.saturating_sub(now.0) + 1) * 1_000, Event::TimerDue { boot, at });
            }
            Effect::Continue => self.schedule.after(10, Event::Continue { boot }),
            Effect::Stopped => self.stopped()?,
            Effect::TimeClosed { result: Ok(ClosedTime::TooFarAhead { ms }), .. } => {
                return Err(format!("a time in the past is {ms} ms ahead"));
            }
            Effect::TimeClosed { result: Err(_), .. }
            | Effect::CompactionOutOfSpace { .. }
            | Effect::Woken { .. }
            | Effect::Wait(None)
            | Effect::Show { .. }
            | Effect::DiskSpace(_)
            | Effect::Log(_)
            | Effect::Flush(_)
            | Effect::Compact(_) => {}
        }
        Ok(())
    }

    /// The node has stopped gracefully: its threads finish, and it starts again.
    fn stopped(&mut self) -> Result<(), String> {
        let Some(process) = self.machine.process.take() else { return Ok(()) };
        match process.finish() {
            Ok(()) => {
                self.stopping = false;
                // On a full disk the last flush may be missing. The log holds what it would have written.
                self.stopped_well = !self.machine.is_ailing();
                self.machine.stopped();
                self.boot()
            }
            Err(ended) => self.ended(&ended),
        }
    }

    fn answered(&mut self, client: u64, result: Result<Outcome, Unavailable>) -> Result<(), String> {
        if !self.waiting.remove(&client) {
            return Err(format!("client {client} received two results"));
        }
        match result {
            Ok(outcome) => {
                self.is_visible(&outcome)?;
                self.clients[client as usize].receive(&outcome, &mut self.ledger)?;
                let after = self.rng.below(20_000);
                self.schedule.after(after, Event::Client(client));
            }
            Err(_) => self.ask_again_later(client),
        }
        Ok(())
    }

    /// The client got no outcome and will send the command again.
    fn ask_again_later(&mut self, client: u64) {
        let after = self.rng.between(1_000, 30_000);
        self.schedule.after(after, Event::Client(client));
    }

    /// What is acknowledged, every reader can see.
    fn is_visible(&self, outcome: &Outcome) -> Result<(), String> {
        let writes = match outcome {
            Outcome::Appended(appended) => std::slice::from_ref(appended),
            Outcome::Transacted { writes, .. } => writes,
            _ => return Ok(()),
        };
        let visible = self.machine.process.as_ref().map(Process::visible);
        let last =
            writes.iter().flat_map(|write| write.events.iter().map(|event| write.cursor(*event))).max();
        match (last, visible) {
            (Some(last), Some(visible)) if last > visible => {
                Err(format!("{last} was acknowledged while readers saw only up to {visible}"))
            }
            _ => Ok(()),
        }
    }

    fn later(&mut self, work: Work) {
        let micros = match work {
            Work::TakeLogJobs => self.rng.between(1, 50),
            // Now and then the disk hangs, for longer than any time-out.
            Work::SyncLog if self.rng.one_in(2_000) => 120_000_000,
            Work::SyncLog => self.rng.between(50, 3_000),
            Work::Flush | Work::Compact => self.rng.between(500, 60_000),
        };
        self.schedule.after(micros, Event::Work { boot: self.machine.boot, work });
    }

    fn work(&mut self, work: Work) -> Result<(), String> {
        self.with_process(|process, now| process.work(now, work))?;
        if work == Work::Flush {
            self.machine.flushed();
        }
        if work == Work::SyncLog && self.rng.one_in(8) {
            self.schedule.after(100, Event::Idle { boot: self.machine.boot });
        }
        if self.machine.process.as_ref().is_some_and(Process::is_check_due) {
            return self.look_at_disk();
        }
        Ok(())
    }

    fn idle(&mut self) -> Result<(), String> {
        self.with_process(|process, _| process.mark_log().map(|()| Stepped::default()))
    }

    fn check_slowly(&mut self) -> Result<(), String> {
        let now = self.schedule.now().0;
        if now > ASKING_MICROS {
            self.machine.heal();
        }
        if now < 2 * ASKING_MICROS || self.clients.iter().any(Client::waits) {
            self.schedule.after(CHECK_MICROS, Event::Check { boot: self.machine.boot });
        }
        self.look_at_disk()
    }

    fn look_at_disk(&mut self) -> Result<(), String> {
        let space = self.machine.space();
        self.with_process(|process, now| process.check(now, space))
    }

    /// The process ended on its own. Only a prepared crash or a failing disk may cause that.
    fn ended(&mut self, ended: &Ended) -> Result<(), String> {
        if !is_crash(ended) && !self.machine.is_ailing() {
            return Err(format!("the process ended: {ended}"));
        }
        self.crash()
    }

    /// The process is killed. Nothing that it wrote is lost, synced or not.
    fn kill(&mut self) -> Result<(), String> {
        if self.machine.process.is_none() {
            return Ok(());
        }
        self.stopping = false;
        self.stopped_well = false;
        self.machine.stopped();
        self.forget_waiting();
        self.boot()
    }

    fn forget_waiting(&mut self) {
        for client in std::mem::take(&mut self.waiting) {
            self.ask_again_later(client);
        }
    }

    fn crash(&mut self) -> Result<(), String> {
        self.crashes += 1;
        self.counts |= self.ledger.acknowledgements >= ACKNOWLEDGED_BEFORE_CRASH_MIN;
        self.stopping = false;
        self.stopped_well = false;
        self.machine.crash(&mut self.rng);
        self.forget_waiting();
        self.boot()
    }

    /// Starts the process. If a crash happens during the start, it starts again.
    fn boot(&mut self) -> Result<(), String> {
        self.ready = false;
        if self.rng.one_in(8) {
            self.machine.crash_soon(&mut self.rng);
        }
        loop {
            match self.machine.start(self.schedule.now()) {
                Ok(()) => {
                    self.schedule.after(CHECK_MICROS, Event::Check { boot: self.machine.boot });
                    return self.step(Input::Start);
                }
                Err(ended) if is_crash(&ended) || self.machine.is_ailing() => {
                    self.crashes += 1;
                    self.stopped_well = false;
                    self.machine.crash(&mut self.rng);
                }
                Err(ended) => return Err(format!("the process does not start: {ended}")),
            }
        }
    }

    /// Checks every promise over everything that readers see now.
    fn check(&mut self) -> Result<(), String> {
        let Some(process) = &self.machine.process else { return Ok(()) };
        let shown = Shown::read(process)?;
        self.clocks.check(process)?;
        acknowledged::check(&shown, &self.ledger)?;
        whole::check(&shown, &self.ledger)?;
        self.reader.check(&shown, &self.ledger)?;
        self.closed.check(&shown, &self.ledger)?;
        for event in &shown.events {
            self.trace.bytes(&event.cursor.to_hex());
        }
        Ok(())
    }
}

/// Whether the simulated power failed in the middle of an operation.
fn is_crash(ended: &Ended) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(ended);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(storage::memory_disk::is_crash) {
            return true;
        }
        cause = error.source();
    }
    false
}
