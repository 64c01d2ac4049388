//! Converts hyper's errors into errors of this crate.

use crate::error::Error;
use hyper_util::client::legacy;
use std::error::Error as StdError;

/// A connection that broke while a body was being received.
pub(super) fn broken(error: hyper::Error) -> Error {
    Error::Broken(Box::new(error))
}

/// A request that got no response.
pub(super) fn unanswered(address: &str, error: legacy::Error) -> Error {
    #[cfg(feature = "rustls")]
    if let Some(reason) = tls::reason(&error) {
        return Error::Untrusted { address: address.to_owned(), reason };
    }
    if error.is_connect() {
        return Error::Connect { address: address.to_owned(), source: Described::new(&error).into() };
    }
    Error::Broken(Described::new(&error).into())
}

/// An error and its causes in one sentence: hyper's own text names only the stage at which it happened.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Described(String);

impl Described {
    fn new(error: &legacy::Error) -> Self {
        let (mut causes, mut cause) = (Vec::new(), error.source());
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        // Wrappers often repeat the text of what they wrap.
        causes.dedup();
        if causes.is_empty() {
            causes.push(error.to_string());
        }
        Self(causes.join(": "))
    }
}

#[cfg(feature = "rustls")]
mod tls {
    //! Why TLS failed, with what to do about it.

    use super::StdError;
    use rustls::{AlertDescription as Alert, CertificateError as Wrong, Error as Tls, InvalidMessage};
    use std::io;

    /// The reason, if TLS is one of the causes of the error.
    pub(super) fn reason(error: &(dyn StdError + 'static)) -> Option<String> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            // An I/O error does not count what it wraps as its source.
            let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let tls = match wrapped {
                Some(wrapped) => wrapped.downcast_ref::<Tls>(),
                None => error.downcast_ref::<Tls>(),
            };
            if let Some(tls) = tls {
                return explain(tls);
            }
            cause = match wrapped {
                Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
                None => error.source(),
            };
        }
        None
    }

    fn explain(error: &Tls) -> Option<String> {
        let reason = match error {
            Tls::InvalidCertificate(Wrong::UnknownIssuer) => {
                "the node's certificate is from an authority that this client does not trust; give it the certificate of \
                 that authority (`--ca` or MAINSTAY_CA, `root_certificates` in Rust)"
            }
            Tls::InvalidCertificate(Wrong::NotValidForName | Wrong::NotValidForNameContext { .. }) => {
                "the node's certificate is for other names than the one in the URL; use one of its names, or make a \
                 certificate with this one (`mainstay certs --host`)"
            }
            Tls::InvalidCertificate(Wrong::Expired | Wrong::ExpiredContext { .. }) => {
                "the node's certificate has expired; the node needs a new one"
            }
            Tls::InvalidCertificate(Wrong::NotValidYet | Wrong::NotValidYetContext { .. }) => {
                "the node's certificate is not valid yet; are the clocks of both machines right?"
            }
            Tls::InvalidMessage(InvalidMessage::InvalidContentType) => {
                "what answers there does not speak TLS; use http:// in the URL, or start the node with `tls-cert`"
            }
            Tls::AlertReceived(
                Alert::CertificateRequired
                | Alert::UnknownCA
                | Alert::BadCertificate
                | Alert::CertificateUnknown
                | Alert::CertificateExpired
                | Alert::UnsupportedCertificate
                | Alert::AccessDenied
                | Alert::HandshakeFailure
                | Alert::DecryptError,
            ) => {
                "the node asks for a certificate of the client, and got none that it accepts; give one from the authority \
                 in its `tls-client-ca` (`--client-cert` and `--client-key`, `client_certificate` in Rust)"
            }
            Tls::InvalidCertificate(_) => return Some(error.to_string()),
            // The connection may have broken after requests were sent.
            _ => return None,
        };
        Some(reason.to_owned())
    }
}
