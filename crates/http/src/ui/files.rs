//! The files of the page, as they are in the binary.

use ring::digest::{SHA256, digest};
use std::fmt::Write as _;
use std::sync::LazyLock;

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// A file of the page.
#[derive(Debug)]
pub(super) struct File {
    /// Below `/ui/`; empty for the page itself.
    pub(super) name: &'static str,
    pub(super) media_type: &'static str,
    pub(super) bytes: &'static [u8],
}

macro_rules! files {
    ($($name:literal, $media_type:ident, $file:literal;)*) => {
        /// Every file of the page.
        pub(super) const FILES: &[File] = &[$(File {
            name: $name,
            media_type: $media_type,
            bytes: include_bytes!(concat!("assets/", $file)),
        }),*];
    };
}

files! {
    "", HTML, "index.html";
    "style.css", STYLE, "style.css";
    "icon.svg", IMAGE, "icon.svg";
    "api.js", SCRIPT, "api.js";
    "app.js", SCRIPT, "app.js";
    "dom.js", SCRIPT, "dom.js";
    "events.js", SCRIPT, "events.js";
    "follow.js", SCRIPT, "follow.js";
    "format.js", SCRIPT, "format.js";
    "health.js", SCRIPT, "health.js";
    "node.js", SCRIPT, "node.js";
    "polling.js", SCRIPT, "polling.js";
    "queues.js", SCRIPT, "queues.js";
    "stream.js", SCRIPT, "stream.js";
    "streams.js", SCRIPT, "streams.js";
    "timeline.js", SCRIPT, "timeline.js";
    "token.js", SCRIPT, "token.js";
}

/// The entity tag of every file. There is one for all, so a change of one renews all.
pub(super) static TAG: LazyLock<String> = LazyLock::new(|| {
    let mut all = Vec::new();
    for file in FILES {
        all.extend_from_slice(digest(&SHA256, file.bytes).as_ref());
    }
    let mut tag = String::from("\"");
    for byte in &digest(&SHA256, &all).as_ref()[..8] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
});

impl File {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        FILES.iter().find(|file| file.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most that the page may have, in bytes: it is part of every binary.
    const BYTES_MAX: usize = 150_000;

    #[test]
    fn the_page_is_small() {
        let all: usize = FILES.iter().map(|file| file.bytes.len()).sum();
        assert!(all <= BYTES_MAX, "{all} bytes");
    }

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ui/assets");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let served = File::find(if name == "index.html" { "" } else { name });
            assert_eq!(served.expect(name).bytes, std::fs::read(&path).unwrap());
        }
    }

    #[test]
    fn the_page_names_no_other_place_and_no_script_of_it_writes_markup() {
        for file in FILES {
            let text = std::str::from_utf8(file.bytes).unwrap().replace("http://www.w3.org/2000/svg", "");
            for word in ["http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval("] {
                assert!(!text.contains(word), "{} has {word}", file.name);
            }
            let wide = text.lines().find(|line| line.chars().count() > 120 && !line.starts_with("<svg"));
            assert_eq!(wide, None, "{}", file.name);
        }
    }
}
