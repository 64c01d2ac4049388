//! tour
use crate::cli::failure::Result;
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}
pub(crate) fn run(_args: &Args) -> Result {
    Ok(())
}
