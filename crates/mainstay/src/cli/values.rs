//! `mainstay values`: read, write, delete and watch values.

use super::Global;
use super::append::Expect;
use super::failure::{Class, Failure, Result};
use super::output::{Align, Output, print_list, stdout};
use serde_json::json;
use std::io::{Read, Write};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Print the content of a value
    Get {
        /// The value
        value: String,
    },
    /// Replace the content of a value, or create it, and print its revision
    Put(PutArgs),
    /// List all values without their content
    List,
    /// Remove a value
    Delete(DeleteArgs),
    /// Show a value as it is, and again after each change, as lines of JSON
    Watch {
        /// The value
        value: String,
        /// Stop after this many lines
        #[arg(long, value_name = "COUNT")]
        limit: Option<u64>,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct PutArgs {
    /// The value
    value: String,
    /// The content, or `-` to read it from standard input
    content: String,
    /// The content type
    #[arg(long, value_name = "TYPE", default_value = "text/plain; charset=utf-8")]
    content_type: String,
    /// Write only at this revision: `any`, `none`, `exists` or a number
    #[arg(long, value_name = "REVISION", default_value = "any")]
    expect: Expect,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeleteArgs {
    /// The value
    value: String,
    /// Delete only at this revision: `any`, `none`, `exists` or a number
    #[arg(long, value_name = "REVISION", default_value = "any")]
    expect: Expect,
}

pub(crate) fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::Get { value } => get(global, &value),
        Command::Put(args) => put(global, args),
        Command::List => list(global),
        Command::Delete(DeleteArgs { value, expect }) => {
            global.run(async |client| Ok(client.delete_value(&value, expect.0).await?)).map(drop)
        }
        Command::Watch { value, limit } => watch(global, &value, limit),
    }
}

fn get(global: &Global, name: &str) -> Result {
    let value = global.run(async |client| Ok(client.value(name).await?))?;
    let Some(value) = value else {
        return Err(Failure::new(Class::Refused, format!("no value is named `{name}`")));
    };
    let mut out = stdout();
    if global.output == Output::Table {
        out.write_all(&value.content)?;
        if !value.content.ends_with(b"\n") {
            writeln!(out)?;
        }
    } else {
        let content = String::from_utf8_lossy(&value.content);
        let (revision, content_type) = (value.revision, &value.content_type);
        let json =
            json!({"value": name, "revision": revision, "content_type": content_type, "content": content});
        writeln!(out, "{json}")?;
    }
    Ok(out.flush()?)
}

fn list(global: &Global) -> Result {
    let values = global.run(async |client| Ok(client.values().await?))?;
    let columns = [
        ("VALUE", Align::Left),
        ("REVISION", Align::Right),
        ("BYTES", Align::Right),
        ("CONTENT TYPE", Align::Left),
    ];
    print_list(global.output, &values, &columns, |table, value| {
        let (revision, bytes) = (value.revision.to_string(), value.bytes.to_string());
        table.row(vec![value.value.clone(), revision, bytes, value.content_type.clone()])
    })
}

fn put(global: &Global, args: PutArgs) -> Result {
    let content = if args.content == "-" {
        let mut content = Vec::new();
        std::io::stdin().read_to_end(&mut content)?;
        content
    } else {
        args.content.into_bytes()
    };
    let revision = global.run(async |client| {
        let put = client.put_value(args.value.as_str(), content).content_type(args.content_type);
        Ok(put.expected(args.expect.0).await?)
    })?;
    let mut out = stdout();
    match global.output {
        Output::Table => writeln!(out, "{revision}")?,
        _ => writeln!(out, "{}", json!({"value": args.value, "revision": revision}))?,
    }
    Ok(out.flush()?)
}

fn watch(global: &Global, name: &str, limit: Option<u64>) -> Result {
    global.run(async |client| {
        let mut changes = client.watch_value(name);
        let mut shown = 0;
        while limit.is_none_or(|limit| shown < limit)
            && let Some(seen) = changes.next().await
        {
            let mut out = stdout();
            serde_json::to_writer(&mut out, &seen?).map_err(Failure::local)?;
            writeln!(out)?;
            out.flush()?;
            shown += 1;
        }
        Ok(())
    })
}
