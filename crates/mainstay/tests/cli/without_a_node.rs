//! What the binary says when there is no node to ask.

use crate::node::{mainstay, run};
use std::net::TcpListener;

#[test]
fn wrong_usage_is_2() {
    run(mainstay().arg("raed"), "").fails(2, "raed");
    run(mainstay().args(["append", "s", "t", "not json"]), "").fails(2, "not JSON");
    run(mainstay().args(["--url", "ftp://localhost", "read", "s"]), "").fails(2, "http:// or https://");
}

#[test]
fn no_node_is_6_and_says_how_to_get_one() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    run(mainstay().args(["read", "s"]).env("MAINSTAY_URL", &url), "").fails(6, "mainstay serve");
}

#[test]
fn the_help_lists_the_exit_codes() {
    let help = run(mainstay().arg("--help"), "").ok();
    assert!(help.contains("Exit status:") && help.contains("conflict"), "{help}");
}

#[test]
fn a_configuration_shows_where_each_value_comes_from() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("node.toml");
    std::fs::write(&file, "memtable-size = \"8 MiB\"\n").unwrap();
    let mut command = mainstay();
    command
        .args(["config", "show", "--data", "/d", "--config"])
        .arg(&file)
        .env("MAINSTAY_LOG_FORMAT", "json");
    let table = run(&mut command, "").ok();
    for (key, value, from) in [
        ("data", "/d", "flag --data"),
        ("listen", "127.0.0.1:7070", "default"),
        ("memtable-size", "8 MiB", "file "),
        ("log-format", "json", "environment MAINSTAY_LOG_FORMAT"),
    ] {
        let line = table.lines().find(|line| line.starts_with(key)).unwrap();
        assert!(line.contains(value) && line.contains(from), "{line}");
    }
    std::fs::write(&file, "memtable = 8\n").unwrap();
    run(&mut command, "").fails(2, "unknown key `memtable`");
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let mut command = mainstay();
    command.args(["serve", "--listen", "0.0.0.0:0", "--data"]).arg(data.path());
    run(&mut command, "").fails(2, "which other machines can reach");
}

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(mainstay().args(["completions", shell]), "").ok().contains("mainstay"), "{shell}");
    }
}

/// What they show is tested where they are made: `experiments/tests/comparisons.rs`.
#[test]
fn demos_are_listed_and_a_wrong_name_is_told_the_right_ones() {
    let list = run(mainstay().arg("demo"), "").ok();
    let json: serde_json::Value =
        serde_json::from_str(&run(mainstay().args(["demo", "--output", "json"]), "").ok()).unwrap();
    for (entry, name) in json.as_array().unwrap().iter().zip([
        "cascade",
        "slow-dependency",
        "retry-storm",
        "tail",
        "recovery",
        "overload",
    ]) {
        assert_eq!(entry["experiment"], name);
        assert!(list.contains(name), "{list}");
    }
    run(mainstay().args(["demo", "avalanche"]), "").fails(2, "retry-storm");
}
