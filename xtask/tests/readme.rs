//! The pages with commands are true: each command runs as written, in order, and its output matches the page.
//!
//! Three things differ from what a reader has: the data is in a directory of this test, `mainstay` is found where
//! this build put it, and the port is another one if the default port is in use.

#![allow(clippy::unwrap_used, reason = "the functions of a test may panic as the test does")]

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;
use xtask::readme::{Session, execute, parse, rewrite};
use xtask::run::{root, target_dir};

/// The address of the node in the pages, which is the default.
const ADDRESS: &str = "127.0.0.1:7070";

/// How long to wait for output. The first command may have to build the release binary.
const TIMEOUT: Duration = Duration::from_secs(900);

/// The address of the pages, or a free one if another node listens there.
fn address() -> String {
    if TcpListener::bind(ADDRESS).is_ok() {
        return ADDRESS.into();
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    println!("{ADDRESS} is in use; this test listens on {free}");
    free.to_string()
}

/// A new, empty directory for the data of one page.
fn fresh(name: &str) -> PathBuf {
    let dir = target_dir().join("pages").join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// One page after another, since each starts a node on the default port. `UPDATE=1` writes the real output into
/// the pages where it differs.
#[test]
fn every_command_of_the_pages_prints_what_the_page_shows() {
    let address = address();
    for name in ["README.md", "docs/api-tour.md", "docs/patterns/retry-and-idempotency.md"] {
        let dir = fresh(&name.replace('/', "-"));
        let path = std::env::var("PATH").unwrap_or_default();
        let session = Session {
            dir: &root(),
            environment: vec![
                ("PATH", Some(format!("{}:{path}", target_dir().join("release").display()))),
                ("MAINSTAY_DATA", Some(dir.join("data").display().to_string())),
                // As on a terminal.
                ("MAINSTAY_LOG_FORMAT", Some("text".into())),
                ("MAINSTAY_URL", Some(format!("http://{address}"))),
                ("MAINSTAY_LISTEN", Some(address.clone())),
                ("MAINSTAY_CONFIG", None),
                ("MAINSTAY_LOG_LEVEL", None),
            ],
            timeout: TIMEOUT,
        };
        let page = std::fs::read_to_string(root().join(name)).unwrap();
        let mut examples = parse(&page);
        for example in &mut examples {
            example.command = example.command.replace(ADDRESS, &address);
        }
        let executions = execute(examples, &session);
        assert!(!executions.is_empty(), "{name} has no commands");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(root().join(name), rewrite(&page, &executions)).unwrap();
        } else {
            let differing = executions.iter().filter(|one| one.difference.is_some());
            let printed: Vec<_> = differing.map(ToString::to_string).collect();
            assert!(printed.is_empty(), "{name} (UPDATE=1 rewrites it)\n{}", printed.join("\n"));
        }
    }
}
