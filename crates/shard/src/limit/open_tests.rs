//! What goes on when a key opens, and how much of that one command does. The lines are those of `tests.rs`.

use super::tests::Script;
use crate::query;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use format::row::{LimitKeys, LimitListRow};
use model::{
    AdvanceLimits, Command, Elapsed, LimitName, LimitSettings, PutLimit, QueueName, gate_slot, limits,
};

/// A few more than one command looks at.
const MANY: usize = limits::LIMIT_COHORTS_MAX + 6;

/// Does what the node would do, and returns how many commands that took.
#[track_caller]
fn node(script: &mut Script) -> usize {
    for commands in 0..100 {
        let Some(command) = script.store.due() else { return commands };
        script.store.apply(command);
    }
    panic!("what is due must come to an end");
}

/// Replaces a limit. The node does not look at its keys yet.
fn raise(script: &mut Script, limit: &'static str, concurrency: u32) {
    let limit = LimitName::new(limit).unwrap();
    let settings = LimitSettings { concurrency: Some(concurrency), rate: None };
    script.store.apply(Command::PutLimit(PutLimit { limit, settings }));
}

/// How many tasks of a queue can be claimed.
fn ready(script: &Script, queue: &'static str) -> u64 {
    let queue = query::queue(&script.store.rows, &QueueName::new(queue).unwrap()).unwrap().unwrap();
    queue.types.iter().map(|of_type| of_type.ready).sum()
}

/// Claims until nothing is left, and returns what was granted in order.
fn claim_all(script: &mut Script, queue: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let granted = script.run(&format!("claim {queue} 100"));
        if granted.is_empty() && script.announced(queue) == 0 {
            return all;
        }
        all.extend(granted.split_whitespace().map(String::from));
    }
}

/// `run` and many tasks wait for a key that is closed for 500 ms; each task is added with these words.
fn closed_for_many(words: impl Fn(usize) -> String) -> Script {
    let mut script = Script::default();
    script.run("set q api db:payload.host; add q run; claim q 1; throttle run api 500");
    for at in 0..MANY {
        script.run(&format!("add q t{at} {}", words(at)));
    }
    assert_eq!(claim_all(&mut script, "q"), Vec::<String>::new());
    script
}

#[test]
fn one_command_opens_a_bounded_part_of_a_key_and_the_node_opens_the_rest() {
    // First many cohorts in one list, then many lists.
    for words in [|at| format!("host h{at}"), |at| format!("type y{at}")] {
        let mut script = closed_for_many(words);
        script.store.run("wait 500");
        let command = script.store.due().unwrap();
        assert_eq!(ready(&script, "q"), 0);
        script.store.apply(command);
        assert_eq!(ready(&script, "q"), 64, "{}", words(0));
        assert_eq!(node(&mut script), 1);
        assert_eq!(ready(&script, "q"), MANY as u64 + 1, "{}", words(0));
    }
}

#[test]
fn one_command_opens_a_bounded_number_of_keys_and_the_node_opens_the_others() {
    let mut script = Script::default();
    script.run("limit api 1; set q api:payload.host");
    for at in 0..MANY {
        script.run(&format!("add q a{at} host h{at}; add q b{at} host h{at}"));
    }
    let running = claim_all(&mut script, "q");
    assert_eq!((running.len(), ready(&script, "q")), (MANY, 0));
    script.complete(&running.join(" "));
    assert_eq!(ready(&script, "q"), limits::ADVANCE_LIMITS_MAX as u64);
    node(&mut script);
    assert_eq!(ready(&script, "q"), MANY as u64);
}

#[test]
fn one_command_of_the_node_opens_no_more_keys_than_it_says() {
    let mut script = Script::default();
    // Two keys whose time is over, and two limits of the same slot that were raised after that.
    script.run("set q c{t}:payload.host; add q x host x; add q y host y; claim q 9");
    script.run("throttle x c{t} 500; throttle y c{t} 500; limit a{t} 0; limit b{t} 0");
    script.run("set r a{t}:payload.host; set s b{t}:payload.host");
    for at in 0..5 {
        script.run(&format!("add r r{at} host h{at}; add s s{at} host h{at}"));
    }
    script.run("claim q 9; claim r 9; claim s 9");
    script.store.run("wait 600");
    raise(&mut script, "a{t}", 1);
    raise(&mut script, "b{t}", 1);
    let all = |script: &Script| ["q", "r", "s"].map(|queue| ready(script, queue)).iter().sum::<u64>();
    for opened in [3, 6, 9, 12] {
        let (slot, from) = (gate_slot("a{t}"), Elapsed(0));
        script.store.apply(Command::AdvanceLimits(AdvanceLimits { slot, from, keys_max: 3 }));
        assert_eq!(all(&script), opened);
    }
    node(&mut script);
    assert_eq!(all(&script), 12);
}

#[test]
fn a_key_that_opens_leaves_nothing_for_the_node_to_do() {
    // As many go on as may begin, of more that wait; or fewer than may begin, because no more wait.
    for (before, running, goes_on) in [
        (
            "limit api 1; set q api db:payload.host; add q a; add q b host x; add q c host y; add q d host z",
            "a",
            1,
        ),
        ("limit api 2; set q api; add q a; add q b; add q c", "a b", 1),
        ("limit api 3; set q api; add q a; add q b; add q c; add q d", "a b", 1),
    ] {
        let mut script = Script::default();
        script.run(&format!("{before}; claim q 9"));
        script.complete(running);
        assert_eq!((ready(&script, "q"), node(&mut script)), (goes_on, 0), "{before}");
    }
    // Time opens the key for what costs 1, and those that wait cost more.
    let mut script = Script::default();
    script.run("rate api 1/1000 burst 3; set q api*3 db:payload.host; add q a; claim q 1");
    script.run("add q b host x; add q c host y; claim q 9; done a");
    script.store.run("wait 1000");
    assert_eq!((node(&mut script), ready(&script, "q")), (1, 0));
    script.store.run("wait 2000");
    assert_eq!((node(&mut script), script.run("claim q 9").as_str()), (1, "b"));
}

#[test]
fn a_limit_with_few_keys_that_was_changed_takes_the_node_one_command() {
    let mut script = Script::default();
    script.run("limit api 0; set q api; add q a; claim q 1");
    raise(&mut script, "api", 1);
    assert_eq!((node(&mut script), ready(&script, "q")), (1, 1));
}

#[test]
fn a_limit_that_was_removed_leaves_no_row() {
    let mut script = Script::default();
    script.run("tick 0; set q; tick 0");
    let rows = script.store.rows.len();
    script.run("limit api 1; unlimit api; tick 0");
    assert_eq!(script.store.rows.len(), rows);
}

#[test]
fn an_early_look_at_a_limit_changes_nothing() {
    let mut script = Script::default();
    script.run("rate api 1/1000 burst 3; set q api*3; add q a; add q b; claim q 9; cancel b");
    let mut rows = script.store.rows.clone();
    let (slot, from) = (gate_slot("api"), Elapsed(0));
    script.store.apply(Command::AdvanceLimits(AdvanceLimits { slot, from, keys_max: 9 }));
    let applied = script.store.applied.writes.0.len();
    script.store.applied.writes.change(&mut rows);
    assert_eq!((applied, rows == script.store.rows), (1, true), "only the count of entries has changed");
}

#[test]
fn the_node_looks_at_a_key_for_which_no_one_waits_only_to_remove_it() {
    let mut script = Script::default();
    script.run("rate api 1/1000 burst 3; set q api*3; add q a; claim q 9; done a");
    assert_eq!(script.store.timers().elapsed, Some(Elapsed(3_000)));
}

#[test]
fn who_stops_waiting_in_the_middle_holds_back_no_one_before_it() {
    let mut script = Script::default();
    script.run("limit api 1; set q api db:payload.host; add q run; claim q 1");
    script.run("add q a host x; add q b host y; add q c host z; claim q 9; cancel b");
    assert_eq!(script.run("done run; claim q 9"), "a");
    assert_eq!(script.run("done a; claim q 9"), "c");
}

#[test]
fn a_list_begins_at_the_first_that_waits_so_that_those_gone_are_not_passed_over() {
    let mut script = Script::default();
    script.run("limit api 1; set q api db:payload.host; add q t0; claim q 1");
    for at in 1..9 {
        script.run(&format!("add q t{at} host h{at}"));
    }
    script.run("claim q 9; cancel t3; cancel t4; cancel t6");
    let mut before = 0;
    for (task, from) in [(1, 1), (2, 2), (5, 5), (7, 7)] {
        assert_eq!(script.run(&format!("done t{before}; claim q 9")), format!("t{task}"));
        before = task;
        let rows = script.store.rows.iter();
        let lists: Vec<u64> = rows
            .filter(|(key, _)| LimitKeys::parse_list(key).is_ok())
            .map(|(_, value)| LimitListRow::decode(value).unwrap().from)
            .collect();
        assert_eq!(lists, [from], "when t{task} has gone on");
    }
}

#[test]
fn those_that_cost_more_than_there_is_keep_their_places() {
    let mut script = Script::default();
    script.run("rate api 1/1000 burst 3; set q api*3 db:payload.host; add q run; claim q 1");
    for at in 0..MANY {
        script.run(&format!("add q t{at} host h{at}"));
    }
    assert_eq!(claim_all(&mut script, "q"), Vec::<String>::new());
    for granted in ["", "", "t0"] {
        script.store.run("wait 1000");
        node(&mut script);
        assert_eq!(script.run("claim q 9"), granted);
    }
}

#[test]
fn a_key_from_which_nothing_goes_on_wakes_no_one() {
    let mut script = Script::default();
    script.run("limit a 1; limit b 1; set q a:payload.host b:payload.host; set r a:payload.host; set s b:payload.host");
    script.run("add r run host x; add s hold host x; claim r 1; claim s 1; add q one host x; claim q 9");
    script.run("add q free host y");
    assert_eq!((ready(&script, "q"), script.announced("q")), (1, 1));
    // `one` meets another closed gate, and `free` is announced already.
    script.run("done run");
    assert_eq!((ready(&script, "q"), script.announced("q")), (1, 0));
}
