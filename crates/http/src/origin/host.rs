//! The names under which clients may reach the node.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Which hosts a request may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRule {
    /// Any: clients must prove who they are, so a name proves nothing more.
    Any,
    /// The names of loopback, the address that the node listens on, and these.
    Known { listen: Option<IpAddr>, allowed: Vec<AllowedHost> },
}

/// A host that the operator allows, with any port or with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    /// In lower case, without a dot at its end, and without brackets.
    name: String,
    port: Option<u16>,
}

/// The host and port of a `Host` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    host: Host<'a>,
    port: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host<'a> {
    Name(&'a str),
    Ip(IpAddr),
}

impl Default for HostRule {
    /// Loopback only.
    fn default() -> Self {
        Self::Known { listen: None, allowed: Vec::new() }
    }
}

impl HostRule {
    pub(super) fn allows(&self, authority: &str) -> bool {
        let Self::Known { listen, allowed } = self else { return true };
        let Some(Authority { host, port }) = Authority::parse(authority) else { return false };
        let known = match host {
            Host::Ip(ip) => ip.to_canonical().is_loopback() || Some(ip) == *listen,
            Host::Name(name) => name.eq_ignore_ascii_case("localhost"),
        };
        known || allowed.iter().any(|allowed| allowed.is(host, port))
    }
}

impl AllowedHost {
    fn is(&self, host: Host<'_>, port: Option<u16>) -> bool {
        let same = match host {
            Host::Name(name) => self.name.eq_ignore_ascii_case(name),
            Host::Ip(ip) => self.name.parse() == Ok(ip),
        };
        same && self.port.is_none_or(|own| Some(own) == port)
    }
}

impl FromStr for AllowedHost {
    type Err = ();

    /// A name, an IPv4 address, or an IPv6 address in brackets; with or without a port.
    fn from_str(text: &str) -> Result<Self, ()> {
        let Authority { host, port } = Authority::parse(text).ok_or(())?;
        let name = match host {
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) => name.to_ascii_lowercase(),
        };
        Ok(Self { name, port })
    }
}

impl<'a> Authority<'a> {
    /// `None` for anything but a host and an optional port, such as a user name.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            let (ip, port) = rest.split_once(']')?;
            let port = if port.is_empty() { None } else { parse_port(port.strip_prefix(':')?)? };
            return Some(Self { host: Host::Ip(ip.parse::<Ipv6Addr>().ok()?.into()), port });
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, parse_port(port)?),
            None => (text, None),
        };
        if let Ok(ip) = name.parse::<Ipv4Addr>() {
            return Some(Self { host: Host::Ip(ip.into()), port });
        }
        // `localhost.` is the same name, fully qualified.
        let name = name.strip_suffix('.').unwrap_or(name);
        let valid = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
        valid.then_some(Self { host: Host::Name(name), port })
    }
}

/// The outer `None`: no port. An empty port is none, as in a URL.
fn parse_port(text: &str) -> Option<Option<u16>> {
    if text.is_empty() {
        return Some(None);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_loopback_are_known_by_default() {
        for (host, allowed) in [
            ("localhost", true),
            ("localhost:7070", true),
            ("LocalHost:7070", true),
            ("localhost.", true),
            ("localhost.:7070", true),
            ("localhost:", true),
            ("127.0.0.1:7070", true),
            ("127.9.9.9", true),
            ("[::1]", true),
            ("[::1]:7070", true),
            ("[0:0:0:0:0:0:0:1]:7070", true),
            ("[::ffff:127.0.0.1]", true),
            ("", false),
            (":7070", false),
            (".", false),
            ("localhost..", false),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("evil.localhost", false),
            ("localhost@evil.example", false),
            ("evil.example@localhost", false),
            ("localhost:7070:7070", false),
            ("localhost:x", false),
            ("localhost:+7", false),
            ("localhost:99999", false),
            ("localhost, evil.example", false),
            ("localhost/evil", false),
            ("::1", false),
            ("[::1", false),
            ("[::1]x", false),
            ("[localhost]", false),
            ("[::2]", false),
            ("127.1", false),
            ("0x7f.0.0.1", false),
            ("127.0.0.1.evil.example", false),
            ("0.0.0.0:7070", false),
            ("192.168.0.1", false),
        ] {
            assert_eq!(HostRule::default().allows(host), allowed, "{host:?}");
        }
    }

    #[test]
    fn the_listen_address_and_listed_hosts_are_known_too() {
        let allowed = ["Mainstay.Internal", "proxy:8443", "[fd00::7]"].map(|text| text.parse().unwrap());
        let rule = HostRule::Known { listen: "10.0.0.5".parse().ok(), allowed: allowed.to_vec() };
        for (host, allowed) in [
            ("10.0.0.5:7070", true),
            ("10.0.0.6:7070", false),
            ("mainstay.internal", true),
            ("mainstay.internal.:1", true),
            ("mainstay.internal.evil.example", false),
            ("proxy:8443", true),
            ("proxy:8444", false),
            ("proxy", false),
            ("[fd00::7]:1", true),
            ("localhost", true),
        ] {
            assert_eq!(rule.allows(host), allowed, "{host}");
        }
        assert!(HostRule::Any.allows("anything at all"));
    }

    #[test]
    fn a_host_to_allow_is_a_name_and_nothing_else() {
        for text in ["", "*", "*.example.com", "https://a.example", "a/b", "a b", "a,b", "a:0x1", "::1"] {
            assert_eq!(text.parse::<AllowedHost>(), Err(()), "{text:?}");
        }
    }
}
