//! The node's configuration: flags override the environment, which overrides the file, which overrides the
//! defaults. Each value keeps its origin.
//!
//! Values arrive as text and are parsed once, here, so that an error can name the origin to correct. Nothing here
//! decides an outcome: replicated state does.

mod combined;

use crate::exporting::Exporting;
use crate::exposure::{Missing, Transport, missing};
use crate::identities::Sources;
use crate::tls;
use api::request::query::parse_keep_alive;
use api::subject::SubjectSource;
use api::time::parse_duration_ms;
use combined::{identities, subject_from, tls_files};
use http_server::options::{Access, Allowance, WebPage, limits};
use http_server::{AllowedHost, AllowedOrigin};
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use telemetry::{LogFormat, SampleRate};

/// The file that is read if none is named and it exists.
const FILE_DEFAULT: &str = "mainstay.toml";

/// Names the file; it is not a key.
const FILE_VARIABLE: &str = "MAINSTAY_CONFIG";

/// Every key: as flag `--KEY`, as variable `MAINSTAY_KEY`, and in the file.
const KEYS: &[Key] = &[
    Key { name: "data", default: "mainstay-data" },
    Key { name: "listen", default: "127.0.0.1:7070" },
    Key { name: "tls-cert", default: "" },
    Key { name: "tls-key", default: "" },
    Key { name: "tls-client-ca", default: "" },
    Key { name: "client-roles", default: "" },
    Key { name: "jwks", default: "" },
    Key { name: "jwt-issuer", default: "" },
    Key { name: "jwt-audience", default: "" },
    Key { name: "jwt-claim", default: "scope" },
    Key { name: "insecure-http", default: "false" },
    Key { name: "allowed-hosts", default: "" },
    Key { name: "allowed-origins", default: "" },
    Key { name: "ui", default: "true" },
    Key { name: "access", default: "auto" },
    Key { name: "admin-token-file", default: "" },
    Key { name: "subject-key-file", default: "" },
    Key { name: "subject-from", default: "" },
    Key { name: "requests-per-second", default: "" },
    Key { name: "bytes-per-second", default: "" },
    Key { name: "subscribers", default: "1024" },
    Key { name: "body-size", default: "8 MiB" },
    Key { name: "cache-size", default: "16 MiB" },
    Key { name: "memtable-size", default: "16 MiB" },
    Key { name: "segment-size", default: "64 MiB" },
    Key { name: "replay-size", default: "128 MiB" },
    Key { name: "space-reserve", default: "128 MiB" },
    Key { name: "check-every", default: "1w" },
    Key { name: "check-bytes-per-second", default: "16 MiB" },
    Key { name: "keep-alive", default: "3s" },
    Key { name: "otlp-endpoint", default: "" },
    Key { name: "otlp-protocol", default: "http/protobuf" },
    Key { name: "otlp-headers-file", default: "" },
    Key { name: "otlp-metrics-every", default: "60s" },
    Key { name: "otlp-sample-rate", default: "1" },
    Key { name: "log-format", default: "auto" },
    Key { name: "log-level", default: "info" },
];

/// The keys that take any number of values: separated by commas, or an array in the file.
const LISTS: &[&str] = &["allowed-hosts", "allowed-origins"];

/// The most values of a list.
const LIST_MAX: usize = 100;

struct Key {
    name: &'static str,
    default: &'static str,
}

impl Key {
    fn variable(&self) -> String {
        format!("MAINSTAY_{}", self.name.to_uppercase().replace('-', "_"))
    }
}

/// The flags of `serve` and `config show`.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Flags {
    /// Data directory [default: mainstay-data]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) data: Option<String>,
    /// Address to listen on; any but loopback needs TLS and tokens [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// File with the node's certificate and those above it, as PEM; read again when it changes
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<String>,
    /// File with the private key of the certificate, as PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<String>,
    /// File with the certificates of authorities, as PEM: clients must have a certificate from one of them
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_client_ca: Option<String>,
    /// File with rules that give roles to names in clients' certificates, as TOML; read again when it changes
    #[arg(long, value_name = "FILE")]
    pub(crate) client_roles: Option<String>,
    /// File with the public keys of a token service, or their URL (https, or http on loopback), as a JSON Web Key Set
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) jwks: Option<String>,
    /// What `iss` must be in the tokens of that service
    #[arg(long, value_name = "ISSUER")]
    pub(crate) jwt_issuer: Option<String>,
    /// What `aud` must be in them, or contain
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) jwt_audience: Option<String>,
    /// Their claim with scopes such as `mainstay:write:orders-` [default: scope]
    #[arg(long, value_name = "CLAIM")]
    pub(crate) jwt_claim: Option<String>,
    /// Listen without TLS where others can reach the node, because a proxy in front of it has TLS
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) insecure_http: Option<String>,
    /// Names of this node in requests, besides loopback's and the address to listen on; separated by commas
    #[arg(long, value_name = "HOSTS")]
    pub(crate) allowed_hosts: Option<String>,
    /// Origins of web pages that may use the node, such as `https://app.example.com`; separated by commas
    #[arg(long, value_name = "ORIGINS")]
    pub(crate) allowed_origins: Option<String>,
    /// Serve the page for browsers at `/ui` [default: true]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) ui: Option<String>,
    /// Who may do what: `open` (everyone, on loopback only), `tokens`, or `auto` (open on loopback, otherwise
    /// tokens) [default: auto]
    #[arg(long, value_name = "MODE")]
    pub(crate) access: Option<String>,
    /// File with a token that is to be an administrator's; MAINSTAY_ADMIN_TOKEN gives the token itself
    #[arg(long, value_name = "FILE")]
    pub(crate) admin_token_file: Option<String>,
    /// File with the key that wraps the keys of subjects, as 64 hex digits: events with a `subject` are sealed
    #[arg(long, value_name = "FILE")]
    pub(crate) subject_key_file: Option<String>,
    /// Where the subject of an event without one is: `stream`, `data` or `data.MEMBER`; the first that gives a text counts
    #[arg(long, value_name = "EXPRESSIONS")]
    pub(crate) subject_from: Option<String>,
    /// Requests a second of all clients together, such as 5000 [default: no limit]
    #[arg(long, value_name = "COUNT")]
    pub(crate) requests_per_second: Option<String>,
    /// Size of the bodies a second of all clients together, such as `20 MiB` [default: no limit]
    #[arg(long, value_name = "SIZE")]
    pub(crate) bytes_per_second: Option<String>,
    /// Subscriptions and watches at the same time [default: 1024]
    #[arg(long, value_name = "COUNT")]
    pub(crate) subscribers: Option<String>,
    /// Size of one request's body, up to 8 MiB [default: 8 MiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) body_size: Option<String>,
    /// Memory for cached blocks of the state, such as `64 MiB` [default: 16 MiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) cache_size: Option<String>,
    /// Flush new rows when they use this much memory [default: 16 MiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memtable_size: Option<String>,
    /// Size of each file of the log and of the event bodies [default: 64 MiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) segment_size: Option<String>,
    /// Flush after this much log, so that a start replays little more [default: 128 MiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) replay_size: Option<String>,
    /// Refuse writes when the disk has less free space than this [default: 128 MiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) space_reserve: Option<String>,
    /// Check all data in the background this often, or `off` [default: 1w]
    #[arg(long, value_name = "DURATION")]
    pub(crate) check_every: Option<String>,
    /// Bytes a second that such a check reads [default: 16 MiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) check_bytes_per_second: Option<String>,
    /// Longest silence of a subscription before a keep-alive message, from 1s to 60s [default: 3s]
    #[arg(long, value_name = "DURATION")]
    pub(crate) keep_alive: Option<String>,
    /// Send traces and metrics by OTLP to a collector, such as `http://127.0.0.1:4318` [default: nowhere]
    #[arg(long, value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,
    /// How: `http/protobuf` (port 4318 of a collector) or `grpc` (port 4317) [default: http/protobuf]
    #[arg(long, value_name = "PROTOCOL")]
    pub(crate) otlp_protocol: Option<String>,
    /// File with headers for the collector, such as `authorization: Bearer SECRET`, one on each line
    #[arg(long, value_name = "FILE")]
    pub(crate) otlp_headers_file: Option<String>,
    /// Send metrics this often, from 1s to 1d [default: 60s]
    #[arg(long, value_name = "DURATION")]
    pub(crate) otlp_metrics_every: Option<String>,
    /// Part of the traces to send whose callers do not say, from 0 to 1 [default: 1]
    #[arg(long, value_name = "PART")]
    pub(crate) otlp_sample_rate: Option<String>,
    /// Log format: `text`, `json`, or `auto` (text on a terminal, JSON otherwise) [default: auto]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// Log level, such as `info` or `warn,node=debug` [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Configuration file [default: mainstay.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl Flags {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "data" => self.data.as_deref(),
            "listen" => self.listen.as_deref(),
            "tls-cert" => self.tls_cert.as_deref(),
            "tls-key" => self.tls_key.as_deref(),
            "tls-client-ca" => self.tls_client_ca.as_deref(),
            "client-roles" => self.client_roles.as_deref(),
            "jwks" => self.jwks.as_deref(),
            "jwt-issuer" => self.jwt_issuer.as_deref(),
            "jwt-audience" => self.jwt_audience.as_deref(),
            "jwt-claim" => self.jwt_claim.as_deref(),
            "insecure-http" => self.insecure_http.as_deref(),
            "allowed-hosts" => self.allowed_hosts.as_deref(),
            "allowed-origins" => self.allowed_origins.as_deref(),
            "ui" => self.ui.as_deref(),
            "access" => self.access.as_deref(),
            "admin-token-file" => self.admin_token_file.as_deref(),
            "subject-key-file" => self.subject_key_file.as_deref(),
            "subject-from" => self.subject_from.as_deref(),
            "requests-per-second" => self.requests_per_second.as_deref(),
            "bytes-per-second" => self.bytes_per_second.as_deref(),
            "subscribers" => self.subscribers.as_deref(),
            "body-size" => self.body_size.as_deref(),
            "cache-size" => self.cache_size.as_deref(),
            "memtable-size" => self.memtable_size.as_deref(),
            "segment-size" => self.segment_size.as_deref(),
            "replay-size" => self.replay_size.as_deref(),
            "space-reserve" => self.space_reserve.as_deref(),
            "check-every" => self.check_every.as_deref(),
            "check-bytes-per-second" => self.check_bytes_per_second.as_deref(),
            "keep-alive" => self.keep_alive.as_deref(),
            "otlp-endpoint" => self.otlp_endpoint.as_deref(),
            "otlp-protocol" => self.otlp_protocol.as_deref(),
            "otlp-headers-file" => self.otlp_headers_file.as_deref(),
            "otlp-metrics-every" => self.otlp_metrics_every.as_deref(),
            "otlp-sample-rate" => self.otlp_sample_rate.as_deref(),
            "log-format" => self.log_format.as_deref(),
            "log-level" => self.log_level.as_deref(),
            _ => None,
        }
    }
}

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag(String),
    Environment(String),
    File(PathBuf),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    /// The files of TLS, if connections use it.
    pub(crate) tls: Option<tls::Files>,
    /// The rules for callers without a token of the store.
    pub(crate) identities: Option<Sources>,
    pub(crate) allowed_hosts: Vec<AllowedHost>,
    pub(crate) allowed_origins: Vec<AllowedOrigin>,
    /// Whether browsers get a page.
    pub(crate) page: WebPage,
    pub(crate) access: Access,
    /// Where the token of an administrator comes from, if not from the node.
    pub(crate) admin_token_file: Option<PathBuf>,
    /// Holds the key that wraps the keys of subjects. Without it, nothing is sealed.
    pub(crate) subject_key_file: Option<PathBuf>,
    /// Where the subject of an event without one is.
    pub(crate) subject_from: Vec<SubjectSource>,
    /// What all clients together may use.
    pub(crate) allowance: Allowance,
    pub(crate) subscribers_max: usize,
    pub(crate) cache_bytes: u64,
    pub(crate) memtable_bytes: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) replay_bytes: u64,
    pub(crate) space_reserve_bytes: u64,
    /// The time between two checks of the data; `None` if there are none.
    pub(crate) check_every: Option<Duration>,
    pub(crate) check_bytes_per_second: u64,
    pub(crate) keep_alive: Duration,
    /// Where spans and metrics are sent; `None` if nowhere.
    pub(crate) exporting: Option<Exporting>,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: String,
    /// The same values as text, with their origins, in the order of the keys.
    pub(crate) settings: Vec<Setting>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{} is not valid TOML: {message}", path.display())]
    NotToml { path: PathBuf, message: String },
    #[error("{} has the unknown key `{key}`; the known keys are {known}", path.display())]
    UnknownKey { path: PathBuf, key: String, known: String },
    #[error("`{key}` cannot be {value:?} (from {origin}): expected {takes}")]
    Value { key: &'static str, value: String, origin: Origin, takes: &'static str },
    #[error("`{key}` has too many values (from {origin}): it takes at most {max}")]
    TooMany { key: &'static str, origin: Origin, max: usize },
    #[error("`{set}` is set (from {origin}), and `{unset}` is not: TLS needs both")]
    HalfOfTls { set: &'static str, origin: Origin, unset: &'static str },
    #[error("`{set}` is set (from {origin}), and {missing}")]
    WithoutEffect { set: &'static str, origin: Origin, missing: &'static str },
    #[error(
        "`listen` is {address} (from {origin}), which other machines can reach. There, a node needs more:{missing}"
    )]
    Exposed { address: SocketAddr, origin: Origin, missing: String },
}

/// The configuration of this process.
pub(crate) fn load(flags: &Flags) -> Result<Config, ConfigError> {
    let environment = |name: &str| std::env::var(name).ok();
    let named = flags.config.clone().or_else(|| environment(FILE_VARIABLE).map(PathBuf::from));
    let path = named.clone().unwrap_or_else(|| PathBuf::from(FILE_DEFAULT));
    let file = match std::fs::read_to_string(&path) {
        Ok(text) => Some((path.as_path(), text)),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(ConfigError::Unreadable { path, source }),
    };
    resolve(flags, environment, file.as_ref().map(|(path, text)| (*path, text.as_str())))
}

/// Depends on its arguments only.
fn resolve(
    flags: &Flags,
    environment: impl Fn(&str) -> Option<String>,
    file: Option<(&Path, &str)>,
) -> Result<Config, ConfigError> {
    let table = file.map(|(path, text)| parse_file(path, text)).transpose()?.unwrap_or_default();
    let settings: Vec<Setting> = KEYS
        .iter()
        .map(|key| {
            let (value, origin) = if let Some(value) = flags.get(key.name) {
                (value.to_owned(), Origin::Flag(format!("--{}", key.name)))
            } else if let Some(value) = environment(&key.variable()) {
                (value, Origin::Environment(key.variable()))
            } else if let (Some(value), Some((path, _))) = (table.get(key.name), file) {
                (plain(key.name, value), Origin::File(path.to_owned()))
            } else {
                (key.default.to_owned(), Origin::Default)
            };
            Setting { key: key.name, value, origin }
        })
        .collect();
    typed(settings)
}

fn parse_file(path: &Path, text: &str) -> Result<toml::Table, ConfigError> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| ConfigError::NotToml {
        path: path.to_owned(),
        message: describe(&error, text),
    })?;
    match table.keys().find(|key| !KEYS.iter().any(|known| known.name == key.as_str())) {
        Some(key) => Err(ConfigError::UnknownKey {
            path: path.to_owned(),
            key: key.clone(),
            known: KEYS.iter().map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", "),
        }),
        None => Ok(table),
    }
}

/// A TOML error as one line of text, such as `line 2: string values must be quoted`.
fn describe(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message())
}

/// A string without its quotes, the strings of a list with commas, and anything else as TOML writes it. A wrong type
/// fails when it is parsed.
fn plain(key: &str, value: &toml::Value) -> String {
    if let (true, Some(values)) = (LISTS.contains(&key), value.as_array()) {
        return values.iter().map(|value| plain(key, value)).collect::<Vec<_>>().join(",");
    }
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn typed(settings: Vec<Setting>) -> Result<Config, ConfigError> {
    let listen: SocketAddr = parse(&settings, "listen", "an address and a port, such as 127.0.0.1:7070")?;
    let tls = tls_files(&settings)?;
    let access = access(&settings, listen)?;
    let insecure: bool = parse(&settings, "insecure-http", "true or false")?;
    let transport = match tls {
        Some(_) => Transport::Tls,
        None if insecure => Transport::InsecureHttp,
        None => Transport::Plain,
    };
    let missing = missing(listen, transport, access);
    if !missing.is_empty() {
        return Err(ConfigError::Exposed {
            address: listen,
            origin: setting(&settings, "listen").1,
            missing: Missing::list(&missing),
        });
    }
    Ok(Config {
        data: parse::<NonEmpty>(&settings, "data", "the path of a directory")?.0.into(),
        listen,
        identities: identities(&settings, tls.as_ref(), access)?,
        tls,
        allowed_hosts: list(
            &settings,
            "allowed-hosts",
            "names of hosts, such as mainstay.internal or proxy:8443",
        )?,
        allowed_origins: list(
            &settings,
            "allowed-origins",
            "origins of web pages, such as https://app.example.com",
        )?,
        page: if parse(&settings, "ui", "true or false")? { WebPage::Served } else { WebPage::Absent },
        access,
        admin_token_file: file(&settings, "admin-token-file"),
        subject_key_file: file(&settings, "subject-key-file"),
        subject_from: subject_from(&settings)?,
        allowance: allowance(&settings)?,
        subscribers_max: number(&settings, "subscribers", 1..=4_096, "a number from 1 to 4096")?
            .map_or(limits::SUBSCRIBERS_MAX, |number| number as usize),
        cache_bytes: size(&settings, "cache-size", &CACHE_SIZE)?,
        memtable_bytes: size(&settings, "memtable-size", &MEMTABLE_SIZE)?,
        segment_bytes: size(&settings, "segment-size", &SEGMENT_SIZE)?,
        replay_bytes: size(&settings, "replay-size", &REPLAY_SIZE)?,
        space_reserve_bytes: size(&settings, "space-reserve", &SPACE_RESERVE)?,
        check_every: parse::<CheckEvery>(
            &settings,
            "check-every",
            "a duration from 1s to 52w, such as 1w, or off",
        )?
        .0,
        check_bytes_per_second: size(&settings, "check-bytes-per-second", &CHECK_BYTES_PER_SECOND)?,
        keep_alive: parse::<KeepAlive>(
            &settings,
            "keep-alive",
            "a duration from 1s to 60s, such as 3s or 1500ms",
        )?
        .0,
        exporting: exporting(&settings)?,
        log_format: parse(&settings, "log-format", "auto, text or json")?,
        log_level: parse::<NonEmpty>(&settings, "log-level", "levels, such as info or warn,node=debug")?.0,
        settings,
    })
}

fn setting(settings: &[Setting], key: &str) -> (String, Origin) {
    settings
        .iter()
        .find(|setting| setting.key == key)
        .map_or((String::new(), Origin::Default), |setting| (setting.value.clone(), setting.origin.clone()))
}

fn parse<T: FromStr>(settings: &[Setting], key: &'static str, takes: &'static str) -> Result<T, ConfigError> {
    let (value, origin) = setting(settings, key);
    value.trim().parse().map_err(|_| ConfigError::Value { key, value, origin, takes })
}

/// The path of a file; `None` if there is no value.
fn file(settings: &[Setting], key: &str) -> Option<PathBuf> {
    Some(setting(settings, key).0).filter(|file| !file.is_empty()).map(PathBuf::from)
}

/// Values with commas between them; none at all is allowed.
fn list<T: FromStr>(
    settings: &[Setting],
    key: &'static str,
    takes: &'static str,
) -> Result<Vec<T>, ConfigError> {
    let (text, origin) = setting(settings, key);
    let values = text.split(',').map(str::trim).filter(|_| !text.trim().is_empty());
    let wrong =
        |value: &str| ConfigError::Value { key, value: value.to_owned(), origin: origin.clone(), takes };
    let values: Vec<T> =
        values.map(|value| value.parse().map_err(|_| wrong(value))).collect::<Result<_, _>>()?;
    if values.len() > LIST_MAX {
        return Err(ConfigError::TooMany { key, origin, max: LIST_MAX });
    }
    Ok(values)
}

/// A number in a range; `None` if there is no value.
fn number(
    settings: &[Setting],
    key: &'static str,
    range: RangeInclusive<u64>,
    takes: &'static str,
) -> Result<Option<u64>, ConfigError> {
    let (value, origin) = setting(settings, key);
    if value.is_empty() {
        return Ok(None);
    }
    match value.trim().parse() {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => Err(ConfigError::Value { key, value, origin, takes }),
    }
}

/// What all clients together may use. Their subscribers have a setting, and a bound, of their own.
fn allowance(settings: &[Setting]) -> Result<Allowance, ConfigError> {
    let [requests, ..] = Allowance::ranges();
    let bytes = !setting(settings, "bytes-per-second").0.is_empty();
    let bytes = bytes.then(|| size(settings, "bytes-per-second", &BYTES_PER_SECOND)).transpose()?;
    let body_bytes = size(settings, "body-size", &BODY_SIZE)?;
    Ok(Allowance {
        requests_per_second: number(
            settings,
            "requests-per-second",
            requests,
            "a number from 1 to 1000000, or nothing",
        )?,
        bytes_per_second: bytes,
        subscribers_max: None,
        body_bytes_max: (body_bytes < limits::BODY_BYTES_MAX as u64).then_some(body_bytes),
    })
}

/// Where spans and metrics are sent. Headers without a collector that gets them are a mistake.
fn exporting(settings: &[Setting]) -> Result<Option<Exporting>, ConfigError> {
    let protocol = parse(settings, "otlp-protocol", "http/protobuf or grpc")?;
    let headers_file = file(settings, "otlp-headers-file");
    let MetricsEvery(metrics_every) =
        parse(settings, "otlp-metrics-every", "a duration from 1s to 1d, such as 60s")?;
    let (part, origin) = setting(settings, "otlp-sample-rate");
    let rate = part.trim().parse().ok().and_then(SampleRate::new).ok_or(ConfigError::Value {
        key: "otlp-sample-rate",
        value: part,
        origin,
        takes: "a number from 0 to 1, such as 0.01",
    })?;
    if setting(settings, "otlp-endpoint").0.is_empty() {
        let origin = setting(settings, "otlp-headers-file").1;
        let missing = "`otlp-endpoint` is not: there is no collector to send them to";
        let useless = ConfigError::WithoutEffect { set: "otlp-headers-file", origin, missing };
        return headers_file.map_or(Ok(None), |_| Err(useless));
    }
    let takes = "a URL without a user, a query and the path of a signal, such as http://127.0.0.1:4318";
    let endpoint = parse(settings, "otlp-endpoint", takes)?;
    Ok(Some(Exporting { endpoint, protocol, headers_file, metrics_every, rate }))
}

/// Who may do what, as the configuration says it.
enum AccessMode {
    /// What the address asks for.
    Auto,
    Always(Access),
}

impl FromStr for AccessMode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "auto" => Ok(Self::Auto),
            "open" => Ok(Self::Always(Access::Open)),
            "tokens" => Ok(Self::Always(Access::Tokens)),
            _ => Err(()),
        }
    }
}

/// Whether that is allowed where others can reach the node is for [`missing`] to say.
fn access(settings: &[Setting], listen: SocketAddr) -> Result<Access, ConfigError> {
    match parse(settings, "access", "auto, open or tokens")? {
        AccessMode::Always(access) => Ok(access),
        AccessMode::Auto if listen.ip().to_canonical().is_loopback() => Ok(Access::Open),
        AccessMode::Auto => Ok(Access::Tokens),
    }
}

/// A text that is not empty.
struct NonEmpty(String);

impl FromStr for NonEmpty {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        (!text.is_empty()).then(|| Self(text.to_owned())).ok_or(())
    }
}

/// The longest silence of a subscription.
struct KeepAlive(Duration);

impl FromStr for KeepAlive {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_keep_alive(text).map(Self)
    }
}

/// The time between two checks of the data, if there are any.
struct CheckEvery(Option<Duration>);

impl FromStr for CheckEvery {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        const WEEK_MS: u64 = 7 * 86_400_000;
        match (text, parse_duration_ms(text)) {
            ("off", _) => Ok(Self(None)),
            (_, Some(ms @ 1_000..)) if ms <= 52 * WEEK_MS => Ok(Self(Some(Duration::from_millis(ms)))),
            _ => Err(()),
        }
    }
}

/// The time between two readings of the metrics for a collector.
struct MetricsEvery(Duration);

impl FromStr for MetricsEvery {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let ms = parse_duration_ms(text).filter(|ms| (1_000..=86_400_000).contains(ms));
        ms.map(|ms| Self(Duration::from_millis(ms))).ok_or(())
    }
}

/// The sizes that a key accepts, and how an error describes them.
struct SizeRange {
    bytes: RangeInclusive<u64>,
    takes: &'static str,
}

const CACHE_SIZE: SizeRange =
    SizeRange { bytes: 0..=1 << 40, takes: "a size from 0 to 1 TiB, such as 64 MiB" };
const MEMTABLE_SIZE: SizeRange =
    SizeRange { bytes: 256 << 10..=4 << 30, takes: "a size from 256 KiB to 4 GiB, such as 16 MiB" };
const BYTES_PER_SECOND: SizeRange = SizeRange {
    bytes: limits::BYTES_PER_SECOND_MIN..=limits::BYTES_PER_SECOND_MAX,
    takes: "a size from 16 KiB to 8 GiB, such as 20 MiB, or nothing",
};
const BODY_SIZE: SizeRange = SizeRange {
    bytes: limits::BODY_BYTES_MAX_MIN..=limits::BODY_BYTES_MAX as u64,
    takes: "a size from 1 KiB to 8 MiB, such as 1 MiB",
};
/// A node zeroes a whole segment ahead of use, so a segment must fit the disk many times.
const SEGMENT_SIZE: SizeRange =
    SizeRange { bytes: 1 << 20..=1 << 30, takes: "a size from 1 MiB to 1 GiB, such as 64 MiB" };
const REPLAY_SIZE: SizeRange =
    SizeRange { bytes: 1 << 20..=4 << 30, takes: "a size from 1 MiB to 4 GiB, such as 128 MiB" };
const CHECK_BYTES_PER_SECOND: SizeRange =
    SizeRange { bytes: 16 << 10..=1 << 30, takes: "a size from 16 KiB to 1 GiB, such as 16 MiB" };
const SPACE_RESERVE: SizeRange =
    SizeRange { bytes: 0..=1 << 40, takes: "a size from 0 to 1 TiB, such as 128 MiB" };

fn size(settings: &[Setting], key: &'static str, range: &SizeRange) -> Result<u64, ConfigError> {
    let Size(bytes) = parse(settings, key, range.takes)?;
    if range.bytes.contains(&bytes) {
        return Ok(bytes);
    }
    let (value, origin) = setting(settings, key);
    Err(ConfigError::Value { key, value, origin, takes: range.takes })
}

/// A number of bytes, also written as `64 MiB`.
pub(crate) struct Size(pub(crate) u64);

impl FromStr for Size {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..digits].parse().map_err(|_| ())?;
        let unit = match text[digits..].trim() {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return Err(()),
        };
        number.checked_mul(unit).map(Self).ok_or(())
    }
}

#[cfg(test)]
mod tests;
