//! The client against a local TLS server: HTTP/2 where it is offered, HTTP/1.1 where it is not, and no word to a
//! server that cannot prove who it is.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use mainstay_client::{Client, Error, NewEvent, Retry};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const APPENDED: &str = r#"{"stream":"s","events":[{"revision":0,"cursor":"0","replayed":false}]}"#;

/// What reached the server.
#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<Version>,
}

struct Server {
    url: String,
    certificate: String,
    seen: Arc<Mutex<Seen>>,
}

async fn start(protocols: &[&str]) -> Server {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (acceptor, seen) = (acceptor.clone(), Arc::clone(&kept));
            tokio::spawn(async move {
                // A client that does not trust the certificate ends here.
                let Ok(connection) = acceptor.accept(socket).await else { return };
                seen.lock().unwrap().connections += 1;
                let respond = hyper::service::service_fn(|request: Request<Incoming>| {
                    seen.lock().unwrap().requests.push(request.version());
                    async {
                        Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(APPENDED))))
                    }
                });
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(connection), respond)
                    .await;
            });
        }
    });
    Server { url, certificate: signed.cert.pem(), seen }
}

/// Appends one event, and then 20 at the same time.
async fn append_many(server: &Server) {
    let client = Client::builder(&server.url).root_certificates(server.certificate.as_str()).build().unwrap();
    client.append("s", [NewEvent::new("t")]).await.unwrap();
    let mut appends = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let client = client.clone();
        appends.spawn(async move { client.append("s", [NewEvent::new("t")]).await.unwrap() });
    }
    assert_eq!(appends.join_all().await.len(), 20);
}

#[tokio::test]
async fn http_2_is_used_where_it_is_offered_and_one_connection_carries_all_requests() {
    let server = start(&["h2", "http/1.1"]).await;
    append_many(&server).await;
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen.requests, [Version::HTTP_2; 21]);
    assert_eq!(seen.connections, 1);
}

#[tokio::test]
async fn http_1_is_used_where_nothing_else_is_offered() {
    let server = start(&[]).await;
    append_many(&server).await;
    assert_eq!(server.seen.lock().unwrap().requests, [Version::HTTP_11; 21]);
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_whose_certificate_is_not_trusted() {
    let server = start(&["h2"]).await;
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    let client = Client::builder(&server.url)
        .root_certificates(other)
        .retry(Retry::never())
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let error = client.append("s", [NewEvent::new("t")]).await.unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
    assert!(!error.is_outcome_unknown() && !error.is_retryable());
    assert!(error.to_string().contains("`--ca`"), "{error}");
    assert_eq!(server.seen.lock().unwrap().requests, []);
}
