//! Real input: the events of a municipality's permit cases, where they lie beside the checkout.

use crate::lines::normal;
use crate::node::Node;
use serde_json::Value;
use std::path::PathBuf;

const EVENTS: usize = 8_577;
const CASES: usize = 1_434;

#[test]
fn eight_thousand_real_events_go_in_once_and_come_out_equal() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/permits.ndjson");
    let Ok(input) = std::fs::read_to_string(&file) else {
        println!("NOT RUN: {} is not there", file.display());
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let import = || node.run(&["import", file.to_str().unwrap()]).ok();
    let out = import();
    assert!(out.contains(&format!("{EVENTS} appended, 0 replayed, 0 refused")), "{out}");
    let out = import();
    assert!(out.contains(&format!("0 appended, {EVENTS} replayed, 0 refused")), "{out}");

    assert_eq!(node.run(&["streams", "--output", "jsonl"]).ok().lines().count(), CASES);
    assert!(normal(&node.run(&["export"]).ok()) == normal(&input), "the export is not what went in");

    let case = |arguments: &[&str]| {
        node.run(&[&["read", "permit-891", "--output", "jsonl"], arguments].concat()).ok().lines().count()
    };
    let all = input.lines().filter(|line| line.contains(r#""stream": "permit-891""#));
    let by_then = all.clone().filter(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["time"].as_str().unwrap() <= "2010-10-03T00:00:00Z"
    });
    assert_eq!(case(&[]), all.count());
    assert_eq!(case(&["--as-of-event-time", "2010-10-03T00:00:00Z"]), by_then.count());
    assert_eq!(case(&["--as-of", "2010-10-03T00:00:00Z"]), 0, "nothing had been recorded by then");
}
