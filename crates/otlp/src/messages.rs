//! Spans and readings as messages. Names are those of the semantic conventions of OpenTelemetry, and for metrics those of
//! `/metrics`, so that the same dashboard works with both.

use crate::resource::Resource;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource as ResourceMessage;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use std::time::{SystemTime, UNIX_EPOCH};
use telemetry::RequestSpan;
use telemetry::catalogue::{Kind, Unit};
use telemetry::instrument::Distribution;
use telemetry::readings::{Reading, Sample, Value};

/// The name of what made the spans and metrics.
const SCOPE: &str = "mainstay";
/// Bit 8 of a span's flags says that bit 9 is meant, and bit 9 that the parent is in another process.
const PARENT_IS_REMOTE: u32 = 0x300;
/// What the conventions call a method that the server does not know.
const OTHER_METHOD: &str = "_OTHER";
/// How the catalogue of metrics writes that no route was found.
const NO_ROUTE: &str = "*";

pub(crate) fn spans(resource: &Resource, spans: &[RequestSpan]) -> ExportTraceServiceRequest {
    let spans = spans.iter().map(span).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, schema_url: String::new() }];
    let resource = Some(resource_message(resource));
    let resource_spans = vec![ResourceSpans { resource, scope_spans, schema_url: String::new() }];
    ExportTraceServiceRequest { resource_spans }
}

/// `started` is when the counters of the process were 0.
pub(crate) fn metrics(
    resource: &Resource,
    readings: &[Reading],
    started: SystemTime,
    at: SystemTime,
) -> ExportMetricsServiceRequest {
    let period = Period { started: nanos(started), at: nanos(at) };
    let used = readings.iter().filter(|reading| !reading.samples.is_empty());
    let metrics = used.map(|reading| metric(reading, period)).collect();
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, schema_url: String::new() }];
    let resource = Some(resource_message(resource));
    let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, schema_url: String::new() }];
    ExportMetricsServiceRequest { resource_metrics }
}

fn span(span: &RequestSpan) -> Span {
    let matched = span.route != NO_ROUTE;
    let method = if matched { span.method } else { OTHER_METHOD };
    let mut attributes = vec![
        text("http.request.method", method),
        number("http.response.status_code", i64::from(span.status)),
    ];
    if matched {
        attributes.push(text("http.route", span.route));
    }
    // The server has not failed when it refuses a request.
    let failed = span.status >= 500;
    if failed {
        attributes.push(text("error.type", &span.status.to_string()));
    }
    let began = nanos(span.began);
    Span {
        trace_id: span.trace_id.get().to_be_bytes().to_vec(),
        span_id: span.span_id.to_be_bytes().to_vec(),
        parent_span_id: span.parent_id.map_or_else(Vec::new, |parent| parent.to_be_bytes().to_vec()),
        flags: 1 | if span.parent_id.is_some() { PARENT_IS_REMOTE } else { 0 },
        name: if matched { format!("{method} {}", span.route) } else { String::from("HTTP") },
        kind: SpanKind::Server.into(),
        start_time_unix_nano: began,
        end_time_unix_nano: began + u64::try_from(span.took.as_nanos()).unwrap_or(u64::MAX - began),
        attributes,
        status: failed.then(|| Status { message: String::new(), code: StatusCode::Error.into() }),
        ..Span::default()
    }
}

/// The time that the points of a message are about.
#[derive(Clone, Copy)]
struct Period {
    started: u64,
    at: u64,
}

fn metric(reading: &Reading, period: Period) -> Metric {
    let family = reading.family;
    let numbers = || reading.samples.iter().filter_map(|sample| point(sample, period)).collect();
    let data = match family.kind {
        Kind::Counter => metric::Data::Sum(Sum {
            data_points: numbers(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        }),
        Kind::Gauge => metric::Data::Gauge(Gauge { data_points: numbers() }),
        Kind::Histogram => metric::Data::Histogram(Histogram {
            data_points: reading.samples.iter().filter_map(|sample| distribution(sample, period)).collect(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
        }),
    };
    let unit = match family.unit {
        Unit::None => "1",
        Unit::Bytes => "By",
        Unit::Seconds => "s",
    };
    Metric {
        // What reads these as Prometheus does adds unit and `_total` itself.
        name: family.name.to_owned(),
        description: family.help.to_owned(),
        unit: unit.to_owned(),
        metadata: Vec::new(),
        data: Some(data),
    }
}

fn point(sample: &Sample, period: Period) -> Option<NumberDataPoint> {
    let value = match sample.value {
        Value::Whole(n) => number_data_point::Value::AsInt(n),
        Value::Real(n) => number_data_point::Value::AsDouble(n),
        Value::Distribution(_) => return None,
    };
    Some(NumberDataPoint {
        attributes: labels(sample),
        start_time_unix_nano: period.started,
        time_unix_nano: period.at,
        value: Some(value),
        ..NumberDataPoint::default()
    })
}

fn distribution(sample: &Sample, period: Period) -> Option<HistogramDataPoint> {
    let Value::Distribution(Distribution { sum, count, buckets }) = &sample.value else { return None };
    Some(HistogramDataPoint {
        attributes: labels(sample),
        start_time_unix_nano: period.started,
        time_unix_nano: period.at,
        count: *count,
        sum: Some(*sum),
        bucket_counts: buckets.iter().map(|(_, n)| *n).collect(),
        explicit_bounds: buckets.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).collect(),
        ..HistogramDataPoint::default()
    })
}

fn labels(sample: &Sample) -> Vec<KeyValue> {
    sample.labels.iter().map(|(name, value)| text(name, value)).collect()
}

fn resource_message(resource: &Resource) -> ResourceMessage {
    let attributes = resource.attributes.iter().map(|(name, value)| text(name, value)).collect();
    ResourceMessage { attributes, ..ResourceMessage::default() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope { name: SCOPE.to_owned(), ..InstrumentationScope::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, any_value::Value::IntValue(value))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
