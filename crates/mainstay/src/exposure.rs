//! Whether a node may listen where other machines can reach it: only with TLS and access control.

use http_server::options::Access;
use std::fmt;
use std::net::SocketAddr;

/// How connections are secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tls,
    /// Nothing was said about it.
    Plain,
    /// Without TLS, on purpose: a proxy in front of the node has it.
    InsecureHttp,
}

/// What a node lacks to listen where others can reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Tls,
    Access,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => {
                "TLS: set `tls-cert` and `tls-key` to the PEM files of a certificate (`mainstay certs DIRECTORY` makes \
                 some to try it with), or set `insecure-http` if a proxy in front of the node has TLS"
            }
            Self::Access => "access control: `access` must be `tokens` (or `auto`), not `open`",
        })
    }
}

impl Missing {
    /// As lines of a message.
    pub(crate) fn list(missing: &[Self]) -> String {
        missing.iter().map(|missing| format!("\n  - {missing}")).collect()
    }
}

/// Everything that is missing, so that it can be said at once. Nothing is, on loopback.
pub(crate) fn missing(listen: SocketAddr, transport: Transport, access: Access) -> Vec<Missing> {
    if listen.ip().to_canonical().is_loopback() {
        return Vec::new();
    }
    let tls = (transport == Transport::Plain).then_some(Missing::Tls);
    let access = (access == Access::Open).then_some(Missing::Access);
    tls.into_iter().chain(access).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Missing::{Access as NoAccess, Tls as NoTls};

    #[test]
    fn other_machines_need_tls_and_access_control() {
        for (listen, transport, access, want) in [
            ("127.0.0.1:7070", Transport::Plain, Access::Open, &[][..]),
            ("127.8.8.8:7070", Transport::Plain, Access::Tokens, &[]),
            ("[::1]:7070", Transport::Plain, Access::Open, &[]),
            ("[::ffff:127.0.0.1]:7070", Transport::Plain, Access::Open, &[]),
            ("127.0.0.1:7070", Transport::InsecureHttp, Access::Open, &[]),
            ("127.0.0.1:7070", Transport::Tls, Access::Open, &[]),
            ("0.0.0.0:7070", Transport::Plain, Access::Open, &[NoTls, NoAccess]),
            ("0.0.0.0:7070", Transport::Plain, Access::Tokens, &[NoTls]),
            ("0.0.0.0:7070", Transport::Tls, Access::Open, &[NoAccess]),
            ("0.0.0.0:7070", Transport::InsecureHttp, Access::Open, &[NoAccess]),
            ("0.0.0.0:7070", Transport::Tls, Access::Tokens, &[]),
            ("0.0.0.0:7070", Transport::InsecureHttp, Access::Tokens, &[]),
            ("[::]:7070", Transport::Plain, Access::Open, &[NoTls, NoAccess]),
            ("192.168.1.5:7070", Transport::Plain, Access::Tokens, &[NoTls]),
            ("10.0.0.1:7070", Transport::Tls, Access::Open, &[NoAccess]),
            ("[::ffff:10.0.0.1]:7070", Transport::Plain, Access::Open, &[NoTls, NoAccess]),
            ("169.254.0.1:7070", Transport::Plain, Access::Open, &[NoTls, NoAccess]),
            ("[fe80::1]:7070", Transport::Plain, Access::Open, &[NoTls, NoAccess]),
        ] {
            assert_eq!(
                missing(listen.parse().unwrap(), transport, access),
                want,
                "{listen} {transport:?} {access:?}"
            );
        }
    }
}
