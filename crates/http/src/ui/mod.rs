//! `GET /ui`: a page that shows a node in a browser. It only reads, through the same API as everyone else.
//!
//! The page is files in the binary: HTML, CSS and ES modules as people wrote them, without a build step and without
//! anything from elsewhere. They are no secret and need no token; each request of the page for data does. Like
//! everything else, they are served only after [`crate::origin`] has admitted the request.
//!
//! What a browser may do with the page is in its headers: run the scripts of this node and no others, send requests to
//! this node and nowhere else, and show it in no frame. Scripts cannot write markup at all
//! (`require-trusted-types-for`), so a name or data that looks like HTML stays text.
//!
//! It knows no operation: those are in `api::contract`, of which the page is not a part.

mod files;

use crate::response::{self, Response, ResponseBody};
use api::{Code, Problem};
use files::{File, TAG};
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::Body as _;

/// Where the page is. Its files are below.
pub(crate) const PATH: &str = "/ui";
const METHODS: &str = "GET, HEAD, OPTIONS";

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

/// Whether the path is the page's, or would be one of its files.
pub(crate) fn is_page(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The response to a request below [`PATH`].
///
/// # Errors
/// When there is no such file.
pub(crate) fn respond<B>(request: &Request<B>) -> response::Result {
    let path = request.uri().path();
    let name = path.strip_prefix(PATH).unwrap_or_default().trim_start_matches('/');
    let Some(file) = File::find(name) else {
        return Err(Problem::new(Code::NotFound, format!("the page has no file `{path}`")));
    };
    match *request.method() {
        Method::GET => Ok(get(file, request.headers())),
        Method::HEAD => Ok(without_body(get(file, request.headers()))),
        Method::OPTIONS => Ok(response::allow(response::no_content(), METHODS)),
        ref other => {
            let detail = format!("the path does not support `{other}`; it supports {METHODS}");
            let problem = Problem::new(Code::MethodNotAllowed, detail);
            Ok(response::allow(response::problem(&problem), METHODS))
        }
    }
}

fn get(file: &'static File, headers: &HeaderMap) -> Response {
    let mut response = if is_known(headers) {
        let mut unchanged = http::Response::new(ResponseBody::Empty);
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        unchanged
    } else {
        response::whole(HeaderValue::from_static(file.media_type), file.bytes)
    };
    protect(&mut response);
    response
}

/// The head of a response alone, which still says how long the body would be.
fn without_body(mut response: Response) -> Response {
    if let Some(length) = response.body().size_hint().exact().filter(|length| *length > 0) {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    *response.body_mut() = ResponseBody::Empty;
    response
}

/// Whether the browser has this version of the file (RFC 9110, section 13.1.2).
fn is_known(headers: &HeaderMap) -> bool {
    let sent = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    sent.flat_map(|value| value.split(',')).any(|known| known.trim().trim_start_matches("W/") == *TAG)
}

/// What a browser may do with the response.
fn protect(response: &mut Response) {
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&TAG) {
        headers.insert(ETAG, tag);
    }
    // Browsers keep the files, and ask each time whether they are still the node's.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CROSS_ORIGIN_OPENER_POLICY, SAME_ORIGIN);
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, SAME_ORIGIN);
}
