//! The OpenAPI 3.1 document, rendered from the table of operations. Nodes serve it at `/v1/openapi.json`, and it is
//! checked in as docs/openapi.json.

use super::{Access, Content, Location, Operation, Parameter, Response, Schema, Tag, Values, schema};
use crate::catalogue::Code;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use utoipa::OpenApi as _;

const TITLE: &str = "Mainstay";
const DESCRIPTION: &str = "Event streams, task queues, schedules, leases, values and transactions over HTTP. Events are CloudEvents 1.0. Every write can be \
    retried safely, and every stream can be read as of any past moment. Errors are problems as defined by RFC 9457, \
    with a stable `code`; see `/v1/errors`.";

/// The document as JSON, with a newline at its end.
#[must_use]
pub fn document() -> String {
    let mut paths = Map::new();
    for operation in Operation::ALL {
        let description = operation.description();
        let methods = paths.entry(description.path).or_insert_with(|| json!({}));
        methods[description.method.as_str().to_ascii_lowercase()] = operation_object(*operation);
    }
    let tags: Vec<Value> =
        Tag::ALL.iter().map(|tag| json!({"name": tag.as_str(), "description": tag.description()})).collect();
    let mut components = json!(schema::Schemas::openapi().components);
    let scheme = "A token, as `mainstay token new` prints it. A node whose access is open needs none.";
    components["securitySchemes"] =
        json!({"token": {"type": "http", "scheme": "bearer", "description": scheme}});
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": TITLE,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "version": env!("CARGO_PKG_VERSION"),
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": components,
    });
    format!("{document:#}\n")
}

fn operation_object(operation: Operation) -> Value {
    let description = operation.description();
    let mut object = json!({
        "operationId": description.id,
        "tags": [description.tag.as_str()],
        "summary": description.summary,
        "responses": responses(operation),
        "security": security(description.access),
        "x-access": access(description.access),
    });
    if !description.description.is_empty() {
        object["description"] = description.description.into();
    }
    if !description.parameters.is_empty() {
        object["parameters"] =
            description.parameters.iter().map(|parameter| parameter_object(parameter)).collect();
    }
    if !description.request.is_empty() {
        object["requestBody"] = json!({"required": true, "content": contents(description.request)});
    }
    object
}

fn parameter_object(parameter: &Parameter) -> Value {
    let location = match parameter.location {
        Location::Path => "path",
        Location::Query => "query",
        Location::Header => "header",
    };
    let schema = match parameter.values {
        Values::Text => json!({"type": "string"}),
        Values::Number => json!({"type": "integer", "minimum": 1}),
        Values::Duration => json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d|w)$"}),
        Values::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Values::Matching(pattern) => json!({"type": "string", "pattern": pattern}),
        Values::OneOf(values) => json!({"type": "string", "enum": values}),
    };
    json!({
        "name": parameter.name,
        "in": location,
        "required": parameter.location == Location::Path,
        "description": parameter.description,
        "schema": schema,
    })
}

/// How a request proves who it is from. A node whose access is open asks nobody.
fn security(access: Access) -> Value {
    match access {
        Access::Public => json!([]),
        Access::Token(..) => json!([{"token": []}]),
    }
}

/// The role and the scope of the token that the operation needs.
fn access(access: Access) -> Value {
    match access {
        Access::Public => json!("public"),
        Access::Token(role, scope) => json!({"role": role.as_str(), "scope": scope.as_str()}),
    }
}

fn responses(operation: Operation) -> Map<String, Value> {
    let description = operation.description();
    let mut responses = Map::new();
    responses.insert("200".into(), success(&description.response));
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in operation.problems() {
        let codes = by_status.entry(code.status()).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    for (status, codes) in by_status {
        responses.insert(status.to_string(), problem(status, &codes));
    }
    responses
}

fn success(response: &Response) -> Value {
    let mut object = json!({"description": response.description, "content": contents(response.content)});
    if !response.headers.is_empty() {
        let header = |description: &str| json!({"description": description, "schema": {"type": "string"}});
        let headers: Map<String, Value> =
            response.headers.iter().map(|sent| (sent.name.into(), header(sent.description))).collect();
        object["headers"] = headers.into();
    }
    object
}

/// All problems of one status.
fn problem(status: u16, codes: &[Code]) -> Value {
    let lines: Vec<String> = codes.iter().map(|code| format!("- `{code}`: {}", code.kind().title)).collect();
    let mut object = json!({
        "description": lines.join("\n"),
        "content": {"application/problem+json": {"schema": reference("Problem")}},
    });
    if matches!(status, 429 | 503) {
        let description = "Seconds to wait before the next attempt.";
        object["headers"] =
            json!({"retry-after": {"description": description, "schema": {"type": "integer"}}});
    }
    object
}

fn contents(contents: &[Content]) -> Map<String, Value> {
    contents
        .iter()
        .map(|content| (content.media_type.into(), json!({"schema": form(content.schema)})))
        .collect()
}

fn form(schema: Schema) -> Value {
    match schema {
        Schema::Object(name) => reference(name),
        Schema::Array(name) => json!({"type": "array", "items": reference(name)}),
        Schema::OneOf(names) => {
            json!({"oneOf": names.iter().map(|name| reference(name)).collect::<Vec<_>>()})
        }
        Schema::Text => json!({"type": "string"}),
        Schema::Bytes => json!({}),
        Schema::AnyObject => json!({"type": "object"}),
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed() -> Value {
        serde_json::from_str(&document()).unwrap()
    }

    #[test]
    fn the_checked_in_document_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == document(), "docs/openapi.json differs from the contract; BLESS=1 rewrites it");
    }

    #[test]
    fn every_operation_is_described_and_nothing_else() {
        let document = parsed();
        let mut ids = Vec::new();
        for operation in Operation::ALL {
            let method = operation.method().as_str().to_ascii_lowercase();
            let id = &document["paths"][operation.path()][method]["operationId"];
            assert_eq!(id, operation.description().id);
            ids.push(id.to_string());
        }
        let paths = document["paths"].as_object().unwrap();
        assert_eq!(paths.values().map(|path| path.as_object().unwrap().len()).sum::<usize>(), ids.len());
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), Operation::ALL.len(), "operation ids are unique");
    }

    #[test]
    fn every_reference_leads_to_a_schema_and_every_schema_is_referred_to() {
        let (text, document) = (document(), parsed());
        let references: Vec<&str> =
            text.split("\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        for reference in &references {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            let path = format!("/components/schemas/{name}");
            assert!(references.contains(&path.as_str()), "{name} is not used");
        }
    }

    #[test]
    fn every_parameter_of_a_path_is_described() {
        for operation in Operation::ALL {
            let in_path = operation.path().split('/').filter(|segment| segment.starts_with('{'));
            let described = operation.description().parameters.iter();
            let described = described.filter(|parameter| parameter.location == Location::Path);
            let described: Vec<String> =
                described.map(|parameter| format!("{{{}}}", parameter.name)).collect();
            assert_eq!(in_path.collect::<Vec<_>>(), described, "{operation:?}");
        }
    }

    #[test]
    fn an_operation_is_found_by_its_method_and_path() {
        for operation in Operation::ALL {
            let path = ["{stream}", "{lease}", "{value}"]
                .iter()
                .fold(operation.path().to_owned(), |path, name| path.replace(name, "a%2Fb"));
            let path = path.replace("{queue}", "q").replace("{id}", "~1");
            assert_eq!(Operation::find(operation.method().as_str(), &path), Some(*operation));
        }
        for (method, path) in
            [("PUT", "/livez"), ("GET", "/"), ("GET", "/v1/streams/a/b/events"), ("GET", "/v1/")]
        {
            assert_eq!(Operation::find(method, path), None, "{method} {path}");
        }
    }
}
