//! `mainstay token`: create, list and revoke tokens.

use super::Global;
use super::failure::Result;
use super::output::{Align, print_list};
use crate::config::Size;
use clap::{Subcommand, ValueEnum};
use mainstay_client::{Allowance, CreatedToken, NewToken, Role, TokenInfo};
use std::io::Write;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a token and print it, once
    ///
    /// The store keeps only its hash. Everyone who has the token can use it until it expires or is revoked.
    New(NewArgs),
    /// List tokens, without their secrets
    List,
    /// Revoke a token: no request with it is accepted any more, and what it has open ends
    Revoke(RevokeArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct NewArgs {
    /// What the token may do; each role may do what those before it may
    #[arg(long, value_enum, value_name = "ROLE")]
    role: RoleArg,
    /// The token may use only names that begin with this; can be repeated
    #[arg(long = "prefix", value_name = "PREFIX")]
    prefixes: Vec<String>,
    /// How long the token is valid, such as 90d [default: until it is revoked]
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
    #[command(flatten)]
    limits: Limits,
    /// A note about who uses it
    #[arg(long, default_value = "", value_name = "NOTE")]
    name: String,
}

/// What the token may use. The node's own limits count as well.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Limits {
    /// Requests a second, and as many at once after a quiet second [default: no limit]
    #[arg(long, value_name = "COUNT")]
    requests_per_second: Option<u64>,
    /// Size of all bodies a second, such as `1 MiB` [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    bytes_per_second: Option<u64>,
    /// Subscriptions and watches at the same time [default: no limit]
    #[arg(long, value_name = "COUNT")]
    subscribers: Option<u64>,
    /// Size of one request's body, such as `64 KiB` [default: that of the node]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    body_size: Option<u64>,
}

fn size(text: &str) -> std::result::Result<u64, String> {
    match text.parse() {
        Ok(Size(bytes)) => Ok(bytes),
        Err(()) => Err("expected a size, such as 64 KiB or 1 MiB".to_owned()),
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleArg {
    /// Read events, tasks and everything else
    Read,
    /// Append events, and enqueue and work on tasks
    Write,
    /// Change settings, delete streams, and create tokens
    Admin,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RevokeArgs {
    /// The id of the token, which is also the second part of the token itself
    id: String,
}

pub(crate) fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::New(args) => create(global, args),
        Command::List => {
            let tokens = global.run(async |client| Ok(client.tokens().await?))?;
            list(global, &tokens)
        }
        Command::Revoke(args) => global.run(async |client| Ok(client.revoke_token(&args.id).await?)),
    }
}

fn create(global: &Global, args: NewArgs) -> Result {
    let role = match args.role {
        RoleArg::Read => Role::Read,
        RoleArg::Write => Role::Write,
        RoleArg::Admin => Role::Admin,
    };
    let new = NewToken {
        prefixes: args.prefixes,
        name: args.name,
        expires_after: args.expires,
        allowance: Allowance {
            requests_per_second: args.limits.requests_per_second,
            bytes_per_second: args.limits.bytes_per_second,
            subscribers_max: args.limits.subscribers,
            body_bytes_max: args.limits.body_size,
        },
        ..NewToken::new(role)
    };
    let created: CreatedToken = global.run(async |client| Ok(client.create_token(&new).await?))?;
    // Only the token, so that a script can put it into a file or a variable. The rest is for people.
    writeln!(std::io::stdout(), "{}", created.token)?;
    let until = created.info.expires.as_deref().unwrap_or("it is revoked");
    anstream::eprintln!("  token {} is valid until {until}; it is not shown again", created.info.id);
    Ok(())
}

fn list(global: &Global, tokens: &[TokenInfo]) -> Result {
    let columns = [
        ("ID", Align::Left),
        ("ROLE", Align::Left),
        ("PREFIXES", Align::Left),
        ("NAME", Align::Left),
        ("EXPIRES", Align::Left),
        ("LAST USED", Align::Left),
        ("LIMITS", Align::Left),
    ];
    let or_dash =
        |text: &str| if text.is_empty() { "-".to_owned() } else { text.replace(char::is_control, " ") };
    print_list(global.output, tokens, &columns, |table, token| {
        table.row(vec![
            token.id.clone(),
            token.role.to_string(),
            or_dash(&token.prefixes.join(", ")),
            or_dash(&token.name),
            or_dash(token.expires.as_deref().unwrap_or_default()),
            or_dash(token.last_used.as_deref().unwrap_or_default()),
            or_dash(&limits(&token.allowance)),
        ])
    })
}

/// What a token may use, in few words.
fn limits(allowance: &Allowance) -> String {
    let parts = [
        allowance.requests_per_second.map(|requests| format!("{requests} requests/s")),
        allowance.bytes_per_second.map(|bytes| format!("{} KiB/s", bytes >> 10)),
        allowance.subscribers_max.map(|subscribers| format!("{subscribers} subscribers")),
        allowance.body_bytes_max.map(|bytes| format!("bodies of {} KiB", bytes >> 10)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
