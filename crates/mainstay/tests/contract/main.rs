//! Requests that schemathesis derives from the OpenAPI document, valid ones and invalid ones: no response is an error of
//! the server, each has a status and a form that the document lists, and what breaks a schema is refused.

#[path = "../node/mod.rs"]
mod node;
#[path = "../python/mod.rs"]
mod python;

use node::Node;
use std::path::Path;

/// How long requests are made, in seconds.
const TIME: &str = "60";

/// The first check would have every request accepted that fits the schemas. But what a schema cannot say, such as which
/// members exclude each other, is refused too. The second is in `lines.py`, where it knows NDJSON.
const LEFT_OUT: &str = "positive_data_acceptance,negative_data_rejection";

#[test]
fn every_response_to_any_request_is_one_that_the_openapi_document_lists() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path());
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/lines.py");
    let mut run = python::statement("from schemathesis.cli import schemathesis; schemathesis()");
    run.arg("run").arg(format!("{}/v1/openapi.json", node.url));
    run.args([
        "--phases",
        "examples,coverage,fuzzing",
        "--max-examples",
        "25",
        "--max-time",
        TIME,
        "--seed",
        "1",
    ]);
    run.args(["--exclude-checks", LEFT_OUT, "--request-timeout", "15", "--workers", "1", "--no-color"]);
    run.env("SCHEMATHESIS_HOOKS", hooks).current_dir(directory.path());
    let output = run.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let tested = said.lines().find_map(|line| line.trim().strip_prefix("Tested: "));
    let tested: usize = tested.unwrap_or_else(|| panic!("{said}")).trim().parse().unwrap();
    assert!(tested > 30, "{said}");
}
