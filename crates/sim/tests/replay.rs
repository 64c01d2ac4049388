//! A start that has much to replay: it yields, flushes as it goes, and says how far it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use driver::{Effect, Input};
use model::{
    Append, Command, Expected, Filled, Fingerprint, IdHash, Identity, KeyId, NewEvent, StreamName, Wall,
};
use node::{AskedTime, Request, Unavailable};
use sim::Mutant;
use sim::limits::Limits;
use sim::machine::Machine;
use sim::process::{SimEffect, Stepped, Work};
use sim::reply::Reply;
use sim::schedule::Moment;
use std::borrow::Cow;

/// Time does not matter here.
const MOMENT: Moment = Moment(1_000_000);

fn append(number: u128) -> Command<'static> {
    let event = NewEvent {
        identity: Identity::Client(IdHash(number)),
        fingerprint: Fingerprint(number),
        filled: Filled::default(),
        event_type: Cow::Borrowed("t"),
        key_id: KeyId::NONE,
        envelope: Cow::Owned(format!("{{\"data\":\"{}\"}}", "x".repeat(500)).into_bytes()),
    };
    let stream = StreamName::new("orders").unwrap();
    Command::Append(Append { keyed: None, stream, expected: Expected::Any, events: vec![event] })
}

/// Does the work that is due, except for what `skipped` says, and all that follows from it.
fn settle(machine: &mut Machine, stepped: Stepped, skipped: &[Work]) -> Vec<SimEffect> {
    let now = machine.now(MOMENT);
    let process = machine.process.as_mut().unwrap();
    let mut effects = stepped.effects;
    let mut due = stepped.work;
    while let Some(work) = due.pop() {
        if !skipped.contains(&work) {
            let stepped = process.work(now, work).unwrap();
            effects.extend(stepped.effects);
            due.extend(stepped.work);
        }
    }
    effects
}

fn step(machine: &mut Machine, input: Input<sim::process::Waiters>, skipped: &[Work]) -> Vec<SimEffect> {
    let now = machine.now(MOMENT);
    let stepped = machine.process.as_mut().unwrap().step(now, input).unwrap();
    settle(machine, stepped, skipped)
}

/// Starts the process and replays until it is ready, or until it has yielded `yields_max` times. Returns how
/// often it yielded, and whether it is ready.
fn start(machine: &mut Machine, yields_max: usize) -> (usize, bool) {
    machine.start(MOMENT).unwrap();
    let mut yields = 0;
    let mut effects = step(machine, Input::Start, &[]);
    loop {
        if effects.iter().any(|effect| matches!(effect, Effect::Ready { .. })) {
            return (yields, true);
        }
        assert!(
            effects.iter().any(|effect| matches!(effect, Effect::Continue)),
            "it neither ends nor goes on"
        );
        yields += 1;
        if yields >= yields_max {
            return (yields, false);
        }
        effects = step(machine, Input::Continue, &[]);
    }
}

/// A store whose log holds 200 entries, of which the state has none.
fn unflushed() -> Machine {
    let mut machine = Machine::new(Mutant::None, Limits::default());
    assert_eq!(start(&mut machine, 1_000), (0, true));
    for number in 0..200 {
        let request = Request::Command { command: append(number), reply: Reply::new(0, 0) };
        let effects = step(&mut machine, Input::Requests(vec![request]), &[Work::Flush]);
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Outcome { result: Ok(_), .. })));
    }
    machine.stopped();
    machine
}

#[test]
fn a_replay_yields_and_says_how_far_it_is() {
    let mut machine = unflushed();
    let (yields, ready) = start(&mut machine, 5);
    assert_eq!((yields, ready), (5, false));
    let (applied, last) = machine.process.as_ref().unwrap().replay();
    assert!(applied.0 > 20 && applied < last && last.0 >= 200, "{applied} of {last}");
    machine.stopped();
    assert!(start(&mut machine, 1_000).1);
}

#[test]
fn a_node_that_is_killed_again_and_again_while_it_replays_gets_ready_at_last() {
    let mut machine = unflushed();
    let first = {
        machine.start(MOMENT).unwrap();
        machine.process.as_ref().unwrap().replay().0
    };
    for round in 0..20 {
        machine.stopped();
        // It is never left alone for long enough to replay everything.
        let (_, ready) = start(&mut machine, 10);
        if ready {
            assert!(round > 0, "one start replayed everything");
            return;
        }
    }
    let now = machine.process.as_ref().unwrap().replay().0;
    panic!("it has come from entry {first} to entry {now} in 20 starts");
}

#[test]
fn a_node_that_is_stopped_during_its_replay_closes_no_time() {
    let mut machine = unflushed();
    assert!(!start(&mut machine, 5).1);
    step(&mut machine, Input::Stop, &[]);
    let request = Request::CloseTime { time: AskedTime::At(Wall(1)), reply: Wall(1) };
    let effects = step(&mut machine, Input::Requests(vec![request]), &[]);
    let rejected =
        |effect: &SimEffect| matches!(effect, Effect::TimeClosed { result: Err(Unavailable::Stopping), .. });
    assert!(effects.iter().any(rejected), "{effects:?}");
}
