//! `table DIRECTORY`: prints what criterion wrote there as markdown. One thread: the median round, and the
//! fastest and slowest in parentheses. Two threads: the fastest and the slowest round. All figures are
//! nanoseconds per operation.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

/// The row that the others are compared with.
const BARE: &str = "bare service";

/// The results of one benchmark.
struct Found {
    title: String,
    row: String,
    threads: String,
    /// Nanoseconds per operation, one value per round, sorted.
    rounds: Vec<f64>,
    at: SystemTime,
}

impl Found {
    fn median(&self) -> f64 {
        self.rounds.get(self.rounds.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn range(&self) -> String {
        let (least, greatest) = (self.rounds.first(), self.rounds.last());
        format!("{} .. {}", shown(least.copied()), shown(greatest.copied()))
    }
}

fn shown(nanoseconds: Option<f64>) -> String {
    match nanoseconds {
        Some(value) if value < 100.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
        None => "-".into(),
    }
}

fn main() -> ExitCode {
    let Some(directory) = std::env::args().nth(1) else {
        eprintln!("usage: table DIRECTORY (where criterion wrote its results)");
        return ExitCode::FAILURE;
    };
    let mut found = Vec::new();
    if let Err(error) = gather(Path::new(&directory), &mut found) {
        eprintln!("{directory}: {error}");
        return ExitCode::FAILURE;
    }
    // In the order in which they ran.
    found.sort_by_key(|one| one.at);
    let mut titles: Vec<&str> = Vec::new();
    for one in &found {
        if !titles.contains(&one.title.as_str()) {
            titles.push(&one.title);
        }
    }
    for title in titles {
        print(title, &found);
    }
    ExitCode::SUCCESS
}

fn gather(directory: &Path, found: &mut Vec<Found>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, found)?;
        } else if path.ends_with("new/benchmark.json") {
            found.extend(read(&path)?);
        }
    }
    Ok(())
}

fn read(path: &Path) -> std::io::Result<Option<Found>> {
    let sample: PathBuf = path.with_file_name("sample.json");
    let id: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    let measured: Value = serde_json::from_slice(&std::fs::read(&sample)?)?;
    let numbers = |name: &str| -> Vec<f64> {
        measured[name].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
    };
    let mut rounds: Vec<f64> =
        numbers("times").iter().zip(numbers("iters")).map(|(time, count)| time / count).collect();
    rounds.sort_by(f64::total_cmp);
    let (Some(title), Some(row), Some(threads)) =
        (id["group_id"].as_str(), id["function_id"].as_str(), id["value_str"].as_str())
    else {
        return Ok(None);
    };
    let at = std::fs::metadata(&sample)?.modified()?;
    Ok(Some(Found { title: title.into(), row: row.into(), threads: threads.into(), rounds, at }))
}

fn print(title: &str, found: &[Found]) {
    let ours: Vec<&Found> = found.iter().filter(|one| one.title == title).collect();
    let mut rows: Vec<&str> = Vec::new();
    let mut cells: BTreeMap<(&str, &str), &Found> = BTreeMap::new();
    for one in &ours {
        if !rows.contains(&one.row.as_str()) {
            rows.push(&one.row);
        }
        cells.insert((&one.row, &one.threads), one);
    }
    let bare = rows.iter().find(|row| row.starts_with(BARE)).copied();
    let bare = bare.and_then(|row| cells.get(&(row, "1 thread"))).map(|one| one.median());
    println!("\n### {title}\n");
    let over = bare.map(|_| " 1 thread, over the bare service |").unwrap_or_default();
    println!("| contestant | semantics | clock | 1 thread (min .. max) |{over} 2 threads, min .. max |");
    println!("|---|---|---|---|{}---|", if bare.is_some() { "---|" } else { "" });
    for row in rows {
        let alone = cells.get(&(row, "1 thread"));
        let together = cells.get(&(row, "2 threads"));
        let one = alone.map(|one| format!("{} ({})", shown(Some(one.median())), one.range()));
        let over = bare.map(|bare| match alone {
            Some(one) => format!(" {} |", shown(Some(one.median() - bare))),
            None => " - |".into(),
        });
        println!(
            "| {row} | {} |{} {} |",
            one.unwrap_or("-".into()),
            over.unwrap_or_default(),
            together.map_or("-".into(), |two| two.range())
        );
    }
}
