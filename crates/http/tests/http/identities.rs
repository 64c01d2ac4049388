//! Callers without a token of the store: clients whom a certificate names, and holders of another service's tokens.

use crate::access::{ask, send};
use crate::node::{ADMIN, Node};
use crate::tls::{Authority, BOTH, Secure, connect, exchange, until_ready};
use crate::wire::{Connection, request};
use api::Operation;
use api::contract::{Access as Needs, Scope};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_server::access::identities::{CertificateName, ClientRole, Identities, JwtAccess, JwtRules, KeySet};
use http_server::options::{Access, Allowance, Role};
use http_server::{HttpOptions, Tls};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls::ClientConfig;
use serde_json::{Value, json};
use std::io::Read as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

type Rules = watch::Sender<Arc<Identities>>;

fn rules_of(clients: Vec<ClientRole>, jwt: JwtAccess) -> Arc<Identities> {
    Arc::new(Identities::new(clients, jwt, None))
}

fn options(rules: &Rules) -> HttpOptions {
    let identities = rules.subscribe();
    HttpOptions { access: Access::Tokens, identities, attempts_burst: 1_000_000, ..HttpOptions::default() }
}

fn dns(name: &str, role: Role, prefixes: &[&str]) -> ClientRole {
    let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
    ClientRole { name: CertificateName::Dns(name.into()), role, prefixes, allowance: Allowance::default() }
}

/// A node with TLS, which asks for tokens and knows two clients.
struct Secured {
    node: Node,
    rules: Rules,
    authority: Authority,
    clients: Authority,
}

impl Secured {
    fn start() -> Self {
        let known =
            vec![dns("billing.internal", Role::Write, &["orders-"]), dns("ops.internal", Role::Admin, &[])];
        let rules = Rules::new(rules_of(known, JwtAccess::Off));
        let (authority, clients) = (Authority::new(), Authority::new());
        let tls = Some(Arc::new(Tls::new(authority.certificate(Some(&clients)))));
        let node = Node::with(HttpOptions { tls, ..options(&rules) });
        let secured = Self { node, rules, authority, clients };
        until_ready(&secured.node, &secured.client("ready"));
        // Nobody is told that a token is wrong before the node knows its administrator.
        let admin = format!("authorization: Bearer {ADMIN}\r\n");
        while secured.ask("ready", "GET", "/v1", &admin, "").0 == 503 {
            std::thread::yield_now();
        }
        secured
    }

    fn client(&self, name: &str) -> Arc<ClientConfig> {
        self.authority.client(Some(&self.clients.issue(name)), BOTH)
    }

    /// Status and body of the response to a request of this client.
    fn ask(&self, client: &str, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let mut secure = connect(&self.node, &self.client(client));
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{headers}\r\n{body}"
        );
        let response = exchange(&mut secure, &request).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }
}

#[test]
fn a_certificate_gives_the_role_of_its_rule_and_no_other() {
    let secured = Secured::start();
    let event = r#"{"type":"t"}"#;
    for (client, method, path, headers, body, status, says) in [
        ("billing.internal", "POST", "/v1/streams/orders-1/events", "", event, 200, ""),
        ("billing.internal", "POST", "/v1/streams/carts-1/events", "", event, 403, "not_permitted"),
        ("billing.internal", "GET", "/v1/streams/orders-1/events", "", "", 200, "\"type\":\"t\""),
        ("billing.internal", "DELETE", "/v1/streams/orders-1", "", "", 403, "not_permitted"),
        ("billing.internal", "GET", "/v1/tokens", "", "", 403, "not_permitted"),
        ("other.internal", "GET", "/v1", "", "", 401, "token_missing"),
        ("other.internal", "GET", "/v1", "", "", 401, "client-roles"),
        // A token counts before a certificate, for better or worse.
        ("billing.internal", "GET", "/v1", "authorization: Bearer wrong\r\n", "", 401, "token_invalid"),
        ("ops.internal", "PUT", "/v1/streams/orders-1/settings", "", r#"{"max_count":9}"#, 200, ""),
    ] {
        let (got, text) = secured.ask(client, method, path, headers, body);
        assert_eq!((got, text.contains(says)), (status, true), "{client} {method} {path}: {text}");
    }
    let admin = format!("authorization: Bearer {ADMIN}\r\n");
    assert_eq!(secured.ask("other.internal", "GET", "/v1", &admin, "").0, 200);
    let audit = secured.ask("ops.internal", "GET", "/v1/streams/$audit/events", "", "").1;
    assert!(audit.contains(r#""token":"external","name":"dns:ops.internal""#), "{audit}");
}

#[test]
fn no_operation_runs_for_a_certificate_that_no_rule_names() {
    let secured = Secured::start();
    let client = secured.client("other.internal");
    for operation in Operation::ALL {
        let path = operation.path().replace(['{', '}'], "");
        let mut secure = connect(&secured.node, &client);
        let request = format!(
            "{} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            operation.method().as_str()
        );
        let response = exchange(&mut secure, &request).unwrap();
        let is_public = operation.description().access == Needs::Public;
        assert_eq!(response.starts_with("HTTP/1.1 401"), !is_public, "{operation:?}: {response}");
    }
}

fn read_until(secure: &mut Secure, text: &str) -> String {
    let mut all = String::new();
    let mut part = [0; 4_096];
    let began = Instant::now();
    while !all.contains(text) {
        assert!(began.elapsed() < Duration::from_secs(20), "no {text:?} in {all}");
        let read = secure.read(&mut part).unwrap();
        assert!(read > 0, "ended without {text:?}: {all}");
        all.push_str(std::str::from_utf8(&part[..read]).unwrap());
    }
    all
}

#[test]
fn what_a_certificate_has_open_ends_with_its_rule() {
    let secured = Secured::start();
    let mut secure = connect(&secured.node, &secured.client("billing.internal"));
    write!(
        secure,
        "GET /v1/streams/orders-1/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n"
    )
    .unwrap();
    read_until(&mut secure, ": keep-alive");
    // The same rule, read again, changes nothing.
    let billing = |role| vec![dns("billing.internal", role, &["orders-"])];
    secured.rules.send_replace(rules_of(billing(Role::Write), JwtAccess::Off));
    let event = r#"{"type":"later"}"#;
    assert_eq!(secured.ask("billing.internal", "POST", "/v1/streams/orders-1/events", "", event).0, 200);
    read_until(&mut secure, "\"later\"");
    secured.rules.send_replace(rules_of(billing(Role::Read), JwtAccess::Off));
    let last = read_until(&mut secure, "\r\n0\r\n");
    assert!(last.contains("event: problem") && last.contains("token_invalid"), "{last}");
}

/// A token service.
struct Service(Ed25519KeyPair);

const ISSUER: &str = "https://id.example.com";

impl Service {
    fn new() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
    }

    fn rules(&self) -> JwtAccess {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x}]}).to_string();
        JwtAccess::On(JwtRules {
            issuer: ISSUER.into(),
            audience: "mainstay".into(),
            claim: "scope".into(),
            keys: KeySet::read(keys.as_bytes()).unwrap(),
        })
    }

    /// A token with this scope, which ends this many seconds from now.
    fn token(&self, scope: &str, ends_s: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let ends = now.checked_add_signed(ends_s).unwrap();
        let header = json!({"alg": "EdDSA", "kid": "one", "typ": "at+jwt"});
        let claims = json!({"iss": ISSUER, "aud": ["mainstay"], "sub": "ada", "exp": ends, "scope": scope});
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

fn start(service: &Service) -> (Node, Rules) {
    let rules = Rules::new(rules_of(Vec::new(), service.rules()));
    (Node::with(options(&rules)), rules)
}

#[test]
fn no_operation_runs_for_a_token_of_a_service_that_does_not_permit_it() {
    let service = Service::new();
    let (node, _rules) = start(&service);
    let valid = service.token("mainstay:admin", 600);
    let expired = service.token("mainstay:admin", -31);
    let other = Service::new().token("mainstay:admin", 600);
    let nothing = service.token("openid", 600);
    let unsigned = format!("{}.", valid.rsplit_once('.').unwrap().0);
    let orders =
        Role::ALL.map(|role| (role, service.token(&format!("mainstay:{}:orders-", role.as_str()), 600)));
    for operation in Operation::ALL {
        let Needs::Token(needs, scope) = operation.description().access else { continue };
        for (token, status, code) in [
            (&expired, 401, "token_expired"),
            (&other, 401, "token_invalid"),
            (&unsigned, 401, "token_invalid"),
            (&nothing, 403, "not_permitted"),
        ] {
            let response = ask(&node, *operation, Some(token), "orders-1");
            assert_eq!((response.status, &*response.code()), (status, code), "{operation:?}");
        }
        assert!(
            ![401, 403].contains(&ask(&node, *operation, Some(&valid), "orders-1").status),
            "{operation:?}"
        );
        for (role, token) in &orders {
            let own = ask(&node, *operation, Some(token), "orders-1");
            assert_eq!(
                own.status == 403,
                *role < needs || scope == Scope::Store,
                "{operation:?} as {role:?}"
            );
            if scope == Scope::Name {
                ask(&node, *operation, Some(token), "carts-1").assert_problem(403, "not_permitted");
            }
        }
    }
    let settings = r#"{"max_count":9}"#;
    assert_eq!(send(&node, &valid, "PUT", "/v1/streams/orders-1/settings", settings).status, 200);
    let audit = send(&node, ADMIN, "GET", "/v1/streams/$audit/events?direction=backward&limit=1", "");
    let told = &audit.json()["events"][0]["data"];
    assert_eq!(
        (&told["token"], &told["name"]),
        (&"external".into(), &"jwt:ada of https://id.example.com".into())
    );
}

#[test]
fn a_scope_limits_a_subject_and_its_next_token_too() {
    let service = Service::new();
    let (node, _rules) = start(&service);
    let limited = "mainstay:read mainstay:limit:requests_per_second:1";
    let get = |scope, ends| send(&node, &service.token(scope, ends), "GET", "/v1/streams/s/events", "");
    assert_eq!(get(limited, 600).status, 200);
    let statuses: Vec<u16> = (0..10).map(|n| get(limited, 601 + n).status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(get("mainstay:read", 600).status, 200);
}

fn follow(node: &Node, token: &str) -> Connection {
    let authorization = format!("Bearer {token}");
    let headers = [("accept", "text/event-stream"), ("authorization", &*authorization)];
    let mut connection = Connection::to(node);
    assert_eq!(connection.send(request("GET", "/v1/events", &headers, "")).head().status, 200);
    connection
}

#[test]
fn what_a_token_of_a_service_has_open_ends_with_it_or_with_its_key() {
    let (service, next) = (Service::new(), Service::new());
    let (node, rules) = start(&service);
    // The clocks of service and node may differ by 30 s.
    let mut short = follow(&node, &service.token("mainstay:read", -28));
    assert!(short.chunks_until("event: problem").contains("token_expired"));
    let token = service.token("mainstay:read", 600);
    let mut long = follow(&node, &token);
    rules.send_replace(rules_of(Vec::new(), service.rules()));
    assert_eq!(send(&node, &token, "GET", "/v1", "").status, 200, "the same keys");
    rules.send_replace(rules_of(Vec::new(), next.rules()));
    assert!(long.chunks_until("event: problem").contains("token_invalid"));
    send(&node, &token, "GET", "/v1", "").assert_problem(401, "token_invalid");
    assert_eq!(send(&node, &next.token("mainstay:read", 600), "GET", "/v1", "").status, 200);
    // Without keys, the node cannot say whether a token is valid.
    rules.send_replace(rules_of(Vec::new(), JwtAccess::KeysAwaited));
    send(&node, &next.token("mainstay:read", 600), "GET", "/v1", "").assert_problem(503, "not_ready");
    assert_eq!(send(&node, ADMIN, "GET", "/v1", "").status, 200);
    rules.send_replace(rules_of(Vec::new(), JwtAccess::Off));
    send(&node, &next.token("mainstay:read", 600), "GET", "/v1", "").assert_problem(401, "token_invalid");
}
