//! `mainstay demo`: what happens when a service fails, without and with the pattern that helps. Each experiment
//! starts all the services that it needs, on loopback.

use super::Global;
use super::failure::{Failure, Result};
use super::output::{Align, Output, Stdout, Table, stdout};
use clap::builder::PossibleValuesParser;
use experiments::report::{how_to_read, wrapped};
use experiments::{ALL, Experiment, Side};
use serde_json::{Value, json};
use std::io::Write;

/// The name that selects every experiment.
const EVERY: &str = "all";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The experiment to run, or `all` [default: list them]
    #[arg(value_name = "NAME", value_parser = names(), hide_possible_values = true)]
    name: Option<String>,
    /// Seed of the random load: the same seed sends the same requests at the same times
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(ALL.iter().map(|experiment| experiment.name).chain([EVERY]))
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let mut out = stdout();
    let Some(name) = &args.name else { return list(out, global.output) };
    let chosen: Vec<Experiment> =
        ALL.into_iter().filter(|experiment| name == EVERY || experiment.name == name).collect();
    match global.output {
        Output::Table => {
            heading(&mut out, "HOW TO READ THIS", "")?;
            writeln!(out, "{}\n", how_to_read())?;
            chosen.iter().try_for_each(|experiment| show(&mut out, experiment, args.seed))?;
        }
        Output::Json if name == EVERY => {
            let all =
                chosen.iter().map(|experiment| measure(experiment, args.seed)).collect::<Result<Vec<_>>>()?;
            writeln!(out, "{}", Value::Array(all))?;
        }
        Output::Json | Output::Jsonl => {
            for experiment in &chosen {
                writeln!(out, "{}", measure(experiment, args.seed)?)?;
                out.flush()?;
            }
        }
    }
    Ok(out.flush()?)
}

fn list(mut out: Stdout, output: Output) -> Result {
    let item = |experiment: &Experiment| json!({ "experiment": experiment.name, "title": experiment.title, "cure": experiment.with });
    match output {
        Output::Table => {
            let mut table = Table::new(&mut out, &[("NAME", Align::Left), ("WHAT IT SHOWS", Align::Left)]);
            for experiment in &ALL {
                table.row(vec![experiment.name.to_owned(), experiment.title.to_owned()])?;
            }
            table.flush()?;
            writeln!(out, "\n`mainstay demo NAME` runs one (under 20 s), `mainstay demo all` runs all.")?;
        }
        Output::Json => writeln!(out, "{}", Value::Array(ALL.iter().map(item).collect()))?,
        Output::Jsonl => ALL.iter().try_for_each(|experiment| writeln!(out, "{}", item(experiment)))?,
    }
    Ok(out.flush()?)
}

fn measure(experiment: &Experiment, seed: u64) -> Result<Value> {
    let without = experiment.run(Side::Without, seed).map_err(Failure::local)?;
    let with = experiment.run(Side::With, seed).map_err(Failure::local)?;
    Ok(experiment.json(seed, &without, &with))
}

/// Runs one experiment and shows each half as soon as it has ended.
fn show(out: &mut Stdout, experiment: &Experiment, seed: u64) -> Result {
    heading(out, experiment.name, experiment.title)?;
    writeln!(out, "{}", experiment.introduction())?;
    let seconds = experiment.lasts().as_secs_f64();
    let mut half = |side, name: &str, calls: &str| {
        heading(out, &format!("{name} ({seconds} s)"), calls)?;
        out.flush()?;
        let half = experiment.run(side, seed).map_err(Failure::local)?;
        writeln!(out, "{}", experiment.show(&half))?;
        Ok::<_, Failure>(half)
    };
    let without = half(Side::Without, "WITHOUT", experiment.without)?;
    let with = half(Side::With, "WITH", experiment.with)?;
    heading(out, "COMPARED", "")?;
    writeln!(out, "{}\n", experiment.comparison(&without, &with))?;
    heading(out, "REMEMBER", "")?;
    writeln!(out, "{}\n", experiment.conclusion())?;
    Ok(out.flush()?)
}

/// A bold heading and what it is about, with an empty line after a whole section's heading.
fn heading(out: &mut Stdout, name: &str, about: &str) -> Result {
    let bold = anstyle::Style::new().bold();
    let text = if about.is_empty() { name.to_owned() } else { format!("{name}: {about}") };
    Ok(writeln!(out, "{bold}{}{bold:#}\n", wrapped(&text).trim_start())?)
}
