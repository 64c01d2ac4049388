//! Sets of schedules from the command line.

use crate::node::Node;

const TWO: &str = r#"{"schedules":[
    {"schedule":"billing-daily","cron":"0 3 * * *","queue":"billing","task":{"type":"daily"}},
    {"schedule":"billing-sync","every":"15m","queue":"billing","task":{"type":"sync"}}]}"#;
const ONE: &str =
    r#"{"schedules":[{"schedule":"billing-sync","every":"15m","queue":"billing","task":{"type":"sync"}}]}"#;
const TYPO: &str =
    r#"{"schedules":[{"schedule":"billing-sync","evry":"15m","queue":"billing","task":{"type":"sync"}}]}"#;

#[test]
fn putting_a_set_deletes_what_it_no_longer_names_and_a_wrong_set_changes_nothing() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let put = node.run(&["schedules", "put-set", "billing", TWO]).ok();
    assert_eq!(put, "billing-daily\nbilling-sync\n2 changed, 0 deleted\n");
    let put = node.run(&["schedules", "put-set", "billing", ONE]).ok();
    assert_eq!(put, "billing-sync\n0 changed, 1 deleted\n");
    node.run(&["schedules", "put-set", "billing", TYPO]).fails(3, "evry");
    node.run(&["schedules", "put-set", "billing", "not json"]).fails(2, "not JSON");
    assert_eq!(node.run(&["schedules", "show-set", "billing"]).ok(), "billing-sync\n");
}
