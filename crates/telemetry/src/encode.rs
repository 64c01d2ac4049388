//! Encodes the metrics as the OpenMetrics text of `/metrics`.

use crate::catalogue::{Kind, Unit};
use crate::readings::{Reading, Value};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text as open_metrics};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{self, Registry};
use std::fmt::Error;

/// The content type of `/metrics`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text of `/metrics`.
#[must_use]
pub fn text(readings: Vec<Reading>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(readings)));
    let mut out = String::with_capacity(16 << 10);
    // Writing to a String cannot fail.
    let _ = open_metrics::encode(&mut out, &registry);
    out
}

/// One scrape.
#[derive(Debug)]
struct Scrape(Vec<Reading>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        self.0.iter().try_for_each(|reading| family(&mut encoder, reading))
    }
}

fn family(encoder: &mut DescriptorEncoder<'_>, reading: &Reading) -> Result<(), Error> {
    let family = reading.family;
    let unit = match family.unit {
        Unit::None => None,
        Unit::Bytes => Some(registry::Unit::Bytes),
        Unit::Seconds => Some(registry::Unit::Seconds),
    };
    let kind = match family.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    let mut metric = encoder.encode_descriptor(family.name, family.help, unit.as_ref(), kind)?;
    for sample in &reading.samples {
        if sample.labels.is_empty() {
            value(&mut metric, family.kind, &sample.value)?;
        } else {
            let labels: Vec<(&str, &str)> =
                sample.labels.iter().map(|(name, value)| (*name, &**value)).collect();
            value(&mut metric.encode_family(&labels.as_slice())?, family.kind, &sample.value)?;
        }
    }
    Ok(())
}

fn value(metric: &mut MetricEncoder<'_>, kind: Kind, value: &Value) -> Result<(), Error> {
    match (value, kind) {
        (Value::Whole(n), Kind::Counter) => {
            metric.encode_counter::<NoLabelSet, _, u64>(&n.unsigned_abs(), None)
        }
        (Value::Real(n), Kind::Counter) => metric.encode_counter::<NoLabelSet, _, u64>(n, None),
        (Value::Whole(n), _) => metric.encode_gauge(n),
        (Value::Real(n), _) => metric.encode_gauge(n),
        (Value::Distribution(read), _) => {
            metric.encode_histogram::<NoLabelSet>(read.sum, read.count, &read.buckets, None)
        }
    }
}
