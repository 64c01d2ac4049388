//! Many events in and out as lines.

use crate::node::Node;
use serde_json::Value;

fn lines(count: usize) -> String {
    (0..count)
        .map(|n| {
            format!(
                r#"{{"stream":"s-{}","specversion":"1.0","id":"{n}","source":"/test","type":"t","time":"2010-10-02T07:20:39.266Z","data":{{"n": {n}.50}}}}"#,
                n % 7
            ) + "\n"
        })
        .collect()
}

/// Lines as values; the order of lines and that of members say nothing.
pub(crate) fn normal(lines: &str) -> Vec<Value> {
    let mut values: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    values.iter_mut().for_each(Value::sort_all_objects);
    values.sort_by_key(ToString::to_string);
    values
}

#[test]
fn lines_go_in_once_and_come_out_as_they_were() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let input = lines(1_000);
    for (appended, replayed) in [(1_000, 0), (0, 1_000)] {
        let out = node.run_with_input(&["import", "-", "--output", "json"], &input).ok();
        let summary: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (&summary["appended"], &summary["replayed"], &summary["refused"]),
            (&appended.into(), &replayed.into(), &0.into())
        );
    }
    let exported = node.run(&["export"]).ok();
    assert_eq!(normal(&exported), normal(&input));
    assert!(exported.contains(r#""data":{"n": 7.50}"#), "data is kept as the bytes that came");
}

#[test]
fn an_export_makes_the_same_store_elsewhere() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, two) = (Node::start(one.path()), Node::start(two.path()));
    one.run(&["append", "without-id-by-hand", "t", "1"]).ok();
    one.run_with_input(&["import", "-"], &lines(100)).ok();
    let exported = one.run(&["export"]).ok();
    let again = one.run_with_input(&["import", "-"], &exported).ok();
    assert!(again.contains("0 appended, 101 replayed, 0 refused"), "{again}");
    let copied = two.run_with_input(&["import", "-"], &exported).ok();
    assert!(copied.contains("101 appended, 0 replayed, 0 refused"), "{copied}");
    assert_eq!(normal(&two.run(&["export"]).ok()), normal(&exported));
}

#[test]
fn a_broken_line_is_named_and_the_others_go_in() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let input =
        "{\"stream\":\"s\",\"type\":\"t\"}\n\nbroken\n{\"type\":\"t\"}\n{\"stream\":\"s\",\"type\":\"t\"}\n";
    let ran = node.run_with_input(&["import", "-"], input);
    assert!(ran.out.contains("2 appended, 0 replayed, 2 refused"), "{ran:?}");
    assert!(ran.err.contains("line 3: ") && ran.err.contains("invalid_json"), "{ran:?}");
    assert!(ran.err.contains("line 4: ") && ran.err.contains("missing_member"), "{ran:?}");
    assert_eq!(ran.code, 3);
    let ran = node.run_with_input(&["import", "-", "--output", "jsonl"], input);
    assert_eq!(ran.out.lines().count(), 5, "four answers and a summary: {ran:?}");
}

#[test]
fn a_missing_file_is_1() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    node.run(&["import", "/no/such/file"]).fails(1, "/no/such/file");
}
