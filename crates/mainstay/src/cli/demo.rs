//! `mainstay demo`: failures and their cures, each shown by an experiment that starts all it needs itself.

use super::Global;
use super::failure::{Failure, Result};
use super::output::{Align, Output, Stdout, Table, stdout};
use clap::builder::PossibleValuesParser;
use experiments::{ALL, Experiment, Side, wrapped};
use serde_json::{Value, json};
use std::io::Write;

/// The name that stands for all of them.
const EVERY: &str = "all";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which one, or `all` [default: list them]
    #[arg(value_name = "NAME", value_parser = names(), hide_possible_values = true)]
    name: Option<String>,
    /// What the load is drawn from: the same seed offers the same requests at the same times
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
        Output::Table => chosen.iter().try_for_each(|experiment| show(&mut out, experiment, args.seed))?,
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
    let entry = |experiment: &Experiment| json!({ "experiment": experiment.name, "title": experiment.title, "cure": experiment.cure });
    match output {
        Output::Table => {
            let mut table = Table::new(&mut out, &[("NAME", Align::Left), ("WHAT IT SHOWS", Align::Left)]);
            for experiment in &ALL {
                table.row(vec![experiment.name.to_owned(), experiment.title.to_owned()])?;
            }
            table.flush()?;
            writeln!(out, "\n`mainstay demo NAME` runs one (under 20 s), `mainstay demo all` runs all.")?;
        }
        Output::Json => writeln!(out, "{}", Value::Array(ALL.iter().map(entry).collect()))?,
        Output::Jsonl => ALL.iter().try_for_each(|experiment| writeln!(out, "{}", entry(experiment)))?,
    }
    Ok(out.flush()?)
}

fn measure(experiment: &Experiment, seed: u64) -> Result<Value> {
    let without = experiment.run(Side::Without, seed).map_err(Failure::local)?;
    let with = experiment.run(Side::With, seed).map_err(Failure::local)?;
    Ok(experiment.json(seed, &without, &with))
}

/// Each half is shown as soon as it is there.
fn show(out: &mut Stdout, experiment: &Experiment, seed: u64) -> Result {
    let bold = anstyle::Style::new().bold();
    let seconds = experiment.lasts().as_secs_f64();
    writeln!(out, "{bold}{}: {}{bold:#}\n", experiment.name, experiment.title)?;
    writeln!(out, "{}\n", wrapped(experiment.see))?;
    let mut half = |side, heading, what| {
        writeln!(out, "{bold}{heading}{bold:#} ({seconds} s)\n{}\n", wrapped(what))?;
        out.flush()?;
        let half = experiment.run(side, seed).map_err(Failure::local)?;
        writeln!(out, "{}", experiment.show(&half))?;
        Ok::<_, Failure>(half)
    };
    let without = half(Side::Without, "WITHOUT", "calls as they are often made: nothing limits them")?;
    let with = half(Side::With, "WITH", experiment.cure)?;
    writeln!(out, "{bold}COMPARED{bold:#}\n{}\n", wrapped(&experiment.compare(&without, &with)))?;
    Ok(out.flush()?)
}
