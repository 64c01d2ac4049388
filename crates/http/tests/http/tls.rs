//! TLS, with clients that speak it, do not speak it, or stop halfway.

use crate::node::Node;
use crate::wire::Connection;
use http_server::{Certificate, HttpOptions, Pem, Tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

const HANG: Duration = Duration::from_secs(20);
const READY: &str = "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// An authority that issues certificates for one test.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
pub(crate) struct Issued(String, String);

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { pem: params.self_signed(&key).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    pub(crate) fn issue(&self, name: &str) -> Issued {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        Issued(params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    pub(crate) fn certificate(&self, clients: Option<&Self>) -> Certificate {
        let Issued(certificates, key) = self.issue("localhost");
        let client_authorities = clients.map(|authority| authority.pem.as_bytes());
        let pem = Pem { certificates: certificates.as_bytes(), key: key.as_bytes(), client_authorities };
        Certificate::from_pem(&pem).unwrap()
    }

    /// A client that trusts this authority.
    pub(crate) fn client(
        &self,
        own: Option<&Issued>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        Arc::new(match own {
            None => builder.with_no_client_auth(),
            Some(Issued(certificate, key)) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        })
    }
}

pub(crate) type Secure = StreamOwned<ClientConnection, TcpStream>;

pub(crate) fn connect(node: &Node, client: &Arc<ClientConfig>) -> Secure {
    let stream = TcpStream::connect(node.address).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(client), name).unwrap(), stream)
}

/// Sends a request that closes the connection, and reads everything.
pub(crate) fn exchange(secure: &mut Secure, request: &str) -> std::io::Result<String> {
    secure.write_all(request.as_bytes())?;
    let mut response = String::new();
    secure.read_to_string(&mut response)?;
    Ok(response)
}

fn start(certificate: Certificate, options: HttpOptions) -> (Node, Arc<Tls>) {
    let tls = Arc::new(Tls::new(certificate));
    (Node::with(HttpOptions { tls: Some(Arc::clone(&tls)), ..options }), tls)
}

pub(crate) fn until_ready(node: &Node, client: &Arc<ClientConfig>) {
    let ready =
        |_| exchange(&mut connect(node, client), READY).is_ok_and(|text| text.starts_with("HTTP/1.1 200"));
    assert!((0..1_000).any(ready));
}

pub(crate) const BOTH: &[&SupportedProtocolVersion] = rustls::ALL_VERSIONS;

#[test]
fn requests_are_served_over_both_versions_of_tls_and_both_of_http() {
    let authority = Authority::new();
    let (node, _) = start(authority.certificate(None), HttpOptions::default());
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let client = authority.client(None, versions);
        until_ready(&node, &client);
        for (offered, chosen) in
            [(&["h2", "http/1.1"][..], Some(&b"h2"[..])), (&["http/1.1"], Some(b"http/1.1")), (&[], None)]
        {
            let mut config = (*client).clone();
            config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
            let mut secure = connect(&node, &Arc::new(config));
            if chosen == Some(b"h2") {
                // The preface and empty settings; the server sends settings of its own.
                secure.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
                let mut head = [0; 9];
                secure.read_exact(&mut head).unwrap();
                assert_eq!(head[3], 4, "a settings frame");
            } else {
                assert!(exchange(&mut secure, READY).unwrap().contains("\"ready\""));
            }
            assert_eq!(secure.conn.alpn_protocol(), chosen);
        }
    }
}

#[test]
fn large_bodies_pass_and_the_node_s_own_pages_are_https() {
    let authority = Authority::new();
    let (node, _) = start(authority.certificate(None), HttpOptions::default());
    let client = authority.client(None, BOTH);
    until_ready(&node, &client);
    let data = "x".repeat(1_000_000);
    let event = format!(r#"{{"type":"t","data":"{data}"}}"#);
    let append = |origin: &str| {
        let length = event.len();
        let request = format!(
            "POST /v1/streams/s/events HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{event}"
        );
        exchange(&mut connect(&node, &client), &request).unwrap()
    };
    assert!(append("https://localhost").starts_with("HTTP/1.1 200"));
    assert!(append("http://localhost").contains("foreign_origin"));
    let read = "GET /v1/streams/s/events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert!(exchange(&mut connect(&node, &client), read).unwrap().contains(&data));
}

#[test]
fn http_to_a_port_for_https_and_the_reverse_are_told_so() {
    let authority = Authority::new();
    let (node, _) = start(authority.certificate(None), HttpOptions::default());
    let response = Connection::to(&node).send("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").response();
    response.assert_problem(400, "https_required");
    assert!(response.text().contains("https://"));

    let plain = Node::start();
    let mut secure = connect(&plain, &authority.client(None, BOTH));
    let error = exchange(&mut secure, READY).unwrap_err();
    assert!(error.to_string().contains("InvalidContentType"), "{error}");
    let hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00";
    let response = Connection::to(&plain).send(hello).response();
    response.assert_problem(400, "bad_request");
    assert!(response.text().contains("use http://"), "{}", response.text());
}

#[test]
fn a_client_that_does_not_finish_its_handshake_is_closed() {
    let authority = Authority::new();
    let impatient = HttpOptions { head_time: Duration::from_millis(300), ..HttpOptions::default() };
    let (node, _) = start(authority.certificate(None), impatient);
    until_ready(&node, &authority.client(None, BOTH));
    for begun in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"] {
        let began = Instant::now();
        assert!(Connection::to(&node).send(begun).is_closed());
        assert!(began.elapsed() >= Duration::from_millis(250), "{begun:?}");
    }
    // A whole handshake, and no request.
    let mut secure = connect(&node, &authority.client(None, BOTH));
    secure.conn.complete_io(&mut secure.sock).unwrap();
    assert!(matches!(secure.read(&mut [0; 1]), Ok(0) | Err(_)));
}

#[test]
fn a_handshake_counts_as_a_connection() {
    let authority = Authority::new();
    let options = HttpOptions { connections_max: 1, ..HttpOptions::default() };
    let (node, _) = start(authority.certificate(None), options);
    let client = authority.client(None, BOTH);
    until_ready(&node, &client);
    let mut held = Connection::to(&node);
    held.send(b"\x16");
    // From when the server has accepted the first, it closes every other.
    assert!((0..1_000).any(|_| exchange(&mut connect(&node, &client), READY).is_err()));
    drop(held);
    until_ready(&node, &client);
}

#[test]
fn clients_must_have_a_certificate_of_the_right_authority() {
    let (authority, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let (node, _) = start(authority.certificate(Some(&clients)), HttpOptions::default());
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let known = clients.issue("reports.internal");
        until_ready(&node, &authority.client(Some(&known), versions));
        for own in [None, Some(others.issue("reports.internal")), Some(authority.issue("reports.internal"))] {
            let response = exchange(&mut connect(&node, &authority.client(own.as_ref(), versions)), READY);
            assert!(response.is_err(), "{response:?}");
        }
    }
}

#[test]
fn a_new_certificate_is_used_by_new_connections_and_open_ones_go_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let (node, tls) = start(old.certificate(None), HttpOptions::default());
    let (old_client, new_client) = (old.client(None, BOTH), new.client(None, BOTH));
    until_ready(&node, &old_client);
    let mut open = connect(&node, &old_client);
    open.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut status = [0; 12];
    open.read_exact(&mut status).unwrap();
    assert!(exchange(&mut connect(&node, &new_client), READY).is_err());
    tls.replace(new.certificate(None));
    assert!(exchange(&mut connect(&node, &new_client), READY).unwrap().starts_with("HTTP/1.1 200"));
    assert!(exchange(&mut connect(&node, &old_client), READY).is_err());
    assert!(exchange(&mut open, READY).unwrap().contains("\"ready\""), "the open connection is served");
}

#[test]
fn a_half_closed_connection_still_receives_its_response() {
    let authority = Authority::new();
    let (node, _) = start(authority.certificate(None), HttpOptions::default());
    let client = authority.client(None, BOTH);
    until_ready(&node, &client);
    let mut secure = connect(&node, &client);
    secure.write_all(READY.replace("connection: close\r\n", "").as_bytes()).unwrap();
    secure.conn.send_close_notify();
    secure.flush().unwrap();
    secure.sock.shutdown(Shutdown::Write).unwrap();
    let mut response = String::new();
    secure.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}

#[test]
fn a_claim_of_a_client_that_has_left_does_not_wait() {
    let authority = Authority::new();
    let (node, _) = start(authority.certificate(None), HttpOptions::default());
    let client = authority.client(None, BOTH);
    until_ready(&node, &client);
    let claim = || {
        let body = r#"{"worker":"w","wait":"60s"}"#;
        let length = body.len();
        let mut secure = connect(&node, &client);
        let head =
            "POST /v1/queues/q/claims HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
        write!(secure, "{head}content-length: {length}\r\n\r\n{body}").unwrap();
        secure.flush().unwrap();
        secure
    };
    let waiting = || metric(&node, &client, "mainstay_queue_depth{queue=\"waiting_claims\"}");
    for leave in ["with a message", "without", "after the next request"] {
        let mut secure = claim();
        until(|| waiting() == 1);
        match leave {
            "with a message" => secure.conn.send_close_notify(),
            "without" => {}
            _ => secure.write_all(READY.as_bytes()).unwrap(),
        }
        secure.flush().unwrap();
        if leave == "after the next request" {
            // What comes behind a request that is not read yet cannot be seen: the claim waits on.
            assert_eq!(waiting(), 1);
            break;
        }
        drop(secure);
        until(|| waiting() == 0);
    }
}

fn metric(node: &Node, client: &Arc<ClientConfig>, name: &str) -> u64 {
    let get = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let text = exchange(&mut connect(node, client), get).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name}"))
}

#[track_caller]
fn until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < HANG);
    }
}

#[test]
fn a_client_that_reads_nothing_is_closed() {
    let authority = Authority::new();
    let impatient = HttpOptions { write_wait: Duration::from_millis(300), ..HttpOptions::default() };
    let (node, _) = start(authority.certificate(None), impatient);
    let client = authority.client(None, BOTH);
    until_ready(&node, &client);
    let mut connection = connect(&node, &client);
    let event = format!("{{\"stream\":\"s\",\"type\":\"t\",\"data\":\"{}\"}}\n", "x".repeat(1_000_000));
    let body = event.repeat(20);
    let length = body.len();
    let head = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/x-ndjson\r\n";
    let sent = exchange(&mut connection, &format!("{head}content-length: {length}\r\n\r\n{body}")).unwrap();
    assert!(sent.contains("\"appended\":20"), "{sent}");
    let mut silent = connect(&node, &client);
    write!(silent, "GET /v1/events HTTP/1.1\r\nhost: localhost\r\naccept: application/x-ndjson\r\n\r\n")
        .unwrap();
    silent.flush().unwrap();
    until(|| metric(&node, &client, "mainstay_queue_depth{queue=\"connections\"}") == 1);
}
