//! `mainstay certs`: a private authority, and certificates of it for a node and its clients.
//!
//! Nothing is ever overwritten. An authority that exists issues what is missing, so that a certificate for
//! another client, or a new one for the node, needs no new trust. Keys are readable by their owner only.

use super::failure::{Failure, Result};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use time::{Duration, OffsetDateTime};

/// The names that every node has.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const HOSTS_MAX: usize = 100;
const CLIENTS_MAX: usize = 100;
const HOST_BYTES_MAX: usize = 253;
/// The longest common name that X.509 allows.
const CLIENT_BYTES_MAX: usize = 64;
const AUTHORITY_DAYS: i64 = 3_650;
/// Clocks differ: certificates are valid from a little earlier.
const BEFORE: Duration = Duration::hours(1);
const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory for the files; made if it does not exist
    directory: PathBuf,
    /// Further names and addresses of the node, besides localhost, 127.0.0.1 and ::1
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Names of clients to make certificates for
    #[arg(long = "client", value_name = "NAME")]
    clients: Vec<String>,
    /// For how many days certificates of nodes and clients are valid, up to 825; the authority is valid for 10 years
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=825), value_name = "DAYS")]
    days: u16,
}

pub(crate) fn run(args: &Args) -> Result {
    check(args)?;
    let directory = Directory::open(&args.directory)?;
    // Everything that could be in the way is looked for before the first file is written.
    let server = directory.pair("server");
    let make_server = !server.exists()?;
    if !make_server && !args.hosts.is_empty() {
        return Err(in_the_way(&server.certificate));
    }
    let clients: Vec<(&String, Pair)> =
        args.clients.iter().map(|name| (name, directory.pair(&format!("client-{name}")))).collect();
    for (_, pair) in &clients {
        if pair.exists()? {
            return Err(in_the_way(&pair.certificate));
        }
    }
    let now = OffsetDateTime::now_utc();
    let authority = Authority::of(&directory, now)?;
    if make_server {
        let names = LOOPBACK.iter().map(|name| (*name).to_owned()).chain(args.hosts.iter().cloned());
        let params = CertificateParams::new(names.collect::<Vec<_>>()).map_err(Failure::usage)?;
        authority.issue(&server, params, "mainstay", ExtendedKeyUsagePurpose::ServerAuth, args, now)?;
    }
    for (name, pair) in &clients {
        let params = CertificateParams::default();
        authority.issue(pair, params, name, ExtendedKeyUsagePurpose::ClientAuth, args, now)?;
    }
    explain(&directory, clients.first().map(|(_, pair)| pair));
    Ok(())
}

fn check(args: &Args) -> Result {
    if args.hosts.len() > HOSTS_MAX || args.clients.len() > CLIENTS_MAX {
        return Err(Failure::usage("at most 100 hosts and 100 clients at a time"));
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    for host in &args.hosts {
        let named = host.len() <= HOST_BYTES_MAX && host.split('.').all(is_label);
        if host.parse::<IpAddr>().is_err() && !named {
            let message = format!("{host:?} cannot be a host: expected a name or an address, without a port");
            return Err(Failure::usage(message));
        }
    }
    for (n, client) in args.clients.iter().enumerate() {
        if client.len() > CLIENT_BYTES_MAX || !client.split('.').all(is_label) {
            let message = format!(
                "{client:?} cannot be a client: expected 1 to 64 letters, digits, `-`, `_` and single dots"
            );
            return Err(Failure::usage(message));
        }
        if args.clients[..n].contains(client) {
            return Err(Failure::usage(format!("the client {client:?} was named twice")));
        }
    }
    Ok(())
}

/// Where the files are.
struct Directory(PathBuf);

/// A certificate and its key.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

impl Directory {
    fn open(path: &Path) -> Result<Self> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(Failure::local(format!("cannot make the directory {}: {error}", path.display())))
            }
            _ => Ok(Self(path.to_owned())),
        }
    }

    fn pair(&self, name: &str) -> Pair {
        Pair { certificate: self.0.join(format!("{name}.pem")), key: self.0.join(format!("{name}-key.pem")) }
    }
}

impl Pair {
    /// Whether both files are there; one alone is an error.
    fn exists(&self) -> Result<bool> {
        let there = |path: &Path| {
            path.try_exists()
                .map_err(|error| Failure::local(format!("cannot look for {}: {error}", path.display())))
        };
        match (there(&self.certificate)?, there(&self.key)?) {
            (true, true) => Ok(true),
            (false, false) => Ok(false),
            (true, false) => Err(in_the_way(&self.certificate)),
            (false, true) => Err(in_the_way(&self.key)),
        }
    }

    /// The key first: a certificate without its key is of no use.
    fn write(&self, certificate: &Certificate, key: &KeyPair) -> Result {
        write(&self.key, PRIVATE, &key.serialize_pem())?;
        write(&self.certificate, PUBLIC, &certificate.pem())
    }
}

fn in_the_way(path: &Path) -> Failure {
    Failure::local(format!("{} exists, and files are never overwritten", path.display()))
        .advice("Move it away to make a new one, or use another directory.")
}

fn write(path: &Path, mode: u32, text: &str) -> Result {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => in_the_way(path),
        _ => Failure::local(format!("cannot write {}: {error}", path.display())),
    })?;
    // A closed standard output is no reason to stop halfway.
    let _ = writeln!(std::io::stdout(), "made {}", path.display());
    Ok(())
}

/// What signs certificates.
struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    /// The one of the directory, which is made if there is none.
    fn of(directory: &Directory, now: OffsetDateTime) -> Result<Self> {
        let pair = directory.pair("ca");
        if pair.exists()? {
            let read = |path: &Path| {
                std::fs::read_to_string(path)
                    .map_err(|error| Failure::local(format!("cannot read {}: {error}", path.display())))
            };
            let unusable =
                |path: &Path, error| Failure::local(format!("cannot use {}: {error}", path.display()));
            let key = KeyPair::from_pem(&read(&pair.key)?).map_err(|error| unusable(&pair.key, error))?;
            let issuer = Issuer::from_ca_cert_pem(&read(&pair.certificate)?, key);
            return Ok(Self(issuer.map_err(|error| unusable(&pair.certificate, error))?));
        }
        let key = KeyPair::generate().map_err(Failure::local)?;
        let mut params = CertificateParams::default();
        // Two authorities need two names: clients look for the one that signed a certificate by its name.
        let id =
            key.public_key_raw().iter().rev().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
        params.distinguished_name = name(&format!("Mainstay private authority {id}"));
        // It signs certificates of nodes and clients, and no other authorities.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = now - BEFORE;
        params.not_after = now + Duration::days(AUTHORITY_DAYS);
        let certificate = params.self_signed(&key).map_err(Failure::local)?;
        pair.write(&certificate, &key)?;
        Ok(Self(Issuer::new(params, key)))
    }

    fn issue(
        &self,
        pair: &Pair,
        mut params: CertificateParams,
        common_name: &str,
        purpose: ExtendedKeyUsagePurpose,
        args: &Args,
        now: OffsetDateTime,
    ) -> Result {
        let key = KeyPair::generate().map_err(Failure::local)?;
        params.distinguished_name = name(common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        params.not_before = now - BEFORE;
        params.not_after = now + Duration::days(i64::from(args.days));
        let certificate = params.signed_by(&key, &self.0).map_err(Failure::local)?;
        pair.write(&certificate, &key)
    }
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// The commands to try it with.
fn explain(directory: &Directory, client: Option<&Pair>) {
    let (server, authority) = (directory.pair("server"), directory.pair("ca").certificate);
    let authority = authority.display();
    let mut serve = format!(
        "mainstay serve --tls-cert {} --tls-key {}",
        server.certificate.display(),
        server.key.display()
    );
    let mut connect = format!("mainstay --url https://localhost:7070 --ca {authority}");
    if let Some(Pair { certificate, key }) = client {
        serve.push_str(&format!(" --tls-client-ca {authority}"));
        connect.push_str(&format!(" --client-cert {} --client-key {}", certificate.display(), key.display()));
    }
    let _ = writeln!(
        std::io::stdout(),
        "\nServe with them, and connect:\n  {serve}\n  {connect} streams\n\nKeep ca-key.pem where nobody else can read it: \
         everyone who has it can make certificates that your nodes and clients trust."
    );
}
