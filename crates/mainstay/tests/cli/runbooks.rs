//! The commands in the runbooks are commands of this binary. Someone who needs them has no time to find out that they
//! are not.

use crate::node::{mainstay, run};
use std::path::{Path, PathBuf};

#[test]
fn every_command_in_a_runbook_is_one_of_the_binary() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks");
    let mut pages: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    let mut commands = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for code in text.split('`').skip(1).step_by(2) {
            if let Some(command) = code.strip_prefix("mainstay ") {
                check(command, &format!("`{code}` in {}", page.display()));
                commands += 1;
            }
        }
    }
    assert!(commands >= 15, "only {commands} commands were found");
}

/// Words in lower case before the first placeholder or flag are verbs; what begins with `--` is a flag of them.
fn check(command: &str, place: &str) {
    let words: Vec<&str> = command.split_whitespace().take_while(|word| *word != "--").collect();
    let is_verb = |word: &&&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let verbs: Vec<&str> =
        words.iter().take_while(|word| is_verb(word) && !word.starts_with('-')).copied().collect();
    let help = run(mainstay().args(&verbs).arg("--help"), "").ok();
    let usage = help.lines().find_map(|line| line.strip_prefix("Usage: mainstay ")).expect(place);
    assert!(usage.starts_with(&verbs.join(" ")), "{place}: there is only `mainstay {usage}`");
    for flag in words.iter().filter(|word| word.starts_with("--")) {
        let known = help.split_whitespace().any(|word| word.trim_end_matches(',') == *flag);
        assert!(known, "{place} has no {flag}:\n{help}");
    }
}
