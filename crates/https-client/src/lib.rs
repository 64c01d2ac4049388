//! The HTTP client with which a node and its tools reach other services: buckets and collectors of telemetry. It trusts the
//! authorities that the system trusts. What a response may take is for its users to say.

use hyper::body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A client with a pool of connections. Cheap to clone.
pub type Client<B> = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, B>;

/// What a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Http1,
    /// From the first byte, without TLS too.
    Http2,
}

/// A client for `http:` and `https:`. An attempt to connect takes at most 5 s.
///
/// # Errors
/// The library of TLS refuses its own defaults.
pub fn client<B>(version: Version) -> Result<Client<B>, rustls::Error>
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let mut roots = rustls::RootCertStore::empty();
    // A system's store may hold certificates that rustls cannot use; the others still count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(CONNECT_MAX));
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let connector = match version {
        Version::Http1 => connector.enable_http1().wrap_connector(tcp),
        Version::Http2 => connector.enable_http2().wrap_connector(tcp),
    };
    let mut builder = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).http2_only(version == Version::Http2);
    Ok(builder.build(connector))
}
