//! The tests.

use super::conformance::{self, Rig, append};
use super::database::DatabaseMachine;
use super::raft::RaftMachine;
use model::{Effect, Expected};
use node::Input;

#[test]
fn the_built_in_engine_keeps_the_promises_of_every_engine() {
    conformance::check(RaftMachine::default);
}

#[test]
fn an_engine_on_a_database_keeps_the_promises_of_every_engine() {
    conformance::check(DatabaseMachine::default);
}

#[test]
fn a_view_with_nothing_at_hand_is_asked_again_until_an_entry_is_decided() {
    let mut rig = Rig::new(DatabaseMachine::default());
    for at in 0..5 {
        rig.submit(at, append("a", Expected::Any, u128::from(at)));
        rig.finish();
    }
    assert!(rig.node.engine().misses >= 10, "{} misses", rig.node.engine().misses);
    assert_eq!(rig.take_told().len(), 5);
}

#[test]
fn a_fenced_entry_changes_nothing_and_its_requests_learn_that() {
    let mut rig = Rig::new(DatabaseMachine::default());
    rig.submit(1, append("a", Expected::Any, 1));
    rig.machine.fence();
    rig.finish();
    assert_eq!(rig.take_told(), ["1 Err(NotReady)"]);
}

#[test]
fn a_request_waits_until_an_effect_names_its_row_and_is_woken_once() {
    let mut rig = Rig::new(RaftMachine::default());
    rig.wait_for(1, b"queue".to_vec());
    rig.step(Input::Stop);
    rig.wait_for(2, b"queue".to_vec());
    assert_eq!(rig.take_told()[..2], ["1 woken Err(Stopping)", "2 woken Err(Stopping)"]);

    let mut rig = Rig::new(DatabaseMachine::default());
    rig.wait_for(1, b"queue".to_vec());
    rig.wait_for(2, b"lease".to_vec());
    rig.wait_for(3, b"queue".to_vec());
    for reply in 10..12 {
        rig.node.engine().effects.borrow_mut().push(Effect::Notify { key: b"queue".to_vec() });
        rig.submit(reply, append("a", Expected::Any, u128::from(reply)));
        rig.finish();
    }
    assert_eq!(rig.take_told(), ["10 at [0]", "1 woken Ok(())", "3 woken Ok(())", "11 at [1]"]);
}
