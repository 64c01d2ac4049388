//! The base URL of a node, checked once when the client is built.

use crate::error::{Error, Result};
use http::Uri;
use http::uri::{Authority, Scheme};

/// Where requests go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    scheme: Scheme,
    authority: Authority,
    /// The prefix of every path, without a slash at its end.
    base: String,
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let invalid = |reason| Error::Url { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|_| invalid("it is not a URL"))?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
        let scheme = scheme.ok_or_else(|| invalid("it must begin with http:// or https://"))?;
        if cfg!(not(feature = "rustls")) && scheme == Scheme::HTTPS {
            return Err(invalid("https needs the feature `rustls` of mainstay-client"));
        }
        let authority = parts.authority.filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| invalid("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("it contains a user name"));
        }
        let path = parts.path_and_query.ok_or_else(|| invalid("it names no host"))?;
        if path.query().is_some() {
            return Err(invalid("it contains a query"));
        }
        Ok(Self { scheme, authority, base: path.path().trim_end_matches('/').to_owned() })
    }

    pub(crate) fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    pub(crate) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The URL of a path and query that are already percent-encoded.
    pub(crate) fn join(&self, path: &str) -> String {
        format!("{}://{}{}{path}", self.scheme, self.authority, self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked_before_anything_is_sent() {
        for (url, want) in [
            ("http://127.0.0.1:7070", Some("http://127.0.0.1:7070/v1")),
            ("http://localhost/", Some("http://localhost/v1")),
            ("http://[::1]:7070/mainstay/", Some("http://[::1]:7070/mainstay/v1")),
            ("https://events.example", cfg!(feature = "rustls").then_some("https://events.example/v1")),
            ("ftp://localhost:7070", None),
            ("localhost:7070", None),
            ("/v1", None),
            ("http://localhost/?a=b", None),
            ("http://user:secret@localhost/", None),
            ("", None),
        ] {
            let got = Target::parse(url).ok().map(|target| target.join("/v1"));
            assert_eq!(got.as_deref(), want, "{url}");
        }
    }
}
