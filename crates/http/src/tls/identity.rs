//! What a certificate says: the end of its validity, and whom it names.

use model::Wall;
use rustls::pki_types::CertificateDer;
use std::time::{Duration, SystemTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// How many names of each kind are kept.
const NAMES_MAX: usize = 16;

/// Whom the certificate of a client names. TLS has verified it: it is valid, comes from an authority that the node trusts
/// for clients, and the client has its key. Requests of the connection have it as an extension, in an `Arc`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The common name (CN) of the subject, if it has exactly one.
    pub common_name: Option<String>,
    /// The alternative names of the subject, by kind; the first 16 of each.
    pub dns_names: Vec<String>,
    pub uris: Vec<String>,
    pub emails: Vec<String>,
    /// When its certificate is valid no longer.
    pub expires: Option<Wall>,
}

impl PeerIdentity {
    /// `None` if the certificate cannot be read.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = parse(certificate)?;
        let mut common_names = certificate.subject().iter_common_name();
        let common_name = match (common_names.next(), common_names.next()) {
            (Some(name), None) => name.as_str().ok().map(str::to_owned),
            _ => None,
        };
        let expires = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
        // It is valid through the second that it names (RFC 5280, section 4.1.2.5).
        let expires = Some(Wall(expires.saturating_add(1).saturating_mul(1_000)));
        let mut identity = Self { common_name, expires, ..Self::default() };
        // An extension that cannot be read is an error: the identity would be another one.
        let alternative = certificate.subject_alternative_name().ok()?;
        for name in alternative.iter().flat_map(|names| &names.value.general_names) {
            let (names, name) = match name {
                GeneralName::DNSName(name) => (&mut identity.dns_names, name),
                GeneralName::URI(name) => (&mut identity.uris, name),
                GeneralName::RFC822Name(name) => (&mut identity.emails, name),
                _ => continue,
            };
            if names.len() < NAMES_MAX {
                names.push((*name).to_owned());
            }
        }
        Some(identity)
    }
}

/// The end of a certificate's validity.
pub(super) fn expiry(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let seconds = parse(certificate)?.validity().not_after.timestamp();
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds.try_into().ok()?))
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    let (rest, certificate) = X509Certificate::from_der(certificate).ok()?;
    rest.is_empty().then_some(certificate)
}
