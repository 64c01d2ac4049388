//! The step machine: admission, batching, waiting requests, timers.

use crate::batch::{OpenBatch, SizedCommand, Waiter, Waiters};
use crate::clock::{EntryClocks, GRACE_MS, Mono, Now};
use crate::engine::{DiskSpace, Engine, EngineError, EntryId, EntryResult, Polled};
use crate::request::{AskedTime, ClosedTime, Replies, Request, Unavailable};
use crate::step::{Input, Output};
use bytes::Bytes;
use model::{Behaviour, Cursor, Effect, EntryClock, Slot, Wall, limits};
use std::collections::VecDeque;
use std::fmt::Debug;

/// Timers by wall are checked at least this often, because the wall clock may step.
const TIMER_WAIT_MS_MAX: u64 = 60_000;

/// The options of a node.
#[derive(Clone, Copy, Debug)]
pub struct NodeOptions {
    /// Estimated bytes of commands that may wait or be in flight. Beyond it a request is
    /// [`Unavailable::Busy`].
    pub waiting_bytes_max: usize,
    /// The behaviour that entries are proposed under.
    pub behaviour: Behaviour,
    /// `elapsed` stands still for this long after a start, and after taking the lead.
    pub grace_ms: u64,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self { waiting_bytes_max: limits::WAITING_BYTES_MAX, behaviour: shard::BEHAVIOUR, grace_ms: GRACE_MS }
    }
}

/// How much a node has waiting, for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeFigures {
    /// Estimated bytes of commands that wait or are in flight.
    pub waiting_bytes: usize,
    /// Commands that wait or are in flight.
    pub waiting_commands: usize,
    /// How many milliseconds the last entry's wall is ahead of the machine's clock.
    pub wall_ahead_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Leading,
    /// Another replica leads or may lead. This one led before.
    Following,
    /// New requests are rejected. Waiting ones are still proposed.
    Draining,
    Stopping,
    Halted,
}

/// What is to be done about a request to close a time.
#[derive(Debug)]
enum Closable {
    /// The result is known already.
    Known(Result<ClosedTime, Unavailable>),
    /// It is closed once an entry with a later wall is applied.
    ByEntry(Wall),
}

/// One node: an engine, and the requests that wait for it.
#[derive(Debug)]
pub struct Node<E: Engine, R: Replies> {
    options: NodeOptions,
    engine: E,
    phase: Phase,
    clocks: EntryClocks,
    /// When work was last handed out with nothing in flight, or ended.
    progressed: Mono,
    open: OpenBatch<R>,
    in_flight: VecDeque<(EntryId, Waiters<R>)>,
    in_flight_bytes: usize,
    disk_space: DiskSpace,
    /// Why requests are rejected while the disk does not respond.
    stalled: Option<String>,
    /// One of the node's own commands waits or is in flight.
    own_command: bool,
    /// Timers were set, or one came due, since they were last checked.
    timers_stale: bool,
    wait: Option<Mono>,
    visible: Cursor,
    entry: Vec<u8>,
    /// Empty between calls.
    io: Vec<E::Io>,
}

impl<E: Engine, R: Replies> Node<E, R>
where
    E::Io: Debug,
{
    #[must_use]
    pub fn new(options: NodeOptions, engine: E) -> Self {
        Self {
            options,
            engine,
            phase: Phase::Starting,
            clocks: EntryClocks::resume(EntryClock::default(), Now { wall: Wall(0), mono: Mono(0) }, 0),
            progressed: Mono(0),
            open: OpenBatch::default(),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            disk_space: DiskSpace::Enough,
            stalled: None,
            own_command: false,
            timers_stale: false,
            wait: None,
            visible: Cursor::START,
            entry: Vec::new(),
            io: Vec::new(),
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

    /// Takes one input and adds everything that follows from it to `out`, in order. After [`Output::Halt`],
    /// inputs have no effect.
    pub fn step(
        &mut self,
        now: Now,
        input: Input<E::Completion, E::Message, R>,
        out: &mut Vec<Output<E::Io, R>>,
    ) {
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
        input: Input<E::Completion, E::Message, R>,
        out: &mut Vec<Output<E::Io, R>>,
    ) -> Result<(), EngineError> {
        self.clocks.observe(now, (!self.in_flight.is_empty()).then_some(self.progressed));
        match input {
            Input::Start => self.engine.start()?,
            Input::Requests(requests) => {
                for request in requests {
                    self.admit(now, request, out)?;
                }
            }
            Input::Completion(completion) => {
                self.progressed = now.mono;
                self.engine.complete(completion)?;
            }
            Input::Message(message) => self.engine.receive(message)?,
            Input::Tick => self.engine.tick(),
            Input::DiskSpace(space) => {
                self.engine.set_disk_space(&space);
                self.disk_space = space;
            }
            Input::DiskStalled { why } => {
                self.reject_waiting(&Unavailable::DiskStalled(why.clone()), out);
                self.stalled = Some(why);
            }
            Input::DiskResponds => self.stalled = None,
            Input::FlushSoon => self.engine.flush_soon(),
            Input::TimerDue => {
                self.wait = None;
                self.timers_stale = true;
            }
            Input::Continue => {}
            Input::Stop => {
                if matches!(self.phase, Phase::Starting | Phase::Leading | Phase::Following) {
                    self.phase = Phase::Draining;
                }
            }
        }
        // The next entry is proposed before the last is applied, so that the disk is never idle.
        loop {
            self.propose(now, out)?;
            self.poll(now, out)?;
            self.check_timers(now, out)?;
            let more = self.begin_stop() || (!self.open.is_empty() && self.engine.can_propose());
            if !more {
                return Ok(());
            }
        }
    }

    /// Adds a request to the open batch, or replies at once.
    fn admit(
        &mut self,
        now: Now,
        request: Request<R>,
        out: &mut Vec<Output<E::Io, R>>,
    ) -> Result<(), EngineError> {
        match request {
            Request::CloseTime { time, reply } => match self.closable(now, time)? {
                Closable::Known(result) => out.push(Output::TimeClosed { reply, result }),
                Closable::ByEntry(wall) => self.open.close_time(reply, wall),
            },
            Request::Command { command, reply } => {
                let command = SizedCommand::new(command);
                match self.unavailable().or_else(|| self.full(&command)) {
                    Some(why) => out.push(Output::Outcome { reply, result: Err(why) }),
                    None => self.open.push(Waiter::Request(reply), command),
                }
            }
        }
        Ok(())
    }

    /// Why requests that need an entry cannot be admitted now; `None` if they can.
    fn unavailable(&self) -> Option<Unavailable> {
        match (self.phase, &self.disk_space) {
            (Phase::Starting | Phase::Following, _) => Some(Unavailable::NotReady),
            (Phase::Draining | Phase::Stopping | Phase::Halted, _) => Some(Unavailable::Stopping),
            (Phase::Leading, _) if self.stalled.is_some() => {
                self.stalled.clone().map(Unavailable::DiskStalled)
            }
            (Phase::Leading, DiskSpace::Low { why }) => Some(Unavailable::ReadOnly(why.clone())),
            (Phase::Leading, DiskSpace::Enough) => None,
        }
    }

    fn full(&self, command: &SizedCommand) -> Option<Unavailable> {
        let waiting = self.open.bytes() + self.in_flight_bytes;
        (waiting + command.bytes() > self.options.waiting_bytes_max).then_some(Unavailable::Busy)
    }

    /// Which time a request can have closed. The present is that of the entries' clock: after the machine's clock
    /// was set back, a time that was closed before is not in the future.
    fn closable(&self, now: Now, time: AskedTime) -> Result<Closable, EngineError> {
        if self.phase == Phase::Starting {
            return Ok(Closable::Known(Err(Unavailable::NotReady)));
        }
        let present = self.clocks.wall(now).max(self.visible.position.wall());
        let wall = match time {
            AskedTime::At(wall) if wall <= present => wall,
            AskedTime::At(wall) if wall.0 - present.0 > limits::AS_OF_AHEAD_MS_MAX => {
                return Ok(Closable::Known(Ok(ClosedTime::TooFarAhead { ms: wall.0 - present.0 })));
            }
            AskedTime::Now | AskedTime::At(_) => present,
        };
        if self.is_closed(wall)? {
            return Ok(Closable::Known(Ok(ClosedTime::Through(wall))));
        }
        Ok(self.unavailable().map_or(Closable::ByEntry(wall), |why| Closable::Known(Err(why))))
    }

    /// A time is closed once no later event can get a position in its millisecond.
    fn is_closed(&self, wall: Wall) -> Result<bool, EngineError> {
        let clock = shard::query::clock(self.engine.view())?;
        Ok(clock.wall > wall || clock.last_position.wall() > wall)
    }

    /// Proposes entries for as long as the engine takes them.
    fn propose(&mut self, now: Now, out: &mut Vec<Output<E::Io, R>>) -> Result<(), EngineError> {
        while !self.open.is_empty() && self.engine.can_propose() {
            let closed = self.open.close();
            let clock = self.clocks.stamp(now, closed.wall_min);
            if self.in_flight.is_empty() {
                self.progressed = now.mono;
            }
            self.entry.clear();
            format::entry::encode(self.options.behaviour, clock, &closed.commands, &mut self.entry);
            match self.engine.propose(Bytes::copy_from_slice(&self.entry))? {
                Some(entry) => {
                    self.in_flight_bytes += closed.waiters.bytes;
                    self.in_flight.push_back((entry, closed.waiters));
                }
                None => self.fail(closed.waiters, &Unavailable::NotReady, out),
            }
        }
        Ok(())
    }

    fn poll(&mut self, now: Now, out: &mut Vec<Output<E::Io, R>>) -> Result<(), EngineError> {
        loop {
            let polled = self.engine.poll(&mut self.io);
            out.extend(self.io.drain(..).map(Output::Io));
            match polled? {
                Polled::Leading { clock, replayed_entries } => {
                    self.clocks = EntryClocks::resume(clock, now, self.options.grace_ms);
                    if matches!(self.phase, Phase::Starting | Phase::Following) {
                        self.phase = Phase::Leading;
                    }
                    self.timers_stale = true;
                    self.show_recovered(out)?;
                    out.push(Output::Ready { replayed_entries });
                }
                Polled::Following => self.follow(out),
                Polled::Settled { entry, result } => self.settle(entry, result, out),
                Polled::More => {
                    out.push(Output::Continue);
                    return Ok(());
                }
                Polled::Idle => return Ok(()),
                Polled::Stopped => {
                    out.push(Output::Stopped);
                    return Ok(());
                }
            }
        }
    }

    /// Makes visible what the state held before this start. Entries that are not replayed settle no more.
    fn show_recovered(&mut self, out: &mut Vec<Output<E::Io, R>>) -> Result<(), EngineError> {
        let last = shard::query::clock(self.engine.view())?.last_position;
        if last > self.visible.position {
            // The state does not know the slot of its last event. No other event has its position.
            self.visible = Cursor::new(last, Slot(u16::MAX));
            out.push(Output::Visible(self.visible));
        }
        Ok(())
    }

    /// Replies to the requests that waited for an entry. An entry at the same index that has another term is
    /// another leader's: ours was never stored.
    fn settle(&mut self, entry: EntryId, result: EntryResult, out: &mut Vec<Output<E::Io, R>>) {
        if let EntryResult::Durable { last, effects, .. } = &result {
            self.visible = last.map_or(self.visible, |last| self.visible.max(last));
            self.timers_stale |=
                effects.iter().any(|effect| matches!(effect, Effect::TimersSet { .. } | Effect::CleanUpDue));
        }
        let mut result = Some(result);
        while self.in_flight.front().is_some_and(|(first, _)| first.index <= entry.index) {
            let Some((first, waiters)) = self.in_flight.pop_front() else { break };
            self.in_flight_bytes -= waiters.bytes;
            match result.take_if(|_| first == entry) {
                Some(result) => {
                    self.own_commands_ended(&waiters);
                    reply_all(waiters, result, out);
                }
                None => self.fail(waiters, &Unavailable::NotReady, out),
            }
        }
        out.push(Output::Visible(self.visible));
    }

    /// Another replica may have stored something else in place of the entries in flight, or may store them
    /// yet.
    fn follow(&mut self, out: &mut Vec<Output<E::Io, R>>) {
        if self.phase == Phase::Leading {
            self.phase = Phase::Following;
        }
        self.in_flight_bytes = 0;
        for (_, waiters) in std::mem::take(&mut self.in_flight) {
            self.fail(waiters, &Unavailable::Lost, out);
        }
        let never_proposed = self.open.drain();
        self.fail(never_proposed, &Unavailable::NotReady, out);
    }

    fn fail(&mut self, waiters: Waiters<R>, why: &Unavailable, out: &mut Vec<Output<E::Io, R>>) {
        self.own_commands_ended(&waiters);
        fail_all(waiters, why, out);
    }

    /// The node may propose its next own command.
    fn own_commands_ended(&mut self, waiters: &Waiters<R>) {
        if waiters.commands.iter().any(|waiter| matches!(waiter, Waiter::Node)) {
            self.own_command = false;
            self.timers_stale = true;
        }
    }

    /// If one of the node's own commands is due, adds it to the open batch, one at a time. Otherwise sets the
    /// timer for the next one.
    fn check_timers(&mut self, now: Now, out: &mut Vec<Output<E::Io, R>>) -> Result<(), EngineError> {
        let writable = self.disk_space == DiskSpace::Enough && self.stalled.is_none();
        let idle = !self.own_command && self.phase == Phase::Leading && writable;
        if !(self.timers_stale && idle) {
            return Ok(());
        }
        self.timers_stale = false;
        let clock = EntryClock { wall: self.clocks.wall(now), elapsed: self.clocks.elapsed() };
        if let Some(command) = shard::query::due(self.engine.view(), clock)? {
            self.own_command = true;
            self.open.push(Waiter::Node, SizedCommand::new(command));
            return Ok(());
        }
        let next = shard::query::next_deadline(self.engine.view())?;
        let by_wall = next.wall.map(|at| at.0.saturating_sub(clock.wall.0).min(TIMER_WAIT_MS_MAX));
        let grace_ms = self.clocks.grace_left_ms(now);
        let by_elapsed = next.elapsed.map(|at| at.0.saturating_sub(clock.elapsed.0).saturating_add(grace_ms));
        let wait_ms = by_wall.into_iter().chain(by_elapsed).min();
        // Wait one millisecond more, so that the deadline has certainly passed.
        let wait = wait_ms.map(|ms| now.mono.after_ms(ms + 1));
        if wait != self.wait {
            self.wait = wait;
            out.push(Output::Wait(wait));
        }
        Ok(())
    }

    /// Stops the engine of a draining node when nothing waits any more.
    fn begin_stop(&mut self) -> bool {
        let drained = self.phase == Phase::Draining && self.open.is_empty() && self.in_flight.is_empty();
        if drained {
            self.phase = Phase::Stopping;
            self.engine.stop();
        }
        drained
    }

    /// Rejects all requests that no entry contains yet. They have changed nothing.
    fn reject_waiting(&mut self, why: &Unavailable, out: &mut Vec<Output<E::Io, R>>) {
        let waiters = self.open.drain();
        if waiters.commands.iter().any(|waiter| matches!(waiter, Waiter::Node)) {
            self.own_command = false;
            self.timers_stale = true;
        }
        fail_all(waiters, why, out);
    }

    /// Replies to all waiting requests that the node has halted.
    fn lose_all(&mut self, out: &mut Vec<Output<E::Io, R>>) {
        for (_, waiters) in std::mem::take(&mut self.in_flight) {
            fail_all(waiters, &Unavailable::Lost, out);
        }
        fail_all(self.open.drain(), &Unavailable::Stopping, out);
    }
}

fn reply_all<Io, R: Replies>(waiters: Waiters<R>, result: EntryResult, out: &mut Vec<Output<Io, R>>) {
    match result {
        EntryResult::Durable { outcomes, .. } => {
            for (waiter, outcome) in waiters.commands.into_iter().zip(outcomes) {
                if let Waiter::Request(reply) = waiter {
                    out.push(Output::Outcome { reply, result: Ok(outcome) });
                }
            }
            let closed = |(reply, wall)| Output::TimeClosed { reply, result: Ok(ClosedTime::Through(wall)) };
            out.extend(waiters.closers.into_iter().map(closed));
        }
        // Nothing was changed.
        EntryResult::Fenced => fail_all(waiters, &Unavailable::NotReady, out),
        EntryResult::TooLarge => fail_all(waiters, &Unavailable::TooLarge, out),
        EntryResult::Unknown => fail_all(waiters, &Unavailable::Lost, out),
    }
}

fn fail_all<Io, R: Replies>(waiters: Waiters<R>, why: &Unavailable, out: &mut Vec<Output<Io, R>>) {
    for waiter in waiters.commands {
        if let Waiter::Request(reply) = waiter {
            out.push(Output::Outcome { reply, result: Err(why.clone()) });
        }
    }
    let failed = |(reply, _)| Output::TimeClosed { reply, result: Err(why.clone()) };
    out.extend(waiters.closers.into_iter().map(failed));
}
