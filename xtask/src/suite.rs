//! The commands, as lists of steps.

use crate::run::{Ended, Steps, command, root, run};
use crate::tools::{self, Tools};
use crate::{Failure, tidy};
use std::path::Path;

/// Everything: what CI runs, and what to run before a commit is pushed.
///
/// # Errors
/// A step failed.
pub fn test() -> Result<(), Failure> {
    let tools = tools::setup()?;
    let mut steps = Steps::default();
    checks(&mut steps, &tools);
    // The README's commands build the release binary: here, so that no test's time holds a build.
    steps.step("release", || passed(run(&["cargo", "build", "--locked", "--release", "-p", "mainstay"])));
    steps.step("tests", || passed(tests(tools.nextest.as_deref())));
    steps.step("doc tests", || {
        passed(run(
            &[&["cargo", "test", "--locked", "--workspace", "--doc", "-q"][..], &WITH_FEATURES].concat()
        ))
    });
    steps.step("loom", || passed(loom()));
    steps.sum_up()
}

/// All checks, no tests.
///
/// # Errors
/// A check failed.
pub fn check() -> Result<(), Failure> {
    let tools = tools::setup()?;
    let mut steps = Steps::default();
    checks(&mut steps, &tools);
    steps.sum_up()
}

/// Features that no crate of the workspace asks for, and whose code is checked and tested all the same.
const WITH_FEATURES: [&str; 2] = ["--features", "mainstay-resilience/full"];

fn checks(steps: &mut Steps, tools: &Tools) {
    steps.step("format", || passed(run(&["cargo", "fmt", "--all", "--check"])));
    steps.step("tidy", || passed(tidy()));
    steps.step("deny", || deny(tools.deny.as_deref()));
    steps.step("clippy", || {
        let all = ["cargo", "clippy", "--locked", "--workspace", "--all-targets"];
        passed(run(&[&all[..], &WITH_FEATURES, &["--", "-D", "warnings"]].concat()))
    });
    // Without its features nothing but `core` and `alloc` is there, and the compiler says so.
    steps.step("resilience alone", || {
        let alone =
            ["cargo", "clippy", "--locked", "-p", "mainstay-resilience", "--lib", "--", "-D", "warnings"];
        passed(run(&alone))
    });
}

/// The house rules.
///
/// # Errors
/// What breaks one, a line each.
pub fn tidy() -> Result<(), Failure> {
    let findings = tidy::check(&tidy::Tree::read(&root())?);
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("{} rules hold", tidy::RULES.len());
            Ok(())
        }
        n => Err(format!("{n} findings")),
    }
}

/// Licences, bans, duplicates, sources. Advisories need a database that is fetched from elsewhere; those that
/// are known are argued in deny.toml.
fn deny(tool: Option<&Path>) -> Result<Ended, Failure> {
    let Some(tool) = tool else {
        return Ok(Ended::NotRun("cargo-deny is not here and could not be brought".into()));
    };
    run(&["cargo", "fetch", "--locked", "-q"])?;
    let tool = tool.display().to_string();
    passed(run(&[&tool, "--locked", "--offline", "check", "licenses", "bans", "sources"]))
}

fn tests(nextest: Option<&Path>) -> Result<(), Failure> {
    match nextest {
        Some(tool) => {
            let tool = tool.display().to_string();
            let all =
                [&tool, "nextest", "run", "--locked", "--workspace", "--no-fail-fast", "--profile", "ci"];
            run(&[&all[..], &WITH_FEATURES].concat())
        }
        None => {
            let all = ["cargo", "test", "--locked", "--workspace", "--no-fail-fast", "--all-targets"];
            run(&[&all[..], &WITH_FEATURES].concat())
        }
    }
}

/// Shared cells under every order of their threads' steps. A build of its own: their locks and atomics are loom's.
///
/// # Errors
/// The build failed, or an order was found that breaks a promise.
pub fn loom() -> Result<(), Failure> {
    let test = ["cargo", "test", "--locked", "--release", "-q", "-p", "mainstay-resilience"];
    let only = ["--features", "sync", "--test", "loom"];
    let target = root().join("target").join("loom").display().to_string();
    run(&[&["env", "RUSTFLAGS=--cfg loom"][..], &test, &only, &["--target-dir", &target]].concat())
}

/// Replays one simulated run.
///
/// # Errors
/// The seed is no number, or the run found what it must not.
pub fn sim(seed: &str) -> Result<(), Failure> {
    let _: u64 = seed.parse().map_err(|_| format!("`{seed}` is no seed: a seed is a number"))?;
    run(&[
        "cargo",
        "run",
        "--locked",
        "--release",
        "-q",
        "-p",
        "sim",
        "--",
        "--echo",
        "--seeds",
        "1",
        "--from",
        seed,
    ])
}

/// The README's commands, run and compared.
///
/// # Errors
/// A command failed, or printed something of another shape.
pub fn readme() -> Result<(), Failure> {
    run(&["cargo", "test", "--locked", "-p", "xtask", "--test", "readme"])
}

/// Runs the load generator of the release binary.
///
/// # Errors
/// The build or the run failed.
pub fn bench(arguments: &[&str]) -> Result<(), Failure> {
    let words = ["cargo", "run", "--locked", "--release", "-q", "-p", "mainstay", "--", "bench", "append"];
    println!("$ {} {}", words.join(" "), arguments.join(" "));
    let status = command(&words).args(arguments).status().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("bench: {status}")) }
}

fn passed(done: Result<(), Failure>) -> Result<Ended, Failure> {
    done.map(|()| Ended::Passed)
}
