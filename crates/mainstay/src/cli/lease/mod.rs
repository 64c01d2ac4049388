//! `mainstay lease`: acquire, renew, release and show a lease, or run a command while it is held.

mod held;
mod run;

use super::Global;
use super::failure::{Failure, Result};
use super::output::{Align, Output, Table, print_json, print_list, stdout};
use mainstay_client::LeaseToken;
use std::io::Write;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Acquire a lease, and print its token
    Acquire(AcquireArgs),
    /// Restart the time of a lease
    Renew(TokenArgs),
    /// Give a lease back
    Release(TokenArgs),
    /// Show who holds a lease, and who waits for it
    Get {
        /// The lease
        lease: String,
    },
    /// List the leases that someone holds or waits for
    List,
    /// Run a command only while a lease is held
    ///
    /// Waits for the lease, runs the command, renews the lease at a third of its time, and releases it when the
    /// command has ended. If the lease cannot be renewed, the command gets SIGTERM, and then SIGKILL before the lease
    /// can expire. The exit status is that of the command; it is 4 if the command was ended because of the lease.
    ///
    /// The command finds the lease's name in MAINSTAY_LEASE and the fencing token in MAINSTAY_LEASE_TOKEN. Its writes
    /// should check the token in their transactions: that is the only protection against a machine that was suspended.
    Run(run::Args),
    /// Become the command of `lease run`
    #[command(hide = true)]
    Held(held::Args),
}

/// How to ask for a lease.
#[derive(Clone, Debug, clap::Args)]
struct Ask {
    /// Who asks [default: a new name for each process]
    #[arg(long, value_name = "NAME")]
    holder: Option<String>,
    /// How long the lease is held if it is not renewed, from 1s to 1h
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    ttl: Duration,
    /// How many may hold the lease at the same time; the same for everyone who asks
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    permits: u32,
    /// Give the lease to no one for this long after it has expired
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    hold_off: Duration,
}

impl Ask {
    fn holder(&self) -> String {
        self.holder.clone().unwrap_or_else(unique_holder)
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct AcquireArgs {
    /// The lease
    lease: String,
    #[command(flatten)]
    ask: Ask,
    /// Wait for a turn for up to this long (at most 10m)
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    wait: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TokenArgs {
    /// The lease
    lease: String,
    /// The token that was printed when the lease was acquired
    #[arg(env = "MAINSTAY_LEASE_TOKEN")]
    token: String,
}

pub(crate) fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::Acquire(args) => acquire(global, &args),
        Command::Renew(args) => renew(global, args),
        Command::Release(args) => Ok(global.client()?.release_lease(&args.lease, &LeaseToken(args.token))?),
        Command::Get { lease } => get(global, &lease),
        Command::List => list(global),
        Command::Run(args) => run::run(global, args),
        Command::Held(args) => Err(held::run(&args)),
    }
}

fn acquire(global: &Global, args: &AcquireArgs) -> Result {
    let ask = &args.ask;
    let acquire = global.client()?.acquire_lease(args.lease.as_str(), ask.holder(), ask.ttl);
    let grant = acquire.wait(args.wait).permits(ask.permits).hold_off(ask.hold_off).send()?;
    let mut out = stdout();
    if global.output == Output::Table {
        writeln!(out, "{}", grant.token)?;
    } else {
        serde_json::to_writer(&mut out, &grant).map_err(Failure::local)?;
        writeln!(out)?;
    }
    Ok(out.flush()?)
}

fn renew(global: &Global, args: TokenArgs) -> Result {
    let held_until = global.client()?.renew_lease(&args.lease, &LeaseToken(args.token))?;
    let left = held_until.saturating_duration_since(Instant::now());
    let mut out = stdout();
    if global.output == Output::Table {
        writeln!(out, "held for {} s", left.as_secs())?;
    } else {
        writeln!(out, r#"{{"remaining_ms":{}}}"#, left.as_millis())?;
    }
    Ok(out.flush()?)
}

fn list(global: &Global) -> Result {
    let leases = global.run(async |client| Ok(client.leases().await?))?;
    let columns = [
        ("LEASE", Align::Left),
        ("HOLDER", Align::Left),
        ("TOKEN", Align::Left),
        ("REMAINING", Align::Right),
        ("WAITING", Align::Right),
    ];
    print_list(global.output, &leases, &columns, |table, lease| {
        let row = |holder: &str, token: &str, remaining: String| {
            vec![
                lease.lease.clone(),
                holder.to_owned(),
                token.to_owned(),
                remaining,
                lease.waiting.to_string(),
            ]
        };
        for held in &lease.holders {
            table.row(row(&held.holder, &held.token.0, format!("{} ms", held.remaining_ms)))?;
        }
        if lease.holders.is_empty() {
            table.row(row("-", "-", "-".to_owned()))?;
        }
        Ok(())
    })
}

fn get(global: &Global, lease: &str) -> Result {
    let state = global.client()?.lease(lease)?;
    if global.output != Output::Table {
        return print_json(&state);
    }
    let columns = [("HOLDER", Align::Left), ("TOKEN", Align::Left), ("REMAINING", Align::Right)];
    let mut table = Table::new(stdout(), &columns);
    for held in state.holders {
        let remaining = format!("{:.1} s", held.remaining_ms as f64 / 1_000.0);
        table.row(vec![held.holder, held.token.to_string(), remaining])?;
    }
    for holder in state.queue {
        table.row(vec![holder, "waits".into(), "-".into()])?;
    }
    Ok(table.flush()?)
}

/// A name that no other process has: the host's name tells people where it is, and the rest makes it unique.
fn unique_holder() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.trim().chars().filter(|c| !c.is_control()).take(64).collect();
    let mut bytes = [0; 8];
    // If there is no randomness, the time and the process's id still tell processes apart.
    let random = match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(8) => u64::from_ne_bytes(bytes),
        _ => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos() as u64),
    };
    format!("{host}-{}-{random:016x}", std::process::id())
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let ms = api::time::parse_duration_ms(text);
    ms.map(Duration::from_millis)
        .ok_or_else(|| "a whole number and a unit, such as 500ms, 30s or 5m".to_owned())
}
