//! Readers that name the store which a backup is of.

use super::{Node, SMALL, back_up, events, lines, paths, restore, store_of};
use mainstay_client::{Request, Response};
use serde_json::Value;

fn read(node: &Node, path: &str, store: &str, headers: &[(&str, &str)]) -> Response {
    let request = Request::new("GET", path).unwrap().header("mainstay-store", store).unwrap();
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(name, *value).unwrap());
    node.client().send(&request).unwrap()
}

fn problem(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap()
}

#[test]
fn a_reader_of_the_original_goes_on_from_a_cursor_of_the_backup_and_is_told_when_it_has_a_later_one() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 100)).ok();
    back_up(&node, &backups);
    node.run(&["append", "s-1", "lost", "{}"]).ok();
    let original = store_of(&node);
    let cursor =
        |line: &String| serde_json::from_str::<Value>(line).unwrap()["cursor"].as_str().unwrap().to_owned();
    let cursors: Vec<String> = events(&node, &[]).iter().map(cursor).collect();
    let (last, lost) = (&cursors[99], &cursors[100]);
    drop(node);
    let said = restore(&backups, &restored);
    let node = Node::start_with(&restored, SMALL);
    node.run(&["append", "s-1", "new", "{}"]).ok();
    let mine = store_of(&node);

    for cursor in [&cursors[0], last] {
        for path in ["/v1/events", "/v1/streams/s-1/events"] {
            let response = read(&node, &format!("{path}?after={cursor}"), &original, &[]);
            assert_eq!(response.status, 200, "{response:?}");
            assert_eq!(
                response.header("mainstay-store"),
                Some(&mine[..]),
                "the reader learns the new identity"
            );
            let page = problem(&response);
            let found = page["events"].as_array().unwrap();
            assert_eq!(found.last().unwrap()["type"], "new", "{page}");
        }
    }
    let refused = read(&node, &format!("/v1/events?after={lost}"), &original, &[]);
    let why = problem(&refused);
    assert_eq!((refused.status, &why["code"]), (409, &Value::from("beyond_restore")));
    assert_eq!((&why["store"], &why["restored_through"]), (&Value::from(mine), &said["cursor"]));
    let follow = [("accept", "text/event-stream"), ("last-event-id", &lost[..])];
    assert_eq!(read(&node, "/v1/events", &original, &follow).status, 409);
    let both = format!("/v1/events?after={last}&as_of={lost}");
    assert_eq!(problem(&read(&node, &both, &original, &[]))["code"], "beyond_restore");

    // Without a cursor nothing says how far the reader has come.
    for path in ["/v1/events", "/v1/streams/s-1/events?from=2", "/v1/streams"] {
        assert_eq!(problem(&read(&node, path, &original, &[]))["code"], "other_store", "{path}");
    }
    let stranger = "0123456789abcdef0123456789abcdef";
    let refused = read(&node, &format!("/v1/events?after={last}"), stranger, &[]);
    assert_eq!(problem(&refused)["code"], "other_store");
}
