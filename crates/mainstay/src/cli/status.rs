//! `mainstay status`: whether a node is ready. For people, and for health checks of containers.

use super::Global;
use super::failure::{Failure, Result, class_of};
use super::output::{Output, stdout};
use mainstay_client::Request;
use serde_json::Value;
use std::io::Write;

pub(crate) fn run(global: &Global) -> Result {
    // Once, and without waiting: the status is of this moment.
    let (ready, check) = (Request::new("GET", "/readyz")?, Request::new("GET", "/v1/check")?);
    let (response, check) = global.run(async |client| {
        let response = client.send(&ready).await?;
        // Not everyone who may know whether a node is ready may see this, and an earlier node does not have it.
        let check = match global.output {
            Output::Table => None,
            Output::Json | Output::Jsonl => client.send(&check).await.ok(),
        };
        Ok((response, check.filter(|check| check.status == 200)))
    })?;
    let mut body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().map(|text| text.replace(char::is_control, " "));
    if response.status != 200 {
        let why = text("detail").unwrap_or_else(|| format!("/readyz responds with {}", response.status));
        return Err(Failure::new(class_of(response.status), format!("the node is not ready: {why}")));
    }
    let read_only = text("read_only");
    if let Some(check) = check {
        body["check"] = serde_json::from_slice(&check.body).unwrap_or_default();
    }
    let mut out = stdout();
    match (global.output, read_only) {
        (Output::Json | Output::Jsonl, _) => writeln!(out, "{body}")?,
        (Output::Table, None) => writeln!(out, "ready")?,
        (Output::Table, Some(why)) => writeln!(out, "ready for reads only: {why}")?,
    }
    Ok(out.flush()?)
}
