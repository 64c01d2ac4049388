//! The configurations on the pages of docs/patterns are valid policies. (Their Rust is compiled with the doc tests.)
#![allow(clippy::unwrap_used, reason = "a test's panic is its failure")]

use mainstay_resilience::policy;
use std::path::Path;

#[test]
fn every_configuration_on_a_page_can_be_read() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/patterns");
    let mut read = 0;
    for page in std::fs::read_dir(pages).unwrap() {
        let page = page.unwrap().path();
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let policy = policy::read(toml::Deserializer::parse(block).unwrap());
            assert!(policy.is_ok(), "{}: {policy:?}\n{block}", page.display());
            read += 1;
        }
    }
    assert!(read >= 6, "{read} configurations, but every page must have one");
}
