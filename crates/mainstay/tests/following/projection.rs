//! The projection that docs/following.md shows, as it stands there, under kill -9 of itself and of the node.

use crate::node::Node;
use crate::python::{program_of_page, python};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// A projection that takes longer than this to catch up has failed.
const CATCH_UP_MAX: Duration = Duration::from_secs(120);

const ROUNDS: u64 = 8;
/// Each one is a transaction of SQLite, which syncs.
const EVENTS: u64 = 45;

const READ_ROWS: &str = "
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30)
# One transaction: otherwise the cursor could be newer than the balances.
db.execute('BEGIN')
rows = db.execute('SELECT account, cents FROM balance').fetchall()
(cursor,) = db.execute('SELECT cursor FROM checkpoint').fetchone()
print(json.dumps({'rows': dict(rows), 'cursor': cursor}))
";

struct Projection {
    program: PathBuf,
    rows: PathBuf,
    read: PathBuf,
    url: String,
}

impl Projection {
    fn start(&self) -> Child {
        python(&self.program).arg(&self.url).arg(&self.rows).spawn().expect("python3 runs")
    }

    /// The balances and the cursor, in one consistent look.
    fn look(&self) -> Option<(BTreeMap<String, i64>, String)> {
        let output = python(&self.read).arg(&self.rows).output().unwrap();
        // Before its tables are there.
        let found: Value = serde_json::from_slice(&output.stdout).ok()?;
        let rows = serde_json::from_value(found["rows"].clone()).unwrap();
        Some((rows, found["cursor"].as_str().unwrap().to_owned()))
    }

    /// Waits until the cursor has passed `cursor`.
    fn until(&self, cursor: &str) -> BTreeMap<String, i64> {
        let began = Instant::now();
        loop {
            match self.look() {
                Some((rows, reached)) if reached.as_str() >= cursor => return rows,
                found => assert!(began.elapsed() < CATCH_UP_MAX, "{cursor} is not reached: {found:?}"),
            }
        }
    }
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn append(node: &Node, round: u64) {
    let lines: String = (0..EVENTS)
        .map(|n| {
            let (kind, cents) = match n % 3 {
                0 => ("account.credited", 100 + n),
                1 => ("account.debited", n),
                _ => ("account.renamed", 0),
            };
            let account = (round + n) % 7;
            format!(
                "{{\"stream\":\"account-{account}\",\"type\":\"{kind}\",\"data\":{{\"cents\":{cents}}}}}\n"
            )
        })
        .collect();
    node.run_with_input(&["import", "-"], &lines).ok();
}

/// The balances that the events make, and the cursor of the last event that counts.
fn expected(node: &Node) -> (BTreeMap<String, i64>, String) {
    let (mut balances, mut last) = (BTreeMap::new(), String::new());
    for line in node.run(&["read", "--output", "jsonl"]).ok().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let sign = match event["type"].as_str().unwrap() {
            "account.credited" => 1,
            "account.debited" => -1,
            _ => continue,
        };
        let account = event["stream"].as_str().unwrap().to_owned();
        *balances.entry(account).or_default() += sign * event["data"]["cents"].as_i64().unwrap();
        last = event["cursor"].as_str().unwrap().to_owned();
    }
    (balances, last)
}

#[test]
fn the_projection_of_the_page_is_exactly_once_under_kill_9_of_either_side() {
    let dir = tempfile::tempdir().unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/following.md");
    let address = free_address();
    let projection = Projection {
        program: dir.path().join("balances.py"),
        rows: dir.path().join("balances.db"),
        read: dir.path().join("read_rows.py"),
        url: format!("http://{address}"),
    };
    std::fs::write(&projection.program, program_of_page(&std::fs::read_to_string(page).unwrap())).unwrap();
    std::fs::write(&projection.read, READ_ROWS).unwrap();
    let data = dir.path().join("data");
    let start = || Node::start_with(&data, &["--listen", &address, "--keep-alive", "1s"]);

    let mut node = start();
    let mut process = projection.start();
    for round in 0..ROUNDS {
        append(&node, round);
        if round % 2 == 0 {
            // Killed somewhere in the round's events: its first ones are in, the others may be.
            let (_, before) = projection.look().unwrap_or_default();
            while projection.look().is_none_or(|(_, reached)| reached == before && round > 0) {}
            process.kill().unwrap();
            process.wait().unwrap();
            process = projection.start();
        } else {
            node.kill();
            node = start();
        }
    }
    let (balances, last) = expected(&node);
    assert_eq!(balances.len(), 7);
    assert_eq!(projection.until(&last), balances);
    process.kill().unwrap();
    process.wait().unwrap();
}
