//! Keeps the table of tokens as the state says.
//!
//! ```text
//!   begin to wait for the row ─► read all tokens ─► table ─► woken: again
//!                                    ▲                         │
//!                                    └─ not possible now: again in 200 ms
//! ```
//!
//! The table is renewed by the effect of the command that changes a token, so it is never more than a read behind what was
//! applied here. If the node cannot be read, it cannot have acknowledged a change either, and the last table holds.

use super::attempts::{Attempts, Peer};
use super::identities::Identities;
use super::not_ready;
use super::table::{Known, Table};
use crate::response::Result;
use crate::tls::PeerIdentity;
use api::{Code, Problem};
use format::row::tokens_key;
use model::{ChangeToken, Command, Slot, TokenChange, Wall, limits};
use runtime::{AskedTime, Handle, Unavailable};
use shard::query;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{self, watch};
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// How long to wait when the node cannot be read, or has no place for one more that waits.
const PAUSE: Duration = Duration::from_millis(200);

/// The tokens of this node's store.
#[derive(Debug)]
pub(crate) struct Tokens {
    handle: Handle,
    /// `None` until the state has been read for the first time.
    table: watch::Sender<Option<Arc<Table>>>,
    identities: watch::Receiver<Arc<Identities>>,
    /// One read at a time, so that no table replaces a later one.
    renewing: sync::Mutex<()>,
    /// There has been an administrator since the start. Before that, the node makes one, and no token is known to be wrong.
    had_admin: AtomicBool,
    attempts: Mutex<Attempts>,
    task: Mutex<Option<AbortHandle>>,
}

impl Drop for Tokens {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl Tokens {
    /// Begins to keep the table.
    pub(super) fn keep(
        handle: &Handle,
        attempts_burst: u32,
        identities: watch::Receiver<Arc<Identities>>,
    ) -> Arc<Self> {
        let tokens = Arc::new(Self {
            handle: handle.clone(),
            table: watch::Sender::new(None),
            identities,
            renewing: sync::Mutex::default(),
            had_admin: AtomicBool::new(false),
            attempts: Mutex::new(Attempts::new(attempts_burst)),
            task: Mutex::default(),
        });
        let task = tokio::spawn(follow(handle.clone(), Arc::downgrade(&tokens)));
        *tokens.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
        tokens
    }

    /// The valid token that this text is.
    pub(super) fn find(&self, text: &str, peer: Peer) -> Result<Arc<Known>> {
        let table = self.table.borrow().clone().ok_or_else(not_ready)?;
        // The initial token may have any form, so the tokens of the store come first.
        let found = (text.len() <= limits::TOKEN_BYTES_MAX).then(|| table.find(text)).flatten();
        if found.is_none()
            && let Some(verified) = self.identities.borrow().of_jwt(text, self.now())
        {
            return verified.map_err(|problem| match problem.code {
                Code::TokenInvalid | Code::TokenExpired => self.failed(peer, problem),
                _ => problem,
            });
        }
        match found {
            Some(known) if !known.is_expired(self.now()) => Ok(Arc::clone(known)),
            Some(_) => Err(self.failed(peer, expired())),
            None if !self.had_admin.load(Ordering::Relaxed) => Err(not_ready()),
            None => Err(self.failed(peer, unknown())),
        }
    }

    /// Whom a certificate names.
    pub(super) fn of_certificate(&self, identity: &PeerIdentity) -> Result<Arc<Known>> {
        self.identities.borrow().of_certificate(identity)
    }

    fn failed(&self, peer: Peer, problem: Box<Problem>) -> Box<Problem> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        match attempts.failed(peer, Instant::now()) {
            Ok(()) => problem,
            Err(wait) => {
                let mut problem =
                    Problem::new(Code::TooManyAttempts, "too many wrong tokens came from this address");
                problem.retry_after_s =
                    Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1));
                problem
            }
        }
    }

    /// Records that a token is in use, now and then. If the node does not take it, a later request tries again.
    pub(super) fn note_use(&self, token: &Known) {
        if token.should_note(self.now(), limits::TOKEN_USE_EVERY_MS) {
            let change = ChangeToken { token: token.id, change: TokenChange::Use };
            // Nobody waits for the outcome.
            drop(self.handle.submit(Command::ChangeToken(change)));
        }
    }

    /// Reads the state, and replaces the table.
    pub(super) async fn renew(&self) -> Result<(), Unavailable> {
        self.read().await.map(|_| ())
    }

    async fn read(&self) -> Result<Slot, Unavailable> {
        let _one = self.renewing.lock().await;
        let read = |snapshot: &runtime::Snapshot| {
            let first = snapshot.slots.first;
            Ok((first, query::tokens(&snapshot.state, first)?))
        };
        let (first, found) = self.handle.read(read).await?;
        if found.iter().any(|token| token.settings.is_unlimited()) {
            self.had_admin.store(true, Ordering::Relaxed);
        }
        self.table.send_modify(|table| *table = Some(Arc::new(Table::new(found, table.as_deref()))));
        Ok(first)
    }

    pub(super) fn now(&self) -> Wall {
        self.handle.wall_now()
    }

    pub(super) fn watch_identities(&self) -> watch::Receiver<Arc<Identities>> {
        self.identities.clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Option<Arc<Table>>> {
        self.table.subscribe()
    }
}

pub(super) fn unknown() -> Box<Problem> {
    Problem::new(Code::TokenInvalid, "the token is unknown or was revoked")
}

pub(super) fn expired() -> Box<Problem> {
    Problem::new(Code::TokenExpired, "the token has expired")
}

/// Renews the table whenever tokens change.
async fn follow(handle: Handle, tokens: Weak<Tokens>) {
    if !handle.ready().await {
        return;
    }
    let mut first = Slot(0);
    loop {
        let woken = handle.wait(tokens_key(first).to_vec());
        // The reply to this comes after the node has taken the wait, so no change falls between that and the read.
        let taken = match &woken {
            Ok(_) => handle.close_time(AskedTime::At(Wall(0))).await.map(|_| ()),
            Err(why) => Err(why.clone()),
        };
        let Some(tokens) = tokens.upgrade() else { return };
        let read = tokens.read().await;
        drop(tokens);
        match (woken, taken, read) {
            (Ok(woken), Ok(()), Ok(found)) if found == first => {
                if woken.await.is_err() {
                    sleep(PAUSE).await;
                }
            }
            (_, _, Ok(found)) if found != first => first = found,
            _ => sleep(PAUSE).await,
        }
    }
}
