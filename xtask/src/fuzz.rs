//! `cargo xtask fuzz`: the targets of the crate `fuzzing` under libFuzzer, with the stable toolchain.
//!
//! `cargo fuzz` needs a nightly one, for sanitizers. Coverage alone needs none: its pass is part of LLVM, and the counters
//! that it writes are what libFuzzer reads. The memory of a target is bounded by an allocator that counts, and safe Rust
//! needs no address sanitizer.
//!
//! ```text
//! fuzz/corpus/NAME.hex ──unpack──► target/fuzz/corpus/NAME/ ──► libFuzzer ──► more inputs, artifacts/
//!          ▲                                                          │
//!          └───────────pack──── target/fuzz/merged/NAME/ ◄── keep ────┘
//! ```

use crate::Failure;
use crate::run::{command, output, root, run, target_dir, works};

/// What libFuzzer needs of the compiler: counters on every edge, a table of them, and the operands of comparisons.
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
/// Bytes of an input, and seconds after which one has hung.
const LIMITS: [&str; 3] = ["-max_len=1024", "-timeout=5", "-rss_limit_mb=2048"];

/// Fuzzes a target, or each of them if `target` is `all`, for this long. Ends with the first input that breaks a promise.
///
/// # Errors
/// There is no such target, a C++ compiler is missing, or an input broke a promise: its file is named.
pub fn fuzz(target: &str, seconds: &str) -> Result<(), Failure> {
    let _: u32 = seconds.parse().map_err(|_| format!("`{seconds}` is not a number of seconds"))?;
    let host = build()?;
    for name in targets()?.iter().filter(|name| target == "all" || *name == target) {
        let corpus = directory("corpus", name);
        unpack(name, &corpus)?;
        let artifacts = format!("-artifact_prefix={}/", directory("artifacts", name));
        std::fs::create_dir_all(directory("artifacts", name)).map_err(|error| error.to_string())?;
        let time = format!("-max_total_time={seconds}");
        let program = program(&host, name);
        let words = [&program[..], &corpus, &time, &artifacts, "-print_final_stats=1"];
        run(&[&words[..], &LIMITS].concat())?;
    }
    if target == "all" || targets()?.iter().any(|name| name == target) {
        return Ok(());
    }
    Err(format!("there is no target `{target}`; the targets are {}", targets()?.join(", ")))
}

/// Keeps of what was found the inputs that reach something new: replaces `fuzz/corpus`.
///
/// # Errors
/// A program failed.
pub fn keep() -> Result<(), Failure> {
    let host = build()?;
    for name in targets()? {
        let (corpus, merged) = (directory("corpus", &name), directory("merged", &name));
        unpack(&name, &corpus)?;
        let _ = std::fs::remove_dir_all(&merged);
        std::fs::create_dir_all(&merged).map_err(|error| error.to_string())?;
        let program = program(&host, &name);
        run(&[&[&program[..], "-merge=1", &merged, &corpus][..], &LIMITS].concat())?;
        corpus_tool(&["pack", &name, &merged])?;
    }
    Ok(())
}

/// Builds all targets, and returns the platform that they are for.
fn build() -> Result<String, Failure> {
    if !works(&["c++", "--version"]) {
        return Err("missing program: a C++ compiler (install it with `apt-get install g++`)".into());
    }
    let version = output(&["rustc", "-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc names no host")?;
    let words = ["cargo", "build", "--locked", "--release", "--manifest-path", "fuzz/Cargo.toml"];
    // With `--target`, build scripts are not instrumented.
    let to = ["--target", host, "--target-dir", &directory("build", "")];
    println!("$ {} {}", words.join(" "), to.join(" "));
    let status = command(&words).args(to).env("RUSTFLAGS", INSTRUMENTED).status();
    match status.map_err(|error| error.to_string())? {
        status if status.success() => Ok(host.to_owned()),
        status => Err(format!("cargo build: {status}")),
    }
}

/// The names of the targets: those of their programs.
fn targets() -> Result<Vec<String>, Failure> {
    let programs = root().join("fuzz/targets").read_dir().map_err(|error| error.to_string())?;
    let names = programs.filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}

fn directory(what: &str, target: &str) -> String {
    target_dir().join("fuzz").join(what).join(target).display().to_string()
}

fn program(host: &str, target: &str) -> String {
    format!("{}/{host}/release/{target}", directory("build", "").trim_end_matches('/'))
}

fn unpack(target: &str, into: &str) -> Result<(), Failure> {
    corpus_tool(&["unpack", target, into])
}

fn corpus_tool(arguments: &[&str]) -> Result<(), Failure> {
    let tool = ["cargo", "run", "--locked", "-q", "-p", "fuzzing", "--example", "corpus", "--"];
    run(&[&tool[..], arguments].concat())
}
