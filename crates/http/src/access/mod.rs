//! Who may do what: the one point that each request passes, and the node behind it.
//!
//! ```text
//!   request ─► Authority::admit ─► Caller ─► route ─► Node::submit ─► mailbox
//!               │ token: known? expired?       │         names of the command, audit
//!               │ role, name in the path       └─► reads: lists and events that the caller covers
//!               └ failed attempts
//!   state ─► Tokens (a table in memory, renewed with each change) ─► Ending: ends requests and streams
//! ```
//!
//! On a node whose access is open, each of these is one comparison. On any other, everything is denied that was not
//! admitted: a route without a [`Caller`] acts for nobody, and [`Node`] is the only way to the mailbox.
//!
//! | module | contents |
//! |---|---|
//! | [`table`] | the tokens, by id; finding the one that a request has |
//! | [`tokens`] | keeps the table as the state says |
//! | [`attempts`] | limits failed attempts by address |
//! | [`identities`] | callers whom a certificate names, or another service's token |
//! | [`caller`] | who sent a request, and what it covers |
//! | [`ending`] | ends requests and responses whose token is not valid any more |
//! | [`node`] | the node, behind the check of every command |
//! | [`admin`] | the first token of an administrator |

pub mod admin;
mod attempts;
mod caller;
mod ending;
pub mod identities;
mod node;
mod table;
mod tokens;

pub(crate) use attempts::Peer;
pub(crate) use caller::Caller;
pub(crate) use ending::Ending;
pub(crate) use node::Node;

use crate::allowance::{Meter, Meters, counts_for_all};
use crate::options::{Access, HttpOptions};
use crate::response::Result;
use crate::tls::PeerIdentity;
use crate::unavailable;
use api::contract::{Access as Needs, Operation};
use api::{Code, Problem, access};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, request};
use model::{Wall, limits};
use runtime::{Handle, Unavailable};
use std::sync::Arc;
use table::Known;
use telemetry::LimitOf;
use tokens::Tokens;

/// Decides who may run which operation, and how much.
#[derive(Debug)]
pub(crate) struct Authority {
    /// `None` if everyone may do everything, as much as they want.
    rules: Option<Rules>,
}

#[derive(Debug)]
struct Rules {
    tokens: Option<Arc<Tokens>>,
    /// What all clients together may use.
    all: Option<Arc<Meter>>,
}

/// A request that may run, with what must be heeded for as long as it or its response takes.
pub(crate) struct Admitted {
    pub(crate) ending: Option<Ending>,
    pub(crate) meters: Option<Meters>,
}

impl Authority {
    /// With tokens, it begins to keep a table of them, until it is dropped.
    pub(crate) fn new(options: &HttpOptions, handle: &Handle) -> Self {
        let tokens = match options.access {
            Access::Open => None,
            Access::Tokens => Some(Tokens::keep(handle, options.attempts_burst, options.identities.clone())),
        };
        let all = Meter::new(LimitOf::Node, options.allowance);
        Self { rules: (tokens.is_some() || all.is_some()).then_some(Rules { tokens, all }) }
    }

    /// Whether everyone may do everything.
    pub(crate) const fn is_open(&self) -> bool {
        match &self.rules {
            Some(rules) => rules.tokens.is_none(),
            None => true,
        }
    }

    /// Says where a request comes from, if that matters.
    pub(crate) fn from<B>(&self, peer: Peer, mut request: Request<B>) -> Request<B> {
        if !self.is_open() {
            request.extensions_mut().insert(peer);
        }
        request
    }

    /// Admits a request to an operation, or denies it. What follows finds the [`Caller`] in `parts`. `None` if nothing needs
    /// to be heeded.
    ///
    /// # Errors
    /// Why the request is denied.
    pub(crate) fn admit(&self, operation: Operation, parts: &mut request::Parts) -> Result<Option<Admitted>> {
        let Some(rules) = &self.rules else { return Ok(None) };
        if operation.description().access == Needs::Public {
            return Ok(None);
        }
        let all = rules.all.clone().filter(|_| counts_for_all(operation));
        let Some(tokens) = &rules.tokens else {
            return Ok(Meters::new(None, all).map(|meters| Admitted { ending: None, meters: Some(meters) }));
        };
        let (known, certified) = find(tokens, parts)?;
        access::check(operation, parts.uri.path(), &known.settings)?;
        tokens.note_use(&known);
        let meters = Meters::new(known.meter.clone(), all);
        parts.extensions.insert(Caller::Token { token: Arc::clone(&known), operation });
        // Who revokes the token in hand learns that it is revoked.
        let ends = operation != Operation::RevokeToken;
        let ending = ends.then(|| Ending::new(Arc::clone(tokens), known, certified));
        Ok(Some(Admitted { ending, meters }))
    }

    /// Makes the table what the state says now. Then a token that was created is valid, and one that was revoked is not.
    ///
    /// # Errors
    /// When the state cannot be read now. The table follows as soon as it can.
    pub(crate) async fn renew(&self) -> Result<(), Unavailable> {
        match self.rules.as_ref().and_then(|rules| rules.tokens.as_ref()) {
            Some(tokens) => tokens.renew().await,
            None => Ok(()),
        }
    }
}

/// Who sends a request, and the end of the certificate that proves it, if one does. A token counts before a certificate.
fn find(tokens: &Tokens, parts: &request::Parts) -> Result<(Arc<Known>, Option<Wall>)> {
    let certificate = parts.extensions.get::<Arc<PeerIdentity>>();
    match certificate.filter(|_| !parts.headers.contains_key(AUTHORIZATION)) {
        Some(identity) => {
            let known = tokens.of_certificate(identity)?;
            // TLS looks at the time of a certificate once, and a connection may be older.
            match identity.expires {
                Some(expires) if tokens.now() >= expires => {
                    Err(Problem::new(Code::TokenExpired, "the client's certificate has expired"))
                }
                expires => Ok((known, expires)),
            }
        }
        None => {
            let peer = parts.extensions.get::<Peer>().copied().unwrap_or_default();
            Ok((tokens.find(bearer(&parts.headers)?, peer)?, None))
        }
    }
}

/// The token of a request.
fn bearer(headers: &HeaderMap) -> Result<&str> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let missing = |detail: &'static str| Problem::new(Code::TokenMissing, detail).header("authorization");
    let (first, second) = (sent.next(), sent.next());
    let Some(value) = first else {
        return Err(missing("the request has no `Authorization` header"));
    };
    if second.is_some() {
        return Err(
            Problem::new(Code::DuplicateHeader, "`authorization` was sent twice").header("authorization")
        );
    }
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match token {
        Some(token) if !token.is_empty() && token.len() <= limits::JWT_BYTES_MAX => Ok(token),
        _ => Err(missing("`Authorization` must be `Bearer`, a space and a token")),
    }
}

/// The problem of a node that cannot know its tokens yet.
fn not_ready() -> Box<Problem> {
    unavailable::problem(&Unavailable::NotReady)
}
