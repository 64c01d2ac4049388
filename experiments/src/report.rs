//! How experiments are shown to people. All six are printed alike:
//!
//! 1. who calls whom, what fails, and what will happen;
//! 2. each half: charts over time, a table of the requests, and single values;
//! 3. the comparison, and what to remember.

use crate::experiment::Experiment;
use crate::half::{Group, Half};
use std::fmt::Write as _;

/// How to read the output of any experiment. It is shown once, before the first one.
#[must_use]
pub fn how_to_read() -> String {
    let text = [
        "Each experiment sends the same requests twice: first WITHOUT the pattern, then WITH it.",
        "The tables count the requests that were served: they got a good response before their user gave up. All others \
         failed.",
        "p50 and p99 say how long served requests took, in milliseconds: half of them took at most the p50, and 99 \
         of 100 at most the p99. A dash means that there was no such request.",
        "\"fail p99\" says how long the failed requests kept their users waiting: 99 of 100 failed within that time. \
         A small number means that they were rejected at once, a large one that their users waited in vain.",
    ];
    text.map(wrapped).join("\n")
}

impl Experiment {
    /// Who calls whom, what fails, and what will happen.
    #[must_use]
    pub fn introduction(&self) -> String {
        let topology: Vec<String> = self
            .topology
            .trim_matches('\n')
            .lines()
            .map(|line| format!("  {line}").trim_end().to_owned())
            .collect();
        format!("{}\n\n{}\n", topology.join("\n"), wrapped(self.expect))
    }

    /// One half: charts over time, then the table and the single values.
    #[must_use]
    pub fn show(&self, half: &Half) -> String {
        let mut out = String::new();
        for chart in &half.charts {
            let _ = writeln!(out, "{}", chart.draw(self.lasts, self.marks));
        }
        let _ = writeln!(out, "{:40}        served  p50 ms  p99 ms  fail p99", "");
        for group in &half.groups {
            let _ = writeln!(out, "{}", row(group));
        }
        if !half.values.is_empty() {
            out.push('\n');
        }
        for measured in &half.values {
            let _ = writeln!(out, "  {:58}  {:>16}", measured.label, measured.text());
        }
        out
    }

    /// What the two halves show, measured.
    #[must_use]
    pub fn comparison(&self, without: &Half, with: &Half) -> String {
        wrapped(&(self.compare)(without, with))
    }

    /// What to remember, and where to read more.
    #[must_use]
    pub fn conclusion(&self) -> String {
        format!("{}\n\n  Read more: {}", wrapped(self.lesson), self.page)
    }
}

fn row(group: &Group) -> String {
    let figures = group.figures;
    let millis = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    format!(
        "  {:38}  {:>12}  {:>6}  {:>6}  {:>8}",
        group.label,
        format!("{} of {}", figures.ok, figures.requests),
        millis(figures.p50_ms),
        millis(figures.p99_ms),
        millis(figures.failed_p99_ms),
    )
}

/// Breaks a text into lines of at most 78 characters, indented by two.
#[must_use]
pub fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let is_full = lines.last().is_some_and(|line| !line.is_empty() && line.len() + word.len() > 76);
        if is_full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ALL;
    use crate::harness::record::{Record, Sample};
    use std::time::Duration;

    #[test]
    fn every_experiment_begins_with_its_topology_and_what_will_happen() {
        for experiment in &ALL {
            let introduction = experiment.introduction();
            assert!(introduction.contains("--> ["), "{}: no picture", experiment.name);
            let first = experiment.expect.split_whitespace().next().unwrap_or("?");
            assert!(introduction.contains(first), "{}: {introduction}", experiment.name);
            assert!(!experiment.lesson.is_empty() && experiment.page.starts_with("docs/patterns/"));
        }
    }

    #[test]
    fn no_text_is_wider_than_80_columns() {
        for experiment in &ALL {
            let texts = [experiment.introduction(), experiment.conclusion(), how_to_read()];
            for line in texts.iter().flat_map(|text| text.lines()) {
                assert!(line.chars().count() <= 80, "{}: {line}", experiment.name);
            }
        }
    }

    #[test]
    fn a_half_that_served_nothing_shows_dashes_and_no_latency() {
        let failed =
            |ms| Sample { at: Duration::ZERO, took: Duration::from_millis(ms), class: 0, is_ok: false };
        let half = Half::new(&Record { samples: vec![failed(1), failed(2)] }).value(
            "hits",
            "requests that arrived",
            2,
        );
        let shown = ALL[0].show(&half);
        let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["all", "requests", "0", "of", "2", "-", "-", "2.0"], "{shown}");
        assert_eq!(rows[3], ["requests", "that", "arrived", "2"], "{shown}");
    }
}
