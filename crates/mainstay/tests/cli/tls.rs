//! TLS as an operator and a user meet it: certificates made by the command, a real node, and every mistake between them.

use crate::node::{Ran, mainstay, run, serve};
use mainstay_client::blocking::Client;
use mainstay_client::{Request, Retry};
use rcgen::{CertificateParams, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than a node takes to notice changed files.
const NOTICED_MAX: Duration = Duration::from_secs(30);

/// Certificates in a directory of their own.
pub(crate) struct Certs(tempfile::TempDir);

impl Certs {
    pub(crate) fn make(arguments: &[&str]) -> Self {
        let certs = Self(tempfile::tempdir().unwrap());
        certs.command(arguments).ok();
        certs
    }

    fn command(&self, arguments: &[&str]) -> Ran {
        run(mainstay().arg("certs").arg(self.0.path()).args(arguments), "")
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    pub(crate) fn text(&self, file: &str) -> String {
        self.path(file).to_str().unwrap().to_owned()
    }

    /// The options of `serve`.
    pub(crate) fn serve(&self) -> Vec<String> {
        vec!["--tls-cert".into(), self.text("server.pem"), "--tls-key".into(), self.text("server-key.pem")]
    }
}

/// A node with TLS; killed when dropped.
pub(crate) struct Node {
    child: Child,
    pub(crate) url: String,
    errors: tempfile::NamedTempFile,
    _data: tempfile::TempDir,
}

impl Node {
    pub(crate) fn start(arguments: &[String]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let errors = tempfile::NamedTempFile::new().unwrap();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = serve(data.path(), &arguments);
        let mut child = command.stderr(errors.reopen().unwrap()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| line.ok()?.strip_prefix("listening on ").map(str::to_owned));
        let Some(url) = url else { panic!("{}", fs::read_to_string(errors.path()).unwrap()) };
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url, errors, _data: data }
    }

    fn with(certs: &Certs) -> Self {
        Self::start(&certs.serve())
    }

    pub(crate) fn hang_up(&self) {
        kill_process(Pid::from_raw(self.child.id().try_into().unwrap()).unwrap(), Signal::HUP).unwrap();
    }

    pub(crate) fn errors(&self) -> String {
        fs::read_to_string(self.errors.path()).unwrap()
    }

    fn client(&self, authority: &Path) -> Client {
        let builder = mainstay_client::Client::builder(&self.url).retry(Retry::never());
        builder.root_certificates(fs::read(authority).unwrap()).build_blocking().unwrap()
    }

    /// Asks whether the node is ready, on a new connection.
    fn is_trusted(&self, authority: &Path) -> bool {
        let ready = self.client(authority).send(&Request::new("GET", "/readyz").unwrap());
        ready.is_ok_and(|response| response.status == 200)
    }

    #[track_caller]
    fn until_trusted(&self, authority: &Path) {
        until(|| self.is_trusted(authority));
    }

    /// A figure of `/metrics`.
    fn metric(&self, authority: &Path, name: &str) -> f64 {
        let response = self.client(authority).send(&Request::new("GET", "/metrics").unwrap()).unwrap();
        let text = String::from_utf8(response.body.to_vec()).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    }

    /// `mainstay streams` with further options.
    fn streams(&self, options: &[&str]) -> Ran {
        run(mainstay().args(["--url", &self.url, "streams"]).args(options), "")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
pub(crate) fn until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < NOTICED_MAX);
        std::thread::yield_now();
    }
}

#[test]
fn certs_makes_private_keys_and_overwrites_nothing() {
    let certs = Certs::make(&["--host", "mainstay.internal", "--client", "reports"]);
    let files = ["ca", "server", "client-reports"];
    for name in files {
        let mode = |file: String| fs::metadata(certs.path(&file)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(format!("{name}-key.pem")), mode(format!("{name}.pem"))), (0o600, 0o644), "{name}");
    }
    let read = || files.map(|name| fs::read(certs.path(&format!("{name}-key.pem"))).unwrap());
    let before = read();
    certs.command(&["--client", "reports"]).fails(1, "never overwritten");
    certs.command(&["--host", "other.internal"]).fails(1, "server.pem exists");
    let out = certs.command(&["--client", "billing", "--days", "825"]).ok();
    assert!(out.contains("client-billing.pem") && out.contains("--client-cert"), "{out}");
    assert!(out.lines().filter(|line| line.starts_with("made ")).count() == 2, "{out}");
    assert_eq!(read(), before);
    fs::remove_file(certs.path("ca-key.pem")).unwrap();
    certs.command(&["--client", "third"]).fails(1, "ca.pem exists");

    for (arguments, words) in [
        (["--host", "https://x"], "cannot be a host"),
        (["--host", "x:7070"], "cannot be a host"),
        (["--host", "*.example.com"], "cannot be a host"),
        (["--client", "../x"], "cannot be a client"),
        (["--client", ""], "cannot be a client"),
        (["--days", "826"], "1..=825"),
        (["--days", "0"], "1..=825"),
    ] {
        let empty = tempfile::tempdir().unwrap();
        run(mainstay().arg("certs").arg(empty.path().join("new")).args(arguments), "").fails(2, words);
        assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0, "{arguments:?}");
    }
}

#[test]
fn a_client_with_the_authority_is_served_and_every_other_is_told_why_not() {
    let (certs, others) = (Certs::make(&[]), Certs::make(&[]));
    let node = Node::with(&certs);
    assert!(node.url.starts_with("https://"), "{}", node.url);
    let ca = certs.text("ca.pem");
    node.until_trusted(&certs.path("ca.pem"));
    node.streams(&["--ca", &ca]).ok();
    let by_name = node.url.replace("127.0.0.1", "localhost");
    run(mainstay().args(["--url", &by_name, "append", "s", "t"]).env("MAINSTAY_CA", &ca), "").ok();
    let curl =
        run(Command::new("curl").args(["-sS", "--cacert", &ca, &format!("{by_name}/v1/streams")]), "").ok();
    assert!(curl.contains("\"stream\":\"s\""), "{curl}");

    node.streams(&[]).fails(6, "an authority that this client does not trust");
    node.streams(&["--ca", &others.text("ca.pem")]).fails(6, "`--ca`");
    node.streams(&["--ca", "/no/such/file"]).fails(2, "cannot read /no/such/file");
    node.streams(&["--ca", &certs.text("server-key.pem"), "--client-cert", &ca]).fails(2, "--client-key");
    let plain = node.url.replace("https://", "http://");
    run(mainstay().args(["--url", &plain, "streams"]), "").fails(3, "https_required");

    let data = tempfile::tempdir().unwrap();
    let http = crate::node::Node::start(data.path());
    let https = http.url.replace("http://", "https://");
    run(mainstay().args(["--url", &https, "--ca", &ca, "streams"]), "").fails(6, "use http://");
    let expires = node.metric(&certs.path("ca.pem"), "mainstay_tls_certificate_expires_seconds");
    assert!((364.0..=365.0).contains(&(expires / 86_400.0)), "{expires}");
    assert!(node.metric(&certs.path("ca.pem"), "mainstay_tls_handshakes_failed_total") >= 3.0);
}

#[test]
fn a_certificate_for_other_names_or_past_its_end_is_named_as_such() {
    for (names, days, words) in
        [(["other.internal"], 30, "other names"), (["127.0.0.1"], -1, "has expired"), (["127.0.0.1"], 3, "")]
    {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = (directory.path().join("c.pem"), directory.path().join("k.pem"));
        let pair = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names.map(str::to_owned)).unwrap();
        let now = time::OffsetDateTime::now_utc();
        params.not_before = now - time::Duration::days(90);
        params.not_after = now + time::Duration::days(days);
        fs::write(&certificate, params.self_signed(&pair).unwrap().pem()).unwrap();
        fs::write(&key, pair.serialize_pem()).unwrap();
        let paths = [&certificate, &key].map(|path| path.to_str().unwrap().to_owned());
        let [certificate, key] = paths;
        let node = Node::start(&["--tls-cert".into(), certificate.clone(), "--tls-key".into(), key]);
        if !words.is_empty() {
            node.streams(&["--ca", &certificate]).fails(6, words);
        }
        let logged = match days {
            -1 => "the certificate has expired",
            3 => "the certificate expires soon",
            _ => continue,
        };
        until(|| node.errors().contains(logged));
    }
}

#[test]
fn clients_prove_who_they_are_if_the_node_asks_for_it() {
    let (certs, others) = (Certs::make(&["--client", "reports"]), Certs::make(&["--client", "reports"]));
    let ca = certs.text("ca.pem");
    let node = Node::start(&[certs.serve(), vec!["--tls-client-ca".into(), ca.clone()]].concat());
    let with = |certs: &Certs| {
        let (certificate, key) = (certs.text("client-reports.pem"), certs.text("client-reports-key.pem"));
        node.streams(&["--ca", &ca, "--client-cert", &certificate, "--client-key", &key])
    };
    until(|| with(&certs).code == 0);
    for refused in [node.streams(&["--ca", &ca]), with(&others)] {
        // Which of the two sentences the client says depends on when it notices.
        refused.fails(6, "(`--client-cert` and `--client-key`");
    }
    // A certificate for a node is none for a client.
    let (server, key) = (certs.text("server.pem"), certs.text("server-key.pem"));
    node.streams(&["--ca", &ca, "--client-cert", &server, "--client-key", &key]).fails(6, "tls-client-ca");
    let mixed = ["--ca", &ca, "--client-cert", &server, "--client-key", &certs.text("ca-key.pem")];
    node.streams(&mixed).fails(2, "the client's certificate and key");
}

#[test]
fn a_new_certificate_is_used_without_a_restart_and_a_bad_one_is_not() {
    let (first, second, third) = (Certs::make(&[]), Certs::make(&[]), Certs::make(&[]));
    let (one, two, three) = (first.path("ca.pem"), second.path("ca.pem"), third.path("ca.pem"));
    let node = Node::with(&first);
    node.until_trusted(&one);
    let replace = |by: &Certs, file: &str| fs::copy(by.path(file), first.path(file)).unwrap();

    // On SIGHUP at once.
    replace(&second, "server.pem");
    replace(&second, "server-key.pem");
    node.hang_up();
    node.until_trusted(&two);
    assert!(!node.is_trusted(&one));

    // Neither a broken file, nor a key of another certificate, nor a missing one.
    let failed = |n: f64| until(|| node.metric(&two, "mainstay_tls_reloads_failed_total") >= n);
    fs::write(first.path("server.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
    node.hang_up();
    failed(1.0);
    replace(&third, "server.pem");
    node.hang_up();
    failed(2.0);
    fs::remove_file(first.path("server-key.pem")).unwrap();
    node.hang_up();
    failed(3.0);
    assert!(node.is_trusted(&two), "the node keeps what it has");
    let errors = node.errors();
    assert!(errors.contains("the key does not belong to the first certificate"), "{errors}");
    assert!(!errors.contains("PRIVATE KEY-----\n"), "{errors}");

    // Without a signal, within seconds.
    replace(&third, "server-key.pem");
    node.until_trusted(&three);
    assert!(!node.is_trusted(&two));
}

#[test]
fn a_node_that_others_can_reach_needs_tls_and_tokens() {
    let certs = Certs::make(&[]);
    let refused = |arguments: &[String]| {
        let data = tempfile::tempdir().unwrap();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = serve(data.path(), &[&["--listen", "0.0.0.0:0"], &arguments[..]].concat());
        let ran = run(&mut command, "");
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0, "nothing was written");
        ran
    };
    let open = "--access=open".to_owned();
    let both = refused(std::slice::from_ref(&open));
    assert!(both.err.contains("- TLS: ") && both.err.contains("- access control: "), "{both:?}");
    both.fails(2, "other machines can reach");
    refused(&[]).fails(2, "mainstay certs");
    refused(&[certs.serve(), vec![open.clone()]].concat()).fails(2, "- access control: ");
    refused(&["--insecure-http".into(), open]).fails(2, "- access control: ");
    refused(&["--tls-cert".into(), certs.text("server.pem")]).fails(2, "`tls-key` is not");
    refused(&["--tls-cert".into(), certs.text("server.pem"), "--tls-key".into(), certs.text("ca-key.pem")])
        .fails(2, "the key does not belong to the first certificate");
    refused(&["--tls-cert".into(), "/no/such".into(), "--tls-key".into(), "/no/such".into()])
        .fails(2, "cannot read /no/such");

    let listen = vec!["--listen".to_owned(), "0.0.0.0:0".to_owned()];
    let node = Node::start(&[listen.clone(), certs.serve()].concat());
    let url = node.url.replace("0.0.0.0", "127.0.0.1");
    let ca = certs.text("ca.pem");
    let streams = || run(mainstay().args(["--url", &url, "--ca", &ca, "streams"]), "");
    until(|| streams().err.contains("token_missing"));
    let insecure = Node::start(&[listen, vec!["--insecure-http".into()]].concat());
    assert!(insecure.url.starts_with("http://"), "{}", insecure.url);
    let url = insecure.url.replace("0.0.0.0", "127.0.0.1");
    until(|| run(mainstay().args(["--url", &url, "streams"]), "").err.contains("token_missing"));
}

#[test]
fn a_hangup_does_not_end_a_node_without_tls() {
    let node = Node::start(&[]);
    let streams = || node.streams(&[]).code == 0;
    until(streams);
    node.hang_up();
    // The message is not shown at this level of the log. A signal that ends a process has done so by the second request.
    assert!(streams() && streams());
}

#[test]
fn an_unreadable_certificate_starts_no_node() {
    let data = tempfile::tempdir().unwrap();
    let certs = Certs::make(&[]);
    fs::write(certs.path("server.pem"), "").unwrap();
    let arguments = certs.serve();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run(serve(data.path(), &arguments).stdin(Stdio::null()), "").fails(2, "has no certificate");
}
