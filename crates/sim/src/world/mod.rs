//! One run: what happens when, on one machine with its clients and followers.
//!
//! | module | what it holds |
//! |---|---|
//! | `obey` | steps of the process, and what follows from them |
//! | `faults` | crashes, kills, stops and starts |
//! | `requests` | what clients send and receive |
//! | `look` | the checkers and followers that read |

mod faults;
mod look;
mod obey;
mod requests;

use crate::backup::Backup;
use crate::checkers::as_of::ClosedTimes;
use crate::checkers::bounded::Bounded;
use crate::checkers::clocks::Clocks;
use crate::checkers::order::Reader;
use crate::checkers::tasks::Tasks;
use crate::checkers::visible::Visible;
use crate::clients::{Client, DrawnClient, Draws, Keys};
use crate::followers::Follower;
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::machine::Machine;
use crate::process::{Process, Work};
use crate::reference::Reference;
use crate::reply::Reply;
use crate::run::{Report, RunOptions};
use crate::schedule::Schedule;
use crate::trace::Trace;
use driver::Input;
use model::{Command, Wall};
use node::{AskedTime, Mono, Request};
use reference_model::{DAY_MS, draw, queue};
use seeded_rng::Rng;
use std::collections::BTreeMap;
use storage::state::Pressure;

/// A run counts if it crashed after at least this many acknowledgements.
const ACKNOWLEDGED_BEFORE_CRASH_MIN: u64 = 10;
/// Clients are numbered: first the orderly ones, then those that draw commands about streams, then about queues.
const ORDERLY_CLIENTS: u64 = 4;
const STREAM_CLIENTS: u64 = 7;
const QUEUE_CLIENTS: u64 = 9;
const CLIENTS: u64 = 10;
const FOLLOWERS: usize = 5;
/// The time between two checks of what changes slowly. Shorter than in a real node, because runs are short.
const CHECK_MICROS: u64 = 50_000;
/// The same in a node with nothing to do, as in a real one: elapsed stands still if nobody looks at the clock. These
/// checks go on until the last claims have expired.
const QUIET_CHECK_MICROS: u64 = 1_000_000;
const CLAIMS_MICROS: u64 = 40_000_000;
/// A node takes its disk for stalled after this time.
const STALLED_MICROS: u64 = 2_000_000;
/// How long clients send new commands, in virtual microseconds.
const ASKING_MICROS: u64 = 1_500_000;
/// After the last command, this much time passes before the end: enough for every timer by wall.
const QUIET_MICROS: u64 = 65_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Client(u64),
    /// A client stops waiting for tasks.
    GiveUp {
        client: u64,
        request: u64,
    },
    Follower(usize),
    /// A backup is taken, or the one that was taken is restored elsewhere.
    Backup,
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
    /// One of the next reads fails.
    FailRead,
    /// The process stops gracefully. The next start must replay nothing.
    Stop,
    StepWall,
    /// The process stands still, for up to a day.
    Pause,
    CloseTime,
    /// The process is killed, and the machine stays up.
    Kill,
    /// The disk fills up, or has space again.
    Space,
    /// The state's disk work begins to lag, or has caught up.
    Pressure,
    /// Work of a disk has not ended for a while.
    Stalled {
        boot: u64,
        work: Work,
    },
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

/// See the module.
pub struct World {
    seed: u64,
    rng: Rng,
    trace: Trace,
    schedule: Schedule<Event>,
    machine: Machine,
    orderly: Vec<Client>,
    drawn: Vec<DrawnClient>,
    followers: Vec<Follower>,
    /// What was taken of this process and is not restored yet.
    backup: Option<Backup>,
    ledger: Ledger,
    reference: Reference,
    /// Clients that wait for an outcome of this boot.
    waiting: BTreeMap<u64, Reply>,
    /// How many requests were sent.
    requests: u64,
    /// The claims of this boot whose clients wait no longer.
    given_up: BTreeMap<u64, Command<'static>>,
    reader: Reader,
    closed: ClosedTimes,
    clocks: Clocks,
    tasks: Tasks,
    visible: Visible,
    bounded: Bounded,
    report: Report,
    /// When the node has asked to be woken.
    timer: Option<Mono>,
    /// The work that hangs since the process was ready.
    hanging: Option<Work>,
    /// When something other than a timer last happened.
    active: u64,
    /// The process was stopped gracefully, so the next start must replay nothing.
    stopped_well: bool,
    stopping: bool,
    /// The process serves readers.
    ready: bool,
}

impl World {
    #[must_use]
    pub fn new(options: RunOptions) -> Self {
        let mut rng = Rng::new(options.seed);
        let limits = Limits::draw(&mut rng);
        let keys = if limits.records_expire() { Keys::Unused } else { Keys::Used };
        let mut world = Self {
            seed: options.seed,
            trace: Trace::new(options.echo),
            schedule: Schedule::default(),
            machine: Machine::new(options.mutant, limits),
            orderly: (0..ORDERLY_CLIENTS).map(|number| Client::new(number, keys)).collect(),
            drawn: (ORDERLY_CLIENTS..CLIENTS).map(drawn_client).collect(),
            followers: (0..FOLLOWERS).map(|_| Follower::draw(&mut rng)).collect(),
            backup: None,
            ledger: Ledger::default(),
            reference: Reference::default(),
            waiting: BTreeMap::new(),
            requests: 0,
            given_up: BTreeMap::new(),
            reader: Reader::default(),
            closed: ClosedTimes::default(),
            clocks: Clocks::default(),
            tasks: Tasks::default(),
            visible: Visible::default(),
            bounded: Bounded::default(),
            report: Report { seed: options.seed, ..Report::default() },
            timer: None,
            hanging: None,
            active: 0,
            stopped_well: false,
            stopping: false,
            ready: false,
            rng,
        };
        world.ledger.removable.extend(draw::NAMES.map(str::to_owned));
        world.ledger.removable.insert(queue::draw::EVENTS.to_owned());
        world.schedule_all();
        world
    }

    fn schedule_all(&mut self) {
        for client in 0..CLIENTS {
            let after = self.rng.below(5_000);
            self.schedule.after(after, Event::Client(client));
        }
        for follower in 0..FOLLOWERS {
            self.schedule.after(10_000, Event::Follower(follower));
        }
        for (event, count, from) in [
            (Event::Crash, self.rng.between(2, 6), 20_000),
            (Event::Kill, self.rng.below(4), 20_000),
            (Event::Fail, self.rng.below(3), 20_000),
            (Event::FailRead, self.rng.below(3), 20_000),
            (Event::Space, 2 * self.rng.below(3), 20_000),
            (Event::Pressure, 2 * self.rng.below(3), 20_000),
            (Event::Stop, self.rng.below(3), 20_000),
            (Event::Backup, self.rng.below(3), 20_000),
            (Event::StepWall, self.rng.below(6), 0),
            (Event::Pause, self.rng.below(4), 1_000),
            (Event::CloseTime, self.rng.between(2, 8), 1_000),
        ] {
            for _ in 0..count {
                let after = self.rng.between(from, ASKING_MICROS);
                self.schedule.after(after, event);
            }
        }
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// The promise that was broken.
    pub fn run(&mut self) -> Result<(), String> {
        self.boot()?;
        loop {
            self.until_quiet()?;
            if self.machine.process.is_none() {
                return Err("the run ended without a process".into());
            }
            // What was prepared to fail may still do so: the end needs a machine that works.
            if !self.machine.is_ailing() && self.ready {
                self.reactions_catch_up()?;
                return self.end();
            }
            self.active = self.schedule.now().0;
            self.kill()?;
        }
    }

    /// Lets everything happen until for a while there was nothing but timers and what follows from them. The ticks of
    /// schedules never end, and each is an entry of its own.
    fn until_quiet(&mut self) -> Result<(), String> {
        while let Some(at) = self.schedule.next_at() {
            let at_work = self.machine.process.as_ref().is_some_and(Process::is_at_work);
            if at.0 > self.active + QUIET_MICROS && !at_work && !self.is_anyone_waiting() {
                break;
            }
            let Some(event) = self.schedule.advance() else { break };
            self.trace.step(format_args!("{:?} {event:?}", self.schedule.now()));
            if self.disturbs(event) {
                self.active = self.schedule.now().0;
            }
            self.happen(event)?;
        }
        Ok(())
    }

    /// Whether the quiet time begins again with this event.
    fn disturbs(&self, event: Event) -> bool {
        match event {
            Event::TimerDue { .. } | Event::Check { .. } | Event::Idle { .. } => false,
            Event::Continue { .. } => !self.ready,
            // After a disk did not respond, the node has much to make up for.
            Event::Work { work, .. } => self.bounded.stalled == Some(work),
            _ => true,
        }
    }

    fn is_anyone_waiting(&self) -> bool {
        !self.waiting.is_empty() || self.orderly.iter().any(Client::waits)
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Client(client) => self.client(client),
            Event::GiveUp { client, request } => self.give_up(client, request),
            Event::Follower(follower) => self.follow(follower),
            Event::Backup => self.back_up(),
            Event::Work { boot, work } if boot == self.machine.boot => self.work(work),
            Event::TimerDue { boot, at } if boot == self.machine.boot => self.timer_due(at),
            Event::Stalled { boot, work } if boot == self.machine.boot => self.stalled(work),
            Event::Idle { boot } if boot == self.machine.boot => self.idle(),
            Event::Check { boot } if boot == self.machine.boot => self.check_slowly(),
            Event::Continue { boot } if boot == self.machine.boot => self.step(Input::Continue),
            Event::Work { .. }
            | Event::TimerDue { .. }
            | Event::Stalled { .. }
            | Event::Idle { .. }
            | Event::Check { .. }
            | Event::Continue { .. } => Ok(()),
            Event::Kill => self.kill(),
            Event::Space => {
                self.machine.change_space(&mut self.rng);
                Ok(())
            }
            Event::Pressure if self.bounded.lagging => self.catch_up(),
            Event::Pressure => {
                self.machine.set_pressure(Pressure::Stop);
                self.bounded.lagging = true;
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
            Event::FailRead => {
                self.machine.fail_read_soon(&mut self.rng);
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
            Event::Pause => {
                self.pause();
                Ok(())
            }
            Event::CloseTime => self.close_time(),
        }
    }

    fn close_time(&mut self) -> Result<(), String> {
        let now = self.machine.now(self.schedule.now()).wall;
        let wall = Wall(now.0.saturating_sub(self.rng.below(200)));
        self.step(Input::Requests(vec![Request::CloseTime { time: AskedTime::At(wall), reply: wall }]))
    }

    fn timer_due(&mut self, at: Mono) -> Result<(), String> {
        // Only the timer that was set last counts.
        if self.timer != Some(at) {
            return Ok(());
        }
        self.timer = None;
        self.step(Input::TimerDue)
    }

    fn pause(&mut self) {
        let almost_a_day = DAY_MS - self.rng.below(1_000);
        let ms = self.rng.pick(&[1_000, 61_000, DAY_MS, almost_a_day, DAY_MS + 1_000]);
        self.machine.pause(ms);
        self.clocks.paused(ms, self.machine.limits.standstill.stall_ms);
        // The clock of the timer went on.
        if let Some(at) = self.timer {
            self.wake_at(at);
        }
    }

    fn wake_at(&mut self, at: Mono) {
        self.timer = Some(at);
        let now = self.machine.now(self.schedule.now()).mono;
        let after = (at.0.saturating_sub(now.0) + 1) * 1_000;
        self.schedule.after(after, Event::TimerDue { boot: self.machine.boot, at });
    }

    fn catch_up(&mut self) -> Result<(), String> {
        self.machine.set_pressure(Pressure::None);
        self.bounded.lagging = false;
        // As the report of a compaction does.
        self.step(Input::Continue)
    }

    #[must_use]
    pub fn steps(&self) -> u64 {
        self.trace.steps()
    }

    #[must_use]
    pub fn report(&self) -> Report {
        Report {
            seed: self.seed,
            hash: self.trace.hash(),
            steps: self.trace.steps(),
            acknowledgements: self.ledger.acknowledgements,
            replays: self.ledger.replays,
            followed: self.followers.iter().map(|follower| follower.received).sum(),
            ..self.report
        }
    }
}

fn drawn_client(number: u64) -> DrawnClient {
    DrawnClient::new(match number {
        ..STREAM_CLIENTS => Draws::Streams,
        STREAM_CLIENTS..QUEUE_CLIENTS => Draws::Queues,
        _ => Draws::Reactions,
    })
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("seed", &self.seed).finish_non_exhaustive()
    }
}
