//! Turns corpora into files for a fuzzer and back.
//!
//! ```text
//! cargo run -p fuzzing --example corpus -- unpack TARGET DIRECTORY   the corpus and the seeds as one file each
//!                                          pack TARGET DIRECTORY     the files of a directory as the corpus
//! ```

mod seeds;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

/// Longer inputs are of little use, and would fill the tree.
const BYTES_MAX: usize = 1_024;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["unpack", target, directory] => unpack(target, Path::new(directory)),
        ["pack", target, directory] => pack(target, Path::new(directory)),
        _ => Err("usage: corpus unpack|pack TARGET DIRECTORY".into()),
    };
    match result {
        Ok(inputs) => {
            println!("{inputs} inputs");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn unpack(target: &str, directory: &Path) -> Result<usize, Box<dyn Error>> {
    let text = std::fs::read_to_string(fuzzing::corpus::file(target)).unwrap_or_default();
    let mut inputs = fuzzing::corpus::parse(&text).ok_or("the corpus is not lines of hex")?;
    inputs.extend(seeds::of(target));
    std::fs::create_dir_all(directory)?;
    for (number, input) in inputs.iter().enumerate() {
        std::fs::write(directory.join(format!("kept-{number:05}")), input)?;
    }
    Ok(inputs.len())
}

fn pack(target: &str, directory: &Path) -> Result<usize, Box<dyn Error>> {
    let mut inputs = Vec::new();
    for entry in directory.read_dir()? {
        inputs.push(std::fs::read(entry?.path())?);
    }
    inputs.retain(|input| !input.is_empty() && input.len() <= BYTES_MAX);
    let count = inputs.len();
    let file = fuzzing::corpus::file(target);
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(file, fuzzing::corpus::render(inputs))?;
    Ok(count)
}
