//! Where the keys of a token service are: in a file, or at a URL.
//!
//! What comes from a URL decides who may do what, so only https counts, or http on this machine. A response is bounded in size
//! and time, and redirects are not followed.

use http_server::access::identities::{BadKeys, KeySet};
use mainstay_client::{Client, Request, Retry};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tokio::time::timeout;

/// How long a whole fetch may take.
const FETCH_TIME: Duration = Duration::from_secs(10);
/// The most bytes of a key set.
const KEYS_BYTES_MAX: usize = 1 << 20;

/// Where keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeysAt {
    File(PathBuf),
    Url(KeysUrl),
}

/// A URL that can be trusted to be who it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeysUrl {
    /// Scheme, host and port.
    origin: String,
    path: String,
}

impl fmt::Display for KeysUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

/// Why keys cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error(transparent)]
    Unanswered(#[from] mainstay_client::Error),
    #[error("the response took longer than {} s", FETCH_TIME.as_secs())]
    Slow,
    #[error("the response has the status {0}")]
    Status(u16),
    #[error("the response is longer than 1 MiB")]
    TooLong,
    #[error(transparent)]
    BadKeys(#[from] BadKeys),
}

impl KeysAt {
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Url(_) => None,
        }
    }
}

impl FromStr for KeysAt {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.is_empty() || !text.contains("://") {
            return if text.is_empty() { Err(()) } else { Ok(Self::File(text.into())) };
        }
        text.parse().map(Self::Url)
    }
}

impl FromStr for KeysUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (scheme, rest) = text.split_once("://").ok_or(())?;
        let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        // What looks like the host and is not.
        let is_ambiguous = authority.contains(['@', '\\']) || path.contains('#');
        if authority.is_empty() || !is_plain(authority) || !is_plain(path) || is_ambiguous {
            return Err(());
        }
        if scheme != "https" && !(scheme == "http" && is_loopback(authority)) {
            return Err(());
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { origin: format!("{scheme}://{authority}"), path: format!("{slash}{path}") })
    }
}

/// Whether a host, which may have a port, is this machine.
fn is_loopback(authority: &str) -> bool {
    let without_port = authority.rsplit_once(':').filter(|(host, port)| {
        (!host.contains(':') || host.ends_with(']')) && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    let host = without_port.map_or(authority, |(host, _)| host);
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}

impl KeysUrl {
    /// Gets the keys.
    pub(crate) async fn fetch(&self) -> Result<KeySet, FetchError> {
        let client = Client::builder(&self.origin).timeout(FETCH_TIME).retry(Retry::never()).build()?;
        let request = Request::new("GET", self.path.as_str())?.header("accept", "application/json")?;
        let response = timeout(FETCH_TIME, client.send(&request)).await.map_err(|_| FetchError::Slow)??;
        if response.status != 200 {
            return Err(FetchError::Status(response.status));
        }
        if response.body.len() > KEYS_BYTES_MAX {
            return Err(FetchError::TooLong);
        }
        Ok(KeySet::read(&response.body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_a_file_over_https_or_from_this_machine() {
        for (text, want) in [
            ("keys.json", Some("keys.json")),
            ("/etc/keys.json", Some("/etc/keys.json")),
            ("https://id.example.com/keys", Some("https://id.example.com/keys")),
            ("https://id.example.com", Some("https://id.example.com/")),
            ("https://id.example.com:8443?a=b", Some("https://id.example.com:8443/?a=b")),
            ("http://127.0.0.1:8080/keys", Some("http://127.0.0.1:8080/keys")),
            ("http://[::1]/keys", Some("http://[::1]/keys")),
            ("http://localhost:1/keys", Some("http://localhost:1/keys")),
            ("http://id.example.com/keys", None),
            ("http://127.0.0.1.example.com/keys", None),
            ("http://127.0.0.1@id.example.com/keys", None),
            ("http://id.example.com\\@127.0.0.1/keys", None),
            ("http://10.0.0.1/keys", None),
            ("http://[::2]/keys", None),
            ("ftp://127.0.0.1/keys", None),
            ("file:///etc/keys.json", None),
            ("https:///keys", None),
            ("https://a b/keys", None),
            ("https://a/keys#b", None),
            ("", None),
        ] {
            let found = text.parse::<KeysAt>().ok().map(|at| match at {
                KeysAt::File(path) => path.display().to_string(),
                KeysAt::Url(url) => url.to_string(),
            });
            assert_eq!(found.as_deref(), want, "{text}");
        }
    }
}
