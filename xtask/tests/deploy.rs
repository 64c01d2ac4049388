//! What `deploy/` says is true of this version: its alerts and its dashboard use metrics that exist, each alert is
//! tested, and each has a page with what to do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

use std::collections::BTreeSet;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of metrics in a text: those of this program, and those that every process has.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let names = text.split(|c| !is_name(c));
    let names = names.filter(|name| name.starts_with("mainstay_") || name.starts_with("process_"));
    names.map(|name| name.trim_end_matches("_bucket").to_owned()).collect()
}

/// The values of lines such as `- alert: NAME`.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    text.lines()
        .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(key))
        .map(str::trim)
        .collect()
}

#[test]
fn alerts_and_dashboard_use_only_metrics_that_exist() {
    let known = metrics_in(&read("docs/metrics.md"));
    assert!(known.len() > 50, "{known:?}");
    for page in
        ["deploy/prometheus/alerts.yml", "deploy/prometheus/alerts_test.yml", "deploy/grafana/mainstay.json"]
    {
        let used = metrics_in(&read(page));
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "{page} uses {unknown:?}");
        assert!(used.len() >= 20, "{page} uses only {used:?}");
    }
}

#[test]
fn each_alert_has_a_page_and_is_tested_as_it_fires_and_as_it_does_not() {
    let alerts = read("deploy/prometheus/alerts.yml");
    let names = values(&alerts, "alert:");
    let pages = values(&alerts, "runbook:");
    assert!(names.len() >= 20 && names.len() == pages.len(), "{names:?}\n{pages:?}");
    let tests = read("deploy/prometheus/alerts_test.yml");
    let tested = values(&tests, "alertname:");
    let table = read("docs/runbooks/README.md");
    for (name, page) in names.iter().zip(pages) {
        assert_eq!(tested.iter().filter(|tested| *tested == name).count(), 2, "{name} in alerts_test.yml");
        let text = read(page);
        let first = text.split("\n\n").nth(1).unwrap_or_default();
        assert!(
            first.starts_with("Alert") && first.contains(&format!("`{name}`")),
            "{page} is not about {name}"
        );
        for heading in ["## What it means", "## First look", "## What to do"] {
            assert!(text.contains(heading), "{page} has no {heading}");
        }
        let file = page.rsplit('/').next().unwrap();
        let row = table
            .lines()
            .find(|line| line.contains(&format!("({file})")) && line.contains(&format!("`{name}`")));
        assert!(row.is_some(), "docs/runbooks/README.md has no row with {name} and {file}");
    }
}
