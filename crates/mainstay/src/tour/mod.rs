//! `mainstay tour`: starts a node in a temporary directory and shows the main features in chapters. It prints the
//! real requests and responses and checks each step; the exit status says whether every check passed.
//!
//! A new chapter is one more file in [`chapters`] and one more entry in its list.

mod chapters;
mod stage;

use crate::cli::failure::{Failure, Result};
use stage::Stage;
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Keep the node's data in this directory, which must be empty or not exist [default: a temporary directory]
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<std::path::PathBuf>,
}

/// One part of the tour.
pub(crate) struct Chapter {
    pub(crate) title: &'static str,
    /// What a reader should know first.
    pub(crate) about: &'static str,
    pub(crate) run: fn(&mut Stage) -> Result,
}

pub(crate) fn run(args: &Args) -> Result {
    let began = Instant::now();
    let mut stage = Stage::open(args.data.as_deref())?;
    for (number, chapter) in (1..).zip(chapters::ALL) {
        stage.heading(number, chapter)?;
        (chapter.run)(&mut stage)?;
    }
    stage.say(&format!(
        "\n{} steps, {} checks, {:.1} s. Try next:\n{NEXT}",
        stage.steps(),
        stage.checks(),
        began.elapsed().as_secs_f64()
    ))?;
    match stage.failed() {
        0 => Ok(()),
        failed => Err(Failure::local(format!("{failed} checks failed"))),
    }
}

const NEXT: &str = "  mainstay serve                        a node with its data in ./mainstay-data
  mainstay append cart-7 cart.item-added '{\"sku\":\"b-12\"}'
  mainstay follow                       (in another terminal) every event as it is recorded
  git log --reverse --format='{\"stream\":\"history\",\"id\":\"%H\",\"source\":\"git\",\"type\":\"commit\",\"time\":\"%aI\",\"data\":{\"subject\":\"%f\"}}' | mainstay import -
  mainstay read history --as-of-event-time 2026-11-25T00:00:00Z";
