//! `mainstay config show` and `mainstay completions`: commands that need no node.

use super::failure::{Failure, Result};
use super::output::{Align, Output, Table, stdout};
use super::{Cli, Global};
use crate::config::{self, Flags};
use clap::{CommandFactory, Subcommand};
use std::io::Write;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print each value that `serve` would use and where it comes from
    Show(Flags),
}

pub(crate) fn config(global: &Global, command: &ConfigCommand) -> Result {
    let ConfigCommand::Show(flags) = command;
    let config = config::load(flags).map_err(Failure::usage)?;
    let mut out = stdout();
    if global.output == Output::Table {
        let columns = [("KEY", Align::Left), ("VALUE", Align::Left), ("FROM", Align::Left)];
        let mut table = Table::new(out, &columns);
        for setting in config.settings {
            table.row(vec![setting.key.to_owned(), setting.value, setting.origin.to_string()])?;
        }
        return Ok(table.flush()?);
    }
    let values = config.settings.iter().map(|setting| {
        serde_json::json!({
            "key": setting.key,
            "value": setting.value,
            "from": setting.origin.to_string(),
        })
    });
    if global.output == Output::Json {
        writeln!(out, "{}", serde_json::Value::Array(values.collect()))?;
    } else {
        values.into_iter().try_for_each(|value| writeln!(out, "{value}"))?;
    }
    Ok(out.flush()?)
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

pub(crate) fn completions(args: &CompletionsArgs) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mainstay", &mut script);
    let mut out = stdout();
    out.write_all(&script)?;
    Ok(out.flush()?)
}
