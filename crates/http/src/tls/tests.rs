//! What is accepted as certificate and key, and what a certificate says.

use super::*;
use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use std::time::Duration;

struct Made {
    certificate: String,
    key: String,
}

fn make(change: impl FnOnce(&mut CertificateParams)) -> Made {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    Made { certificate: certificate.pem(), key: key.serialize_pem() }
}

fn read(certificates: &str, key: &str, authorities: Option<&str>) -> Result<Certificate, String> {
    let pem = Pem {
        certificates: certificates.as_bytes(),
        key: key.as_bytes(),
        client_authorities: authorities.map(str::as_bytes),
    };
    Certificate::from_pem(&pem).map_err(|error| error.to_string())
}

#[test]
fn a_certificate_is_used_only_with_its_own_key_and_a_mistake_is_named() {
    let (made, other) = (make(|_| {}), make(|_| {}));
    let Made { certificate, key } = &made;
    assert!(read(certificate, key, None).is_ok());
    assert!(read(certificate, key, Some(certificate)).is_ok());
    assert!(read(&format!("{certificate}{}", other.certificate), key, None).is_ok(), "a chain");
    let broken = certificate.replacen("MII", "!!!", 1);
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let many = certificate.repeat(101);
    for (certificates, key, authorities, want) in [
        (certificate.as_str(), other.key.as_str(), None, "does not belong to the first certificate"),
        ("", key, None, "the certificate has no certificate"),
        (key, key, None, "the certificate has no certificate"),
        (&broken, key, None, "the certificate is not PEM"),
        (garbage, key, None, "cannot be read"),
        (&many, key, None, "more than 100"),
        (certificate, "", None, "no private key"),
        (certificate, certificate, None, "no private key"),
        (certificate, key, Some(""), "the file of client authorities has no certificate"),
        (certificate, key, Some(garbage), "client authorities cannot be used"),
    ] {
        let error = read(certificates, key, authorities).unwrap_err();
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn a_certificate_says_until_when_it_is_valid_and_shows_no_key() {
    let made = make(|params| params.not_after = rcgen::date_time_ymd(2031, 1, 1));
    let certificate = read(&made.certificate, &made.key, None).unwrap();
    let since_1970 = certificate.expires().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(since_1970, Duration::from_secs(1_924_992_000));
    let shown = format!("{certificate:?} {:?}", Tls::new(certificate.clone()));
    assert!(shown.len() < 300, "{shown}");
}

#[test]
fn a_client_is_whom_its_certificate_names() {
    let identity = |change: fn(&mut CertificateParams)| {
        let made = make(|params| {
            params.not_after = rcgen::date_time_ymd(2031, 1, 1);
            change(params);
        });
        let der = CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap();
        PeerIdentity::of(&der)
    };
    let named = identity(|params| {
        params.distinguished_name.push(DnType::CommonName, "reports");
        params.subject_alt_names = vec![
            SanType::DnsName("reports.internal".try_into().unwrap()),
            SanType::URI("spiffe://example/reports".try_into().unwrap()),
            SanType::Rfc822Name("reports@example.com".try_into().unwrap()),
            SanType::IpAddress([127, 0, 0, 1].into()),
        ];
    });
    let want = PeerIdentity {
        common_name: Some("reports".into()),
        dns_names: vec!["reports.internal".into()],
        uris: vec!["spiffe://example/reports".into()],
        emails: vec!["reports@example.com".into()],
        // The last second of the certificate counts.
        expires: Some(model::Wall(1_924_992_000_000 + 1_000)),
    };
    assert_eq!(named, Some(want));
    let unnamed = identity(|params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.subject_alt_names.clear();
    });
    assert_eq!(
        unnamed.map(|unnamed| PeerIdentity { expires: None, ..unnamed }),
        Some(PeerIdentity::default())
    );
    let many = identity(|params| {
        params.subject_alt_names =
            (0..100).map(|n| SanType::DnsName(format!("n{n}").try_into().unwrap())).collect();
    });
    assert_eq!(many.unwrap().dns_names.len(), 16);
    assert_eq!(PeerIdentity::of(&CertificateDer::from_slice(b"\x30\x00")), None);
}

#[tokio::test(flavor = "current_thread")]
async fn a_handshake_ends_with_whom_the_client_s_certificate_names() {
    let made = make(|params| params.distinguished_name.push(DnType::CommonName, "reports"));
    let tls = Tls::new(read(&made.certificate, &made.key, Some(&made.certificate)).unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let certificate = CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap())
        .unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let (_client, served) = tokio::join!(connector.connect(name, stream), tls.handshake(accepted));
    let (_, identity) = served.unwrap();
    let want = PeerIdentity {
        common_name: Some("reports".into()),
        dns_names: vec!["localhost".into()],
        expires: identity.as_ref().unwrap().expires,
        ..Default::default()
    };
    assert_eq!(identity.as_deref(), Some(&want));
}
