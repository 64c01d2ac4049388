//! Requests that schemathesis derives from the OpenAPI document, valid ones and invalid ones: no response is an error of
//! the server, each has a status and a form that the document lists, and what breaks a schema is refused.

#[path = "../node/mod.rs"]
mod node;
#[path = "../python/mod.rs"]
mod python;

use node::Node;
use std::path::Path;

/// How long requests are made, in seconds, and how many there must be at least. On a quiet machine there are four times as
/// many.
const TIME: u64 = 60;
const CASES_MIN: u64 = 1_000;

/// The first check would have every request accepted that fits the schemas. But what a schema cannot say, such as which
/// members exclude each other, is refused too. The second is in `lines.py`, where it knows NDJSON. The third sends many
/// wrong tokens, which are limited by address; `http/tests/http/access.rs` tries wrong tokens with every operation.
const LEFT_OUT: &str = "positive_data_acceptance,negative_data_rejection,ignored_auth";

/// What the administrator's token is that every request has.
const TOKEN: &str = "only-this-test-has-this-token-0123456789";

#[test]
fn every_response_to_any_request_is_one_that_the_openapi_document_lists() {
    let percent = std::env::var("CONTRACT_PERCENT").map_or(100, |percent| percent.parse().unwrap());
    let [seconds, cases_min] = [TIME, CASES_MIN].map(|per_run| per_run * percent / 100);
    let directory = tempfile::tempdir().unwrap();
    let mut command = node::serve(directory.path(), &["--access", "tokens"]);
    command.env("MAINSTAY_ADMIN_TOKEN", TOKEN);
    let node = Node::try_start(command).unwrap();
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/lines.py");
    let mut run = python::statement("from schemathesis.cli import schemathesis; schemathesis()");
    run.arg("run").arg(format!("{}/v1/openapi.json", node.url));
    run.args([
        "--phases",
        "examples,coverage,fuzzing",
        "--max-examples",
        &(25 * percent / 100).to_string(),
        "--max-time",
        &seconds.to_string(),
        "--seed",
        "1",
    ]);
    run.arg("--header").arg(format!("Authorization: Bearer {TOKEN}"));
    run.args(["--exclude-checks", LEFT_OUT, "--request-timeout", "15", "--workers", "1", "--no-color"]);
    run.env("SCHEMATHESIS_HOOKS", hooks).current_dir(directory.path());
    let output = run.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let tested = said.lines().find_map(|line| line.trim().strip_prefix("Tested: "));
    let tested: usize = tested.unwrap_or_else(|| panic!("{said}")).trim().parse().unwrap();
    assert!(tested > 30, "{said}");
    let cases = said.lines().find_map(|line| line.trim().split_once(" generated, "));
    let cases: u64 = cases.unwrap_or_else(|| panic!("{said}")).0.parse().unwrap();
    assert!(cases >= cases_min, "{said}");
}
