//! The inputs that are kept: `fuzz/corpus/NAME.hex` has one on each line, in hex. A fuzzer wants a file for each.

use std::path::{Path, PathBuf};

/// The corpus of a target, as text.
#[must_use]
pub fn file(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(format!("{target}.hex"))
}

/// The inputs in a text; `None` if it is not lines of hex.
#[must_use]
pub fn parse(text: &str) -> Option<Vec<Vec<u8>>> {
    text.lines().map(from_hex).collect()
}

/// The text of these inputs: each once, in order of their length.
#[must_use]
pub fn render(mut inputs: Vec<Vec<u8>>) -> String {
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    inputs.dedup();
    let line = |input: Vec<u8>| {
        input.iter().map(|byte| format!("{byte:02x}")).chain(["\n".into()]).collect::<String>()
    };
    inputs.into_iter().map(line).collect()
}

fn from_hex(line: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = line.as_bytes().chunks(2);
    pairs
        .map(|pair| <[u8; 2]>::try_from(pair).ok().and_then(|[a, b]| Some((digit(a)? << 4) | digit(b)?)))
        .collect()
}
