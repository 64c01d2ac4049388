//! `mainstay lease run`: a command that runs only while a lease is held.
//!
//! ```text
//!   sent                       renew            end it           kill it       may expire
//!    │─────────── 1/3 ───────────│───── 1/3 ───────│───── 7/30 ─────│─── 1/10 ───│
//!                                └─ again and again, until it succeeds or the time is up
//! ```
//!
//! The time counts from before the request was sent, by this machine's monotonic clock, so the lease cannot expire
//! earlier. The clock goes on while this process is stopped: when it is continued, the first thing that it looks at
//! is the time.

use super::{Ask, duration};
use crate::cli::Global;
use crate::cli::failure::{Class, Failure, Result};
use mainstay_client::{Client, Error, LeaseGrant, LeaseToken, Retry};
use rustix::process::{Pid, Signal, kill_process_group};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::sleep_until;

/// How long one request waits for a turn. Then another one is sent.
const WAIT: Duration = Duration::from_secs(600);
/// The pause after a request that failed while waiting for the lease.
const PAUSE: Duration = Duration::from_secs(1);
/// The exit status of a command that a signal ended is this and the signal's number, as in shells.
const SIGNALLED: i32 = 128;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The lease
    lease: String,
    #[command(flatten)]
    ask: Ask,
    /// Wait for a turn for up to this long [default: without end]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    wait: Option<Duration>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) fn run(global: &Global, args: Args) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = client(global, &args)?;
        let grant = acquire(&client, &args).await?;
        let held_until = grant.held_until.unwrap_or_else(Instant::now);
        let mut held = Held::new(client, &args, grant.token, held_until);
        held.run(&args.command).await
    })
}

/// A client whose requests fail soon enough to be tried again before the time is up.
fn client(global: &Global, args: &Args) -> Result<Client> {
    let timeout = args.ask.ttl / 6;
    let client = global.builder()?.retry(Retry::never());
    Ok(client.connect_timeout(timeout).timeout(timeout).build()?)
}

/// Waits for the lease. A node that cannot be reached is waited for too.
async fn acquire(client: &Client, args: &Args) -> Result<LeaseGrant> {
    let holder = args.ask.holder();
    let give_up_at = args.wait.map(|wait| Instant::now() + wait);
    loop {
        let left = give_up_at.map_or(WAIT, |at| at.saturating_duration_since(Instant::now()));
        let ask = client.acquire_lease(args.lease.as_str(), holder.as_str(), args.ask.ttl);
        let ask = ask.permits(args.ask.permits).hold_off(args.ask.hold_off).wait(left.min(WAIT));
        let error = match ask.send().await {
            Ok(grant) => return Ok(grant),
            Err(error) => error,
        };
        let again = error.is_lease_held() || error.is_retryable();
        if !again || give_up_at.is_some_and(|at| at <= Instant::now()) {
            return Err(error.into());
        }
        if !error.is_lease_held() {
            eprintln!("mainstay: waiting for the lease: {error}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A lease that is held, and when to do what about it.
struct Held {
    client: Client,
    lease: String,
    token: LeaseToken,
    ttl: Duration,
    held_until: Instant,
    renew_at: Instant,
}

/// Why a command was ended.
enum Ended {
    /// It has ended on its own, or after a signal that was passed on to it.
    Itself(ExitStatus),
    /// The lease is lost, or soon would be.
    ForTheLease,
}

impl Held {
    fn new(client: Client, args: &Args, token: LeaseToken, held_until: Instant) -> Self {
        let mut held = Self {
            client,
            lease: args.lease.clone(),
            token,
            ttl: args.ask.ttl,
            held_until,
            renew_at: held_until,
        };
        held.renewed(held_until);
        held
    }

    fn renewed(&mut self, held_until: Instant) {
        self.held_until = held_until;
        self.renew_at = before(held_until, self.ttl * 2 / 3);
    }

    fn end_at(&self) -> Instant {
        before(self.held_until, self.ttl / 3)
    }

    fn kill_at(&self) -> Instant {
        before(self.held_until, self.ttl / 10)
    }

    async fn run(&mut self, command: &[String]) -> Result {
        if self.end_at() <= Instant::now() {
            return Err(lost("the lease was granted too late to begin"));
        }
        let child = self.start(command)?;
        let group = Group::of(&child)?;
        let (tell, mut ended) = oneshot::channel();
        std::thread::spawn(move || {
            let mut child = child;
            let _ = tell.send(child.wait());
        });
        match self.watch(&group, &mut ended).await? {
            Ended::ForTheLease => Err(lost("the lease could not be renewed: the command was ended")),
            Ended::Itself(status) => {
                // What it has left running must not go on without the lease.
                group.send(Signal::KILL);
                if let Err(error) = self.client.release_lease(&self.lease, &self.token).await {
                    eprintln!("mainstay: the lease was not released, and will expire: {error}");
                }
                let code = status.code().unwrap_or_else(|| SIGNALLED + status.signal().unwrap_or(0));
                if code == 0 {
                    Ok(())
                } else {
                    Err(Failure::of_command(u8::try_from(code).unwrap_or(u8::MAX)))
                }
            }
        }
    }

    /// Starts the command in a process group of its own, so that what it starts is ended with it.
    fn start(&self, command: &[String]) -> Result<Child> {
        let this = std::env::current_exe()?;
        let mut starting = Command::new(this);
        starting.args(["lease", "held", &std::process::id().to_string(), "--"]).args(command);
        starting.env("MAINSTAY_LEASE", &self.lease).env("MAINSTAY_LEASE_TOKEN", &self.token.0);
        Ok(starting.process_group(0).spawn()?)
    }

    /// Renews the lease and passes signals on, until the command has ended.
    async fn watch(
        &mut self,
        group: &Group,
        ended: &mut oneshot::Receiver<std::io::Result<ExitStatus>>,
    ) -> Result<Ended> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut is_ending = false;
        loop {
            let (client, lease, token) = (self.client.clone(), self.lease.clone(), self.token.clone());
            let renew_at = self.renew_at;
            let renewal = async move {
                sleep_until(renew_at.into()).await;
                client.renew_lease(&lease, &token).await
            };
            tokio::pin!(renewal);
            loop {
                let alarm = if is_ending { self.kill_at() } else { self.end_at() };
                tokio::select! {
                    biased;
                    // First: this process may have been stopped for longer than the lease lasts.
                    () = sleep_until(alarm.into()) => {
                        if self.kill_at() <= Instant::now() {
                            return Self::kill(group, ended).await;
                        }
                        is_ending = true;
                        eprintln!("mainstay: the lease cannot be renewed: ending the command");
                        group.send(Signal::TERM);
                    }
                    status = &mut *ended => return end(status, is_ending),
                    _ = terminate.recv() => group.send(Signal::TERM),
                    _ = interrupt.recv() => group.send(Signal::INT),
                    _ = hang_up.recv() => group.send(Signal::HUP),
                    renewed = &mut renewal, if !is_ending => {
                        match renewed {
                            Ok(held_until) => self.renewed(held_until),
                            Err(error) if error.is_lease_lost() => return Self::kill(group, ended).await,
                            Err(error) => self.failed(&error),
                        }
                        break;
                    }
                }
            }
        }
    }

    /// Tries again soon.
    fn failed(&mut self, error: &Error) {
        eprintln!("mainstay: cannot renew the lease yet: {error}");
        self.renew_at = Instant::now() + self.ttl / 24;
    }

    async fn kill(
        group: &Group,
        ended: &mut oneshot::Receiver<std::io::Result<ExitStatus>>,
    ) -> Result<Ended> {
        group.send(Signal::KILL);
        let _ = ended.await;
        Ok(Ended::ForTheLease)
    }
}

fn end(
    status: Result<std::io::Result<ExitStatus>, oneshot::error::RecvError>,
    is_ending: bool,
) -> Result<Ended> {
    let status = status.map_err(|_| Failure::local("the command cannot be waited for"))??;
    Ok(if is_ending { Ended::ForTheLease } else { Ended::Itself(status) })
}

fn lost(why: &str) -> Failure {
    Failure::new(Class::Conflict, why)
}

fn before(moment: Instant, by: Duration) -> Instant {
    moment.checked_sub(by).unwrap_or(moment)
}

/// The processes of a command.
struct Group(Pid);

impl Group {
    fn of(child: &Child) -> Result<Self> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        pid.map(Self).ok_or_else(|| Failure::local("the command has no process"))
    }

    fn send(&self, signal: Signal) {
        // It may have ended a moment ago.
        let _ = kill_process_group(self.0, signal);
    }
}
