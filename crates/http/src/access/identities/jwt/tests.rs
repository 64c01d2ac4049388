//! Tokens of another service, and every way in which one may be wrong.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::json;

/// 2026-11-30.
const NOW_S: u64 = 1_796_000_000;
const NOW: Wall = Wall(NOW_S * 1_000);

fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token service with one key of each kind.
struct Service {
    edwards: Ed25519KeyPair,
    curve: EcdsaKeyPair,
}

impl Service {
    fn new() -> Self {
        let random = SystemRandom::new();
        let edwards = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let curve = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self {
            edwards: Ed25519KeyPair::from_pkcs8(edwards.as_ref()).unwrap(),
            curve: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, curve.as_ref(), &random)
                .unwrap(),
        }
    }

    fn keys(&self) -> Value {
        let point = self.curve.public_key().as_ref();
        json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": text(self.edwards.public_key())},
            {"kty": "EC", "crv": "P-256", "kid": "ec", "alg": "ES256", "use": "sig",
             "x": text(&point[1..33]), "y": text(&point[33..])},
        ]})
    }

    fn jwt(&self) -> Jwt {
        Jwt::new(self.rules(), None)
    }

    fn rules(&self) -> JwtRules {
        JwtRules {
            issuer: "https://id.example.com".into(),
            audience: "mainstay".into(),
            claim: "scope".into(),
            keys: KeySet::read(self.keys().to_string().as_bytes()).unwrap(),
        }
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", text(header.to_string()), text(claims.to_string()));
        let signature = if header["kid"] == "ec" {
            self.curve.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec()
        } else {
            self.edwards.sign(message.as_bytes()).as_ref().to_vec()
        };
        format!("{message}.{}", text(signature))
    }

    fn token(&self, claims: &Value) -> String {
        self.signed(&json!({"alg": "EdDSA", "kid": "ed"}), claims)
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://id.example.com", "aud": "mainstay", "sub": "billing", "exp": NOW_S + 600,
        "scope": "openid mainstay:write:orders- mainstay:write:carts-",
    })
}

/// The claims with some of them changed; null removes one.
fn with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

#[test]
fn a_token_of_the_service_is_a_role_with_prefixes_until_it_ends() {
    let service = Service::new();
    for header in [
        json!({"alg": "EdDSA", "kid": "ed", "typ": "at+jwt"}),
        json!({"alg": "Ed25519", "kid": "ed", "typ": "application/at+jwt"}),
        json!({"alg": "ES256", "kid": "ec", "typ": "JWT"}),
    ] {
        let known = service.jwt().verify(&service.signed(&header, &claims()), NOW).unwrap();
        assert_eq!(
            (known.settings.role, &known.settings.prefixes[..]),
            (Role::Write, &["orders-".into(), "carts-".into()][..])
        );
        assert_eq!(known.settings.name, "jwt:billing of https://id.example.com");
        assert_eq!(known.expires(), Some(Wall((NOW_S + 600 + 30) * 1_000)));
    }
    for (scopes, role, prefixes) in [
        (json!("mainstay:admin"), Role::Admin, &[][..]),
        (json!(["other", 7, "mainstay:read:a b"]), Role::Read, &["a b"]),
        (json!("mainstay:read:a mainstay:read"), Role::Read, &[]),
        (json!("mainstay:read:a:b"), Role::Read, &["a:b"]),
    ] {
        let known = service.jwt().verify(&service.token(&with(&json!({"scope": scopes}))), NOW).unwrap();
        assert_eq!(
            (known.settings.role, &known.settings.prefixes[..]),
            (role, &prefixes.iter().map(|p| (*p).into()).collect::<Vec<_>>()[..])
        );
    }
}

#[test]
fn whatever_a_token_lacks_or_has_too_much_of_it_is_refused() {
    let service = Service::new();
    let jwt = service.jwt();
    for (changes, code) in [
        (json!({"iss": "https://other.example.com"}), Code::TokenInvalid),
        (json!({"iss": null}), Code::TokenInvalid),
        (json!({"iss": ["https://id.example.com"]}), Code::TokenInvalid),
        (json!({"aud": "other"}), Code::TokenInvalid),
        (json!({"aud": null}), Code::TokenInvalid),
        (json!({"aud": ["other", "mainstay2"]}), Code::TokenInvalid),
        (json!({"sub": null}), Code::TokenInvalid),
        (json!({"sub": ""}), Code::TokenInvalid),
        (json!({"sub": "a\nb"}), Code::TokenInvalid),
        (json!({"sub": "x".repeat(256)}), Code::TokenInvalid),
        (json!({"exp": null}), Code::TokenInvalid),
        (json!({"exp": "soon"}), Code::TokenInvalid),
        (json!({"exp": -1}), Code::TokenInvalid),
        (json!({"exp": NOW_S - 30}), Code::TokenExpired),
        (json!({"exp": 0}), Code::TokenExpired),
        (json!({"nbf": NOW_S + 31}), Code::TokenInvalid),
        (json!({"nbf": "now"}), Code::TokenInvalid),
        (json!({"scope": null}), Code::NotPermitted),
        (json!({"scope": "openid write mainstay"}), Code::NotPermitted),
        (json!({"scope": "mainstay:root"}), Code::NotPermitted),
        (json!({"scope": "mainstay:"}), Code::NotPermitted),
        (json!({"scope": "mainstay:Admin"}), Code::NotPermitted),
        // An empty prefix would cover every name, and a larger role the prefixes of a smaller one.
        (json!({"scope": "mainstay:write:"}), Code::NotPermitted),
        (json!({"scope": "mainstay:read mainstay:write:orders-"}), Code::NotPermitted),
        (
            json!({"scope": (0..17).map(|n| format!("mainstay:read:{n} ")).collect::<String>()}),
            Code::NotPermitted,
        ),
    ] {
        let problem = jwt.verify(&service.token(&with(&changes)), NOW).expect_err(&changes.to_string());
        assert_eq!(problem.code, code, "{changes}: {problem}");
    }
    for changes in [
        json!({"exp": NOW_S - 29}),
        json!({"exp": NOW_S as f64 + 0.5}),
        json!({"nbf": NOW_S + 30}),
        json!({"aud": ["other", "mainstay"]}),
    ] {
        assert!(jwt.verify(&service.token(&with(&changes)), NOW).is_ok(), "{changes}");
    }
}

/// The algorithm is the key's. A header can neither choose `none`, nor make a public key the secret of an HMAC.
#[test]
fn no_header_chooses_how_its_signature_is_checked() {
    let service = Service::new();
    let jwt = service.jwt();
    let public = service.edwards.public_key().as_ref().to_vec();
    let sign_with_public = |message: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &public);
        text(hmac::sign(&key, message.as_bytes()))
    };
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "none", "kid": "ed"}),
        json!({"alg": "None", "kid": "ec"}),
        json!({"alg": "HS256", "kid": "ed"}),
        json!({"alg": "HS256", "kid": "ec"}),
        json!({"alg": "RS256", "kid": "ed"}),
        json!({"alg": "ES256", "kid": "ed"}),
        json!({"alg": "EdDSA", "kid": "ec"}),
        json!({"alg": "ES384", "kid": "ec"}),
        json!({"kid": "ed"}),
        json!({"alg": ["EdDSA"], "kid": "ed"}),
        json!({"alg": "EdDSA", "kid": "unknown"}),
        json!({"alg": "EdDSA", "kid": 7}),
        json!({"alg": "EdDSA"}),
        json!({"alg": "EdDSA", "kid": "ed", "crit": ["b64"]}),
        json!({"alg": "EdDSA", "kid": "ed", "typ": "logout+jwt"}),
        json!({"alg": "EdDSA", "kid": "ed", "typ": 1}),
    ] {
        let signed = service.signed(&header, &claims());
        let message = signed.rsplit_once('.').unwrap().0;
        for token in
            [signed.clone(), format!("{message}."), format!("{message}.{}", sign_with_public(message))]
        {
            let problem = jwt.verify(&token, NOW).expect_err(&header.to_string());
            assert_eq!(problem.code, Code::TokenInvalid, "{header}: {problem}");
        }
    }
}

#[test]
fn a_token_with_any_changed_byte_is_refused() {
    let service = Service::new();
    let jwt = service.jwt();
    let token = service.token(&claims());
    assert!(jwt.verify(&token, NOW).is_ok());
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(jwt.verify(&changed, NOW).is_err(), "{at}");
        assert!(jwt.verify(&token[..at], NOW).is_err(), "{at}");
    }
    for text in ["", "..", "a.b.c", "{}.{}.{}", "e30.e30.e30", "e30.e30.", "W10.W10.W10"] {
        assert!(jwt.verify(text, NOW).is_err(), "{text}");
    }
}

#[test]
fn a_token_that_is_remembered_still_ends_and_the_number_of_them_is_bounded() {
    let service = Service::new();
    let jwt = service.jwt();
    let token = service.token(&claims());
    let first = jwt.verify(&token, NOW).unwrap();
    assert!(Arc::ptr_eq(&first, &jwt.verify(&token, NOW).unwrap()), "it is verified once");
    let end = first.expires().unwrap();
    assert!(jwt.verify(&token, Wall(end.0 - 1)).is_ok());
    assert_eq!(jwt.verify(&token, end).unwrap_err().code, Code::TokenExpired);
    for number in 0..limits::JWTS_REMEMBERED_MAX + 10 {
        let token = service.token(&with(&json!({"jti": number})));
        assert!(jwt.verify(&token, NOW).is_ok());
        assert!(jwt.lock().len() <= limits::JWTS_REMEMBERED_MAX);
    }
}

#[test]
fn limits_in_scopes_are_those_of_the_subject_whatever_token_it_has() {
    let service = Service::new();
    let jwt = service.jwt();
    let scopes = |scopes: &str| format!("mainstay:read {scopes}");
    let known = |jwt: &Jwt, id: u64, subject: &str, limits: &str| {
        let claims = with(&json!({"jti": id, "sub": subject, "scope": scopes(limits)}));
        jwt.verify(&service.token(&claims), NOW)
    };
    let slow = "mainstay:limit:requests_per_second:5 mainstay:limit:requests_per_second:9";
    let first = known(&jwt, 1, "a", slow).unwrap();
    assert_eq!(first.settings.allowance, Allowance { requests_per_second: Some(5), ..Allowance::default() });
    let meter = |known: &Known| known.meter.clone().unwrap();
    let same = |one: &Known, other: &Known| Arc::ptr_eq(&meter(one), &meter(other));
    assert!(same(&first, &known(&jwt, 2, "a", slow).unwrap()), "another token of the subject");
    assert!(!same(&first, &known(&jwt, 3, "b", slow).unwrap()), "another subject");
    assert!(!same(&first, &known(&jwt, 4, "a", "mainstay:limit:requests_per_second:6").unwrap()));
    let reloaded = Jwt::new(service.rules(), Some(&jwt));
    assert!(same(&first, &known(&reloaded, 1, "a", slow).unwrap()), "keys that were read again");
    assert!(known(&jwt, 5, "a", "").unwrap().meter.is_none());
    let all = "mainstay:limit:bytes_per_second:16384 mainstay:limit:subscribers_max:0 mainstay:limit:body_bytes_max:1024";
    assert_eq!(
        known(&jwt, 6, "a", all).unwrap().settings.allowance.parts(),
        [None, Some(16_384), Some(0), Some(1_024)]
    );
    for wrong in ["", "requests:5", "requests_per_second", "requests_per_second:0", "requests_per_second:5:5"]
    {
        let refused = known(&jwt, 7, "a", &format!("{LIMIT}{wrong}")).unwrap_err();
        assert_eq!(refused.code, Code::NotPermitted, "{wrong}");
    }
    for number in 0..2 * limits::JWTS_REMEMBERED_MAX {
        jwt.meters.of(&number.to_string(), first.settings.allowance);
        assert!(jwt.meters.0.lock().unwrap().len() <= limits::JWTS_REMEMBERED_MAX);
    }
    assert!(same(&first, &known(&jwt, 8, "a", slow).unwrap()), "those in use do not make way");
}

/// A key of 2,048 bits, whose private half was thrown away, and its signatures of `header.claims`, made with the `cryptography`
/// package of Python.
const N: &str = "zwu49gZ1fQV7t7T2cELod-wtrC2jVa6FpGqPK3MEycDvkTThPx9YAE1aoyj5Oe1Uw18l_o4RHbGLKVlc1niwPTNAV8\
             MTOVJenR4mBfqOWrhgySllguiyTdlw4AAM1hCmwPpdpR0OOaF-gEMrpyBb9rP76mZmMNtd6mgzhGYt-oYFY1JN4Ulq\
             YdTLvkTBjoP3Hx-dZ0IE926nnAytJLVCf2EkCbpvMqQ8FwiOzEZvxIx62aG7t-O7-XApDk5Eezr4ididiUojvwQrjy\
             a_uRQSCE17FmdkW5UB6_a8juygZvklKF8stuh6wg3rd0I7Y3_ZNWtk_TRLReAyymcSULGQFQ";
const SIGNED: &[u8] = b"header.claims";
const SIGNATURES: [(&str, &str); 6] = [
    (
        "RS256",
        "uA_6cpjza8Q6yq_jtCZCYiHsLn0rbh5vWZssKdCQH1oNgPUbYQ4yEBYY7pIyPPtDkwUN39fHWK3Mb88EG2NaNeK7GU\
             GQvOVUkrr-0z6yrvkMcXJy1TTsgIpvoJwR3nMSUN11naNqn7X_dkeUhYv9z8W0j1lZKaniPKT8VqATuXN7l5bqeCfl\
             Mk48GMxr_rJoXLmXaLf2pG11xfVmUWN2vRki2mvPyBC6YoDqOQ92OUI8pPKUZR3MGshpcyBqroL5Bh6oLSOEkVZqvD\
             xmgPQ6RbmcO63U0zuxt7y71ymabdbz7-edCdux52m5NhJbtkRwbNitKejKrku051Q_DZIXDA",
    ),
    (
        "RS384",
        "uEmmeG0gWNGmnsvE8N4-pdjmZTt7u8NonQnrc_ewaCKy-3JmLYanSoRji8pJJhhDMjHTJGatpElnno0R-cbWsdazjt\
             MuekQUSHtNW_kxkljxb25i5dwoYGV4BprsL1z3nmH9qJbdIVBBUZTsylhiXmOplaS9h2q7cQZCDSgOaoe9_6j_R2io\
             PscywsqhOJXWM2NN7DA-ZLxpv0PJLDmQyHe81qZZlXmAuenHnWFtrUCaLUlxC0cDGVFIK2vBkgaZgIs4o-e2jW-iOY\
             TS-kBZchrDQAf6bpTG-sqFe-Nu-tHfMgeh3t0b6uBmjLuqKFEYvVOLW7wTisOvejgD1ZcXRA",
    ),
    (
        "RS512",
        "ozmj2hTgoV_fssnMRxRW1oaSQGH2nDH4Y8LHODkt3Lp1wzyOREr6z_tUyvtv739O9mXvinHJhVmrmP9AOYDs94ms3j\
             -ixWl24MJXnriYTTJtZvG0Yld0uEq4Oi4MlU_JW5tChc21cbzyTOoqgVrm54l3oXvGk_7RZd1U_A8vNgIloNevvJlW\
             6L2aNMC8bXGFZ7Z0QKKxoGxw-GlgTlq8JzEUEsXq9CYYxgiwi_bE6crMwVbdgLAIBvkRh0pGY8OqQZhALpCaalqJN2\
             X5-n4SpWZM8VW8jf--H5Em5hWT31HXZGmd6Y2b5hcr_9WsAjFMaNLlr565m5Gk2dD_V3RfBA",
    ),
    (
        "PS256",
        "ATMZVrBMe3vK5LrrSUNPHULROWMNFyujdBYvsF8c5Db_F65Vs9fz2f8lrwK_od1hhD39jZy9igMxqafMuiOePnO2xf\
             4GRdqAi0nKQ5m66YiQbQkp6e9cP1iKk8Hb6wn6V7Ahi5BUAPGMzkK8VlSgu1mASnUQmhO-iVDGmw6_cybqVens9TVc\
             vylrsBaDVsV08V9gHT69RDHf5Y_cGmUzBzHvpdit5IiLUodUggSKpN03yC0wcMYkeFwZ2cLrAMnrePcAo0ijV6pt5M\
             1e8-bkMLfyOzNwa8HTp1-zZMbVLS_CewIgjH3T38EnWI9YHq5w1vJv18IVGPa4Vmz74lEVuQ",
    ),
    (
        "PS384",
        "WyfQgaTBWJ_kmwUOMAFyG1x46bqGgrzsdcxYkNFLZwqbhBEEAmawlhmemQT0Q3NfuVgCjBFTM7br1QHg6C4FXfAzIy\
             gULkrOpdXKLuLmrG3Gx5oob_9qluIbMVej4vPZhH9tOpmn7q_OT5qsdV01rFh_Jc8KPsMJYzzQUHKTvUhvMMSYscdb\
             rcbnouy3rLfxX0cK0xtzUT0Likcw0Qrig2MRF9o0T5mYBCd4WqCBDVmbEnPoZRahON9KBBmqj2p-Q7ncg5xojQFSwn\
             k_U8yaBYxVPOhobU5LXi4R07hTBWLqjAfp0HuR9r6E1K8EYRcj7ofTC4z-5az6PYBVfNsr1A",
    ),
    (
        "PS512",
        "jHNH4hLjkn-6Ne9hJiOr1RWV4_eqVYDQW0gUt7lh4NOrWy9GpE5PWCDNrbojjIsd2xyyuexxYUyGCaoPE4KemG2beA\
             i-qvlyKf2ZKq9JMSMkXJpQD_cbunqn4oLMYCbJfTLxyxYyANWkY4QB3o-B_OtvR3BVTjqhgul0MnHh4MujnqjrtBSr\
             QSyQC_8O5kjHcRzFxIkz6IXceu8JZLWhlwn3z7r5srmqt66M-YfbVSe_yUXLXP28J7EAbc8ZwP7fBsFlC1mIVB29Io\
             IVKBqaW7iUM3n0lFVXWLzjxa-y7HAywdHuxXAXY3zr8UszWh96VFNYoX89oO_SFX_oiWMnLg",
    ),
];

#[test]
fn signatures_of_rsa_are_those_of_another_implementation() {
    let keys = |alg: Value| {
        let key = json!({"kty": "RSA", "n": N, "e": "AQAB", "alg": alg});
        KeySet::read(json!({"keys": [key]}).to_string().as_bytes())
    };
    for (alg, signature) in SIGNATURES {
        let signature = encoded(signature).unwrap();
        for (other, _) in SIGNATURES.into_iter().chain([("HS256", ""), ("none", ""), ("", "")]) {
            let named = keys(json!(alg)).unwrap();
            let verified = named.find(None).unwrap().verifies(other, SIGNED, &signature);
            assert_eq!(verified, alg == other, "the key is for {alg}, the header says {other}");
        }
        let named = keys(json!(alg)).unwrap();
        assert!(!named.find(None).unwrap().verifies(alg, &SIGNED[1..], &signature), "{alg}");
        // A key that names no algorithm has the usual one.
        let unnamed = keys(Value::Null).unwrap();
        assert_eq!(unnamed.find(None).unwrap().verifies(alg, SIGNED, &signature), alg == "RS256", "{alg}");
    }
    assert!(keys(json!("HS256")).is_err() && keys(json!("RSA-OAEP")).is_err());
}

#[test]
fn only_public_keys_for_signatures_are_taken() {
    let service = Service::new();
    let good = service.keys()["keys"][0].clone();
    let read = |keys: Value| KeySet::read(json!({"keys": keys}).to_string().as_bytes());
    let with = |name: &str, value: Value| {
        let mut key = good.clone();
        key.as_object_mut().unwrap().insert(name.into(), value);
        key
    };
    for bad in [
        json!({"kty": "oct", "kid": "ed", "k": "c2VjcmV0", "alg": "HS256"}),
        with("use", json!("enc")),
        with("key_ops", json!(["sign"])),
        with("alg", json!("HS256")),
        with("crv", json!("X25519")),
        with("x", json!("AAAA")),
        with("x", json!("not base64!")),
        json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        json!({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}),
        json!(7),
    ] {
        assert!(read(json!([bad])).is_err(), "{bad}");
        // A key that cannot be used does not make the others useless.
        assert!(read(json!([bad, good])).unwrap().find(Some("ed")).is_some(), "{bad}");
    }
    assert!(read(json!([good, good])).unwrap().find(Some("ed")).is_none(), "which one?");
    assert!(read(json!([])).is_err());
    assert!(read(Value::Array(vec![good.clone(); 101])).is_err());
    assert!(KeySet::read(b"not JSON").is_err());
}
