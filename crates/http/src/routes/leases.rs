//! `/v1/leases/{lease}`: acquire, renew, release, and who has it; and the list of leases.
//!
//! A request that waits for its turn costs a task and a row, and no polling:
//!
//! ```text
//!   wait for the row ─► acquire ─► awaited ──► woken ─► read the grant ─► 200
//!                                     │
//!                                     ├─ the time has passed, or the client has gone ─► withdraw
//!                                     └─ the node stops ─► 503; the holder keeps its place if it asks again
//! ```

use super::command::{refused, submit};
use super::lists;
use super::now::now;
use super::parts;
use super::watch::{self, Shown};
use crate::body::read_json;
use crate::context::Context;
use crate::response::{self, Response, Result};
use crate::unavailable;
use api::contract::Operation;
use api::request::lease;
use api::request::query::ListLeases;
use api::response::lease::{Holder, Lease, write_granted, write_released, write_renewed};
use api::response::page::{end_names, write_list};
use api::response::refusal::Target;
use api::{Code, Problem};
use axum::body::Body;
use format::row::{lease_key, lease_waiter_key};
use http::request;
use model::{
    AcquireLease, Command, Cursor, Elapsed, Granted, LeaseName, Namespace, Outcome, Position, Refusal,
    ReleaseLease, RenewLease, WithdrawLease,
};
use runtime::{ReadFailure, Snapshot, Unavailable, Woken};
use shard::query::{self, LeaseState, Turn};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// After a wake that brought no grant, the state is looked at again after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub(super) async fn acquire(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    let name = parts::lease(parts)?.into_owned();
    parts::no_query(parts)?;
    let body = read_json(&context.buffers, &parts.headers, body).await?;
    let acquire = lease::acquire(&parts.headers, name, &body)?;
    let asker = Asker { lease: acquire.lease.clone(), holder: acquire.holder.clone().into_owned() };
    let wait = Duration::from_millis(acquire.wait_ms);
    // Before the command, so that no grant is missed.
    let woken = if wait.is_zero() { None } else { Some(asker.wait(context)?) };
    let outcome = submit(context, parts, Command::AcquireLease(AcquireLease { ..acquire })).await?;
    match (outcome, woken) {
        (Outcome::LeaseGranted(granted), _) => Ok(asker.granted(granted, 0)),
        (Outcome::LeaseAwaited { asked }, Some(woken)) => {
            Place { context, parts, asker: &asker, asked, is_left: false }
                .take(woken, Instant::now() + wait)
                .await
        }
        (outcome, _) => Err(held(context, &asker.lease, &outcome).await),
    }
}

pub(super) async fn renew(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    let name = parts::lease(parts)?.into_owned();
    parts::no_query(parts)?;
    let body = read_json(&context.buffers, &parts.headers, body).await?;
    let renew: RenewLease<'_> = lease::renew(&parts.headers, name.clone(), &body)?;
    let token = renew.token;
    match submit(context, parts, Command::RenewLease(renew)).await? {
        Outcome::LeaseRenewed { remaining_ms } => {
            Ok(written(|out| write_renewed(out, name.as_str(), token, remaining_ms)))
        }
        outcome => Err(refused(context, &outcome, Target::Stream(name.as_str()))),
    }
}

pub(super) async fn release(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    let name = parts::lease(parts)?.into_owned();
    parts::no_query(parts)?;
    let body = read_json(&context.buffers, &parts.headers, body).await?;
    let release: ReleaseLease<'_> = lease::release(&parts.headers, name.clone(), &body)?;
    let token = release.token;
    match submit(context, parts, Command::ReleaseLease(release)).await? {
        Outcome::LeaseReleased => Ok(written(|out| write_released(out, name.as_str(), token))),
        outcome => Err(refused(context, &outcome, Target::Stream(name.as_str()))),
    }
}

pub(super) async fn get(context: &Arc<Context>, parts: &request::Parts) -> Result {
    let watched = watch::asked(context, Operation::GetLease, parts)?;
    let name = parts::lease(parts)?.into_owned();
    if let Some(keep_alive) = watched {
        let key = lease_key(name.slot(Namespace::ROOT), Namespace::ROOT, name.as_str());
        let handle = context.handle.clone();
        let read = move |snapshot: &Snapshot| Ok(shown(&name, &state(snapshot, &name, handle.elapsed())?));
        return watch::respond(context, keep_alive, key, read).await;
    }
    unavailable::check_readable(context)?;
    let state = read(context, &name).await.map_err(|error| unavailable::read_problem(&error))?;
    Ok(written(|out| write(out, &name, &state)))
}

pub(super) async fn list(context: &Context, parts: &request::Parts) -> Result {
    unavailable::check_readable(context)?;
    let list = ListLeases::parse(parts.uri.query())?;
    let elapsed = context.handle.elapsed();
    let found = lists::read(context, parts, &list, (name, LeaseName::new), move |snapshot, after, max| {
        Ok(query::leases(&snapshot.state, after, max, now(snapshot, elapsed)?)?)
    });
    let mut found = found.await?;
    let next = end_names(&list, "/v1/leases", &mut found.items, found.goes_on_after, name);
    let mut out = Vec::with_capacity(256 * found.items.len() + 64);
    write_list(&mut out, "leases", &found.items, next.as_deref(), |out, (name, state)| {
        write(out, name, state)
    });
    Ok(response::json(out))
}

fn name<'a>((name, _): &'a (LeaseName<'static>, LeaseState)) -> &'a str {
    name.as_str()
}

fn write(out: &mut Vec<u8>, name: &LeaseName<'_>, state: &LeaseState) {
    let holders = state.holders.iter().map(|held| Holder {
        holder: &held.holder,
        token: held.token,
        remaining_ms: held.remaining_ms,
    });
    let lease = Lease { lease: name.as_str(), permits: state.permits, waiting: state.waiting };
    lease.write(out, holders, state.queue.iter().map(String::as_str));
}

/// A renewal is not a change. When a lease is due to expire, it is looked at again: the node notices an expiry of a
/// lease that is held off only when that has ended.
fn shown(name: &LeaseName<'_>, state: &LeaseState) -> Shown {
    let mut data = Vec::with_capacity(256);
    write(&mut data, name, state);
    let mut version = Vec::new();
    for held in &state.holders {
        version.extend_from_slice(&held.token.to_hex());
    }
    version.extend_from_slice(format!(" {} {:?}", state.waiting, state.queue).as_bytes());
    let first_ms = state.holders.iter().map(|held| held.remaining_ms).min();
    let look_again = first_ms.map(|ms| Duration::from_millis(ms) + LOOK_AGAIN);
    Shown { event: "lease", data, version, look_again }
}

async fn read(context: &Context, name: &LeaseName<'static>) -> Result<LeaseState, Unavailable> {
    let (name, elapsed) = (name.clone(), context.handle.elapsed());
    context.handle.read(move |snapshot| state(snapshot, &name, elapsed)).await
}

fn state(
    snapshot: &Snapshot,
    name: &LeaseName<'_>,
    elapsed: Elapsed,
) -> std::result::Result<LeaseState, ReadFailure> {
    let now = now(snapshot, elapsed)?;
    Ok(query::lease(&snapshot.state, name, now)?)
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Response {
    let mut out = Vec::with_capacity(256);
    write(&mut out);
    response::json(out)
}

/// The problem for a holder that was not granted the lease. It names the present holder, if that has not changed since.
async fn held(context: &Context, name: &LeaseName<'static>, outcome: &Outcome) -> Box<Problem> {
    let problem = refused(context, outcome, Target::Stream(name.as_str()));
    let Outcome::Refused(Refusal::LeaseHeld { token, .. }) = *outcome else { return problem };
    let state = read(context, name).await.unwrap_or_default();
    match state.holders.into_iter().find(|held| held.token == token) {
        Some(held) => problem.text("holder", held.holder),
        None => problem,
    }
}

/// Who asks for which lease.
struct Asker {
    lease: LeaseName<'static>,
    holder: String,
}

impl Asker {
    fn wait(&self, context: &Context) -> Result<Woken> {
        let slot = self.lease.slot(Namespace::ROOT);
        let key = lease_waiter_key(slot, Namespace::ROOT, self.lease.as_str(), &self.holder);
        context.handle.wait(key).map_err(|why| unavailable::problem(&why))
    }

    fn granted(&self, granted: Granted, waited_ms: u64) -> Response {
        written(|out| write_granted(out, self.lease.as_str(), &self.holder, granted, waited_ms))
    }
}

/// The place of a request in the queue. When it is dropped, the holder stops waiting.
struct Place<'a> {
    context: &'a Context,
    parts: &'a request::Parts,
    asker: &'a Asker,
    asked: Position,
    /// No withdrawal is needed: the lease was granted, or the holder may ask again for its place.
    is_left: bool,
}

impl Place<'_> {
    /// Waits for the turn, until `deadline`.
    async fn take(mut self, mut woken: Woken, deadline: Instant) -> Result {
        let mut stopping = self.context.stopping.clone();
        let mut look_at = deadline;
        loop {
            let woke = tokio::select! {
                woke = &mut woken => Some(woke),
                () = sleep_until(look_at) => None,
                _ = stopping.wait_for(|stopping| *stopping) => Some(Err(Unavailable::Stopping)),
            };
            if let Some(Err(why)) = woke {
                self.is_left = why != Unavailable::Busy;
                return Err(unavailable::problem(&why));
            }
            match self.turn().await? {
                Turn::Granted { token, remaining_ms, waited_ms } => {
                    self.is_left = true;
                    return Ok(self
                        .asker
                        .granted(Granted { token, remaining_ms, replayed: false }, waited_ms));
                }
                Turn::Waiting if Instant::now() < deadline => {
                    if woke.is_some() {
                        woken = self.asker.wait(self.context)?;
                    }
                    // What happened before the wait began is not reported, so it must be looked up.
                    look_at = deadline.min(Instant::now() + LOOK_AGAIN);
                }
                Turn::Waiting | Turn::Over => return Err(self.give_up().await),
            }
        }
    }

    async fn turn(&self) -> Result<Turn> {
        let (lease, holder) = (self.asker.lease.clone(), self.asker.holder.clone());
        let asked = self.asked;
        let read = move |snapshot: &runtime::Snapshot| {
            let now = query::clock(&snapshot.state, snapshot.slots.first)?.elapsed;
            Ok(query::turn(&snapshot.state, &lease, &holder, asked, now)?)
        };
        self.context.handle.read(read).await.map_err(|why| unavailable::read_problem(&why))
    }

    /// The wait has ended without a turn. The holder has left the queue before its client learns so.
    async fn give_up(mut self) -> Box<Problem> {
        self.is_left = true;
        let withdrawal = Command::WithdrawLease(self.withdrawal());
        if let Err(problem) = submit(self.context, self.parts, withdrawal).await {
            return problem;
        }
        let state = read(self.context, &self.asker.lease).await.unwrap_or_default();
        let first = state.holders.into_iter().min_by_key(|held| held.remaining_ms);
        let (token, remaining_ms) =
            first.as_ref().map_or((Cursor::START, 0), |held| (held.token, held.remaining_ms));
        let refusal = Outcome::Refused(Refusal::LeaseHeld { token, remaining_ms });
        let problem = refused(self.context, &refusal, Target::Stream(self.asker.lease.as_str()));
        match first {
            Some(held) => problem.text("holder", held.holder),
            None => Problem::new(Code::LeaseHeld, "the wait ended without a turn"),
        }
    }

    fn withdrawal(&self) -> WithdrawLease<'static> {
        WithdrawLease {
            lease: self.asker.lease.clone(),
            holder: self.asker.holder.clone().into(),
            asked: self.asked,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.is_left {
            self.context.handle.withdraw(self.withdrawal());
        }
    }
}
