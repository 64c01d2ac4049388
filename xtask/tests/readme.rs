//! The pages with commands tell the truth: each command is run as it is written, in order, and what it
//! prints has the shape of what the page shows.
//!
//! Three things are not as a reader has them: the data lies in a directory of the test's own, `mainstay` is
//! found wherever this build put it, and the port is another where the default one is in use.

#![allow(clippy::unwrap_used, reason = "a test's helpers panic where the test does")]

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;
use xtask::readme::{Stage, parse, play, rewrite};
use xtask::run::{root, target_dir};

/// Where the pages' node listens: the product's default.
const ADDRESS: &str = "127.0.0.1:7070";

/// The first command may have to build the release binary.
const PATIENCE: Duration = Duration::from_secs(900);

/// The pages' address, or one that is free where somebody works with a node of their own there.
fn address() -> String {
    if TcpListener::bind(ADDRESS).is_ok() {
        return ADDRESS.into();
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    println!("{ADDRESS} is in use: {free} instead");
    free.to_string()
}

/// A fresh directory for one page's data.
fn fresh(name: &str) -> PathBuf {
    let dir = target_dir().join("pages").join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// Pages one after the other, since each starts its node on the default port. `UPDATE=1` writes what was
/// printed into them where it differs.
#[test]
fn every_command_of_the_pages_prints_what_the_page_shows() {
    let address = address();
    for name in ["README.md", "docs/api-tour.md"] {
        let dir = fresh(&name.replace('/', "-"));
        let path = std::env::var("PATH").unwrap_or_default();
        let stage = Stage {
            dir: &root(),
            environment: vec![
                ("PATH", Some(format!("{}:{path}", target_dir().join("release").display()))),
                ("MAINSTAY_DATA", Some(dir.join("data").display().to_string())),
                // What a terminal would show.
                ("MAINSTAY_LOG_FORMAT", Some("text".into())),
                ("MAINSTAY_URL", Some(format!("http://{address}"))),
                ("MAINSTAY_LISTEN", Some(address.clone())),
                ("MAINSTAY_CONFIG", None),
                ("MAINSTAY_LOG_LEVEL", None),
            ],
            patience: PATIENCE,
        };
        let page = std::fs::read_to_string(root().join(name)).unwrap();
        let mut shown = parse(&page);
        for one in &mut shown {
            one.command = one.command.replace(ADDRESS, &address);
        }
        let played = play(shown, &stage);
        assert!(!played.is_empty(), "{name} shows no command");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(root().join(name), rewrite(&page, &played)).unwrap();
        } else {
            let differing = played.iter().filter(|one| one.differs.is_some());
            let told: Vec<_> = differing.map(ToString::to_string).collect();
            assert!(told.is_empty(), "{name} (UPDATE=1 writes it anew)\n{}", told.join("\n"));
        }
    }
}
