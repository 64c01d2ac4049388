//! Cross-origin requests (CORS, in the Fetch standard) of the pages whose origins the operator lists, and of no others.
//!
//! No response allows credentials: a page that needs a token has it and sends it. No response allows every origin.

use super::Admitted;
use crate::response::Response;
use api::Operation;
use api::contract::Location;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, HeaderValue, VARY,
};
use http::{HeaderMap, Method, StatusCode};
use std::collections::BTreeSet;
use std::str::FromStr;

/// Headers that requests may have, besides those in the contract.
const REQUEST_HEADERS: [&str; 5] = ["accept", "authorization", "content-type", "traceparent", "tracestate"];
/// Headers of events in binary mode: `ce-` and the name of an attribute or extension.
const EVENT_HEADERS: &str = "ce-";
/// Headers that pages may read, besides those in the contract.
const RESPONSE_HEADERS: [&str; 3] = ["allow", "mainstay-store", "retry-after"];
/// How many headers of a preflight request are answered. A request may have no more.
const ASKED_MAX: usize = model::limits::HEADERS_MAX;
/// For how many seconds a browser may remember the response to a preflight request.
const MAX_AGE_S: HeaderValue = HeaderValue::from_static("600");

/// An origin that the operator allows, as browsers write it: `https://app.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin(String);

#[derive(Debug)]
pub(super) struct Cors {
    origins: Vec<AllowedOrigin>,
    request_headers: BTreeSet<String>,
    exposed: HeaderValue,
}

/// A request from a page of a listed origin.
#[derive(Debug)]
pub(crate) struct CrossOrigin {
    origin: HeaderValue,
    preflight: Option<Preflight>,
}

/// A browser asks which methods and headers a page may use.
#[derive(Debug)]
struct Preflight {
    /// Those of the headers that the page wants to send which it may send.
    headers: Option<HeaderValue>,
}

impl Cors {
    pub(super) fn new(origins: &[AllowedOrigin]) -> Self {
        let mut request_headers = BTreeSet::from(REQUEST_HEADERS.map(str::to_owned));
        let mut exposed = BTreeSet::from(RESPONSE_HEADERS);
        for operation in Operation::ALL {
            let description = operation.description();
            let parameters = description.parameters.iter();
            request_headers.extend(
                parameters
                    .filter(|taken| taken.location == Location::Header)
                    .map(|taken| taken.name.to_ascii_lowercase()),
            );
            exposed.extend(description.response.headers.iter().map(|sent| sent.name));
        }
        let exposed = exposed.into_iter().collect::<Vec<_>>().join(", ");
        // Names of headers are always a valid value.
        let exposed = HeaderValue::from_str(&exposed).unwrap_or(HeaderValue::from_static(""));
        Self { origins: origins.to_vec(), request_headers, exposed }
    }

    pub(super) fn admit(
        &self,
        origin: &HeaderValue,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<CrossOrigin> {
        self.origins.iter().find(|allowed| origin == allowed.0.as_str())?;
        let asks = method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let preflight = asks.then(|| Preflight { headers: self.allowed_headers(headers) });
        Some(CrossOrigin { origin: origin.clone(), preflight })
    }

    fn allowed_headers(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let asked = headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
        let asked = asked.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        let allowed: Vec<String> = asked
            .take(ASKED_MAX)
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| self.request_headers.contains(name.as_str()) || name.starts_with(EVENT_HEADERS))
            .collect();
        HeaderValue::from_str(&allowed.join(", ")).ok().filter(|value| !value.is_empty())
    }

    pub(super) fn complete(&self, admitted: Admitted, mut response: Response) -> Response {
        if self.origins.is_empty() {
            return response;
        }
        // A cache must not give the response to one origin, or to none, to a page of another.
        response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
        let Admitted::Listed(CrossOrigin { origin, preflight }) = admitted else { return response };
        let status = response.status();
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        match preflight {
            Some(Preflight { headers: allowed }) if status == StatusCode::NO_CONTENT => {
                // What the path supports, as for every OPTIONS.
                if let Some(methods) = headers.get(ALLOW).cloned() {
                    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
                }
                if let Some(allowed) = allowed {
                    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
                }
                headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE_S);
            }
            _ => {
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed.clone());
            }
        }
        response
    }
}

impl FromStr for AllowedOrigin {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.to_ascii_lowercase();
        let (default_port, authority) = match text.split_once("://") {
            Some(("https", authority)) => (":443", authority),
            Some(("http", authority)) => (":80", authority),
            _ => return Err(()),
        };
        super::host::Authority::parse(authority).ok_or(())?;
        // Browsers leave the default port out.
        let text = text.strip_suffix(default_port).unwrap_or(&text);
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port_and_nothing_else() {
        for (text, origin) in [
            ("https://app.example.com", Some("https://app.example.com")),
            ("HTTPS://App.Example.com:443", Some("https://app.example.com")),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("http://localhost:80", Some("http://localhost")),
            ("https://localhost:80", Some("https://localhost:80")),
            ("http://[::1]:3000", Some("http://[::1]:3000")),
            ("*", None),
            ("null", None),
            ("", None),
            ("app.example.com", None),
            ("https://", None),
            ("https://*", None),
            ("https://*.example.com", None),
            ("https://app.example.com/", None),
            ("https://app.example.com/path", None),
            ("https://user@app.example.com", None),
            ("file://", None),
            ("chrome-extension://abc", None),
        ] {
            assert_eq!(
                text.parse::<AllowedOrigin>().ok().map(|origin| origin.0).as_deref(),
                origin,
                "{text}"
            );
        }
    }
}
