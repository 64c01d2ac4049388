//! The commands of `cargo xtask`, as lists of steps.

use crate::run::{StepResult, Steps, command, root, run, target_dir};
use crate::tools::{self, Tools};
use crate::{Failure, package, tidy};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Runs every check and every test. CI runs this; run it before you push.
///
/// # Errors
/// A step failed.
pub fn test() -> Result<(), Failure> {
    let tools = tools::setup()?;
    let mut steps = Steps::default();
    checks(&mut steps, &tools);
    // The tests of the README need the release binary. Building it here keeps the build out of their time.
    steps.step("release", || passed(run(&["cargo", "build", "--locked", "--release", "-p", "mainstay"])));
    steps.step("tests", || passed(tests(tools.nextest.as_deref())));
    steps.step("doc tests", || {
        passed(run(
            &[&["cargo", "test", "--locked", "--workspace", "--doc", "-q"][..], &WITH_FEATURES].concat()
        ))
    });
    steps.step("loom", || passed(loom()));
    steps.step("PostgreSQL page", postgresql_page);
    steps.step("alerts", alerts);
    steps.step("package", package::try_out);
    steps.summarize()
}

/// Runs every check, but no tests.
///
/// # Errors
/// A check failed.
pub fn check() -> Result<(), Failure> {
    let tools = tools::setup()?;
    let mut steps = Steps::default();
    checks(&mut steps, &tools);
    steps.summarize()
}

/// Features that no crate of the workspace enables. Their code is checked and tested too.
const WITH_FEATURES: [&str; 2] = ["--features", "mainstay-resilience/full"];

fn checks(steps: &mut Steps, tools: &Tools) {
    steps.step("format", || passed(run(&["cargo", "fmt", "--all", "--check"])));
    steps.step("tidy", || passed(tidy()));
    steps.step("deny", || deny(tools.deny.as_deref()));
    steps.step("clippy", || {
        let all = ["cargo", "clippy", "--locked", "--workspace", "--all-targets"];
        passed(run(&[&all[..], &WITH_FEATURES, &["--", "-D", "warnings"]].concat()))
    });
    // Without features the crate has only `core` and `alloc`; this build proves it.
    steps.step("resilience alone", || {
        let alone =
            ["cargo", "clippy", "--locked", "-p", "mainstay-resilience", "--lib", "--", "-D", "warnings"];
        passed(run(&alone))
    });
}

/// Checks the rules of the source tree and prints each violation.
///
/// # Errors
/// At least one rule is broken.
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
        1 => Err("1 rule violation".into()),
        n => Err(format!("{n} rule violations")),
    }
}

/// Counts the discouraged phrases of each crate and of the pages.
///
/// # Errors
/// The tree could not be read.
pub fn count_phrases() -> Result<(), Failure> {
    let tree = tidy::Tree::read(&root())?;
    let findings = tidy::phrases::phrases(&tree);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in &findings {
        *counts.entry(tree.owner(&finding.location)).or_default() += 1;
    }
    for (owner, count) in counts {
        println!("{count:>6}  {owner}");
    }
    println!("{:>6}  in total", findings.len());
    Ok(())
}

/// Lists the discouraged phrases in files whose path starts with `path`.
///
/// # Errors
/// The tree could not be read.
pub fn list_phrases(path: &str) -> Result<(), Failure> {
    let findings = tidy::phrases::phrases(&tidy::Tree::read(&root())?);
    for finding in findings.iter().filter(|finding| finding.location.starts_with(path)) {
        println!("{finding}");
    }
    Ok(())
}

/// Checks licences, banned crates, duplicates and sources. Advisories need a database from elsewhere; deny.toml
/// discusses the known ones.
fn deny(tool: Option<&Path>) -> Result<StepResult, Failure> {
    let Some(tool) = tool else {
        return Ok(StepResult::NotRun("cargo-deny is not installed and could not be downloaded".into()));
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

/// Tests the shared policies under every interleaving of their threads. This needs a separate build, in which
/// locks and atomics are loom's.
///
/// # Errors
/// The build failed, or an interleaving breaks a promise.
pub fn loom() -> Result<(), Failure> {
    let test = ["cargo", "test", "--locked", "--profile", "loom", "-q", "-p", "mainstay-resilience"];
    let only = ["--features", "sync", "--test", "loom"];
    let target = root().join("target").join("loom").display().to_string();
    run(&[&["env", "RUSTFLAGS=--cfg loom"][..], &test, &only, &["--target-dir", &target]].concat())
}

/// Runs the SQL and Python of the page on idempotency against a PostgreSQL server that it starts.
fn postgresql_page() -> Result<StepResult, Failure> {
    if !tools::has_postgresql() {
        return Ok(StepResult::NotRun(
            "PostgreSQL or psycopg is not installed and could not be installed".into(),
        ));
    }
    passed(run(&[tools::DEBIAN_PYTHON, "experiments/pages/idempotency.py"]))
}

/// Checks the alerts, and tests each with series on which it fires and on which it does not.
fn alerts() -> Result<StepResult, Failure> {
    if !tools::has_promtool() {
        return Ok(StepResult::NotRun("promtool is not installed and could not be installed".into()));
    }
    run(&["promtool", "check", "rules", "deploy/prometheus/alerts.yml", &dashboard_as_rules()?])?;
    passed(run(&["promtool", "test", "rules", "deploy/prometheus/alerts_test.yml"]))
}

/// Writes the expressions of the dashboard as rules, which `promtool` can check. Returns the file.
fn dashboard_as_rules() -> Result<String, Failure> {
    let path = root().join("deploy/grafana/mainstay.json");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let dashboard: Value =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let items = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let targets = items(&dashboard, "panels").into_iter().flat_map(|panel| items(&panel, "targets"));
    let expressions = targets.filter_map(|target| target["expr"].as_str().map(str::to_owned));
    let rules: Vec<Value> = expressions
        .enumerate()
        .map(|(n, expression)| {
            let expression = expression.replace("$__rate_interval", "5m").replace("$instance", ".*");
            json!({"record": format!("panel:{n}"), "expr": expression})
        })
        .collect();
    if rules.is_empty() {
        return Err(format!("{} has no expressions", path.display()));
    }
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    let file = target_dir().join("dashboard-rules.json");
    std::fs::write(&file, rules.to_string()).map_err(|error| error.to_string())?;
    Ok(file.display().to_string())
}

/// Replays one simulated run.
///
/// # Errors
/// The seed is not a number, or a checker failed.
pub fn sim(seed: &str) -> Result<(), Failure> {
    let _: u64 = seed.parse().map_err(|_| format!("`{seed}` is not a seed: a seed is a number"))?;
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

/// Runs the commands of the pages and compares their output with the pages.
///
/// # Errors
/// A command failed, or its output differs from the page.
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

fn passed(result: Result<(), Failure>) -> Result<StepResult, Failure> {
    result.map(|()| StepResult::Passed)
}
