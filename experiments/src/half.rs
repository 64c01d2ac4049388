//! What one half of an experiment measures: figures of groups of requests, single values, and charts.

use crate::harness::chart::Chart;
use crate::harness::record::{Figures, Record};
use serde_json::{Map, Value, json};

/// The results of one half.
#[derive(Debug)]
pub struct Half {
    pub(crate) groups: Vec<Group>,
    pub(crate) values: Vec<Measured>,
    pub(crate) charts: Vec<Chart>,
}

/// The figures of a group of requests. The key is its name in JSON, the label its name in the table.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) key: &'static str,
    pub(crate) label: &'static str,
    pub(crate) figures: Figures,
}

/// A single value that belongs to this experiment only.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) key: &'static str,
    pub(crate) label: &'static str,
    pub(crate) value: Value,
}

/// The key of the group of all requests, whose figures stand at the top level of the JSON.
const ALL: &str = "all";

impl Half {
    pub(crate) fn new(record: &Record) -> Self {
        let half = Self { groups: Vec::new(), values: Vec::new(), charts: Vec::new() };
        half.group(ALL, "all requests", record.all())
    }

    /// Adds the figures of a group of requests.
    pub(crate) fn group(mut self, key: &'static str, label: &'static str, figures: Figures) -> Self {
        self.groups.push(Group { key, label, figures });
        self
    }

    /// Adds a single value.
    pub(crate) fn value(mut self, key: &'static str, label: &'static str, value: impl Into<Value>) -> Self {
        self.values.push(Measured { key, label, value: value.into() });
        self
    }

    pub(crate) fn chart(mut self, title: &str, top: f64, columns: Vec<f64>) -> Self {
        self.charts.push(Chart { title: title.to_owned(), top, columns });
        self
    }

    /// All results as one JSON object: the figures of all requests, the single values, and one object per group.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut map = Map::new();
        for group in &self.groups {
            if group.key == ALL {
                map.extend(in_json(group.figures));
            } else {
                map.insert(group.key.to_owned(), Value::Object(in_json(group.figures)));
            }
        }
        map.extend(self.values.iter().map(|measured| (measured.key.to_owned(), measured.value.clone())));
        Value::Object(map)
    }

    /// For a comparison: how many requests of a group were served, as `71 of 76`.
    pub(crate) fn served(&self, key: &str) -> String {
        self.figures(key).map_or_else(unknown, |figures| format!("{} of {}", figures.ok, figures.requests))
    }

    /// For a comparison: the p99 of a group's served requests.
    pub(crate) fn p99(&self, key: &str) -> String {
        self.figures(key).map_or_else(unknown, |figures| millis(figures.p99_ms))
    }

    /// For a comparison: the median of a group's failed requests.
    pub(crate) fn failed_p50(&self, key: &str) -> String {
        self.figures(key).map_or_else(unknown, |figures| millis(figures.failed_p50_ms))
    }

    /// For a comparison: the p99 of a group's failed requests.
    pub(crate) fn failed_p99(&self, key: &str) -> String {
        self.figures(key).map_or_else(unknown, |figures| millis(figures.failed_p99_ms))
    }

    /// For a comparison: a single value.
    pub(crate) fn measured(&self, key: &str) -> String {
        self.values.iter().find(|measured| measured.key == key).map_or_else(unknown, Measured::text)
    }

    fn figures(&self, key: &str) -> Option<Figures> {
        self.groups.iter().find(|group| group.key == key).map(|group| group.figures)
    }
}

/// The text for a key that does not exist. A test looks for it in the comparisons.
fn unknown() -> String {
    "?".to_owned()
}

fn millis(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value} ms"))
}

impl Measured {
    /// The value without a decimal point if it is whole.
    pub(crate) fn text(&self) -> String {
        self.value.as_f64().map_or_else(|| self.value.to_string(), |number| number.to_string())
    }
}

fn in_json(figures: Figures) -> Map<String, Value> {
    let Figures { requests, ok, failed, p50_ms, p99_ms, failed_p50_ms, failed_p99_ms } = figures;
    let figures = json!({
        "requests": requests, "ok": ok, "failed": failed,
        "p50_ms": p50_ms, "p99_ms": p99_ms,
        "failed_p50_ms": failed_p50_ms, "failed_p99_ms": failed_p99_ms,
    });
    figures.as_object().cloned().unwrap_or_default()
}
