//! `mainstay serve`: a node in this process.

use crate::cli::failure::{Failure, Result};
use crate::config::{self, Flags};

pub(crate) fn run(flags: &Flags) -> Result {
    let _config = config::load(flags).map_err(Failure::usage)?;
    Err(Failure::local("the server is not built into this binary yet"))
}
