//! One attempt to deliver a message: where to, how, and what its answer means.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use https_client::{Client, Version};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use std::fmt;
use std::str::FromStr;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};

/// The most bytes of a response.
const RESPONSE_BYTES_MAX: usize = 64 << 10;
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    HttpProtobuf,
}

impl FromStr for Protocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "grpc" => Ok(Self::Grpc),
            "http/protobuf" => Ok(Self::HttpProtobuf),
            _ => Err(()),
        }
    }
}

/// The base URL of a collector, without the path of a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Uri);

impl FromStr for Endpoint {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let uri: Uri = text.trim_end_matches('/').parse().map_err(drop)?;
        let known = matches!(uri.scheme_str(), Some("http" | "https"));
        let plain = uri.host().is_some_and(|host| !host.is_empty()) && uri.query().is_none();
        // A user and a password would end up in logs; the file of headers is for secrets.
        let named = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        if known && plain && named { Ok(Self(uri)) } else { Err(()) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Endpoint {
    fn signal(&self, name: &str) -> Result<Uri, http::uri::InvalidUri> {
        format!("{}/v1/{name}", self.to_string().trim_end_matches('/')).parse()
    }
}

/// What each request carries besides its message, such as a token of the collector. Not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(HeaderName, HeaderValue)>);

/// A line of a file of headers is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHeader {
    /// The first line is 1.
    pub line: usize,
}

impl fmt::Display for BadHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is not a header, such as `authorization: Bearer SECRET`", self.line)
    }
}

impl std::error::Error for BadHeader {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Headers {
    /// Reads `name: value` from each line that is neither empty nor begins with `#`.
    ///
    /// # Errors
    /// A line is something else.
    pub fn parse(text: &str) -> Result<Self, BadHeader> {
        let lines =
            text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let header = |(n, line): (usize, &str)| {
            let bad = BadHeader { line: n + 1 };
            let (name, value) = line.split_once(':').ok_or(bad)?;
            // gRPC carries text only.
            let text = value.trim().bytes().all(|byte| (b' '..=b'~').contains(&byte));
            let name = HeaderName::from_str(name.trim()).map_err(|_| bad)?;
            let value = HeaderValue::from_str(value.trim()).map_err(|_| bad)?;
            if text { Ok((name, value)) } else { Err(bad) }
        };
        Ok(Self(lines.map(header).collect::<Result<_, _>>()?))
    }
}

/// Why a message was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// A later attempt may succeed.
    Now(String),
    /// The collector does not want this message.
    Ever(String),
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Now(why) | Self::Ever(why)) = self;
        f.write_str(why)
    }
}

/// What the collector took, but not wholly: how many items it refused, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    pub items: u64,
    pub why: String,
}

/// The way to one collector.
#[derive(Debug)]
pub(crate) struct Transport {
    way: Way,
    headers: Headers,
}

type Grpc = Client<tonic::body::Body>;

#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
#[derive(Debug)]
enum Way {
    Grpc { traces: TraceServiceClient<Grpc>, metrics: MetricsServiceClient<Grpc> },
    Http { client: Client<Full<Bytes>>, traces: Uri, metrics: Uri },
}

impl Transport {
    pub(crate) fn new(endpoint: &Endpoint, protocol: Protocol, headers: Headers) -> Result<Self, String> {
        let way = match protocol {
            Protocol::Grpc => {
                let client = https_client::client(Version::Http2).map_err(|error| error.to_string())?;
                Way::Grpc {
                    traces: TraceServiceClient::with_origin(client.clone(), endpoint.0.clone()),
                    metrics: MetricsServiceClient::with_origin(client, endpoint.0.clone()),
                }
            }
            Protocol::HttpProtobuf => Way::Http {
                client: https_client::client(Version::Http1).map_err(|error| error.to_string())?,
                traces: endpoint.signal("traces").map_err(|error| error.to_string())?,
                metrics: endpoint.signal("metrics").map_err(|error| error.to_string())?,
            },
        };
        Ok(Self { way, headers })
    }

    pub(crate) async fn spans(&mut self, message: ExportTraceServiceRequest) -> Result<Refused, Undelivered> {
        let response: ExportTraceServiceResponse = match &mut self.way {
            Way::Grpc { traces, .. } => answered(traces.export(with_metadata(message, &self.headers)).await)?,
            Way::Http { client, traces, .. } => post(client, traces, &self.headers, &message).await?,
        };
        let partial = response.partial_success.unwrap_or_default();
        Ok(Refused { items: count(partial.rejected_spans), why: partial.error_message })
    }

    pub(crate) async fn metrics(
        &mut self,
        message: ExportMetricsServiceRequest,
    ) -> Result<Refused, Undelivered> {
        let response: ExportMetricsServiceResponse = match &mut self.way {
            Way::Grpc { metrics, .. } => {
                answered(metrics.export(with_metadata(message, &self.headers)).await)?
            }
            Way::Http { client, metrics, .. } => post(client, metrics, &self.headers, &message).await?,
        };
        let partial = response.partial_success.unwrap_or_default();
        Ok(Refused { items: count(partial.rejected_data_points), why: partial.error_message })
    }
}

fn count(items: i64) -> u64 {
    u64::try_from(items).unwrap_or(0)
}

fn with_metadata<T>(message: T, headers: &Headers) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    for (name, value) in &headers.0 {
        let name = AsciiMetadataKey::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, AsciiMetadataValue::try_from(value.as_bytes())) {
            request.metadata_mut().insert(name, value);
        }
    }
    request
}

fn answered<R>(result: Result<tonic::Response<R>, tonic::Status>) -> Result<R, Undelivered> {
    result.map(tonic::Response::into_inner).map_err(|status| of_grpc(&status))
}

/// The specification of OTLP lists the codes after which a client may try again.
fn of_grpc(status: &tonic::Status) -> Undelivered {
    use tonic::Code;
    // The collector has answered nothing: the connection failed.
    if let Some(cause) = std::error::Error::source(status) {
        return Undelivered::Now(with_causes(cause));
    }
    let why = format!("the collector answered {:?}: {}", status.code(), status.message());
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Undelivered::Now(why),
        _ => Undelivered::Ever(why),
    }
}

/// A response that is not the message it should be says nothing: what was sent was taken.
async fn post<R: Message + Default>(
    client: &Client<Full<Bytes>>,
    uri: &Uri,
    headers: &Headers,
    message: &impl Message,
) -> Result<R, Undelivered> {
    let mut request = Request::post(uri.clone())
        .header(CONTENT_TYPE, PROTOBUF)
        .body(Full::from(message.encode_to_vec()))
        .map_err(|error| Undelivered::Ever(error.to_string()))?;
    request.headers_mut().extend(headers.0.iter().cloned());
    let response = client.request(request).await;
    let response = response.map_err(|error| Undelivered::Now(with_causes(&error)))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), RESPONSE_BYTES_MAX).collect().await;
    let body = body.map_err(|error| Undelivered::Now(error.to_string()))?.to_bytes();
    let why = || format!("the collector answered {status}");
    match status {
        status if status.is_success() => Ok(R::decode(body).unwrap_or_default()),
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Err(Undelivered::Now(why())),
        _ => Err(Undelivered::Ever(why())),
    }
}

/// An error and what has caused it, since the outermost of hyper's says little.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_the_base_of_the_paths_of_signals() {
        for (text, traces) in [
            ("http://127.0.0.1:4318", Some("http://127.0.0.1:4318/v1/traces")),
            ("https://collector.example/otlp/", Some("https://collector.example/otlp/v1/traces")),
            ("collector:4317", None),
            ("ftp://collector", None),
            ("http://user:secret@collector", None),
            ("http://collector?key=secret", None),
            ("http://", None),
            ("", None),
        ] {
            let uri =
                text.parse().ok().map(|endpoint: Endpoint| endpoint.signal("traces").unwrap().to_string());
            assert_eq!(uri.as_deref(), traces, "{text}");
        }
    }

    #[test]
    fn headers_are_read_from_lines_and_never_shown() {
        let headers =
            Headers::parse("# for the collector\n\nauthorization: Bearer abc\nX-Tenant:7\n").unwrap();
        assert_eq!(headers.0.len(), 2);
        assert_eq!(headers.0[0].1, "Bearer abc");
        assert!(!format!("{headers:?}").contains("abc"), "{headers:?}");
        for (text, line) in [("a", 1), ("a: b\nc d: e", 2), ("a: \u{e9}", 1)] {
            assert_eq!(Headers::parse(text), Err(BadHeader { line }), "{text:?}");
        }
    }

    #[test]
    fn what_may_succeed_later_is_told_from_what_never_does() {
        for (code, later) in [
            (tonic::Code::Unavailable, true),
            (tonic::Code::ResourceExhausted, true),
            (tonic::Code::InvalidArgument, false),
            (tonic::Code::Unauthenticated, false),
            (tonic::Code::Unimplemented, false),
        ] {
            let found = of_grpc(&tonic::Status::new(code, "why"));
            assert_eq!(matches!(found, Undelivered::Now(_)), later, "{found}");
        }
    }
}
