//! What an experiment is: two halves under the same load, one without a policy and one with it, and a sentence that
//! compares them.

use crate::harness::Trouble;
use crate::harness::picture::{Mark, Picture};
use crate::harness::record::{Figures, Record};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// Which half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Without,
    With,
}

pub(crate) type Running = Pin<Box<dyn Future<Output = Result<Half, Trouble>>>>;

/// One of the experiments.
#[derive(Debug)]
pub struct Experiment {
    /// As it is called on the command line.
    pub name: &'static str,
    /// What it shows, in a line.
    pub title: &'static str,
    /// What to see, in two sentences.
    pub see: &'static str,
    /// What the second half has that the first has not.
    pub cure: &'static str,
    /// How long each half lasts.
    pub(crate) lasts: Duration,
    pub(crate) marks: &'static [Mark],
    pub(crate) half: fn(Side, u64) -> Running,
    pub(crate) compare: fn(&Half, &Half) -> String,
}

/// What came of a half.
#[derive(Debug)]
pub struct Half {
    pub(crate) figures: Figures,
    /// What is this experiment's own, by name.
    pub(crate) own: Map<String, Value>,
    pub(crate) pictures: Vec<Picture>,
}

impl Half {
    pub(crate) fn new(record: &Record) -> Self {
        Self { figures: record.all(), own: Map::new(), pictures: Vec::new() }
    }

    /// Adds a figure of its own.
    pub(crate) fn figure(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.own.insert(name.to_owned(), value.into());
        self
    }

    /// Adds the figures of some of the requests, under a name.
    pub(crate) fn figures_of(self, name: &str, figures: Figures) -> Self {
        self.figure(name, in_json(figures))
    }

    pub(crate) fn picture(mut self, title: &str, top: f64, columns: Vec<f64>) -> Self {
        self.pictures.push(Picture { title: title.to_owned(), top, columns });
        self
    }

    /// A number of its own, for a comparison; 0 if there is none of that name.
    pub(crate) fn number(&self, pointer: &str) -> f64 {
        Value::Object(self.own.clone()).pointer(pointer).and_then(Value::as_f64).unwrap_or(0.0)
    }

    /// All its figures.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut value = in_json(self.figures);
        if let Value::Object(map) = &mut value {
            map.extend(self.own.clone());
        }
        value
    }
}

fn in_json(figures: Figures) -> Value {
    let Figures { requests, ok, failed, p50_ms, p99_ms } = figures;
    json!({ "requests": requests, "ok": ok, "failed": failed, "p50_ms": p50_ms, "p99_ms": p99_ms })
}

impl Experiment {
    /// How long each half lasts.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        self.lasts
    }

    /// Runs a half to its end. Everything it starts ends with it.
    ///
    /// # Errors
    /// It could not be made.
    pub fn run(&self, side: Side, seed: u64) -> Result<Half, Trouble> {
        // One thread: the load is small, and nobody else's processor is needed.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on((self.half)(side, seed))
    }

    /// Both halves for programs.
    #[must_use]
    pub fn json(&self, seed: u64, without: &Half, with: &Half) -> Value {
        json!({ "experiment": self.name, "seed": seed, "without": without.json(), "with": with.json() })
    }

    /// A half for people: pictures over time, then the figures.
    #[must_use]
    pub fn show(&self, half: &Half) -> String {
        let mut out = String::new();
        for picture in &half.pictures {
            let _ = writeln!(out, "{}", picture.draw(self.lasts, self.marks));
        }
        let Value::Object(figures) = half.json() else { return out };
        let (of_some, of_all): (Vec<_>, Vec<_>) = figures.iter().partition(|(_, value)| value.is_object());
        let line = |figures: &mut dyn Iterator<Item = (&String, &Value)>| {
            let figures: Vec<String> =
                figures.map(|(name, value)| format!("{} {value}", words(name))).collect();
            wrapped(&figures.join(", "))
        };
        let _ = writeln!(out, "{}", line(&mut of_all.into_iter()));
        for (name, value) in of_some {
            let figures = value.as_object().into_iter().flatten();
            let _ = writeln!(out, "  {}:\n{}", words(name), line(&mut figures.into_iter()));
        }
        out
    }

    /// What the two halves come to.
    #[must_use]
    pub fn compare(&self, without: &Half, with: &Half) -> String {
        (self.compare)(without, with)
    }
}

fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// Lines of at most 78 characters, set in by two.
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
