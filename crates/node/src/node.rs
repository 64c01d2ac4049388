//! The step machine: admission, batching, waiting requests, timers.

use crate::ask::{Answer, Ask, Unavailable};
use crate::batch::{OpenBatch, Waiter, Waiters, command_bytes};
use crate::clock::{EntryClocks, Mono, Now};
use crate::engine::{Engine, EngineError, EngineOutput, Verdict};
use bytes::Bytes;
use model::{Behaviour, Cursor, Effect, EntryClock, Index, Wall, limits};
use std::collections::VecDeque;

/// Timers by wall are looked at again at least this often, since the wall may step.
const TIMER_WAIT_MS_MAX: u64 = 60_000;

/// Names a waiting request; the runtime's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

#[derive(Clone, Debug)]
pub struct Request {
    pub id: RequestId,
    pub ask: Ask,
}

/// What can happen to a node.
#[derive(Debug)]
pub enum Input<C> {
    /// The first input, once.
    Start,
    /// Requests that came together; they share an entry if they fit.
    Requests(Vec<Request>),
    Completion(C),
    /// Whether the disk has room for more; `Err` says why not. Refused meanwhile: everything that writes.
    DiskSpace(Result<(), String>),
    /// The time asked for by [`Output::Wait`] has come.
    Deadline,
    /// Asked for by [`Output::Continue`].
    Continue,
    /// Finish what is in flight, make everything durable, then say [`Output::Stopped`].
    Stop,
}

/// What a node wants done, in order.
#[derive(Debug)]
pub enum Output<Io> {
    Io(Io),
    Answer(RequestId, Result<Answer, Unavailable>),
    /// Readers may see events up to this cursor.
    Visible(Cursor),
    /// The node leads and has applied all that was in its log.
    Ready {
        replayed_entries: u64,
    },
    /// Give [`Input::Deadline`] at this time; it replaces the time before. `None`: no timer is set.
    Wait(Option<Mono>),
    /// Give [`Input::Continue`] once the outputs before are obeyed.
    Continue,
    Stopped,
    /// The node cannot go on: nothing may be answered any more.
    Halt(EngineError),
}

/// Bounds of what waits.
#[derive(Clone, Copy, Debug)]
pub struct NodeOptions {
    pub waiting_bytes_max: usize,
    pub behaviour: Behaviour,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self { waiting_bytes_max: limits::WAITING_BYTES_MAX, behaviour: shard::BEHAVIOUR }
    }
}

/// What a node has waiting, for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeFigures {
    pub waiting_bytes: usize,
    pub waiting_commands: usize,
    /// How far the last entry's wall is ahead of the machine's clock.
    pub wall_ahead_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Leading,
    /// No new requests; what waits is still proposed.
    Draining,
    Stopping,
    Halted,
}

/// One node.
#[derive(Debug)]
pub struct Node<E: Engine> {
    options: NodeOptions,
    engine: E,
    phase: Phase,
    clocks: EntryClocks,
    open: OpenBatch,
    in_flight: VecDeque<(Index, Waiters)>,
    in_flight_bytes: usize,
    read_only: Option<String>,
    /// A command of the node's own is on its way.
    own_command: bool,
    /// Timers were set, or one has come, since they were looked at.
    timers_stale: bool,
    wait: Option<Mono>,
    visible: Cursor,
    entry: Vec<u8>,
    engine_out: Vec<EngineOutput<E::Io>>,
}

impl<E: Engine> Node<E>
where
    E::Io: std::fmt::Debug,
{
    #[must_use]
    pub fn new(options: NodeOptions, engine: E) -> Self {
        Self {
            options,
            engine,
            phase: Phase::Starting,
            clocks: EntryClocks::resume(EntryClock::default(), Now { wall: Wall(0), mono: Mono(0) }),
            open: OpenBatch::default(),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            read_only: None,
            own_command: false,
            timers_stale: false,
            wait: None,
            visible: Cursor::START,
            entry: Vec::new(),
            engine_out: Vec::new(),
        }
    }

    #[must_use]
    pub fn engine(&self) -> &E {
        &self.engine
    }

    #[must_use]
    pub fn figures(&self, now: Now) -> NodeFigures {
        NodeFigures {
            waiting_bytes: self.open.bytes() + self.in_flight_bytes,
            waiting_commands: self.open.len()
                + self.in_flight.iter().map(|(_, w)| w.commands.len()).sum::<usize>(),
            wall_ahead_ms: if self.phase == Phase::Starting { 0 } else { self.clocks.wall_ahead_ms(now) },
        }
    }

    /// Takes one input and says everything that follows from it, in order. After [`Output::Halt`] nothing
    /// follows from any input.
    pub fn step(&mut self, now: Now, input: Input<E::Completion>, out: &mut Vec<Output<E::Io>>) {
        if self.phase == Phase::Halted {
            return;
        }
        if let Err(error) = self.try_step(now, input, out) {
            self.phase = Phase::Halted;
            self.lose_all(out);
            out.push(Output::Halt(error));
        }
    }

    fn try_step(
        &mut self,
        now: Now,
        input: Input<E::Completion>,
        out: &mut Vec<Output<E::Io>>,
    ) -> Result<(), EngineError> {
        match input {
            Input::Start => self.engine.start()?,
            Input::Requests(requests) => {
                for request in requests {
                    self.admit(request, out)?;
                }
            }
            Input::Completion(completion) => self.engine.complete(completion)?,
            Input::DiskSpace(space) => self.read_only = space.err(),
            Input::Deadline => {
                self.wait = None;
                self.timers_stale = true;
            }
            Input::Continue => {}
            Input::Stop => {
                if matches!(self.phase, Phase::Starting | Phase::Leading) {
                    self.phase = Phase::Draining;
                }
            }
        }
        // The next entry is proposed before the last is applied, so that the disk is never idle.
        loop {
            self.propose(now)?;
            self.poll(now, out)?;
            self.look_at_timers(now, out)?;
            let more = self.begin_stop() || (!self.open.is_empty() && self.engine.has_room());
            if !more {
                return Ok(());
            }
        }
    }

    /// Takes a request in, or answers at once why not.
    fn admit(&mut self, request: Request, out: &mut Vec<Output<E::Io>>) -> Result<(), EngineError> {
        let refusal = match (&self.phase, &self.read_only) {
            (Phase::Starting, _) => Some(Unavailable::NotReady),
            (Phase::Draining | Phase::Stopping | Phase::Halted, _) => Some(Unavailable::Stopping),
            (Phase::Leading, read_only) => read_only.clone().map(Unavailable::ReadOnly),
        };
        match request.ask {
            Ask::CloseTime(wall) if self.is_closed(wall)? => {
                out.push(Output::Answer(request.id, Ok(Answer::TimeClosed)));
            }
            ask => match (refusal, ask) {
                (Some(refusal), _) => out.push(Output::Answer(request.id, Err(refusal))),
                (None, Ask::CloseTime(wall)) => self.open.close_time(request.id, wall),
                (None, Ask::Command(command)) => {
                    let bytes = command_bytes(&command);
                    if self.open.bytes() + self.in_flight_bytes + bytes > self.options.waiting_bytes_max {
                        out.push(Output::Answer(request.id, Err(Unavailable::Busy)));
                    } else {
                        self.open.push(Waiter::Request(request.id), command, bytes);
                    }
                }
            },
        }
        Ok(())
    }

    /// A time is closed once no later event can get a position in its millisecond.
    fn is_closed(&self, wall: Wall) -> Result<bool, EngineError> {
        if self.phase == Phase::Starting {
            return Ok(false);
        }
        let clock = shard::query::clock(self.engine.view())?;
        Ok(clock.wall > wall || clock.last_position.wall() > wall)
    }

    /// Proposes entries while the engine has room.
    fn propose(&mut self, now: Now) -> Result<(), EngineError> {
        while !self.open.is_empty() && self.engine.has_room() {
            let closed = self.open.close();
            let clock = self.clocks.stamp(now, closed.wall_min);
            self.entry.clear();
            format::entry::encode(self.options.behaviour, clock, &closed.commands, &mut self.entry);
            let index = self.engine.propose(Bytes::copy_from_slice(&self.entry))?;
            self.in_flight_bytes += closed.waiters.bytes;
            self.in_flight.push_back((index, closed.waiters));
        }
        Ok(())
    }

    fn poll(&mut self, now: Now, out: &mut Vec<Output<E::Io>>) -> Result<(), EngineError> {
        let mut engine_out = std::mem::take(&mut self.engine_out);
        let polled = self.engine.poll(&mut engine_out);
        for output in engine_out.drain(..) {
            match output {
                EngineOutput::Io(io) => out.push(Output::Io(io)),
                EngineOutput::Leading { clock, replayed_entries } => {
                    self.clocks = EntryClocks::resume(clock, now);
                    if self.phase == Phase::Starting {
                        self.phase = Phase::Leading;
                    }
                    self.timers_stale = true;
                    out.push(Output::Ready { replayed_entries });
                }
                EngineOutput::Settled { index, verdict } => self.settle(index, verdict, out),
                EngineOutput::More => out.push(Output::Continue),
                EngineOutput::Stopped => out.push(Output::Stopped),
            }
        }
        self.engine_out = engine_out;
        polled
    }

    /// Answers those who waited for an entry.
    fn settle(&mut self, index: Index, verdict: Verdict, out: &mut Vec<Output<E::Io>>) {
        if let Verdict::Durable { last, effects, .. } = &verdict {
            self.visible = last.map_or(self.visible, |last| self.visible.max(last));
            self.timers_stale |=
                effects.iter().any(|effect| matches!(effect, Effect::TimersSet { .. } | Effect::CleanUpDue));
        }
        let ours = self.in_flight.front().is_some_and(|(first, _)| *first == index);
        let waiters = if ours { self.in_flight.pop_front() } else { None };
        if let Some((_, waiters)) = waiters {
            self.in_flight_bytes -= waiters.bytes;
            if waiters.commands.contains(&Waiter::Node) {
                self.own_command = false;
                self.timers_stale = true;
            }
            answer_all(waiters, verdict, out);
        }
        out.push(Output::Visible(self.visible));
    }

    /// Gathers what is due by the timers, one command of the node's own at a time, or waits for the next.
    fn look_at_timers(&mut self, now: Now, out: &mut Vec<Output<E::Io>>) -> Result<(), EngineError> {
        let idle = !self.own_command && self.phase == Phase::Leading && self.read_only.is_none();
        if !(self.timers_stale && idle) {
            return Ok(());
        }
        self.timers_stale = false;
        let clock = EntryClock { wall: self.clocks.wall(now), elapsed: self.clocks.elapsed(now) };
        if let Some(command) = shard::query::due(self.engine.view(), clock)? {
            self.own_command = true;
            let bytes = command_bytes(&command);
            self.open.push(Waiter::Node, command, bytes);
            return Ok(());
        }
        let next = shard::query::next_deadline(self.engine.view())?;
        let by_wall = next.wall.map(|at| at.0.saturating_sub(clock.wall.0).min(TIMER_WAIT_MS_MAX));
        let by_elapsed = next.elapsed.map(|at| at.0.saturating_sub(clock.elapsed.0));
        let wait_ms = by_wall.into_iter().chain(by_elapsed).min();
        // A whole millisecond later, so that the deadline has surely passed.
        let wait = wait_ms.map(|ms| now.mono.after_ms(ms + 1));
        if wait != self.wait {
            self.wait = wait;
            out.push(Output::Wait(wait));
        }
        Ok(())
    }

    /// Once nothing waits any more, a draining node lets its engine stop.
    fn begin_stop(&mut self) -> bool {
        let drained = self.phase == Phase::Draining && self.open.is_empty() && self.in_flight.is_empty();
        if drained {
            self.phase = Phase::Stopping;
            self.engine.stop();
        }
        drained
    }

    fn lose_all(&mut self, out: &mut Vec<Output<E::Io>>) {
        for (_, waiters) in std::mem::take(&mut self.in_flight) {
            answer_all(waiters, Verdict::Unknown, out);
        }
        for request in self.open.drain() {
            out.push(Output::Answer(request, Err(Unavailable::Stopping)));
        }
    }
}

fn answer_all<Io>(waiters: Waiters, verdict: Verdict, out: &mut Vec<Output<Io>>) {
    let Waiters { commands, closers, .. } = waiters;
    let failed = match verdict {
        Verdict::Durable { outcomes, .. } => {
            for (waiter, outcome) in commands.into_iter().zip(outcomes) {
                if let Waiter::Request(request) = waiter {
                    out.push(Output::Answer(request, Ok(Answer::Outcome(outcome))));
                }
            }
            out.extend(closers.into_iter().map(|closer| Output::Answer(closer, Ok(Answer::TimeClosed))));
            return;
        }
        // Another leader or a store that said no: nothing happened, another try may succeed.
        Verdict::Fenced => Unavailable::NotReady,
        Verdict::Refused => Unavailable::Busy,
        Verdict::Unknown => Unavailable::Lost,
    };
    let requests = commands.into_iter().filter_map(|waiter| match waiter {
        Waiter::Request(request) => Some(request),
        Waiter::Node => None,
    });
    out.extend(requests.chain(closers).map(|request| Output::Answer(request, Err(failed.clone()))));
}
