//! The rules for callers without a token of the store: which names in clients' certificates have which role, and the keys of
//! the service whose tokens count.
//!
//! Files are read again on SIGHUP and when they change; keys at a URL, every five minutes. If they are not usable then, the
//! node keeps the rules that it has, says why in the log, and counts it.

use crate::jwks::{KeysAt, KeysUrl};
use crate::watched::{self, LOOK_EVERY, ReadError, Versions};
use http_server::access::identities::{
    BadKeys, CertificateName, ClientRole, Identities, JwtAccess, JwtRules, KeySet,
};
use http_server::options::{Allowance, Role, limits};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use telemetry::Metrics;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

/// How often keys are fetched, and how soon again when that failed.
const FETCH_EVERY: Duration = Duration::from_secs(300);
const FETCH_AGAIN: Duration = Duration::from_secs(10);
/// The most rules in a file.
const RULES_MAX: usize = 1_000;
/// Bytes of a name in a rule. With the kind before it, the audit stream can tell it.
const NAME_BYTES_MAX: usize = 240;

/// Where the rules are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// The file with the rules for certificates.
    pub(crate) client_roles: Option<PathBuf>,
    pub(crate) jwt: Option<JwtSource>,
}

/// Whose tokens count, and where its keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JwtSource {
    pub(crate) keys: KeysAt,
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) claim: String,
}

/// Why the rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Unread(#[from] ReadError),
    #[error("cannot use the keys in {}: {source}", path.display())]
    Keys { path: PathBuf, source: BadKeys },
    #[error("{} is not a file of rules: {why}", path.display())]
    NotRules { path: PathBuf, why: String },
    #[error("{}, rule {number}: {why}", path.display())]
    Rule { path: PathBuf, number: usize, why: String },
}

/// A file of rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    #[serde(default)]
    client: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    common_name: Option<String>,
    dns: Option<String>,
    uri: Option<String>,
    email: Option<String>,
    role: String,
    #[serde(default)]
    prefixes: Vec<String>,
    requests_per_second: Option<u64>,
    bytes_per_second: Option<u64>,
    subscribers_max: Option<u64>,
    body_bytes_max: Option<u64>,
}

impl Sources {
    /// Reads and checks the files. What `before` has counted is kept; `fetched` are the keys from a URL.
    fn load(&self, fetched: Option<&KeySet>, before: Option<&Identities>) -> Result<Identities, LoadError> {
        let clients = match &self.client_roles {
            Some(path) => parse(path, &watched::read(path)?)?,
            None => Vec::new(),
        };
        let jwt = match &self.jwt {
            Some(source) => source.load(fetched)?,
            None => JwtAccess::Off,
        };
        Ok(Identities::new(clients, jwt, before))
    }

    fn versions(&self) -> Versions {
        let keys = self.jwt.as_ref().and_then(|source| source.keys.file());
        Versions::of(self.client_roles.iter().chain(keys))
    }

    fn url(&self) -> Option<&KeysUrl> {
        match &self.jwt.as_ref()?.keys {
            KeysAt::Url(url) => Some(url),
            KeysAt::File(_) => None,
        }
    }
}

impl JwtSource {
    fn load(&self, fetched: Option<&KeySet>) -> Result<JwtAccess, LoadError> {
        let keys = match &self.keys {
            KeysAt::File(path) => {
                let read = KeySet::read(&watched::read(path)?);
                Some(read.map_err(|source| LoadError::Keys { path: path.clone(), source })?)
            }
            KeysAt::Url(_) => fetched.cloned(),
        };
        let Some(keys) = keys else { return Ok(JwtAccess::KeysAwaited) };
        let (issuer, audience, claim) = (self.issuer.clone(), self.audience.clone(), self.claim.clone());
        Ok(JwtAccess::On(JwtRules { issuer, audience, claim, keys }))
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<ClientRole>, LoadError> {
    let not_rules = |why: String| LoadError::NotRules { path: path.to_owned(), why };
    let text = std::str::from_utf8(bytes).map_err(|_| not_rules("it is not UTF-8".to_owned()))?;
    let rules: Rules = toml::from_str(text).map_err(|error| not_rules(error.message().to_owned()))?;
    if rules.client.len() > RULES_MAX {
        return Err(not_rules(format!("it has more than {RULES_MAX} rules")));
    }
    let rules = rules.client.into_iter().enumerate();
    rules
        .map(|(at, rule)| {
            checked(rule).map_err(|why| LoadError::Rule { path: path.to_owned(), number: at + 1, why })
        })
        .collect()
}

fn checked(rule: Rule) -> Result<ClientRole, String> {
    let names = [
        rule.common_name.map(CertificateName::CommonName),
        rule.dns.map(CertificateName::Dns),
        rule.uri.map(CertificateName::Uri),
        rule.email.map(CertificateName::Email),
    ];
    let mut names = names.into_iter().flatten();
    let (Some(name), None) = (names.next(), names.next()) else {
        return Err("it must have exactly one of `common_name`, `dns`, `uri` and `email`".to_owned());
    };
    check_text("the name", name_of(&name), NAME_BYTES_MAX)?;
    let role = Role::ALL.into_iter().find(|role| role.as_str() == rule.role);
    let role =
        role.ok_or_else(|| format!("`role` cannot be {:?}: expected read, write or admin", rule.role))?;
    if rule.prefixes.len() > limits::TOKEN_PREFIXES_MAX {
        return Err(format!("it has more than {} prefixes", limits::TOKEN_PREFIXES_MAX));
    }
    rule.prefixes.iter().try_for_each(|prefix| check_text("a prefix", prefix, limits::NAME_BYTES_MAX))?;
    let parts = [rule.requests_per_second, rule.bytes_per_second, rule.subscribers_max, rule.body_bytes_max];
    for ((name, range), part) in Allowance::NAMES.iter().zip(Allowance::ranges()).zip(parts) {
        if part.is_some_and(|part| !range.contains(&part)) {
            return Err(format!("`{name}` must be from {} to {}", range.start(), range.end()));
        }
    }
    Ok(ClientRole { name, role, prefixes: rule.prefixes, allowance: Allowance::of_parts(parts) })
}

fn name_of(name: &CertificateName) -> &str {
    match name {
        CertificateName::CommonName(name)
        | CertificateName::Dns(name)
        | CertificateName::Uri(name)
        | CertificateName::Email(name) => name,
    }
}

/// An empty prefix would cover every name, and an empty name would name everyone without one.
fn check_text(what: &str, text: &str, bytes_max: usize) -> Result<(), String> {
    if text.is_empty() || text.len() > bytes_max || text.chars().any(char::is_control) {
        return Err(format!("{what} must have 1 to {bytes_max} bytes without control characters"));
    }
    Ok(())
}

/// Keeps the rules in use those of the files, and the keys those of the URL.
#[derive(Debug)]
pub(crate) struct Keeper {
    sources: Sources,
    rules: watch::Sender<Arc<Identities>>,
    fetched: Option<KeySet>,
    metrics: Arc<Metrics>,
    hangup: Signal,
    look: Interval,
    fetch_at: Instant,
    /// What was read last, whether it was usable or not.
    read: Versions,
}

impl Keeper {
    /// Reads the files for the first time. Keys at a URL are fetched later: a node starts without its neighbours.
    pub(crate) fn begin(sources: &Sources, metrics: &Arc<Metrics>) -> Result<Self, LoadError> {
        // Before the files are read: what changes meanwhile is read again.
        let read = sources.versions();
        let rules = watch::Sender::new(Arc::new(sources.load(None, None)?));
        let hangup = signal(SignalKind::hangup())
            .map_err(|source| ReadError::Unreadable { path: PathBuf::from("SIGHUP"), source })?;
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (sources, metrics) = (sources.clone(), Arc::clone(metrics));
        Ok(Self { sources, rules, fetched: None, metrics, hangup, look, fetch_at: Instant::now(), read })
    }

    /// The rules in use.
    pub(crate) fn rules(&self) -> watch::Receiver<Arc<Identities>> {
        self.rules.subscribe()
    }

    /// Does not end.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                received = self.hangup.recv() => {
                    if received.is_some() {
                        self.reload();
                        self.fetch().await;
                    }
                }
                _ = self.look.tick() => {
                    if self.sources.versions() != self.read {
                        self.reload();
                    }
                }
                () = sleep_until(self.fetch_at), if self.sources.url().is_some() => self.fetch().await,
            }
        }
    }

    async fn fetch(&mut self) {
        let Some(url) = self.sources.url() else { return };
        match url.fetch().await {
            Ok(keys) => {
                self.fetch_at = Instant::now() + FETCH_EVERY;
                if self.fetched.as_ref() != Some(&keys) {
                    self.fetched = Some(keys);
                    self.reload();
                }
            }
            Err(error) => {
                self.fetch_at = Instant::now() + FETCH_AGAIN;
                self.failed(&format!("cannot get the keys at {url}: {error}"));
            }
        }
    }

    fn reload(&mut self) {
        self.read = self.sources.versions();
        let before = Arc::clone(&self.rules.borrow());
        match self.sources.load(self.fetched.as_ref(), Some(&before)) {
            Ok(rules) => {
                self.rules.send_replace(Arc::new(rules));
                tracing::info!("the rules for callers without a token of the store have changed");
            }
            Err(error) => self.failed(&error.to_string()),
        }
    }

    fn failed(&self, error: &str) {
        self.metrics.identities_reloads_failed.inc();
        tracing::error!(error, "the rules could not be read again: the node keeps those that it has");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Vec<ClientRole>, String> {
        parse(Path::new("roles.toml"), text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_rule_has_a_name_a_role_and_may_have_prefixes_and_limits() {
        let rules = check(
            "[[client]]\nuri = 'spiffe://example/billing'\nrole = 'write'\nprefixes = ['orders-', 'żółw']\n\
             requests_per_second = 100\n[[client]]\ncommon_name = 'ops'\nrole = 'admin'\n",
        )
        .unwrap();
        let allowance = Allowance { requests_per_second: Some(100), ..Allowance::default() };
        let name = CertificateName::Uri("spiffe://example/billing".into());
        let prefixes = vec!["orders-".into(), "żółw".into()];
        assert_eq!(rules[0], ClientRole { name, role: Role::Write, prefixes, allowance });
        assert_eq!((rules[1].role, rules[1].prefixes.len(), rules.len()), (Role::Admin, 0, 2));
        assert_eq!(check(""), Ok(Vec::new()), "then nobody is admitted");
    }

    #[test]
    fn a_rule_that_could_mean_more_than_it_says_is_refused() {
        let long = format!("[[client]]\ndns = '{}'\nrole = 'read'", "x".repeat(241));
        let many = "[[client]]\ndns = 'a'\nrole = 'read'\n".repeat(1_001);
        for (text, want) in [
            ("[[client]]\nrole = 'read'", "rule 1: it must have exactly one of"),
            ("[[client]]\ndns = 'a'\nuri = 'b'\nrole = 'read'", "rule 1: it must have exactly one of"),
            ("[[client]]\ncommon_name = ''\nrole = 'admin'", "rule 1: the name must have 1 to 240 bytes"),
            (&long, "rule 1: the name must have"),
            (
                "[[client]]\ndns = 'a'\nrole = 'root'",
                "`role` cannot be \"root\": expected read, write or admin",
            ),
            ("[[client]]\ndns = 'a'\nrole = 'read'\nprefixes = ['']", "a prefix must have 1 to 256"),
            ("[[client]]\ndns = 'a'\nrole = 'read'\nprefix = 'a'", "unknown field `prefix`"),
            ("[[client]]\ndns = 'a'", "missing field `role`"),
            ("[[clients]]\ndns = 'a'\nrole = 'read'", "unknown field `clients`"),
            (
                "[[client]]\ndns = 'a'\nrole = 'read'\nbody_bytes_max = 7",
                "`body_bytes_max` must be from 1024",
            ),
            (&many, "more than 1000 rules"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.starts_with("roles.toml") && error.contains(want), "{error}");
        }
    }
}
