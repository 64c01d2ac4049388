//! Finds discouraged phrases. `phrases.txt` lists each phrase with its replacement.
//!
//! The rule reads Markdown outside code, the comments of Rust, TOML and shell files, and the string literals of
//! Rust, where help texts and messages are. It compares whole words, ignores case, and also finds a phrase
//! that continues on the next line.

use super::{File, Finding, Tree};

const LIST: &str = include_str!("phrases.txt");

/// A phrase to avoid.
#[derive(Debug, PartialEq, Eq)]
struct Phrase<'a> {
    words: Vec<&'a str>,
    replacement: &'a str,
}

/// Reads lines of the form `phrase => replacement`. Lines that start with `#` are comments.
fn parse(list: &str) -> Vec<Phrase<'_>> {
    let entries = list.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once("=>"));
    entries
        .map(|(phrase, replacement)| Phrase {
            words: phrase.split_whitespace().collect(),
            replacement: replacement.trim(),
        })
        .collect()
}

/// No text contains a phrase of the list.
#[must_use]
pub fn phrases(tree: &Tree) -> Vec<Finding> {
    find(&parse(LIST), tree)
}

fn find(phrases: &[Phrase<'_>], tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let tokens = tokens(&prose(file));
        for (start, first) in tokens.iter().enumerate() {
            let matches = |phrase: &&Phrase<'_>| {
                let rest = tokens[start..].iter().map(|token| token.word.as_str());
                phrase.words.len() <= tokens.len() - start && rest.zip(&phrase.words).all(|(a, b)| a == *b)
            };
            if let Some(phrase) = phrases.iter().find(matches) {
                let message = format!("avoid \"{}\": {}", phrase.words.join(" "), phrase.replacement);
                findings.push(Finding::new(format!("{}:{}", file.path, first.line), message));
            }
        }
    }
    findings
}

/// A word in lower case, or a mark that separates phrases.
struct Token {
    word: String,
    line: usize,
}

/// Between two tokens that do not belong to one sentence.
const BREAK: &str = "|";

fn tokens(prose: &[String]) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (index, text) in prose.iter().enumerate() {
        let line = index + 1;
        let mut word = String::new();
        // The space ends the last word.
        for c in text.chars().chain([' ']) {
            if c.is_alphanumeric() || "'’-_".contains(c) {
                word.extend(c.to_lowercase());
                continue;
            }
            if !word.is_empty() {
                tokens.push(Token { word: std::mem::take(&mut word), line });
            }
            if !c.is_whitespace() {
                tokens.push(Token { word: BREAK.into(), line });
            }
        }
        if text.trim().is_empty() {
            tokens.push(Token { word: BREAK.into(), line });
        }
    }
    tokens
}

/// What a person reads in each line of a file: an empty string for a line of code.
fn prose(file: &File) -> Vec<String> {
    match file.path.rsplit('.').next() {
        Some("md") => markdown(&file.text),
        Some("rs") => rust(&file.text),
        Some("toml" | "sh" | "py") => file.text.lines().map(after_hash).collect(),
        _ if file.text.starts_with("#!") || file.path == "justfile" => {
            file.text.lines().map(after_hash).collect()
        }
        _ => Vec::new(),
    }
}

fn after_hash(line: &str) -> String {
    let comment =
        line.trim_start().strip_prefix('#').or_else(|| line.split_once(" # ").map(|(_, text)| text));
    comment.unwrap_or_default().into()
}

/// Lines outside fenced blocks, without code in backticks and without the marks that begin a line.
fn markdown(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut prose = Vec::new();
    for line in text.lines() {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        let visible = if is_fence || fenced { String::new() } else { without_code(line) };
        prose.push(visible.trim_start().trim_start_matches(['>', '#']).into());
    }
    prose
}

/// Replaces each `code` by a mark that belongs to no phrase.
fn without_code(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<_>>().join(BREAK)
}

/// The comments and string literals of Rust code. A string may span lines; raw strings are read as plain ones.
fn rust(text: &str) -> Vec<String> {
    let mut in_string = false;
    let mut prose = Vec::new();
    for line in text.lines() {
        let mut visible = String::new();
        let mut rest = line.trim_start();
        while !rest.is_empty() {
            if in_string {
                let (literal, after) = string_end(rest);
                visible.push_str(literal);
                in_string = after.is_none();
                rest = after.unwrap_or_default();
                if !in_string {
                    visible.push_str(BREAK);
                }
            } else if let Some(comment) = rest.strip_prefix("//") {
                visible.push_str(&without_code(comment.trim_start_matches(['/', '!'])));
                rest = "";
            } else if let Some(after) = character(rest) {
                rest = after;
            } else {
                in_string = rest.starts_with('"');
                rest = rest.char_indices().nth(1).map_or("", |(next, _)| &rest[next..]);
            }
        }
        prose.push(visible);
    }
    prose
}

/// The text up to the closing quote, and the rest of the line if the string ends on it.
fn string_end(text: &str) -> (&str, Option<&str>) {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return (&text[..at], Some(&text[at + 1..])),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    (text.trim_end_matches('\\'), None)
}

/// The text after a character literal: `'"'` does not open a string.
fn character(text: &str) -> Option<&str> {
    ["'\"'", "'\\\"'", "b'\"'"].iter().find_map(|literal| text.strip_prefix(literal))
}

#[cfg(test)]
mod tests {
    use super::super::trees::{locations, of};
    use super::*;

    const WORDS: &str = "# a comment\npurple prose => say it plainly\nwibble => wobble\n";

    fn found(path: &str, text: &str) -> Vec<Finding> {
        find(&parse(WORDS), &of(&[(path, text)]))
    }

    #[test]
    fn a_phrase_is_found_with_its_replacement() {
        let findings = found("README.md", "# T\n\nIt has Purple prose.\n");
        let message = "avoid \"purple prose\": say it plainly".into();
        assert_eq!(findings, [Finding { location: "README.md:3".into(), message }]);
    }

    #[test]
    fn whole_words_match_and_a_phrase_may_continue_on_the_next_line() {
        for (text, lines) in [
            ("purple\nprose\n", &["a.md:1"][..]),
            ("> purple\n> prose\n", &["a.md:1"]),
            ("purple, prose; purple. Prose\n", &[]),
            ("purple\n\nprose\n", &[]),
            ("wibbled, un-wibble\n", &[]),
            ("wibble wibble\n", &["a.md:1", "a.md:1"]),
        ] {
            assert_eq!(locations(&found("a.md", text)), lines, "{text}");
        }
    }

    #[test]
    fn code_is_not_prose() {
        for (path, text) in [
            ("a.md", "`wibble` and\n```\nwibble\n```\n"),
            ("a.rs", "let wibble = 1; // `wibble`\n"),
            ("a.rs", "purple!(); // purple\nprose();\n"),
            ("a.toml", "wibble = 1\n"),
            ("a.bin", "wibble\n"),
        ] {
            assert_eq!(found(path, text), [], "{path}: {text}");
        }
    }

    #[test]
    fn comments_and_strings_are_prose() {
        for (path, text, lines) in [
            ("a.rs", "//! x\n/// a purple\n/// prose\nfn f() {} // wibble\n", &["a.rs:2", "a.rs:4"][..]),
            ("a.rs", "f(\"\\\" wibble\", wibble)\n", &["a.rs:1"]),
            ("a.rs", "f(\"a purple \\\n   prose\", '\"', wibble);\n", &["a.rs:1"]),
            ("a.rs", "const A: &str = \"x\n  wibble\n\";\nlet wibble = 1;\n", &["a.rs:2"]),
            ("a.toml", "# wibble\na = 1 # wibble\n", &["a.toml:1", "a.toml:2"]),
            ("justfile", "# wibble\na:\n    wibble\n", &["justfile:1"]),
            ("run", "#!/bin/sh\n# wibble\nwibble\n", &["run:2"]),
        ] {
            assert_eq!(locations(&found(path, text)), lines, "{text}");
        }
    }

    #[test]
    fn every_line_of_the_list_is_a_phrase_with_a_replacement() {
        let lines = LIST.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        assert_eq!(parse(LIST).len(), lines.count());
        for phrase in parse(LIST) {
            assert!(!phrase.words.is_empty() && !phrase.replacement.is_empty(), "{phrase:?}");
            let plain = |c: char| c.is_alphanumeric() && !c.is_uppercase() || "'-".contains(c);
            assert!(phrase.words.iter().all(|word| word.chars().all(plain)), "{phrase:?} can never match");
        }
    }
}
