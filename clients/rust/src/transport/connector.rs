//! Connections: TCP, with TLS for https URLs.

use super::target::Target;
use crate::error::{Error, Result};
use hyper_util::client::legacy::connect::HttpConnector;
use std::fmt;
use std::time::Duration;

#[cfg(not(feature = "rustls"))]
pub(super) type Connector = HttpConnector;
#[cfg(feature = "rustls")]
pub(super) type Connector = hyper_rustls::HttpsConnector<HttpConnector>;

/// What a client needs for https, as PEM. It does not show itself, so that no key gets into a log.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    /// Certificates that are trusted in addition to those of the operating system.
    pub(crate) roots: Vec<Vec<u8>>,
    /// The client's certificates and its key.
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

fn tcp(connect_max: Duration) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_max));
    tcp
}

#[cfg(not(feature = "rustls"))]
pub(super) fn connector(_: &Target, connect_max: Duration, _: &Secrets) -> Result<Connector> {
    Ok(tcp(connect_max))
}

#[cfg(feature = "rustls")]
pub(super) fn connector(target: &Target, connect_max: Duration, secrets: &Secrets) -> Result<Connector> {
    let trusted = if target.is_https() { trusted(&secrets.roots)? } else { rustls::RootCertStore::empty() };
    // Named explicitly, because the program may have installed no default provider, or another one.
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Tls(Box::new(error)))?
        .with_root_certificates(trusted);
    let config = match &secrets.identity {
        Some((certificates, key)) if target.is_https() => {
            let (certificates, key) = identity(certificates, key)?;
            config
                .with_client_auth_cert(certificates, key)
                .map_err(|error| Error::Tls(format!("the client's certificate and key: {error}").into()))?
        }
        _ => config.with_no_client_auth(),
    };
    Ok(hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp(connect_max)))
}

/// The client's certificates and key. Errors say nothing of the key.
#[cfg(feature = "rustls")]
fn identity(
    certificates: &[u8],
    key: &[u8],
) -> Result<(Vec<rustls::pki_types::CertificateDer<'static>>, rustls::pki_types::PrivateKeyDer<'static>)> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let certificates: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
    let certificates = certificates.ok().filter(|found| !found.is_empty());
    let certificates =
        certificates.ok_or_else(|| Error::Tls("the client's certificate is not PEM".into()))?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| Error::Tls("the client's key is not PEM, or it is encrypted".into()))?;
    Ok((certificates, key))
}

#[cfg(feature = "rustls")]
fn trusted(roots: &[Vec<u8>]) -> Result<rustls::RootCertStore> {
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
