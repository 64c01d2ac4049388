//! The suite. Each test drives a node over an engine, and completes the engine's work one piece at a time.

use crate::numbers::Numbers;
use crate::samples::{append_to, event};
use model::{Command, Expected, IdHash, Identity, Key, Outcome, PutSettings, Settings, StreamName, Wall};
use node::{AskedTime, DiskSpace, Engine, Input, Mono, Node, NodeOptions, Now, Output, Request, Unavailable};
use shard::query::{Presence, StreamState};
use std::collections::VecDeque;
use std::fmt::Debug;

/// Where an engine keeps its data, and what does its work.
pub(crate) trait Machine {
    type Engine: Engine<Io: Debug>;

    /// Opens an engine on what is durable.
    fn open(&mut self) -> Self::Engine;

    /// Does one piece of work.
    fn run(&mut self, io: <Self::Engine as Engine>::Io) -> Option<<Self::Engine as Engine>::Completion>;

    /// Loses what is not durable.
    fn crash(&mut self);

    /// A stream in the engine's state.
    fn stream(&self, engine: &Self::Engine, name: &StreamName<'_>) -> StreamState;
}

type EngineInput<M> = Input<
    <<M as Machine>::Engine as Engine>::Completion,
    <<M as Machine>::Engine as Engine>::Message,
    Numbers,
>;

/// A node on a machine.
pub(crate) struct Rig<M: Machine> {
    pub(crate) machine: M,
    pub(crate) node: Node<M::Engine, Numbers>,
    now: Now,
    work: VecDeque<<M::Engine as Engine>::Io>,
    wait: Option<Mono>,
    pub(crate) told: Vec<String>,
}

impl<M: Machine> Rig<M> {
    pub(crate) fn new(mut machine: M) -> Self {
        let node = Node::new(NodeOptions::default(), machine.open());
        let now = Now { wall: Wall(1_000_000), mono: Mono(0) };
        let mut rig = Self { machine, node, now, work: VecDeque::new(), wait: None, told: Vec::new() };
        rig.step(Input::Start);
        rig.finish();
        assert!(rig.take_told().contains(&"ready".to_owned()));
        rig
    }

    fn restart(self) -> Self {
        let Self { mut machine, now, .. } = self;
        machine.crash();
        let mut rig = Self::new(machine);
        rig.now.wall = now.wall;
        rig
    }

    pub(crate) fn step(&mut self, input: EngineInput<M>) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let mut out = Vec::new();
            self.node.step(self.now, input, &mut out);
            for output in out {
                match output {
                    Output::Io(io) => self.work.push_back(io),
                    Output::Wait(at) => self.wait = at,
                    Output::Continue => next = Some(Input::Continue),
                    Output::Visible(_)
                    | Output::Reacted
                    | Output::ReactionsChanged
                    | Output::TasksDied(_) => {}
                    Output::Ready { .. } => self.told.push("ready".to_owned()),
                    Output::Stopped => self.told.push("stopped".to_owned()),
                    Output::Outcome { reply, result } => self.told.push(describe(reply, result)),
                    Output::TimeClosed { reply, result } => {
                        self.told.push(format!("{reply} closed {result:?}"))
                    }
                    Output::Woken { reply, result } => self.told.push(format!("{reply} woken {result:?}")),
                    Output::Halt(error) => panic!("{error}"),
                }
            }
        }
    }

    /// Does the oldest piece of work.
    fn work(&mut self) -> bool {
        let Some(io) = self.work.pop_front() else { return false };
        if let Some(completion) = self.machine.run(io) {
            self.step(Input::Completion(completion));
        }
        true
    }

    /// Does all work, and lets timers fire that have come due.
    pub(crate) fn finish(&mut self) {
        loop {
            while self.work() {}
            if self.wait.is_none_or(|at| at > self.now.mono) {
                return;
            }
            self.wait = None;
            self.step(Input::TimerDue);
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now.wall.0 += ms;
        self.now.mono.0 += ms;
    }

    pub(crate) fn submit(&mut self, reply: u64, command: Command<'static>) {
        self.step(Input::Requests(vec![Request::Command { command, reply }]));
    }

    pub(crate) fn wait_for(&mut self, reply: u64, key: Key) {
        self.step(Input::Requests(vec![Request::Wait { key, reply }]));
    }

    pub(crate) fn take_told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    fn stream(&self, name: &str) -> StreamState {
        self.machine.stream(self.node.engine(), &StreamName::new(name).unwrap())
    }
}

fn describe(reply: u64, result: Result<Outcome, Unavailable>) -> String {
    match result {
        Ok(Outcome::Appended(appended)) => {
            let events: Vec<_> = appended.events.iter().map(|event| event.revision.0).collect();
            format!("{reply} at {events:?}")
        }
        other => format!("{reply} {other:?}"),
    }
}

pub(crate) fn append(stream: &str, expected: Expected, id: u128) -> Command<'static> {
    let stream = StreamName::new(stream.to_owned()).unwrap();
    append_to(stream, expected, event(Identity::Client(IdHash(id))))
}

fn keep(stream: &str, settings: Settings) -> Command<'static> {
    let stream = StreamName::new(stream.to_owned()).unwrap();
    Command::PutSettings(PutSettings { stream, settings })
}

/// Everything that an engine must do.
pub(crate) fn check<M: Machine>(machine: impl Fn() -> M) {
    outcomes_come_in_order_and_only_after_the_work_that_makes_them_durable(machine());
    an_acknowledged_write_survives_a_crash_and_decides_later_commands(machine());
    a_time_is_closed_by_an_entry_and_stays_closed(machine());
    what_is_due_is_done_also_after_a_restart(machine());
    a_stop_ends_with_everything_durable(machine());
}

fn outcomes_come_in_order_and_only_after_the_work_that_makes_them_durable<M: Machine>(machine: M) {
    let mut rig = Rig::new(machine);
    rig.submit(1, append("a", Expected::None, 1));
    rig.submit(2, append("a", Expected::Exists, 2));
    rig.submit(3, append("a", Expected::Any, 1));
    assert_eq!(rig.take_told(), [""; 0], "nothing is durable yet");
    assert!(rig.work());
    rig.finish();
    assert_eq!(rig.take_told(), ["1 at [0]", "2 at [1]", "3 at [0]"]);
    for at in 0..200 {
        rig.submit(10 + at, append(&format!("s{}", at % 7), Expected::Any, u128::from(at)));
        if at % 5 == 0 {
            rig.work();
        }
    }
    rig.finish();
    let told = rig.take_told();
    let wanted: Vec<_> = (0..200).map(|at| format!("{} at [{}]", 10 + at, at / 7)).collect();
    assert_eq!(told, wanted);
}

fn an_acknowledged_write_survives_a_crash_and_decides_later_commands<M: Machine>(machine: M) {
    let mut rig = Rig::new(machine);
    for at in 0..30 {
        rig.submit(at, append("a", Expected::Any, u128::from(at)));
        rig.finish();
        if at % 10 == 9 {
            // This one may be lost.
            rig.submit(99, append("lost", Expected::Any, u128::from(at)));
            rig = rig.restart();
            assert_eq!(rig.stream("a").next.0, at + 1);
        }
    }
    assert_eq!(rig.take_told(), [""; 0]);
    rig.submit(1, append("a", Expected::Any, 5));
    rig.submit(2, append("a", Expected::Any, 100));
    rig.finish();
    assert_eq!(rig.take_told(), ["1 at [5]", "2 at [30]"]);
    assert_eq!(rig.stream("nobody").presence, Presence::Never);
}

fn a_time_is_closed_by_an_entry_and_stays_closed<M: Machine>(machine: M) {
    let mut rig = Rig::new(machine);
    let wall = rig.now.wall;
    let close = |reply| Input::Requests(vec![Request::CloseTime { time: AskedTime::At(wall), reply }]);
    rig.step(close(1));
    assert_eq!(rig.take_told(), [""; 0]);
    rig.finish();
    let closed = format!("closed {:?}", Ok::<_, Unavailable>(node::ClosedTime::Through(wall)));
    assert_eq!(rig.take_told(), [format!("1 {closed}")]);
    let mut rig = rig.restart();
    rig.take_told();
    rig.step(close(2));
    assert_eq!(rig.take_told(), [format!("2 {closed}")], "without another entry");
}

fn what_is_due_is_done_also_after_a_restart<M: Machine>(machine: M) {
    let mut rig = Rig::new(machine);
    let max_age = |ms| Settings { max_age_ms: Some(ms), ..Settings::default() };
    for stream in ["a", "b"] {
        rig.submit(1, keep(stream, max_age(5_000)));
        rig.submit(2, append(stream, Expected::Any, 1));
        rig.finish();
    }
    rig.pass(6_100);
    rig.finish();
    assert_eq!((rig.stream("a").first.0, rig.stream("b").first.0), (1, 1));
    rig.submit(3, append("a", Expected::Any, 2));
    rig.submit(4, append("b", Expected::Any, 2));
    rig.finish();
    let mut rig = rig.restart();
    assert_eq!(rig.stream("a").first.0, 1);
    rig.pass(6_100);
    rig.finish();
    assert_eq!((rig.stream("a").first.0, rig.stream("b").first.0), (2, 2));
}

fn a_stop_ends_with_everything_durable<M: Machine>(machine: M) {
    let mut rig = Rig::new(machine);
    rig.submit(1, append("a", Expected::Any, 1));
    rig.step(Input::Stop);
    rig.submit(2, append("a", Expected::Any, 2));
    rig.finish();
    assert_eq!(rig.take_told(), ["2 Err(Stopping)", "1 at [0]", "stopped"]);
    rig.step(Input::DiskSpace(DiskSpace::Enough));
    let rig = rig.restart();
    assert_eq!(rig.stream("a").next.0, 1);
}
