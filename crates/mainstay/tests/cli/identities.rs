//! Roles for certificates, and tokens of an identity provider, with the real binary: files, their reload, and a service that
//! does not answer yet.

use crate::node::{Ran, mainstay, run};
use crate::tls::{Certs, Node, until};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

const ROLES: &str = "[[client]]\ncommon_name = 'ops'\nrole = 'admin'\n[[client]]\ncommon_name = 'billing'\n\
                     role = 'write'\nprefixes = ['orders-']\n";

fn as_client(node: &Node, certs: &Certs, name: &str, arguments: &[&str]) -> Ran {
    let (ca, cert, key) = (
        certs.text("ca.pem"),
        certs.text(&format!("client-{name}.pem")),
        certs.text(&format!("client-{name}-key.pem")),
    );
    let options = ["--url", &node.url, "--ca", &ca, "--client-cert", &cert, "--client-key", &key];
    run(mainstay().args(options).args(arguments), "")
}

#[test]
fn names_in_certificates_have_the_roles_of_a_file_that_is_read_again() {
    let certs = Certs::make(&["--client", "ops", "--client", "billing", "--client", "other"]);
    let roles = certs.path("roles.toml");
    fs::write(&roles, ROLES).unwrap();
    let secure = |extra: &[&str]| {
        let files = ["--access", "tokens", "--tls-client-ca"].map(str::to_owned);
        let extra = extra.iter().map(|text| (*text).to_owned());
        [certs.serve(), files.to_vec(), vec![certs.text("ca.pem")], extra.collect()].concat()
    };
    let node = Node::start(&secure(&["--client-roles", roles.to_str().unwrap()]));
    until(|| as_client(&node, &certs, "ops", &["token", "list"]).code == 0);
    as_client(&node, &certs, "billing", &["append", "orders-1", "paid"]).ok();
    as_client(&node, &certs, "billing", &["append", "carts-1", "paid"]).fails(3, "not_permitted");
    as_client(&node, &certs, "billing", &["token", "list"]).fails(3, "not_permitted");
    as_client(&node, &certs, "other", &["streams"]).fails(3, "client-roles");
    let limited =
        ["token", "new", "--role", "read", "--requests-per-second", "5", "--bytes-per-second", "1 MiB"];
    as_client(&node, &certs, "ops", &limited).ok();
    let list = as_client(&node, &certs, "ops", &["token", "list"]).ok();
    assert!(list.contains("5 requests/s, 1024 KiB/s"), "{list}");
    as_client(&node, &certs, "ops", &["token", "new", "--role", "read", "--bytes-per-second", "1 parsec"])
        .fails(2, "expected a size");
    let audit = as_client(&node, &certs, "ops", &["read", "$audit"]).ok();
    assert!(audit.contains(r#""token":"external","name":"common_name:ops""#), "{audit}");

    fs::write(&roles, "[[client]]\ncommon_name = 'ops'\n").unwrap();
    node.hang_up();
    until(|| node.errors().contains("missing field `role`"));
    as_client(&node, &certs, "billing", &["append", "orders-1", "paid"]).ok();
    fs::write(&roles, "[[client]]\ncommon_name = 'ops'\nrole = 'admin'\n").unwrap();
    // Without a signal: the node looks at the file.
    until(|| as_client(&node, &certs, "billing", &["append", "orders-1", "paid"]).code == 3);
    as_client(&node, &certs, "ops", &["token", "list"]).ok();
}

/// A token service: its key, and the set of its keys.
struct Service(Ed25519KeyPair);

impl Service {
    fn new() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
    }

    fn keys(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x}]}).to_string()
    }

    fn token(&self, scope: &str) -> String {
        let ends = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 600;
        let header = json!({"alg": "EdDSA", "kid": "one"});
        let claims =
            json!({"iss": "https://id.test", "aud": "mainstay", "sub": "ada", "exp": ends, "scope": scope});
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

fn serve(jwks: &str) -> Node {
    let settings = [
        "--access",
        "tokens",
        "--jwks",
        jwks,
        "--jwt-issuer",
        "https://id.test",
        "--jwt-audience",
        "mainstay",
    ];
    Node::start(&settings.map(str::to_owned))
}

fn with(node: &Node, token: &str, arguments: &[&str]) -> Ran {
    run(mainstay().env("MAINSTAY_TOKEN", token).args(["--url", &node.url]).args(arguments), "")
}

#[test]
fn tokens_of_a_service_are_accepted_with_the_keys_in_a_file_that_is_read_again() {
    let (service, next) = (Service::new(), Service::new());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.json");
    fs::write(&file, service.keys()).unwrap();
    let node = serve(file.to_str().unwrap());
    let (old, new) = (service.token("mainstay:write:orders-"), next.token("mainstay:write:orders-"));
    until(|| with(&node, &old, &["append", "orders-1", "paid"]).code == 0);
    with(&node, &old, &["append", "carts-1", "paid"]).fails(3, "not_permitted");
    with(&node, &new, &["append", "orders-1", "paid"]).fails(3, "token_invalid");
    fs::write(&file, "{}").unwrap();
    node.hang_up();
    until(|| node.errors().contains("not a JSON Web Key Set"));
    with(&node, &old, &["append", "orders-1", "paid"]).ok();
    fs::write(&file, next.keys()).unwrap();
    node.hang_up();
    until(|| with(&node, &new, &["append", "orders-1", "paid"]).code == 0);
    with(&node, &old, &["append", "orders-1", "paid"]).fails(3, "token_invalid");
}

/// Serves one response to each connection.
fn answer(listener: &TcpListener, status: &str, body: &str) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut head = [0; 4_096];
    let read = stream.read(&mut head).unwrap();
    assert!(head[..read].starts_with(b"GET /keys?v=1 HTTP/1.1\r\n"));
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .unwrap();
}

#[test]
fn a_node_starts_without_its_token_service_and_accepts_tokens_once_it_has_the_keys() {
    let service = Service::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let node = serve(&format!("http://{}/keys?v=1", listener.local_addr().unwrap()));
    let token = service.token("mainstay:read");
    answer(&listener, "500 Internal Server Error", "");
    until(|| node.errors().contains("the response has the status 500"));
    let asked = with(&node, &token, &["streams"]);
    assert!(asked.code != 0 && asked.err.contains("not_ready"), "{asked:?}");
    // It asks again by itself, and at once on a signal.
    node.hang_up();
    answer(&listener, "200 OK", &service.keys());
    until(|| with(&node, &token, &["streams"]).code == 0);
    node.hang_up();
    answer(&listener, "302 Found", "");
    until(|| node.errors().contains("the response has the status 302"));
    with(&node, &token, &["streams"]).ok();
}

#[test]
fn rules_that_cannot_work_are_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let serve = |arguments: &[&str]| {
        let data = directory.path().join("data");
        let mut command: Command = mainstay();
        run(command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(arguments), "")
    };
    let service =
        ["--access", "tokens", "--jwt-issuer", "https://id.test", "--jwt-audience", "mainstay", "--jwks"];
    let empty = directory.path().join("empty.json");
    fs::write(&empty, r#"{"keys":[]}"#).unwrap();
    for (arguments, says) in [
        (vec!["--client-roles", "roles.toml"], "`access` is `open`"),
        (vec!["--access", "tokens", "--client-roles", "roles.toml"], "`tls-client-ca` is not"),
        ([&service[..], &["/no/such/file"]].concat(), "cannot read /no/such/file"),
        ([&service[..], &[empty.to_str().unwrap()]].concat(), "has no key that can be used"),
        ([&service[..], &["http://id.test/keys"]].concat(), "a URL with https"),
    ] {
        serve(&arguments).fails(2, says);
    }
}
