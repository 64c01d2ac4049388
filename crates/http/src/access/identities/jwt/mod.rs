//! Tokens that another service has signed: JSON Web Tokens (RFC 7519), as services of OpenID Connect give them for access
//! (RFC 9068).
//!
//! ```text
//!   header ─► key by `kid`, algorithm of the key ─► signature ─► issuer, audience, time, subject ─► scopes ─► role, prefixes
//! ```
//!
//! Nothing in a token counts before its signature does. A token that was verified is remembered, so that the next request
//! with it costs one hash; what is remembered is bounded, and belongs to one version of the keys.

use super::encoded;
use super::keys::{Key, KeySet};
use crate::access::table::{Known, Source};
use crate::access::tokens::expired;
use crate::allowance::Meter;
use crate::response::Result;
use api::{Code, Problem};
use model::{Allowance, Role, TokenSettings, Wall, limits};
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use telemetry::LimitOf;

/// How much the clocks of the service and of this node may differ.
const LEEWAY_MS: u64 = 30_000;
/// What a scope for this node begins with.
const SCOPE: &str = "mainstay:";
/// What one that limits its holder begins with.
const LIMIT: &str = "mainstay:limit:";
/// Values of the claim that are looked at.
const SCOPES_MAX: usize = 1_000;

/// Whose tokens a node admits, and what they must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtRules {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must be or contain.
    pub audience: String,
    /// The claim with the scopes: text with spaces between them, or an array.
    pub claim: String,
    pub keys: KeySet,
}

/// Rules in use, with the tokens that they have admitted.
#[derive(Debug)]
pub(super) struct Jwt {
    rules: JwtRules,
    verified: Mutex<HashMap<[u8; 32], Arc<Known>>>,
    meters: Arc<Meters>,
}

/// What subjects with limits have used. It outlives their tokens and the keys: a new token is no way out of a debt.
#[derive(Debug, Default)]
struct Meters(Mutex<HashMap<Limited, Arc<Meter>>>);

/// A subject, and what it may use.
type Limited = (String, [Option<u64>; 4]);

impl Meters {
    /// What counts for a subject with this allowance; `None` if nothing is limited. Those whose tokens are forgotten make way
    /// for new ones, and if all are in use, all begin again.
    fn of(&self, subject: &str, allowance: Allowance) -> Option<Arc<Meter>> {
        let new = Meter::new(LimitOf::Token, allowance)?;
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (subject.to_owned(), allowance.parts());
        if meters.len() >= limits::JWTS_REMEMBERED_MAX && !meters.contains_key(&key) {
            meters.retain(|_, meter| Arc::strong_count(meter) > 1);
            if meters.len() >= limits::JWTS_REMEMBERED_MAX {
                meters.clear();
            }
        }
        Some(Arc::clone(meters.entry(key).or_insert(new)))
    }
}

/// Whether a text has the form of such a token. A token of the store has no dots.
pub(super) fn is_form(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl Jwt {
    /// What `before` has counted goes on.
    pub(super) fn new(rules: JwtRules, before: Option<&Self>) -> Self {
        let meters = before.map(|before| Arc::clone(&before.meters)).unwrap_or_default();
        Self { rules, verified: Mutex::default(), meters }
    }

    /// Whether the key of a token is still there.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.rules.keys.has(key)
    }

    /// Who has the token.
    ///
    /// # Errors
    /// [`Code::TokenInvalid`] with the reason, [`Code::TokenExpired`], or [`Code::NotPermitted`] if it has no scope for this
    /// node.
    pub(super) fn verify(&self, token: &str, now: Wall) -> Result<Arc<Known>> {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let known = self.lock().get(&hash).cloned();
        if let Some(known) = known {
            return if known.is_expired(now) { Err(expired()) } else { Ok(known) };
        }
        let known = Arc::new(self.check(token, now)?);
        let mut verified = self.lock();
        if verified.len() >= limits::JWTS_REMEMBERED_MAX {
            verified.retain(|_, known| !known.is_expired(now));
            if verified.len() >= limits::JWTS_REMEMBERED_MAX {
                verified.clear();
            }
        }
        verified.insert(hash, Arc::clone(&known));
        Ok(known)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Arc<Known>>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, token: &str, now: Wall) -> Result<Known> {
        let (signed, signature) = token.rsplit_once('.').ok_or_else(|| invalid("it has no signature"))?;
        let (header, claims) = signed.split_once('.').ok_or_else(|| invalid("it has no claims"))?;
        let header = object(header).ok_or_else(|| invalid("its header cannot be read"))?;
        let key = self.key(&header)?;
        let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let signature = encoded(signature).ok_or_else(|| invalid("its signature cannot be read"))?;
        if !key.verifies(algorithm, signed.as_bytes(), &signature) {
            return Err(invalid("its signature is not one of the key, with the key's algorithm"));
        }
        let claims = object(claims).ok_or_else(|| invalid("its claims cannot be read"))?;
        let expires = self.check_claims(&claims, now)?;
        let name = self.name(&claims)?;
        let settings = settings(&claims, &self.rules.claim, name)?;
        let meter = self.meters.of(&settings.name, settings.allowance);
        Ok(Known::elsewhere(Source::Jwt(Box::new(key.clone())), settings, Some(expires), meter))
    }

    fn key(&self, header: &Map<String, Value>) -> Result<&Key> {
        if header.contains_key("crit") {
            return Err(invalid("it has a critical header, and this node understands none"));
        }
        let kind = header.get("typ").map(|typ| typ.as_str().unwrap_or_default().to_ascii_lowercase());
        if kind.is_some_and(|kind| !matches!(kind.trim_start_matches("application/"), "jwt" | "at+jwt")) {
            return Err(invalid("its type (`typ`) is not that of an access token"));
        }
        let id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.as_str()),
            Some(_) => return Err(invalid("its `kid` is not text")),
        };
        self.rules.keys.find(id).ok_or_else(|| invalid("its key is not one of the token service's (`kid`)"))
    }

    /// Returns when it is valid no longer.
    fn check_claims(&self, claims: &Map<String, Value>, now: Wall) -> Result<Wall> {
        if claims.get("iss").and_then(Value::as_str) != Some(&self.rules.issuer) {
            return Err(invalid("its issuer (`iss`) is not `jwt-issuer`"));
        }
        let is_for_us = match claims.get("aud") {
            Some(Value::String(audience)) => *audience == self.rules.audience,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(&self.rules.audience)),
            _ => false,
        };
        if !is_for_us {
            return Err(invalid("its audience (`aud`) is not `jwt-audience`"));
        }
        let expires = time(claims, "exp")?.ok_or_else(|| invalid("it has no end (`exp`)"))?;
        let expires = Wall(expires.saturating_add(LEEWAY_MS));
        if now >= expires {
            return Err(expired());
        }
        if time(claims, "nbf")?.is_some_and(|begins| now.0.saturating_add(LEEWAY_MS) < begins) {
            return Err(invalid("it is not valid yet (`nbf`)"));
        }
        Ok(expires)
    }

    /// Whom the audit stream names: whole, or nobody.
    fn name(&self, claims: &Map<String, Value>) -> Result<String> {
        let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| !subject.is_empty());
        let subject = subject.ok_or_else(|| invalid("it names nobody (`sub`)"))?;
        let name = format!("jwt:{subject} of {}", self.rules.issuer);
        if name.len() > limits::TOKEN_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(invalid("its subject (`sub`) is too long, or has control characters"));
        }
        Ok(name)
    }
}

/// The limits that scopes give, such as `mainstay:limit:requests_per_second:100`. Of several for the same, the lowest counts.
fn allowance<'a>(scopes: impl Iterator<Item = &'a str>) -> Result<Allowance> {
    let mut parts = Allowance::default().parts();
    for limit in scopes.filter_map(|scope| scope.strip_prefix(LIMIT)) {
        let (name, value) = limit.split_once(':').unwrap_or((limit, ""));
        let at = Allowance::NAMES.iter().position(|known| *known == name);
        let at = at.ok_or_else(|| refused(format!("the scope `{LIMIT}{limit}` does not name a limit")))?;
        let range = &Allowance::ranges()[at];
        let value = value.parse().ok().filter(|value| range.contains(value)).ok_or_else(|| {
            let (from, to) = (range.start(), range.end());
            refused(format!("the scope `{LIMIT}{limit}` does not have a number from {from} to {to}"))
        })?;
        parts[at] = Some(parts[at].map_or(value, |lowest| value.min(lowest)));
    }
    Ok(Allowance::of_parts(parts))
}

/// What the scopes permit: all of them must name the same role, because a caller has one.
fn settings(claims: &Map<String, Value>, claim: &str, name: String) -> Result<TokenSettings<'static>> {
    let scopes: Vec<&str> = match claims.get(claim) {
        Some(Value::String(text)) => text.split(' ').take(SCOPES_MAX).collect(),
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).take(SCOPES_MAX).collect(),
        _ => Vec::new(),
    };
    let mut found: Option<(Role, Vec<&str>)> = None;
    let mut is_for_all = false;
    let allowance = allowance(scopes.iter().copied())?;
    let grants = scopes.iter().filter(|scope| !scope.starts_with(LIMIT));
    for scope in grants.filter_map(|scope| scope.strip_prefix(SCOPE)) {
        let (role, prefix) =
            scope.split_once(':').map_or((scope, None), |(role, prefix)| (role, Some(prefix)));
        let Some(role) = Role::ALL.into_iter().find(|known| known.as_str() == role) else {
            return Err(refused(format!("the scope `{SCOPE}{scope}` does not name a role")));
        };
        let (known, prefixes) = found.get_or_insert_with(|| (role, Vec::new()));
        if *known != role {
            return Err(refused("its scopes name more than one role".to_owned()));
        }
        match prefix {
            None => is_for_all = true,
            Some("") => return Err(refused(format!("the scope `{SCOPE}{scope}` has an empty prefix"))),
            Some(prefix) => prefixes.push(prefix),
        }
    }
    let Some((role, prefixes)) = found else {
        return Err(refused(format!("its claim `{claim}` has no scope that begins with `{SCOPE}`")));
    };
    if prefixes.len() > limits::TOKEN_PREFIXES_MAX {
        return Err(refused(format!("its scopes have more than {} prefixes", limits::TOKEN_PREFIXES_MAX)));
    }
    let prefixes = if is_for_all { Vec::new() } else { prefixes };
    let prefixes = prefixes.into_iter().map(|prefix| prefix.to_owned().into()).collect();
    Ok(TokenSettings { role, prefixes, name: name.into(), allowance })
}

/// A time in a claim, in milliseconds; it may have a fraction of a second.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_u64().map(|seconds| seconds.saturating_mul(1_000));
    let fraction = || value.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| (seconds * 1e3) as u64);
    seconds.or_else(fraction).map(Some).ok_or_else(|| invalid("one of its times is not a number of seconds"))
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&encoded(part)?).ok()
}

fn invalid(why: &'static str) -> Box<Problem> {
    Problem::new(Code::TokenInvalid, format!("the token is not valid: {why}"))
}

fn refused(why: String) -> Box<Problem> {
    Problem::new(Code::NotPermitted, format!("the token is valid, and permits nothing here: {why}"))
}

#[cfg(test)]
mod tests;
