//! TLS: the node's certificate, which can be replaced while it serves, and the identity of clients.
//!
//! rustls does the protocol, and ring the cryptography: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN, no early data
//! (which could be replayed) and no renegotiation. This module knows bytes in PEM, and no files: the program reads
//! them, and decides when to read them again.

mod identity;

pub use identity::PeerIdentity;

use identity::expiry;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of every TLS connection: a record with a handshake.
pub(crate) const HANDSHAKE: u8 = 0x16;
/// The most certificates in one file.
const CERTIFICATES_MAX: usize = 100;

/// What a node needs for TLS, as PEM.
#[derive(Clone, Copy)]
pub struct Pem<'a> {
    /// The node's certificate, followed by those between it and the root.
    pub certificates: &'a [u8],
    pub key: &'a [u8],
    /// If there is any: clients must have a certificate from one of these authorities.
    pub client_authorities: Option<&'a [u8]>,
}

impl fmt::Debug for Pem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pem").finish_non_exhaustive()
    }
}

/// Why PEM cannot be used. The texts never contain anything of a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{what} is not PEM: {source}")]
    NotPem { what: &'static str, source: rustls::pki_types::pem::Error },
    #[error("{what} has no certificate: it must contain `-----BEGIN CERTIFICATE-----`")]
    NoCertificate { what: &'static str },
    #[error("{what} has more than {CERTIFICATES_MAX} certificates")]
    TooManyCertificates { what: &'static str },
    #[error("the key has no private key: it must contain `-----BEGIN PRIVATE KEY-----`, not encrypted")]
    NoKey,
    #[error("the key does not belong to the first certificate")]
    OtherKey,
    #[error("the first certificate cannot be read")]
    Unreadable,
    #[error("the certificate and the key cannot be used: {0}")]
    Unusable(rustls::Error),
    #[error("the certificates of client authorities cannot be used: {0}")]
    UnusableAuthorities(String),
}

/// A checked certificate with its key.
#[derive(Clone)]
pub struct Certificate {
    config: Arc<ServerConfig>,
    expires: SystemTime,
}

/// The certificate in use. New connections use the last one; those that are open go on with theirs.
#[derive(Debug)]
pub struct Tls {
    current: Mutex<Certificate>,
}

impl Certificate {
    /// Checks that certificate and key belong together and can be used.
    ///
    /// # Errors
    /// [`TlsError`] says which part is wrong.
    pub fn from_pem(pem: &Pem<'_>) -> Result<Self, TlsError> {
        let chain = certificates("the certificate", pem.certificates)?;
        let expires = chain.first().and_then(expiry).ok_or(TlsError::Unreadable)?;
        let key = match PrivateKeyDer::from_pem_slice(pem.key) {
            Ok(key) => key,
            Err(rustls::pki_types::pem::Error::NoItemsFound) => return Err(TlsError::NoKey),
            Err(source) => return Err(TlsError::NotPem { what: "the key", source }),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?;
        let builder = match pem.client_authorities {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let roots = Arc::new(authorities_of(authorities)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
                let verifier = verifier.map_err(|error| TlsError::UnusableAuthorities(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::OtherKey,
            error => TlsError::Unusable(error),
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), expires })
    }

    /// The end of the certificate's validity.
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.expires
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Tls {
    #[must_use]
    pub fn new(certificate: Certificate) -> Self {
        Self { current: Mutex::new(certificate) }
    }

    /// Connections from now on use this certificate.
    pub fn replace(&self, certificate: Certificate) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = certificate;
    }

    /// The end of the validity of the certificate in use.
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).expires
    }

    /// The handshake of one connection. It ends with who the client is, if clients have certificates, or with the stream on
    /// which the client has been told why not.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Option<Arc<PeerIdentity>>), (std::io::Error, TcpStream)> {
        let config = Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner).config);
        let stream = TlsAcceptor::from(config).accept(stream).into_fallible().await?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let Some(certificate) = certificate else { return Ok((stream, None)) };
        match PeerIdentity::of(certificate) {
            Some(identity) => Ok((stream, Some(Arc::new(identity)))),
            None => {
                let error = std::io::Error::other("the client's certificate cannot be read");
                Err((error, stream.into_inner().0))
            }
        }
    }
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .take(CERTIFICATES_MAX + 1)
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::NotPem { what, source })?;
    match found.len() {
        0 => Err(TlsError::NoCertificate { what }),
        n if n > CERTIFICATES_MAX => Err(TlsError::TooManyCertificates { what }),
        _ => Ok(found),
    }
}

fn authorities_of(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("the file of client authorities", pem)? {
        roots.add(certificate).map_err(|error| TlsError::UnusableAuthorities(error.to_string()))?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests;
