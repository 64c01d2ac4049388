//! `sim [--seeds N] [--from SEED] [--mutant NAME] [--hash] [--echo]` runs seeds and prints what failed. With
//! `--hash` it prints one line for each seed, to compare between processes.
//!
//! Exits with 0 if no seed failed and the requested number of seeds counted.

use sim::run::RunOptions;
use sim::trace::Echo;
use sim::{Failure, Mutant, Report, run};
use std::process::ExitCode;

struct Arguments {
    from: u64,
    seeds: u64,
    mutant: Mutant,
    echo: Echo,
    hash: bool,
}

fn main() -> ExitCode {
    match arguments() {
        Ok(arguments) => simulate(&arguments),
        Err(error) => {
            eprintln!("sim: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs seeds until enough of them have counted.
fn simulate(arguments: &Arguments) -> ExitCode {
    let (mut counted, mut seed) = (0, arguments.from);
    let mut all = Report::default();
    while counted < arguments.seeds {
        match run(RunOptions { seed, mutant: arguments.mutant, echo: arguments.echo }) {
            Ok(report) => {
                counted += u64::from(report.counts);
                all.crashes += report.crashes;
                all.acknowledgements += report.acknowledgements;
                all.refusals += report.refusals;
                all.followed += report.followed;
                all.damage_reported += report.damage_reported;
                all.restores += report.restores;
                all.replayed += report.replayed;
                print_hash(arguments, &report);
            }
            Err(failure) => return failed(&failure),
        }
        seed += 1;
        if seed - arguments.from > 20 * arguments.seeds + 100 {
            eprintln!("sim: of {} seeds only {counted} crashed late enough to count", seed - arguments.from);
            return ExitCode::FAILURE;
        }
    }
    if !arguments.hash {
        println!(
            "{counted} seeds held ({} run): {} crashes, {} acknowledgements, {} refusals, {} events followed, \
             {} damages reported, {} backups restored, {} archived entries applied",
            seed - arguments.from,
            all.crashes,
            all.acknowledgements,
            all.refusals,
            all.followed,
            all.damage_reported,
            all.restores,
            all.replayed
        );
    }
    ExitCode::SUCCESS
}

fn print_hash(arguments: &Arguments, report: &Report) {
    if arguments.hash {
        println!("{} {:016x} {}", report.seed, report.hash, report.steps);
    }
}

fn failed(failure: &Failure) -> ExitCode {
    eprintln!("{failure}");
    eprintln!("to repeat it: cargo run --release -p sim -- --from {} --seeds 1 --echo", failure.seed);
    ExitCode::FAILURE
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed = Arguments { from: 1, seeds: 100, mutant: Mutant::None, echo: Echo::Off, hash: false };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut value = || given.next().ok_or(format!("{argument} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is not a number"));
        match argument.as_str() {
            "--from" => parsed.from = number(value()?)?,
            "--seeds" => parsed.seeds = number(value()?)?,
            "--mutant" => parsed.mutant = value()?.parse()?,
            "--hash" => parsed.hash = true,
            "--echo" => parsed.echo = Echo::On,
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(parsed)
}
