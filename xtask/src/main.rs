//! `cargo xtask COMMAND`: the tasks of this repository, under the same names on every machine.

use std::process::ExitCode;
use xtask::package::Linking;

const HELP: &str = "cargo xtask COMMAND

  test            install missing tools, then run every check and every test, as CI does
  check           run rustfmt, tidy, cargo-deny and clippy, but no tests
  tidy            check the rules of the source tree
  phrases [PATH]  count discouraged phrases in each crate, or list those under PATH
  setup           install missing tools
  loom            test shared policies under every interleaving of their threads
  sim SEED        replay one simulated run and print its steps
  readme          run the README's commands and compare their output with the page
  package [host]  build a static binary and what people install; with `host`, from the binary that the tests use
  fuzz [TARGET|all [SECONDS]]
                  fuzz a target, or each of them, for 60 seconds or another time
  fuzz keep       replace fuzz/corpus by what reaches most in it and in what was found
  advisories DB   compare the lock files with a copy of the RustSec database, a git repository
  bench [ARGS]    build the release binary and run `mainstay bench append ARGS`
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["test"] => xtask::suite::test(),
        ["check"] => xtask::suite::check(),
        ["tidy"] => xtask::suite::tidy(),
        ["phrases"] => xtask::suite::count_phrases(),
        ["phrases", path] => xtask::suite::list_phrases(path),
        ["setup"] => xtask::tools::setup().map(drop),
        ["loom"] => xtask::suite::loom(),
        ["sim", seed] => xtask::suite::sim(seed),
        ["readme"] => xtask::suite::readme(),
        ["package"] => xtask::package::package(Linking::Static).map(drop),
        ["package", "host"] => xtask::package::package(Linking::Host).map(drop),
        ["fuzz"] => xtask::fuzz::fuzz("all", "60"),
        ["fuzz", "keep"] => xtask::fuzz::keep(),
        ["fuzz", target] => xtask::fuzz::fuzz(target, "60"),
        ["fuzz", target, seconds] => xtask::fuzz::fuzz(target, seconds),
        ["advisories", database] => xtask::advisories::advisories(database),
        ["bench", rest @ ..] => xtask::suite::bench(rest),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => Err(HELP.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
