//! Where the node sends its spans and metrics, as the configuration says.

use crate::cli::failure::{Failure, Result};
use http_server::Export;
use otlp::{Endpoint, Exporter, Headers, Options, Protocol, Resource};
use runtime::Handle;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{Metrics, SampleRate};

/// The settings whose names begin with `otlp-`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exporting {
    pub(crate) endpoint: Endpoint,
    pub(crate) protocol: Protocol,
    /// A file with headers for the collector, which may be secrets.
    pub(crate) headers_file: Option<PathBuf>,
    pub(crate) metrics_every: Duration,
    pub(crate) rate: SampleRate,
}

/// Starts to export.
pub(crate) fn begin(
    exporting: &Exporting,
    metrics: &Arc<Metrics>,
    handle: &Handle,
) -> Result<(Export, Exporter)> {
    let options = Options {
        endpoint: exporting.endpoint.clone(),
        protocol: exporting.protocol,
        headers: headers(exporting)?,
        resource: resource(&handle.store().to_string())?,
        rate: exporting.rate,
    };
    let (queue, exporter) = Exporter::start(options, Arc::clone(metrics))?;
    Ok((Export { queue, metrics_every: exporting.metrics_every }, exporter))
}

fn headers(exporting: &Exporting) -> Result<Headers> {
    let Some(path) = &exporting.headers_file else { return Ok(Headers::default()) };
    let failed = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("cannot read the headers of `otlp-headers-file` in {}: {why}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    Headers::parse(&text).map_err(|error| failed(&error))
}

/// This node. People who run OpenTelemetry elsewhere name their services by variables that all its libraries read.
fn resource(store: &str) -> Result<Resource> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut resource = Resource::new("mainstay", env!("CARGO_PKG_VERSION"), store);
    if let Some(attributes) = set("OTEL_RESOURCE_ATTRIBUTES") {
        let wrong = |error| Failure::usage(format!("`OTEL_RESOURCE_ATTRIBUTES` is {attributes:?}: {error}"));
        resource = resource.with(&attributes).map_err(wrong)?;
    }
    if let Some(name) = set("OTEL_SERVICE_NAME") {
        resource = resource.named(&name);
    }
    Ok(resource)
}
