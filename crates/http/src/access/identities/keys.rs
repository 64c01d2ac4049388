//! The public keys of a token service, as a JSON Web Key Set (RFC 7517), and signatures by them (RFC 7518).
//!
//! A key has exactly one algorithm: the one that it names, or else the usual one of its kind. What a token says about its
//! algorithm is only compared with that. So there is no `none`, and no public key is ever taken for the secret of an HMAC: keys
//! with secrets are not read at all.

use super::encoded;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, EcdsaVerificationAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// The most keys of a set.
const KEYS_MAX: usize = 100;

/// Why a key set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadKeys(String);

impl fmt::Display for BadKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadKeys {}

/// The keys of a token service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet(Vec<Key>);

/// One public key that verifies signatures of one algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    id: Option<String>,
    algorithm: &'static str,
    public: Public,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point, or the bytes of Ed25519.
    Curve(Vec<u8>),
}

/// A key of a set, as it is sent. Other members do not matter.
#[derive(Debug, Deserialize)]
struct Sent {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a key set. Keys that are for something else, or that this node cannot use, are left out.
    ///
    /// # Errors
    /// When it is not a key set, has more than 100 keys, or none that can be used.
    pub fn read(json: &[u8]) -> Result<Self, BadKeys> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(json)
            .map_err(|error| BadKeys(format!("it is not a JSON Web Key Set: {error}")))?;
        if set.keys.len() > KEYS_MAX {
            return Err(BadKeys(format!("it has more than {KEYS_MAX} keys")));
        }
        let keys: Vec<Key> =
            set.keys.into_iter().filter_map(|key| Key::of(serde_json::from_value(key).ok()?)).collect();
        if keys.is_empty() {
            let usable = "RSA of at least 2,048 bits, P-256, P-384 or Ed25519, for signatures";
            return Err(BadKeys(format!("it has no key that can be used: {usable}")));
        }
        Ok(Self(keys))
    }

    /// The key that a token names, or the only one that there is.
    pub(super) fn find(&self, id: Option<&str>) -> Option<&Key> {
        match (id, &self.0[..]) {
            (Some(id), keys) => {
                let mut found = keys.iter().filter(|key| key.id.as_deref() == Some(id));
                // Two keys with one id are a mistake of the service; which one is meant, nobody knows.
                found.next().filter(|_| found.next().is_none())
            }
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.0.contains(key)
    }
}

impl Key {
    fn of(sent: Sent) -> Option<Self> {
        let verifies = sent.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if sent.purpose.as_deref().is_some_and(|purpose| purpose != "sig") || !verifies {
            return None;
        }
        let alg = sent.alg.as_deref();
        let bytes = |text: &Option<String>| encoded(text.as_deref()?);
        let (algorithm, public) = match (sent.kty.as_str(), sent.crv.as_deref()) {
            ("RSA", None) => {
                let (n, e) = (significant(bytes(&sent.n)?), significant(bytes(&sent.e)?));
                if !(256..=1_024).contains(&n.len()) || e.is_empty() || e.len() > 8 {
                    return None;
                }
                let known = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
                let algorithm =
                    alg.map_or(Some("RS256"), |alg| known.into_iter().find(|known| *known == alg))?;
                (algorithm, Public::Rsa { n, e })
            }
            ("EC", Some(curve @ ("P-256" | "P-384"))) => {
                let (algorithm, len) = if curve == "P-256" { ("ES256", 32) } else { ("ES384", 48) };
                let (x, y) = (bytes(&sent.x)?, bytes(&sent.y)?);
                if x.len() != len || y.len() != len || alg.is_some_and(|alg| alg != algorithm) {
                    return None;
                }
                (algorithm, Public::Curve([&[4][..], &x, &y].concat()))
            }
            ("OKP", Some("Ed25519")) => {
                let x = bytes(&sent.x)?;
                if x.len() != 32 || alg.is_some_and(|alg| !matches!(alg, "EdDSA" | "Ed25519")) {
                    return None;
                }
                ("EdDSA", Public::Curve(x))
            }
            _ => return None,
        };
        Some(Self { id: sent.kid, algorithm, public })
    }

    /// Whether the signature of a token that says it is of this algorithm is by this key.
    pub(super) fn verifies(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        // RFC 9864 calls EdDSA with this curve by the name of the curve.
        let same = algorithm == self.algorithm || (algorithm == "Ed25519" && self.algorithm == "EdDSA");
        same && match &self.public {
            Public::Rsa { n, e } => rsa(self.algorithm).is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }),
            Public::Curve(point) if self.algorithm == "EdDSA" => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature).is_ok()
            }
            Public::Curve(point) => {
                UnparsedPublicKey::new(ecdsa(self.algorithm), point).verify(message, signature).is_ok()
            }
        }
    }
}

fn rsa(algorithm: &str) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        "PS384" => &RSA_PSS_2048_8192_SHA384,
        "PS512" => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn ecdsa(algorithm: &str) -> &'static EcdsaVerificationAlgorithm {
    if algorithm == "ES384" { &ECDSA_P384_SHA384_FIXED } else { &ECDSA_P256_SHA256_FIXED }
}

/// A number without leading zeros.
fn significant(bytes: Vec<u8>) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.into_iter().skip(zeros).collect()
}
