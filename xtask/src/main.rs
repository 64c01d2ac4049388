//! `cargo xtask COMMAND`: everything that is done with this tree, by one name on every machine.

use std::process::ExitCode;

const HELP: &str = "cargo xtask COMMAND

  test          installs what is missing, then every check and every test (what CI runs)
  check         format, house rules, licences and bans, clippy; no tests
  tidy          the house rules alone
  setup         installs what is missing
  loom          shared cells under every order of their threads' steps
  sim SEED      replays one simulated run and prints its steps
  readme        runs the README's commands and compares their output with the page
  bench [ARGS]  builds the release binary and runs `mainstay bench append ARGS`
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["test"] => xtask::suite::test(),
        ["check"] => xtask::suite::check(),
        ["tidy"] => xtask::suite::tidy(),
        ["setup"] => xtask::tools::setup().map(drop),
        ["loom"] => xtask::suite::loom(),
        ["sim", seed] => xtask::suite::sim(seed),
        ["readme"] => xtask::suite::readme(),
        ["bench", rest @ ..] => xtask::suite::bench(rest),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => Err(HELP.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
