//! Traces and metrics for a collector that is made of the protocol's own definitions.

use crate::node::{Node, mainstay, run, serve};
use crate::python::python;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mainstay_client::Request;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// A message that takes longer than this will not come.
const HANG: Duration = Duration::from_secs(30);
const CALLER: &str = "00f067aa0ba902b7";

/// A running collector; killed when dropped.
struct Collector {
    process: Child,
    messages: Receiver<Value>,
    url: String,
}

impl Collector {
    /// `failures` requests are answered as by a collector that is overloaded.
    fn start(protocol: &str, failures: u32) -> Self {
        Self::start_with(protocol, failures, None)
    }

    fn start_with(protocol: &str, failures: u32, certificates: Option<&Path>) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/collector.py");
        let mut command = python(&program);
        let failures = failures.to_string();
        command.args([protocol, &failures, "0"]).args(certificates).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let scheme = if certificates.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://127.0.0.1:{}", lines.next().unwrap().unwrap());
        let (taken, messages) = channel();
        std::thread::spawn(move || {
            let messages = lines.map_while(Result::ok).map(|line| serde_json::from_str(&line).unwrap());
            messages.for_each(|message| drop(taken.send(message)));
        });
        Self { process, messages, url }
    }

    /// The next message of a signal.
    fn next(&self, signal: &str) -> Value {
        loop {
            let message = self.messages.recv_timeout(HANG).unwrap();
            if message["signal"] == signal {
                return message;
            }
        }
    }

    /// The next span with this name, and its message.
    fn span(&self, name: &str) -> (Value, Value) {
        loop {
            let message = self.next("traces");
            if let Some(span) = spans(&message).into_iter().find(|span| span["name"] == name) {
                return (span, message);
            }
        }
    }

    /// Everything that it has taken when the node is gone, and the spans of it.
    fn all_spans(mut self) -> Vec<Value> {
        self.process.kill().unwrap();
        let messages = std::iter::from_fn(|| self.messages.recv_timeout(HANG).ok());
        let traces = messages.filter(|message| message["signal"] == "traces");
        traces.flat_map(|message| spans(&message)).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spans(message: &Value) -> Vec<Value> {
    message["message"]["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
}

/// The metric with this name in a message.
fn metric(message: &Value, name: &str) -> Value {
    let metrics = &message["message"]["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
    metrics.as_array().unwrap().iter().find(|metric| metric["name"] == name).unwrap().clone()
}

fn attribute<'a>(attributes: &'a Value, key: &str) -> &'a Value {
    let of = |one: &&Value| one["key"] == key;
    attributes.as_array().unwrap().iter().find(of).map_or(&Value::Null, |one| &one["value"])
}

/// Bytes as this rendering of the protocol shows them.
fn bytes(hex: &str) -> String {
    let bytes: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    STANDARD.encode(bytes)
}

fn ask(node: &Node, path: &str, traceparent: Option<&str>) -> u16 {
    let mut request = Request::new("GET", path).unwrap();
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent).unwrap();
    }
    node.client().send(&request).unwrap().status
}

fn caller(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

#[test]
fn a_collector_gets_the_span_of_a_request_and_all_metrics_by_either_protocol() {
    for protocol in ["grpc", "http"] {
        let dir = tempfile::tempdir().unwrap();
        let collector = Collector::start(protocol, 0);
        let headers = dir.path().join("headers");
        std::fs::write(&headers, "# who we are\nauthorization: Bearer abc\n").unwrap();
        let name = if protocol == "grpc" { "grpc" } else { "http/protobuf" };
        let node = Node::start_with(
            &dir.path().join("data"),
            &[
                "--otlp-endpoint",
                &collector.url,
                "--otlp-protocol",
                name,
                "--otlp-metrics-every",
                "1s",
                "--otlp-headers-file",
                headers.to_str().unwrap(),
            ],
        );
        node.run(&["append", "s", "t", "1"]).ok();
        assert_eq!(ask(&node, "/v1/streams/s/events", Some(&caller("01"))), 200);
        let (span, message) = collector.span("GET /v1/streams/{stream}/events");
        assert_eq!(span["traceId"], bytes(TRACE), "{span}");
        assert_eq!(span["parentSpanId"], bytes(CALLER));
        assert_eq!(span["kind"], "SPAN_KIND_SERVER");
        assert_eq!(attribute(&span["attributes"], "http.response.status_code")["intValue"], "200");
        let nanos = |key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
        assert!(nanos("endTimeUnixNano") > nanos("startTimeUnixNano"));
        let resource = &message["message"]["resourceSpans"][0]["resource"]["attributes"];
        assert_eq!(attribute(resource, "service.name")["stringValue"], "mainstay");
        assert_eq!(message["headers"]["authorization"], "Bearer abc");
        let appended = |message: &Value| metric(message, "mainstay_events_appended")["sum"].clone();
        let message = loop {
            let message = collector.next("metrics");
            if appended(&message)["dataPoints"][0]["asInt"] == "1" {
                break message;
            }
        };
        assert_eq!(appended(&message)["aggregationTemporality"], "AGGREGATION_TEMPORALITY_CUMULATIVE");
        assert_eq!(appended(&message)["isMonotonic"], true);
        assert_eq!(metric(&message, "mainstay_ready")["gauge"]["dataPoints"][0]["asInt"], "1");
        let sync = metric(&message, "mainstay_log_sync");
        assert_eq!(sync["unit"], "s");
        let sync = &sync["histogram"]["dataPoints"][0];
        let counts = sync["bucketCounts"].as_array().unwrap();
        assert_eq!(counts.len(), sync["explicitBounds"].as_array().unwrap().len() + 1);
        let sum: u64 = counts.iter().map(|count| count.as_str().unwrap().parse::<u64>().unwrap()).sum();
        assert_eq!(sync["count"], sum.to_string());
        let bounds = metric(&message, "mainstay_queue_bound")["gauge"]["dataPoints"].clone();
        let of = |point: &Value| attribute(&point["attributes"], "queue")["stringValue"] == "connections";
        assert!(bounds.as_array().unwrap().iter().any(of));
    }
}

#[test]
fn a_collector_behind_tls_is_trusted_by_its_authority_only() {
    let dir = tempfile::tempdir().unwrap();
    let certificates = dir.path().join("certificates");
    run(mainstay().arg("certs").arg(&certificates), "").ok();
    for protocol in ["grpc", "http/protobuf"] {
        let name = protocol.split('/').next().unwrap();
        let collector = Collector::start_with(name, 0, Some(&certificates));
        let arguments = ["--otlp-endpoint", &collector.url, "--otlp-protocol", protocol];
        let data = dir.path().join(name);
        let stranger = Node::start_with(&data, &arguments);
        assert_eq!(ask(&stranger, "/v1/streams", None), 200);
        while stranger.metric("mainstay_otlp_failures_total") < 1.0 {
            std::thread::yield_now();
        }
        assert!(stranger.errors().contains("certificate"), "{}", stranger.errors());
        stranger.kill();
        assert!(collector.messages.try_recv().is_err(), "it has taken something");
        let mut command = serve(&data, &arguments);
        command.env("SSL_CERT_FILE", certificates.join("ca.pem"));
        let Ok(node) = Node::try_start(command) else { panic!("it does not start") };
        assert_eq!(ask(&node, "/v1/streams", None), 200);
        collector.span("GET /v1/streams");
    }
}

#[test]
fn what_a_caller_records_is_exported_before_the_node_ends_and_nothing_else_at_a_rate_of_0() {
    let dir = tempfile::tempdir().unwrap();
    // It takes nothing at first, so the node has to wait for it.
    let collector = Collector::start("http", 2);
    let arguments = ["--otlp-endpoint", &collector.url, "--otlp-sample-rate", "0"];
    let node = Node::start_with(&dir.path().join("data"), &arguments);
    assert_eq!(ask(&node, "/v1/streams", None), 200);
    assert_eq!(ask(&node, "/v1/streams", Some(&caller("00"))), 200);
    assert_eq!(ask(&node, "/nowhere", Some(&caller("01"))), 404);
    assert!(node.stop().success());
    let spans = collector.all_spans();
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(attribute(&span["attributes"], "http.response.status_code")["intValue"], "404");
    assert_eq!(attribute(&span["attributes"], "http.request.method")["stringValue"], "_OTHER");
    assert_eq!(span["status"], Value::Null, "what a client does wrong is not an error of the server");
}

#[test]
fn a_collector_that_is_overloaded_gets_the_spans_later_and_one_that_refuses_them_is_left_alone() {
    for protocol in ["grpc", "http/protobuf"] {
        let dir = tempfile::tempdir().unwrap();
        let collector = Collector::start(protocol.split('/').next().unwrap(), 2);
        let arguments = ["--otlp-endpoint", &collector.url, "--otlp-protocol", protocol];
        let node = Node::start_with(&dir.path().join("data"), &arguments);
        assert_eq!(ask(&node, "/v1/streams", None), 200);
        collector.span("GET /v1/streams");
        assert!(node.metric("mainstay_otlp_failures_total") >= 2.0);
        assert_eq!(node.metric("mainstay_otlp_spans_dropped_total"), 0.0);
        drop(node);

        let headers = dir.path().join("headers");
        std::fs::write(&headers, "x-unwanted: yes\n").unwrap();
        let mut arguments = arguments.to_vec();
        arguments.extend(["--otlp-headers-file", headers.to_str().unwrap()]);
        let node = Node::start_with(&dir.path().join("data"), &arguments);
        while node.metric("mainstay_otlp_spans_dropped_total") < 1.0 {
            std::thread::yield_now();
        }
        assert!(node.errors().contains("the collector does not take spans and metrics"), "{}", node.errors());
        assert_eq!(ask(&node, "/v1/streams", None), 200);
    }
}

#[test]
fn a_collector_of_metrics_alone_is_complained_of_once() {
    let dir = tempfile::tempdir().unwrap();
    let collector = Collector::start("http", 0);
    let headers = dir.path().join("headers");
    std::fs::write(&headers, "x-unwanted: traces\n").unwrap();
    let arguments = [
        "--otlp-endpoint",
        &collector.url,
        "--otlp-metrics-every",
        "1s",
        "--otlp-headers-file",
        headers.to_str().unwrap(),
    ];
    let node = Node::start_with(&dir.path().join("data"), &arguments);
    for refused in 1..=3 {
        // Spans are refused, then metrics are taken, in turn.
        assert_eq!(ask(&node, "/v1/streams", None), 200);
        while node.metric("mainstay_otlp_failures_total") < f64::from(refused) {
            std::thread::yield_now();
        }
        collector.next("metrics");
    }
    let complaints = node.errors().matches("the collector does not take").count();
    assert_eq!(complaints, 1, "{}", node.errors());
}

#[test]
fn a_node_without_its_collector_serves_and_stops_as_ever() {
    let dir = tempfile::tempdir().unwrap();
    // A port that nothing listens on: it was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let node = Node::start_with(&dir.path().join("data"), &["--otlp-endpoint", &endpoint]);
    node.run(&["append", "s", "t", "1"]).ok();
    while node.metric("mainstay_otlp_failures_total") < 1.0 {
        std::thread::yield_now();
    }
    node.run(&["append", "s", "t", "2"]).ok();
    assert!(node.stop().success());
}

#[test]
fn headers_that_cannot_be_read_are_named_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let headers = dir.path().join("headers");
    let serve = |data: &str| {
        let data = dir.path().join(data);
        let mut command = mainstay();
        command.args(["serve", "--listen", "127.0.0.1:0", "--otlp-endpoint", "http://127.0.0.1:1", "--data"]);
        command.arg(data).arg("--otlp-headers-file").arg(&headers);
        run(&mut command, "")
    };
    serve("a").fails(2, "otlp-headers-file");
    std::fs::write(&headers, "authorization: Bearer abc\nsecret\n").unwrap();
    let ran = serve("b");
    assert!(!ran.err.contains("abc") && !ran.err.contains("secret"), "{ran:?}");
    ran.fails(2, "line 2 is not a header");
}
