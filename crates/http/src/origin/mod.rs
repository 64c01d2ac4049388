//! What web pages may do: nothing, unless the operator lists their origin.
//!
//! A browser lets any page send requests to any address that the browser can reach, a node on loopback included. The
//! node checks three headers before it executes anything:
//!
//! ```text
//!   Host, :authority ─► a name of this node?   no ─► 403 foreign_host     (DNS rebinding)
//!   Origin           ─► this node, or listed?  no ─► 403 foreign_origin   (fetch, forms)
//!   Sec-Fetch-Site   ─► without Origin: from another site, and not a link that was followed?
//!                                             yes ─► 403 foreign_origin   (images, scripts, frames)
//! ```
//!
//! Pages cannot set or omit these headers; browsers do. Other programs send a `Host` and neither of the others, so for
//! them this costs two failed look-ups and a comparison of names. It is no access control: see docs/security.md.

mod cors;
mod host;

pub use cors::AllowedOrigin;
pub use host::{AllowedHost, HostRule};

use crate::response::{self, Response};
use api::{Code, Problem};
use cors::Cors;
use host::Authority;
use http::header::{HOST, HeaderName, HeaderValue, ORIGIN};
use http::{HeaderMap, Method, Request, Version};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// How much of a refused header a problem quotes.
const QUOTED_CHARS_MAX: usize = 100;

/// What the operator allows.
#[derive(Clone, Debug, Default)]
pub struct WebRules {
    pub hosts: HostRule,
    /// The origins whose pages may use the node. None by default.
    pub origins: Vec<AllowedOrigin>,
}

/// How a connection is secured, which is part of the node's own origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// Checks each request by the rules, and completes its response.
#[derive(Debug)]
pub(crate) struct Origins {
    hosts: HostRule,
    cors: Cors,
}

/// A request that may be executed.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// Not from a page, or from a page of this node.
    Own,
    /// From a page of a listed origin.
    Listed(cors::CrossOrigin),
}

impl Origins {
    pub(crate) fn new(rules: &WebRules) -> Self {
        Self { hosts: rules.hosts.clone(), cors: Cors::new(&rules.origins) }
    }

    /// Checks a request before anything of it is executed.
    pub(crate) fn admit<B>(&self, request: &Request<B>, scheme: Scheme) -> response::Result<Admitted> {
        let headers = request.headers();
        let named = single_host(request.version(), headers)?;
        // In HTTP/2, and with a whole URL in the request line, the target names the host. `Host` must not differ from
        // what is allowed either: a proxy on the way may have used the one or the other.
        let target = request.uri().authority().map(http::uri::Authority::as_str);
        for text in target.iter().copied().chain(named) {
            if !self.hosts.allows(text) {
                return Err(foreign_host(text));
            }
        }
        let own = target.or(named);
        if own.is_none() && request.version() == Version::HTTP_2 {
            return Err(Problem::new(Code::BadRequest, "HTTP/2 needs `:authority` or a `Host` header"));
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => self.without_origin(request.method(), headers),
            (Some(origin), None) if is_own(origin, own, scheme) => Ok(Admitted::Own),
            (Some(origin), None) => match self.cors.admit(origin, request.method(), headers) {
                Some(listed) => Ok(Admitted::Listed(listed)),
                None => Err(foreign_origin("Origin", origin)),
            },
            (Some(_), Some(_)) => {
                Err(Problem::new(Code::DuplicateHeader, "`origin` was sent twice").header("origin"))
            }
        }
    }

    /// Browsers send no `Origin` with a GET for an image, a script, a frame or a link. They say in other headers where
    /// it comes from. Following a link is allowed: the page that has it does not see the response.
    #[expect(clippy::unused_self, reason = "one of the checks")]
    fn without_origin(&self, method: &Method, headers: &HeaderMap) -> response::Result<Admitted> {
        let Some(site) = headers.get(FETCH_SITE) else { return Ok(Admitted::Own) };
        let is = |name, value: &str| headers.get(name).is_some_and(|sent| sent == value);
        let followed_link = method == Method::GET && is(FETCH_MODE, "navigate") && is(FETCH_DEST, "document");
        if site == "same-origin" || site == "none" || followed_link {
            return Ok(Admitted::Own);
        }
        Err(foreign_origin("Sec-Fetch-Site", site))
    }

    /// Adds what a browser needs before it gives the response to a page.
    pub(crate) fn complete(&self, admitted: Admitted, response: Response) -> Response {
        self.cors.complete(admitted, response)
    }
}

/// RFC 9112, section 3.2: HTTP/1.1 requires exactly one `Host`. Only HTTP/1.0 may have none, and no browser uses that.
fn single_host(version: Version, headers: &HeaderMap) -> response::Result<Option<&str>> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_11 => {
            Err(Problem::new(Code::BadRequest, "HTTP/1.1 needs a `Host` header"))
        }
        (None, _) => Ok(None),
        (Some(host), None) => match host.to_str() {
            Ok(host) => Ok(Some(host)),
            Err(_) => Err(Problem::new(Code::BadRequest, "`Host` must be ASCII")),
        },
        (Some(_), Some(_)) => {
            Err(Problem::new(Code::DuplicateHeader, "`host` was sent twice").header("host"))
        }
    }
}

/// Whether an `Origin` is that of this node, under the name that the request used.
fn is_own(origin: &HeaderValue, own: Option<&str>, scheme: Scheme) -> bool {
    let prefix = match scheme {
        Scheme::Http => "http://",
        Scheme::Https => "https://",
    };
    let authority = origin.to_str().ok().and_then(|origin| origin.strip_prefix(prefix));
    matches!((authority, own), (Some(origin), Some(own)) if origin.eq_ignore_ascii_case(own) && Authority::parse(own).is_some())
}

fn foreign_host(text: &str) -> Box<Problem> {
    let detail = format!("the request is for the host `{}`, which is not a name of this node", quote(text));
    Problem::new(Code::ForeignHost, detail).header("host")
}

fn foreign_origin(header: &str, value: &HeaderValue) -> Box<Problem> {
    let value = quote(value.to_str().unwrap_or("(not ASCII)"));
    let detail =
        format!("the request comes from a web page (`{header}: {value}`) that may not use this node");
    Problem::new(Code::ForeignOrigin, detail).header(header.to_ascii_lowercase())
}

fn quote(text: &str) -> &str {
    text.char_indices().nth(QUOTED_CHARS_MAX).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests;
