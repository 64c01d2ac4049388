//! The pages with commands tell the truth: each command is run as it is written, in order, and what it
//! prints has the shape of what the page shows.
//!
//! Two things are not as a reader has them: the data lies in a directory of the test's own, and `mainstay`
//! is found wherever this build put it.

#![allow(clippy::unwrap_used, reason = "a test's helpers panic where the test does")]

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;
use xtask::readme::{Stage, parse, play, rewrite};
use xtask::run::{root, target_dir};

/// The port that the pages use, which is the product's default.
const PORT: u16 = 7070;

/// The first command may have to build the release binary.
const PATIENCE: Duration = Duration::from_secs(900);

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
    assert!(
        TcpListener::bind(("127.0.0.1", PORT)).is_ok(),
        "port {PORT} is in use: stop what runs there, the pages need it"
    );
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
                ("MAINSTAY_URL", None),
                ("MAINSTAY_LISTEN", None),
                ("MAINSTAY_CONFIG", None),
                ("MAINSTAY_LOG_LEVEL", None),
            ],
            patience: PATIENCE,
        };
        let page = std::fs::read_to_string(root().join(name)).unwrap();
        let played = play(parse(&page), &stage);
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
