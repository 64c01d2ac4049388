//! Converts hyper's errors into errors of this crate.

use super::target::Target;
use crate::error::Error;
use hyper_util::client::legacy;
use std::error::Error as StdError;

/// A connection that broke while a body was being received.
pub(super) fn broken(error: hyper::Error) -> Error {
    Error::Broken(Box::new(error))
}

/// What also breaks a connection with TLS 1.3: the server refuses the client after the client's side of the handshake, and
/// of HTTP/2 the reason does not reach this crate.
const OR_REFUSED: &str = "; a node with `tls-client-ca` also does this to a client without a certificate that it accepts (`--client-cert` and \
     `--client-key`, `client_certificate` in Rust)";

/// A request that got no response.
pub(super) fn unanswered(target: &Target, error: legacy::Error) -> Error {
    let address = target.authority();
    #[cfg(feature = "rustls")]
    if let Some(reason) = tls::reason(&error) {
        return Error::Untrusted { address: address.to_owned(), reason };
    }
    if error.is_connect() {
        return Error::Connect { address: address.to_owned(), source: Described::new(&error).into() };
    }
    let mut described = Described::new(&error);
    // Whether the request was taken before the connection ended is a matter of moments.
    let cause = error.source().and_then(|cause| cause.downcast_ref::<hyper::Error>());
    if target.is_https() && cause.is_some_and(|cause| cause.is_canceled() || cause.is_closed()) {
        described.0.push_str(OR_REFUSED);
    }
    Error::Broken(described.into())
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
    use rustls::{CertificateError as Wrong, Error as Tls, InvalidMessage};
    use std::io;

    /// How an alert begins, in the text of an error.
    const ALERT: &str = "received fatal alert: ";
    /// The alerts of a server that does not accept the client's certificate.
    const REFUSALS: [&str; 9] = [
        "CertificateRequired",
        "UnknownCA",
        "BadCertificate",
        "CertificateUnknown",
        "CertificateExpired",
        "UnsupportedCertificate",
        "AccessDenied",
        "HandshakeFailure",
        "DecryptError",
    ];
    const REFUSED: &str = "the node asks for a certificate of the client, and got none that it accepts; give one from the \
                           authority in its `tls-client-ca` (`--client-cert` and `--client-key`, `client_certificate` in \
                           Rust)";

    /// The reason, if TLS is one of the causes of the error.
    pub(super) fn reason(error: &(dyn StdError + 'static)) -> Option<String> {
        let mut cause = Some(error);
        let mut last = String::new();
        while let Some(error) = cause {
            last = error.to_string();
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
        refused(&last)
    }

    fn explain(error: &Tls) -> Option<String> {
        let reason = match error {
            // The second: an authority that this client does not trust has the name of one that it trusts.
            Tls::InvalidCertificate(Wrong::UnknownIssuer | Wrong::BadSignature) => {
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
            Tls::InvalidCertificate(_) => return Some(error.to_string()),
            // The connection may have broken after requests were sent.
            error => return refused(&error.to_string()),
        };
        Some(reason.to_owned())
    }

    /// With TLS 1.3, a client learns that its certificate is not accepted after it has sent its first request, which the
    /// server then does not read. HTTP/2 passes that error on as text only.
    fn refused(text: &str) -> Option<String> {
        let alert = text.split(ALERT).nth(1)?;
        REFUSALS.iter().any(|refusal| alert.starts_with(refusal)).then(|| REFUSED.to_owned())
    }
}
