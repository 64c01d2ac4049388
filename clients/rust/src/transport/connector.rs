//! Connections: TCP, with TLS for https URLs.

use super::target::Target;
use crate::error::{Error, Result};
use hyper_util::client::legacy::connect::HttpConnector;
use std::time::Duration;

#[cfg(not(feature = "rustls"))]
pub(super) type Connector = HttpConnector;
#[cfg(feature = "rustls")]
pub(super) type Connector = hyper_rustls::HttpsConnector<HttpConnector>;

/// PEM certificates that are trusted in addition to those of the operating system.
pub(crate) type Roots = Vec<Vec<u8>>;

fn tcp(connect_max: Duration) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_max));
    tcp
}

#[cfg(not(feature = "rustls"))]
pub(super) fn connector(_: &Target, connect_max: Duration, _: &Roots) -> Result<Connector> {
    Ok(tcp(connect_max))
}

#[cfg(feature = "rustls")]
pub(super) fn connector(target: &Target, connect_max: Duration, roots: &Roots) -> Result<Connector> {
    let trusted = if target.is_https() { trusted(roots)? } else { rustls::RootCertStore::empty() };
    // Named explicitly, because the program may have installed no default provider, or another one.
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Tls(Box::new(error)))?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Ok(hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp(connect_max)))
}

#[cfg(feature = "rustls")]
fn trusted(roots: &Roots) -> Result<rustls::RootCertStore> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let mut trusted = rustls::RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    // A system's store may hold certificates that rustls cannot use; the others still count.
    trusted.add_parsable_certificates(system.certs);
    for pem in roots {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| Error::Tls(format!("{error:?}").into()))?;
            trusted.add(certificate).map_err(|error| Error::Tls(Box::new(error)))?;
        }
    }
    if trusted.is_empty() {
        return Err(Error::Tls("the system has no trusted certificates, and none were given".into()));
    }
    Ok(trusted)
}
