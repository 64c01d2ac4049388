//! Tokens on the command line, and the first administrator of a node.

use crate::node::{Node, NotStarted, Ran, mainstay, run, serve};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

const GIVEN: &str = "0123456789abcdef0123456789abcdef";

/// Starts a node that asks for tokens, and logs everything.
fn start(data: &Path, arguments: &[&str]) -> Node {
    let mut command = mainstay();
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--access",
        "tokens",
        "--log-level",
        "debug",
        "--data",
    ]);
    command.arg(data).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    Node::try_start(command).unwrap()
}

/// Starts a node to which the environment gives the administrator's token.
fn start_given(data: &Path, token: &str) -> Result<Node, NotStarted> {
    let mut command = serve(data, &["--access", "tokens"]);
    command.env("MAINSTAY_ADMIN_TOKEN", token);
    Node::try_start(command)
}

/// The token of the first administrator. The node is ready a moment before it is there.
fn first_token(data: &Path) -> String {
    let file = data.join("admin-token");
    while !file.exists() {
        std::thread::yield_now();
    }
    fs::read_to_string(file).unwrap().trim().to_owned()
}

/// Runs a command with a token.
fn with(node: &Node, token: &str, arguments: &[&str]) -> Ran {
    run(mainstay().env("MAINSTAY_TOKEN", token).args(["--url", &node.url]).args(arguments), "")
}

/// Waits until the node knows the token.
fn until_known(node: &Node, token: &str) {
    while with(node, token, &["streams"]).code != 0 {
        std::thread::yield_now();
    }
}

#[test]
fn an_administrator_gives_tokens_to_programs_and_takes_them_back() {
    let data = tempfile::tempdir().unwrap();
    let node = start(data.path(), &[]);
    let admin = first_token(data.path());
    until_known(&node, &admin);
    assert_eq!(fs::metadata(data.path().join("admin-token")).unwrap().permissions().mode() & 0o777, 0o600);
    node.run(&["streams"]).fails(3, "401 token_missing");
    node.run(&["streams"]).fails(3, "MAINSTAY_TOKEN or --token-file");
    let new =
        ["token", "new", "--role", "write", "--prefix", "orders-", "--expires", "90d", "--name", "billing"];
    let created = with(&node, &admin, &new);
    assert!(created.err.contains("it is not shown again"), "{created:?}");
    let writer = created.ok();
    let (lines, writer) = (writer.lines().count(), writer.trim());
    assert_eq!(lines, 1, "only the token, for scripts");
    with(&node, writer, &["append", "orders-1", "placed"]).ok();
    with(&node, writer, &["append", "carts-1", "placed"]).fails(3, "403 not_permitted");
    with(&node, writer, &["token", "list"]).fails(3, "needs a token with the role `admin`");
    let file = data.path().join("writer");
    fs::write(&file, format!("{writer}\n")).unwrap();
    let read = node.run(&["--token-file", file.to_str().unwrap(), "read", "orders-1"]);
    assert!(read.ok().contains("placed"));
    node.run(&["--token-file", "/nowhere", "streams"]).fails(2, "cannot read the token from /nowhere");
    let listed = with(&node, &admin, &["token", "list"]).ok();
    let id = writer.split('_').nth(1).unwrap();
    assert!(listed.lines().next().unwrap().starts_with("ID "), "{listed}");
    assert!(listed.contains(&format!("{id}  write  orders-   billing")), "{listed}");
    assert!(!listed.contains(&writer[30..]));
    with(&node, &admin, &["token", "revoke", id]).ok();
    with(&node, writer, &["read", "orders-1"]).fails(3, "401 token_invalid");
    with(&node, &admin, &["token", "revoke", id]).fails(3, "no token has this id");
    with(&node, &admin, &["token", "new", "--role", "read", "--expires", "soon"])
        .fails(3, "400 invalid_member");
    with(&node, "two words", &["streams"]).fails(1, "visible ASCII");
    let audit = with(&node, &admin, &["read", "$audit"]).ok();
    assert!(audit.contains("audit.createToken") && audit.contains("audit.revokeToken"), "{audit}");
    let log = node.errors();
    assert!(log.contains("token"), "the log names the file: {log}");
    for secret in [&admin[30..], &writer[30..]] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[test]
fn the_first_token_stays_valid_and_a_revoked_one_is_replaced_at_the_next_start() {
    let data = tempfile::tempdir().unwrap();
    let node = start(data.path(), &[]);
    let admin = first_token(data.path());
    until_known(&node, &admin);
    node.kill();
    let node = start(data.path(), &[]);
    until_known(&node, &admin);
    assert_eq!(first_token(data.path()), admin);
    with(&node, &admin, &["token", "revoke", admin.split('_').nth(1).unwrap()]).ok();
    with(&node, &admin, &["streams"]).fails(3, "401 token_invalid");
    node.stop();
    let node = start(data.path(), &[]);
    while first_token(data.path()) == admin {
        std::thread::yield_now();
    }
    until_known(&node, &first_token(data.path()));
    with(&node, &admin, &["streams"]).fails(3, "401 token_invalid");
}

/// What a crash leaves behind before the token is valid, and after it.
#[test]
fn a_crash_while_the_first_token_is_made_locks_nobody_out() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    node.stop();
    fs::write(data.path().join("admin-token.new"), "mst_unfinished").unwrap();
    let node = start(data.path(), &[]);
    let admin = first_token(data.path());
    until_known(&node, &admin);
    node.stop();
    fs::rename(data.path().join("admin-token"), data.path().join("admin-token.new")).unwrap();
    let node = start(data.path(), &[]);
    assert_eq!(first_token(data.path()), admin);
    until_known(&node, &admin);
    assert!(!data.path().join("admin-token.new").exists());
}

#[test]
fn a_container_is_given_its_token_and_another_one_replaces_it() {
    let data = tempfile::tempdir().unwrap();
    let node = start_given(data.path(), GIVEN).unwrap();
    until_known(&node, GIVEN);
    assert!(!data.path().join("admin-token").exists());
    node.stop();
    let other = format!("{GIVEN}-2");
    let file = data.path().join("given");
    fs::write(&file, format!("{other}\n")).unwrap();
    let node = start(data.path(), &["--admin-token-file", file.to_str().unwrap()]);
    until_known(&node, &other);
    with(&node, GIVEN, &["streams"]).fails(3, "401 token_invalid");
    let listed = with(&node, &other, &["token", "list"]).ok();
    assert!(listed.contains("initial  admin"), "{listed}");
}

#[test]
fn a_token_that_cannot_be_used_is_an_error_at_the_start() {
    let data = tempfile::tempdir().unwrap();
    for (given, file, words) in [
        (Some("too-short"), None, "at least 32 characters"),
        (Some("0123456789abcdef 0123456789abcdef"), None, "without spaces"),
        (None, Some("/nowhere"), "cannot read the administrator's token from /nowhere"),
    ] {
        let mut command = serve(data.path(), &["--access", "tokens"]);
        if let Some(token) = given {
            command.env("MAINSTAY_ADMIN_TOKEN", token);
        }
        if let Some(file) = file {
            command.args(["--admin-token-file", file]);
        }
        let ran = run(&mut command, "");
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(words), "{words}: {ran:?}");
        assert!(given.is_none_or(|token| !ran.err.contains(token)), "{ran:?}");
    }
}

#[test]
fn long_running_commands_send_the_token_too() {
    let data = tempfile::tempdir().unwrap();
    let node = start_given(data.path(), GIVEN).unwrap();
    until_known(&node, GIVEN);
    with(&node, GIVEN, &["enqueue", "mails", "send", "--id", "a"]).ok();
    let mut worker = mainstay();
    worker.env("MAINSTAY_TOKEN", GIVEN).args(["--url", &node.url, "work", "mails", "--", "true"]);
    let mut worker = worker.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !with(&node, GIVEN, &["tasks", "mails"]).ok().contains("done") {
        std::thread::yield_now();
    }
    worker.kill().unwrap();
    worker.wait().unwrap();
    with(&node, GIVEN, &["lease", "run", "nightly", "--", "true"]).ok();
    with(&node, GIVEN, &["append", "orders-1", "placed"]).ok();
    assert!(with(&node, GIVEN, &["follow", "orders-1", "--limit", "1"]).ok().contains("placed"));
    assert!(with(&node, GIVEN, &["export"]).ok().contains("placed"));
}

#[test]
fn no_secret_is_in_the_configuration_that_is_shown() {
    let shown = run(mainstay().args(["config", "show"]).env("MAINSTAY_ADMIN_TOKEN", GIVEN), "").ok();
    assert!(shown.contains("admin-token-file") && !shown.contains(GIVEN), "{shown}");
}
