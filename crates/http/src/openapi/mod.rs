//! The description of the API in OpenAPI 3.1, generated from the types and the operations of this crate. It is
//! served at `/v1/openapi.json`, and checked in at docs/openapi.json.

mod paths;
pub mod schema;

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Mainstay",
        description = "Event streams and transactions over HTTP. An event is a CloudEvent 1.0; every write can be \
            sent again safely; every stream can be read as of any past moment. Refusals are problems (RFC 9457) \
            with a stable `code`, see `/v1/errors`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "events", description = "Append and read"),
        (name = "transactions", description = "Checks and writes, all or none"),
        (name = "streams", description = "Lists, settings, deletion"),
        (name = "operations", description = "For whoever runs the node")
    ),
    paths(
        paths::append,
        paths::read_stream,
        paths::delete_stream,
        paths::get_settings,
        paths::put_settings,
        paths::list_streams,
        paths::append_lines,
        paths::read_store,
        paths::transact,
        paths::live,
        paths::ready,
        paths::metrics,
        paths::openapi,
        paths::errors,
    )
)]
struct Document;

/// The document as JSON, with a newline at its end.
#[must_use]
pub fn document() -> String {
    let mut document = Document::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::Operation;
    use utoipa::openapi::path::HttpMethod;

    /// Whether an operation is described.
    fn describes(operation: Operation) -> bool {
        let method = match operation.method() {
            "GET" => HttpMethod::Get,
            "POST" => HttpMethod::Post,
            "PUT" => HttpMethod::Put,
            "DELETE" => HttpMethod::Delete,
            _ => return false,
        };
        Document::openapi().paths.get_path_operation(operation.path(), method).is_some()
    }

    #[test]
    fn the_checked_in_document_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == document(), "docs/openapi.json is not what the code says: BLESS=1 rewrites it");
        assert!(written.contains("\"openapi\": \"3.1.0\""));
    }

    #[test]
    fn every_operation_is_described_and_nothing_else() {
        let mut count = 0;
        for operation in Operation::ALL.iter().filter(|operation| **operation != Operation::Unmatched) {
            assert!(describes(*operation), "{operation:?}");
            count += 1;
        }
        let json: serde_json::Value = serde_json::from_str(&document()).unwrap();
        let paths = json["paths"].as_object().unwrap();
        let described: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(described, count);
    }

    #[test]
    fn the_document_has_all_that_it_refers_to() {
        let text = document();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        for reference in text.split("\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(json.pointer(reference).is_some(), "{reference}");
        }
    }
}
