//! Settings that count only together with others. One that would have no effect is a mistake.

use super::{ConfigError, NonEmpty, Setting, list, parse, setting};
use crate::identities::{JwtSource, Sources};
use crate::tls;
use api::subject::SubjectSource;
use http_server::options::Access;
use std::path::PathBuf;

/// Certificate and key come together.
pub(super) fn tls_files(settings: &[Setting]) -> Result<Option<tls::Files>, ConfigError> {
    let [certificate, key, client_authorities] = ["tls-cert", "tls-key", "tls-client-ca"].map(|key| {
        let (path, origin) = setting(settings, key);
        (!path.is_empty()).then(|| (PathBuf::from(path), origin))
    });
    let half = |set, origin, unset| Err(ConfigError::HalfOfTls { set, origin, unset });
    match (certificate, key, client_authorities) {
        (None, None, None) => Ok(None),
        (Some((certificate, _)), Some((key, _)), authorities) => {
            let client_authorities = authorities.map(|(path, _)| path);
            Ok(Some(tls::Files { certificate, key, client_authorities }))
        }
        (Some((_, origin)), None, _) => half("tls-cert", origin, "tls-key"),
        (None, Some((_, origin)), _) => half("tls-key", origin, "tls-cert"),
        (None, None, Some((_, origin))) => half("tls-client-ca", origin, "tls-cert"),
    }
}

/// Rules that would have no effect are a mistake.
pub(super) fn identities(
    settings: &[Setting],
    tls: Option<&tls::Files>,
    access: Access,
) -> Result<Option<Sources>, ConfigError> {
    let useless = |set, origin, missing| Err(ConfigError::WithoutEffect { set, origin, missing });
    let set = |key| Some(setting(settings, key)).filter(|(value, _)| !value.is_empty());
    for key in ["client-roles", "jwks", "jwt-issuer", "jwt-audience"] {
        if let (Some((_, origin)), Access::Open) = (set(key), access) {
            return useless(
                key,
                origin,
                "`access` is `open`: everyone may do everything; set it to `tokens`",
            );
        }
    }
    let client_roles = match set("client-roles") {
        Some((_, origin)) if tls.is_none_or(|tls| tls.client_authorities.is_none()) => {
            return useless("client-roles", origin, "`tls-client-ca` is not: no client has a certificate");
        }
        found => found.map(|(path, _)| PathBuf::from(path)),
    };
    let jwt = match (set("jwks"), set("jwt-issuer"), set("jwt-audience")) {
        (None, None, None) => None,
        (Some(_), Some((issuer, _)), Some((audience, _))) => Some(JwtSource {
            keys: parse(settings, "jwks", "a file, or a URL with https (or http on loopback)")?,
            issuer,
            audience,
            claim: parse::<NonEmpty>(settings, "jwt-claim", "the name of a claim, such as scope")?.0,
        }),
        (Some((_, origin)), _, _) => {
            return useless("jwks", origin, "`jwt-issuer` or `jwt-audience` is not: any token would count");
        }
        (None, Some((_, origin)), _) => return useless("jwt-issuer", origin, "`jwks` is not"),
        (None, None, Some((_, origin))) => return useless("jwt-audience", origin, "`jwks` is not"),
    };
    let sources = Sources { client_roles, jwt };
    Ok((sources != Sources::default()).then_some(sources))
}

/// Where subjects are looked for, by a node that seals.
pub(super) fn subject_from(settings: &[Setting]) -> Result<Vec<SubjectSource>, ConfigError> {
    let takes = "`stream`, `data` or `data.MEMBER`, such as data.customer.id";
    let sources = list(settings, "subject-from", takes)?;
    if !sources.is_empty() && setting(settings, "subject-key-file").0.is_empty() {
        let (_, origin) = setting(settings, "subject-from");
        let missing = "`subject-key-file` is not: no event is sealed";
        return Err(ConfigError::WithoutEffect { set: "subject-from", origin, missing });
    }
    Ok(sources)
}
