//! The step machine: admission, batching, waiting requests, timers.

use crate::batch::{EntryMax, OpenBatch, SizedCommand, Waiter, Waiters};
use crate::claims::WaitingClaims;
use crate::clock::{EntryClocks, Mono, Now, Standstill};
use crate::engine::{DiskSpace, Engine, EngineError, EntryId, EntryResult, Polled};
use crate::own_work::OwnWork;
use crate::request::{AskedTime, ClosedTime, Replies, Request, Unavailable};
use crate::step::{Input, Output};
use crate::waiting::WaitTable;
use model::{
    Behaviour, Command, Cursor, Effect, Elapsed, EntryClock, Key, Outcome, Position, React, Slot, ViewError,
    Wall, limits,
};
use std::collections::VecDeque;
use std::fmt::Debug;

/// Bytes for an entry's own fields, and for commands of the node's own.
const ENTRY_OVERHEAD_BYTES: usize = 4 << 10;

/// The options of a node.
#[derive(Clone, Copy, Debug)]
pub struct NodeOptions {
    /// Estimated bytes of commands that may wait or be in flight. Beyond it a request is
    /// [`Unavailable::Busy`].
    pub waiting_bytes_max: usize,
    /// The behaviour that entries are proposed under.
    pub behaviour: Behaviour,
    /// How much goes into one entry.
    pub entry_max: EntryMax,
    /// When `elapsed` stands still.
    pub standstill: Standstill,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            waiting_bytes_max: limits::WAITING_BYTES_MAX,
            behaviour: shard::BEHAVIOUR,
            entry_max: EntryMax::default(),
            standstill: Standstill::default(),
        }
    }
}

/// How much a node has waiting, for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeFigures {
    /// Estimated bytes of commands that no entry contains yet.
    pub open_bytes: usize,
    /// Estimated bytes of commands that wait or are in flight.
    pub waiting_bytes: usize,
    /// Commands that wait or are in flight.
    pub waiting_commands: usize,
    /// How many milliseconds the last entry's wall is ahead of the machine's clock.
    pub wall_ahead_ms: u64,
    /// The elapsed time as of the last observation.
    pub elapsed: Elapsed,
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
    /// It has led since it started, so everything that was in its log is applied.
    has_led: bool,
    clocks: EntryClocks,
    /// When an entry was last settled, or proposed with nothing in flight. Work that ends meanwhile, such as a
    /// flush, says nothing about the disk that an entry waits for.
    progressed: Mono,
    open: OpenBatch<R>,
    in_flight: VecDeque<(EntryId, Waiters<R>)>,
    in_flight_bytes: usize,
    disk_space: DiskSpace,
    /// Why requests are rejected while the disk does not respond.
    stalled: Option<String>,
    /// What the node must propose on its own.
    own_work: OwnWork,
    /// The engine fetches rows that the view did not have at hand. Until then, own work waits.
    loading: bool,
    waiting: WaitTable<R>,
    /// The row that says whether there are reactions.
    reactions_key: Key,
    claims: WaitingClaims<R>,
    /// The clocks of the last applied entry.
    wall: Wall,
    elapsed: Elapsed,
    /// When the node has asked to be woken.
    wait: Option<Mono>,
    visible: Cursor,
    /// Empty between calls.
    io: Vec<E::Io>,
}

impl<E: Engine, R: Replies> Node<E, R>
where
    E::Io: Debug,
{
    #[must_use]
    pub fn new(options: NodeOptions, engine: E) -> Self {
        let own_work = OwnWork::new(engine.slots());
        let reactions_key = format::row::reactions_key(engine.slots().first).to_vec();
        Self {
            options,
            engine,
            phase: Phase::Starting,
            has_led: false,
            clocks: EntryClocks::resume(
                EntryClock::default(),
                Now { wall: Wall(0), mono: Mono(0) },
                Standstill { grace_ms: 0, ..options.standstill },
            ),
            progressed: Mono(0),
            open: OpenBatch::default(),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            disk_space: DiskSpace::Enough,
            stalled: None,
            own_work,
            loading: false,
            waiting: WaitTable::new(limits::WAITERS_MAX),
            reactions_key,
            claims: WaitingClaims::new(limits::WAITERS_MAX),
            wall: Wall(0),
            elapsed: Elapsed(0),
            wait: None,
            visible: Cursor::START,
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
            open_bytes: self.open.bytes(),
            waiting_bytes: self.open.bytes() + self.in_flight_bytes,
            waiting_commands: self.open.len()
                + self.in_flight.iter().map(|(_, w)| w.commands.len()).sum::<usize>(),
            elapsed: self.clocks.elapsed(),
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
                    self.admit(now, request, out);
                }
            }
            Input::Completion(completion) => self.engine.complete(completion)?,
            Input::Message(message) => self.engine.receive(message)?,
            Input::Tick => self.engine.tick(),
            Input::DiskSpace(space) => {
                self.engine.set_disk_space(&space);
                if space != DiskSpace::Enough {
                    // As for the rest of its own work: the node begins nothing more on a full disk.
                    let dropped = self.open.drop_reactions();
                    out.extend((0..dropped).map(|_| Output::Reacted));
                }
                self.disk_space = space;
            }
            Input::DiskStalled { why } => {
                self.reject_waiting(&Unavailable::DiskStalled(why.clone()), out);
                self.stalled = Some(why);
            }
            Input::DiskResponds => self.stalled = None,
            Input::FlushSoon => self.engine.flush_soon(),
            Input::Archived(through) => self.engine.archived(through),
            Input::React(reactions) => self.react(reactions, out),
            Input::TimerDue => self.wait = None,
            Input::Continue => {}
            Input::Stop if matches!(self.phase, Phase::Starting | Phase::Leading | Phase::Following) => {
                self.phase = Phase::Draining;
                self.wake_all(&Unavailable::Stopping, out);
            }
            Input::Stop => {}
        }
        // The next entry is proposed before the last is applied, so that the disk is never idle.
        loop {
            self.propose(now, out)?;
            if self.may_search(now) {
                let searched = self.own_work.search(self.engine.view(), now);
                self.load_absent(searched)?;
            }
            self.poll(now, out)?;
            if !self.begin_stop() && !self.may_propose(now) && !self.may_search(now) {
                break;
            }
        }
        self.set_wait(now, out);
        Ok(())
    }

    /// Adds a request to the open batch, or replies at once.
    fn admit(&mut self, now: Now, request: Request<R>, out: &mut Vec<Output<E::Io, R>>) {
        match request {
            Request::CloseTime { time, reply } => match self.closable(now, time) {
                Closable::Known(result) => out.push(Output::TimeClosed { reply, result }),
                Closable::ByEntry(wall) => self.open.close_time(reply, wall),
            },
            Request::Command { command, reply } => {
                let command = SizedCommand::new(command);
                match self.unavailable().or_else(|| self.full(&command)) {
                    Some(why) => out.push(Output::Outcome { reply, result: Err(why) }),
                    None => self.open.push(reply, command),
                }
            }
            Request::Claim { claim, reply } => match self.unavailable() {
                Some(why) => out.push(Output::Outcome { reply, result: Err(why) }),
                None => self.open.push_claim(self.claims.arrive(claim, reply)),
            },
            // A node that is read-only still wakes waiting requests.
            Request::Wait { key, reply } => {
                let refused = match self.phase {
                    Phase::Leading => {
                        self.waiting.wait(key, reply).err().map(|reply| (reply, Unavailable::Busy))
                    }
                    Phase::Starting | Phase::Following => Some((reply, Unavailable::NotReady)),
                    Phase::Draining | Phase::Stopping | Phase::Halted => Some((reply, Unavailable::Stopping)),
                };
                out.extend(refused.map(|(reply, why)| Output::Woken { reply, result: Err(why) }));
            }
        }
    }

    /// Adds what reactions have to do to the open batch. If that is not possible now, the driver reads the events
    /// again later.
    fn react(&mut self, reactions: Vec<React<'static>>, out: &mut Vec<Output<E::Io, R>>) {
        for react in reactions {
            match self.unavailable() {
                Some(_) => out.push(Output::Reacted),
                None => self.open.push_reaction(react),
            }
        }
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
    fn closable(&self, now: Now, time: AskedTime) -> Closable {
        // During a replay, a state that readers must not see yet would seem to settle the question.
        if !self.has_led {
            return Closable::Known(Err(self.unavailable().unwrap_or(Unavailable::NotReady)));
        }
        let present = self.clocks.wall(now).max(self.visible.position.wall());
        let wall = match time {
            AskedTime::At(wall) if wall <= present => wall,
            AskedTime::At(wall) if wall.0 - present.0 > limits::AS_OF_AHEAD_MS_MAX => {
                return Closable::Known(Ok(ClosedTime::TooFarAhead { ms: wall.0 - present.0 }));
            }
            AskedTime::Now | AskedTime::At(_) => present,
        };
        if self.is_closed(wall) {
            return Closable::Known(Ok(ClosedTime::Through(wall)));
        }
        self.unavailable().map_or(Closable::ByEntry(wall), |why| Closable::Known(Err(why)))
    }

    /// A time is closed once no later event can get a position in its millisecond.
    fn is_closed(&self, wall: Wall) -> bool {
        self.wall > wall || self.visible.position.wall() > wall
    }

    /// Proposes entries for as long as the engine takes them.
    fn propose(&mut self, now: Now, out: &mut Vec<Output<E::Io, R>>) -> Result<(), EngineError> {
        while self.may_propose(now) {
            let own = self.own_commands(now)?;
            if !self.open.is_empty() {
                self.own_work.client_proposes(now);
            } else if own.is_empty() {
                break;
            }
            let (wall, claims) = (self.clock(now).wall, &mut self.claims);
            let mut closed =
                self.open.close(own, self.options.entry_max, |commands| claims.take_for(commands, wall));
            let clock = self.clocks.stamp(now, closed.wall_min);
            (closed.waiters.wall, closed.waiters.elapsed) = (clock.wall, clock.elapsed);
            if self.in_flight.is_empty() {
                self.progressed = now.mono;
            }
            let mut entry = Vec::with_capacity(closed.waiters.bytes + ENTRY_OVERHEAD_BYTES);
            format::entry::encode(self.options.behaviour, clock, &closed.commands, &mut entry);
            match self.engine.propose(entry.into())? {
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
                Polled::Leading { clock, last, replayed_entries } => {
                    self.has_led = true;
                    (self.wall, self.elapsed) = (clock.wall, clock.elapsed);
                    self.clocks = EntryClocks::resume(clock, now, self.options.standstill);
                    if matches!(self.phase, Phase::Starting | Phase::Following) {
                        self.phase = Phase::Leading;
                    }
                    self.own_work.search_again(self.engine.slots(), self.elapsed);
                    self.loading = false;
                    self.show_recovered(last, out);
                    out.push(Output::Ready { replayed_entries });
                }
                Polled::Following => self.follow(out),
                Polled::Loaded => self.loading = false,
                Polled::Settled { entry, result } => {
                    self.progressed = now.mono;
                    self.settle(entry, result, out);
                }
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
    fn show_recovered(&mut self, last: Position, out: &mut Vec<Output<E::Io, R>>) {
        if last > self.visible.position {
            // The state does not know the slot of its last event. No other event has its position.
            self.visible = Cursor::new(last, Slot(u16::MAX));
            out.push(Output::Visible(self.visible));
        }
    }

    /// Replies to the requests that waited for an entry. An entry at the same index that has another term is
    /// another leader's: ours was never stored.
    fn settle(&mut self, entry: EntryId, result: EntryResult, out: &mut Vec<Output<E::Io, R>>) {
        let mut woken = Vec::new();
        let mut ready = Vec::new();
        if let EntryResult::Durable { last, effects, .. } = &result {
            self.visible = last.map_or(self.visible, |last| self.visible.max(last));
            self.own_work.note(effects);
            for effect in effects {
                match effect {
                    Effect::Notify { key } => {
                        if *key == self.reactions_key {
                            out.push(Output::ReactionsChanged);
                        }
                        woken.extend(self.waiting.wake(key));
                    }
                    Effect::TasksReady { .. } => ready.push(effect.clone()),
                    Effect::TasksDied { tasks } => out.extend(self.died(*tasks)),
                    Effect::BodiesRemoved { .. } | Effect::TimerSet { .. } => {}
                }
            }
        }
        let mut result = Some(result);
        while self.in_flight.front().is_some_and(|(first, _)| first.index <= entry.index) {
            let Some((first, waiters)) = self.in_flight.pop_front() else { break };
            self.in_flight_bytes -= waiters.bytes;
            match result.take_if(|_| first == entry) {
                Some(result @ EntryResult::Durable { .. }) => {
                    self.wall = self.wall.max(waiters.wall);
                    self.elapsed = self.elapsed.max(waiters.elapsed);
                    self.own_work.applied(waiters.elapsed);
                    reply_all(waiters, result, &mut self.claims, out);
                }
                Some(result) => {
                    self.search_again_after(&waiters);
                    reply_all(waiters, result, &mut self.claims, out);
                }
                None => self.fail(waiters, &Unavailable::NotReady, out),
            }
        }
        self.claim_ready(ready, out);
        out.extend(woken.into_iter().map(|reply| Output::Woken { reply, result: Ok(()) }));
        out.push(Output::Visible(self.visible));
    }

    /// Tasks have become dead letters. Those of entries that are replayed were counted before, and those of a follower
    /// are counted by the leader.
    fn died(&self, tasks: u32) -> Option<Output<E::Io, R>> {
        matches!(self.phase, Phase::Leading | Phase::Draining).then_some(Output::TasksDied(tasks))
    }

    /// Proposes waiting claims again, because tasks are ready for them.
    fn claim_ready(&mut self, ready: Vec<Effect>, out: &mut Vec<Output<E::Io, R>>) {
        let unavailable = self.unavailable();
        for effect in ready {
            let Effect::TasksReady { queue, task_type, tasks } = effect else { continue };
            for waiting in self.claims.take(&queue, &task_type, tasks) {
                match &unavailable {
                    None => self.open.push_claim(waiting),
                    Some(why) => out.push(Output::Outcome { reply: waiting.reply, result: Err(why.clone()) }),
                }
            }
        }
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
        self.wake_all(&Unavailable::NotReady, out);
    }

    fn fail(&mut self, waiters: Waiters<R>, why: &Unavailable, out: &mut Vec<Output<E::Io, R>>) {
        self.search_again_after(&waiters);
        fail_all(waiters, why, out);
    }

    /// If commands of the node's own are lost, what they were about is still due.
    fn search_again_after(&mut self, lost: &Waiters<R>) {
        if lost.own > 0 {
            self.own_work.search_again(self.engine.slots(), self.elapsed);
        }
    }

    /// Whether an entry can be proposed, and there is something to propose.
    fn may_propose(&self, now: Now) -> bool {
        let own = || self.may_propose_own() && self.own_work.is_entry_due(now, self.clock(now));
        self.engine.can_propose() && (!self.open.is_empty() || own())
    }

    /// Whether the node may propose commands of its own. They need disk space too.
    fn may_propose_own(&self) -> bool {
        let writable = self.disk_space == DiskSpace::Enough && self.stalled.is_none();
        self.phase == Phase::Leading && writable && !self.loading
    }

    /// Has the engine fetch the rows that a read of the view did not find at hand.
    fn load_absent(&mut self, read: Result<(), ViewError>) -> Result<(), EngineError> {
        match read {
            Err(ViewError::Absent(absent)) => {
                self.loading = true;
                self.engine.load(absent)
            }
            read => Ok(read?),
        }
    }

    /// Replies to everyone who waits for a row or for tasks that waiting has ended.
    fn wake_all(&mut self, why: &Unavailable, out: &mut Vec<Output<E::Io, R>>) {
        out.extend(self.waiting.drain().map(|reply| Output::Woken { reply, result: Err(why.clone()) }));
        let claims = self.claims.drain();
        out.extend(claims.map(|waiting| Output::Outcome { reply: waiting.reply, result: Err(why.clone()) }));
    }

    fn may_search(&self, now: Now) -> bool {
        self.phase == Phase::Leading && !self.loading && self.own_work.is_search_due(now)
    }

    /// The node's own commands for the next entry.
    fn own_commands(&mut self, now: Now) -> Result<Vec<Command<'static>>, EngineError> {
        let mut commands = Vec::new();
        if self.may_propose_own() {
            let clock = self.clock(now);
            let read = self.own_work.commands(self.engine.view(), clock, &mut commands);
            self.load_absent(read)?;
        }
        Ok(commands)
    }

    /// The clock that an entry would get now. It may be ahead of the machine's, which was set back after a time was to
    /// be closed.
    fn clock(&self, now: Now) -> EntryClock {
        let wall = self.clocks.wall(now).max(self.open.wall_min());
        EntryClock { wall, elapsed: self.clocks.elapsed() }
    }

    /// Asks to be woken when there is something to do. If that moment is put off, the earlier one stays set: a
    /// node that is woken too early looks again.
    fn set_wait(&mut self, now: Now, out: &mut Vec<Output<E::Io, R>>) {
        if !self.may_propose_own() {
            return;
        }
        let grace_ms = self.clocks.grace_left_ms(now);
        let wait = self.own_work.wake_at(now, self.clock(now), grace_ms);
        if wait.is_some_and(|at| self.wait.is_none_or(|earlier| at < earlier)) {
            self.wait = wait;
            out.push(Output::Wait(wait));
        }
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
        fail_all(self.open.drain(), why, out);
    }

    /// Replies to all waiting requests that the node has halted.
    fn lose_all(&mut self, out: &mut Vec<Output<E::Io, R>>) {
        for (_, waiters) in std::mem::take(&mut self.in_flight) {
            fail_all(waiters, &Unavailable::Lost, out);
        }
        fail_all(self.open.drain(), &Unavailable::Stopping, out);
        self.wake_all(&Unavailable::Stopping, out);
    }
}

fn reply_all<Io, R: Replies>(
    waiters: Waiters<R>,
    result: EntryResult,
    claims: &mut WaitingClaims<R>,
    out: &mut Vec<Output<Io, R>>,
) {
    match result {
        EntryResult::Durable { outcomes, .. } => {
            for (waiter, outcome) in waiters.commands.into_iter().zip(outcomes) {
                let (reply, result) = match (waiter, outcome) {
                    (Waiter::Claim(waiting), Outcome::Claimed(claimed)) if claimed.tasks.is_empty() => {
                        let Err(reply) = claims.wait(waiting) else { continue };
                        (reply, Err(Unavailable::Busy))
                    }
                    (waiter, outcome) => match waiter.into_reply() {
                        Some(reply) => (reply, Ok(outcome)),
                        None => {
                            out.push(Output::Reacted);
                            continue;
                        }
                    },
                };
                out.push(Output::Outcome { reply, result });
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
        out.push(match waiter.into_reply() {
            Some(reply) => Output::Outcome { reply, result: Err(why.clone()) },
            None => Output::Reacted,
        });
    }
    let failed = |(reply, _)| Output::TimeClosed { reply, result: Err(why.clone()) };
    out.extend(waiters.closers.into_iter().map(failed));
}
