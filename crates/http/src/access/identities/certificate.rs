//! Clients whom a certificate names.

use crate::access::table::{Known, Source};
use crate::allowance::Meter;
use crate::tls::PeerIdentity;
use model::{Allowance, Role, TokenSettings};
use std::fmt;
use std::sync::Arc;
use telemetry::LimitOf;

/// One name in a certificate. It is compared byte by byte: there are no patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// The common name (CN) of the subject, if it has exactly one.
    CommonName(String),
    /// An alternative name (SAN) of the kind.
    Dns(String),
    Uri(String),
    Email(String),
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommonName(name) => write!(f, "common_name:{name}"),
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Uri(name) => write!(f, "uri:{name}"),
            Self::Email(name) => write!(f, "email:{name}"),
        }
    }
}

/// What the clients with a name may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRole {
    pub name: CertificateName,
    pub role: Role,
    /// As of a token; none means all names.
    pub prefixes: Vec<String>,
    pub allowance: Allowance,
}

/// A rule in use.
#[derive(Debug)]
pub(super) struct ClientRule {
    name: CertificateName,
    pub(super) known: Arc<Known>,
}

impl ClientRule {
    pub(super) fn new(client: ClientRole, before: &[Self]) -> Self {
        let settings = TokenSettings {
            role: client.role,
            prefixes: client.prefixes.into_iter().map(Into::into).collect(),
            // The audit stream tells it.
            name: client.name.to_string().into(),
            allowance: client.allowance,
        };
        let meter = before
            .iter()
            .find(|rule| rule.known.settings == settings)
            .and_then(|rule| rule.known.meter.clone())
            .or_else(|| Meter::new(LimitOf::Token, settings.allowance));
        Self {
            name: client.name,
            known: Arc::new(Known::elsewhere(Source::Certificate, settings, None, meter)),
        }
    }

    pub(super) fn names(&self, identity: &PeerIdentity) -> bool {
        match &self.name {
            CertificateName::CommonName(name) => identity.common_name.as_ref() == Some(name),
            CertificateName::Dns(name) => identity.dns_names.contains(name),
            CertificateName::Uri(name) => identity.uris.contains(name),
            CertificateName::Email(name) => identity.emails.contains(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::identities::{Identities, JwtAccess};
    use CertificateName::{CommonName, Dns, Email, Uri};

    fn rule(name: CertificateName, role: Role) -> ClientRole {
        ClientRole { name, role, prefixes: Vec::new(), allowance: Allowance::default() }
    }

    #[test]
    fn the_first_rule_with_a_name_of_the_certificate_counts_and_kinds_are_not_mixed() {
        let identity = PeerIdentity {
            common_name: Some("reports".into()),
            dns_names: vec!["reports.internal".into(), "other.internal".into()],
            uris: vec!["spiffe://example/reports".into()],
            emails: vec!["reports@example.com".into()],
            expires: None,
        };
        let text = str::to_owned;
        for (rules, want) in [
            (vec![], None),
            (vec![CommonName(text("reports"))], Some(0)),
            (vec![CommonName(text("Reports"))], None),
            (vec![CommonName(text("report"))], None),
            (vec![CommonName(text("reports.internal"))], None),
            (vec![Dns(text("reports"))], None),
            (vec![Dns(text("other.internal"))], Some(0)),
            (vec![Dns(text("*.internal"))], None),
            (vec![Uri(text("spiffe://example/reports/"))], None),
            (vec![Uri(text("spiffe://example/reports"))], Some(0)),
            (vec![Email(text("reports@example.com"))], Some(0)),
            (
                vec![Dns(text("x")), Uri(text("spiffe://example/reports")), CommonName(text("reports"))],
                Some(1),
            ),
        ] {
            let roles: Vec<_> = rules.iter().cloned().map(|name| rule(name, Role::Read)).collect();
            let identities = Identities::new(roles, JwtAccess::Off, None);
            let found =
                identities.of_certificate(&identity).ok().map(|known| known.settings.name.to_string());
            assert_eq!(found, want.map(|at: usize| rules[at].to_string()), "{rules:?}");
        }
        // The same name in every place but the one that the rule is about.
        let text = || "same".to_owned();
        for name in [CommonName(text()), Dns(text()), Uri(text()), Email(text())] {
            let with = |kind: &CertificateName| (name != *kind).then(text);
            let identity = PeerIdentity {
                common_name: with(&CommonName(text())),
                dns_names: Vec::from_iter(with(&Dns(text()))),
                uris: Vec::from_iter(with(&Uri(text()))),
                emails: Vec::from_iter(with(&Email(text()))),
                expires: None,
            };
            let identities = Identities::new(vec![rule(name.clone(), Role::Read)], JwtAccess::Off, None);
            assert!(identities.of_certificate(&identity).is_err(), "{name}");
        }
        let nobody =
            Identities::new(vec![rule(CommonName(String::new()), Role::Admin)], JwtAccess::Off, None);
        assert!(nobody.of_certificate(&PeerIdentity::default()).is_err(), "no name is no empty name");
    }

    #[test]
    fn what_a_rule_has_counted_outlives_a_reload_and_a_changed_rule_holds_nobody() {
        let limited = |requests| ClientRole {
            allowance: Allowance { requests_per_second: Some(requests), ..Allowance::default() },
            ..rule(CommonName("a".into()), Role::Read)
        };
        let identity = PeerIdentity { common_name: Some("a".into()), ..PeerIdentity::default() };
        let one = Identities::new(vec![limited(1)], JwtAccess::Off, None);
        let known = one.of_certificate(&identity).unwrap();
        let same = Identities::new(vec![limited(1)], JwtAccess::Off, Some(&one));
        let again = same.of_certificate(&identity).unwrap();
        assert!(Arc::ptr_eq(known.meter.as_ref().unwrap(), again.meter.as_ref().unwrap()));
        assert!(same.hold(&known));
        assert!(!Identities::new(vec![limited(2)], JwtAccess::Off, Some(&one)).hold(&known));
        assert!(!Identities::default().hold(&known));
    }
}
