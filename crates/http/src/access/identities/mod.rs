//! Who may do what without a token of the store: clients whom a certificate names, and holders of tokens that another
//! service has signed.
//!
//! ```text
//!   certificate (verified by TLS) ─► first rule with one of its names ─┐
//!                                                                      ├─► Known: role, prefixes, end ─► as for a token
//!   JWT ─► key by `kid` ─► signature ─► issuer, audience, time ─► claim ─┘
//! ```
//!
//! A caller that no rule names is denied. The rules come from files, which the program reads, and reads again: what follows from a
//! rule that is gone ends, as with a token that is revoked.

mod certificate;
mod jwt;
mod keys;

pub use certificate::{CertificateName, ClientRole};
pub use jwt::JwtRules;
pub(super) use keys::Key;
pub use keys::{BadKeys, KeySet};

use super::not_ready;
use super::table::{Known, Source};
use crate::response::Result;
use crate::tls::PeerIdentity;
use api::{Code, Problem};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use certificate::ClientRule;
use jwt::Jwt;
use model::Wall;
use std::sync::Arc;

/// The rules for callers from elsewhere. The default has none, so that nobody is admitted.
#[derive(Debug, Default)]
pub struct Identities {
    clients: Vec<ClientRule>,
    /// `Some(None)` while its keys are not known.
    jwt: Option<Option<Jwt>>,
}

/// Whether tokens that another service has signed are admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwtAccess {
    Off,
    /// They will be, once the keys of the service are known.
    KeysAwaited,
    On(JwtRules),
}

impl Identities {
    /// Rules of which the first that names a client counts. What `before` has counted for the same rule is kept.
    #[must_use]
    pub fn new(clients: Vec<ClientRole>, jwt: JwtAccess, before: Option<&Self>) -> Self {
        let known = before.map_or(&[][..], |before| &before.clients);
        let clients = clients.into_iter().map(|client| ClientRule::new(client, known)).collect();
        let before = before.and_then(|before| before.jwt.as_ref()?.as_ref());
        let jwt = match jwt {
            JwtAccess::Off => None,
            JwtAccess::KeysAwaited => Some(None),
            JwtAccess::On(rules) => Some(Some(Jwt::new(rules, before))),
        };
        Self { clients, jwt }
    }

    /// Who has a token that another service has signed; `None` if it does not have the form of one, or none is admitted.
    pub(super) fn of_jwt(&self, token: &str, now: Wall) -> Option<Result<Arc<Known>>> {
        let jwt = self.jwt.as_ref().filter(|_| jwt::is_form(token))?;
        Some(jwt.as_ref().ok_or_else(not_ready).and_then(|jwt| jwt.verify(token, now)))
    }

    /// Whom a certificate names.
    ///
    /// # Errors
    /// When no rule has one of its names.
    pub(super) fn of_certificate(&self, identity: &PeerIdentity) -> Result<Arc<Known>> {
        let rule = self.clients.iter().find(|rule| rule.names(identity));
        rule.map(|rule| Arc::clone(&rule.known)).ok_or_else(|| {
            let detail = "the request has no `Authorization` header, and no rule of the node (`client-roles`) has a name of \
                          the client's certificate";
            Problem::new(Code::TokenMissing, detail).header("authorization")
        })
    }

    /// Whether the rules still admit someone.
    pub(super) fn hold(&self, known: &Known) -> bool {
        match known.source() {
            Source::Row(_) => false,
            Source::Jwt(key) => self.jwt.iter().flatten().any(|jwt| jwt.has(key)),
            Source::Certificate => self.clients.iter().any(|rule| rule.known.settings == known.settings),
        }
    }
}

/// Bytes in the form of RFC 7515, without padding.
fn encoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
