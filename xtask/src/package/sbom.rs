//! The software bill of materials: every crate in the binary, from the lock file, in the format of CycloneDX 1.5.

use super::{Build, files};
use crate::Failure;
use crate::run::output;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub(super) fn write(build: &Build) -> Result<PathBuf, Failure> {
    let target = format!("{}-unknown-linux-gnu", build.architecture);
    let metadata =
        output(&["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", &target])?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| error.to_string())?;
    let sbom = of(&metadata, "mainstay").ok_or("`cargo metadata` printed something unexpected")?;
    let file = build.out.join(format!("mainstay-{}.cdx.json", build.version));
    let text = serde_json::to_string_pretty(&sbom).map_err(|error| error.to_string())?;
    files::write(&file, &text, 0o644)?;
    Ok(file)
}

/// What a package of this name is made of: its normal dependencies, and theirs.
fn of(metadata: &Value, name: &str) -> Option<Value> {
    let packages: BTreeMap<&str, &Value> = metadata["packages"]
        .as_array()?
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?, package)))
        .collect();
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()?
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let (root, package) = packages.iter().find(|(_, package)| package["name"] == name)?;
    let mut found = BTreeSet::from([*root]);
    let mut rest = vec![*root];
    let mut edges = Vec::new();
    while let Some(id) = rest.pop() {
        let dependencies: BTreeSet<&str> = dependencies(nodes.get(id)?).collect();
        rest.extend(dependencies.iter().copied().filter(|dependency| found.insert(dependency)));
        let on: Vec<_> = dependencies.iter().filter_map(|id| Some(purl(packages.get(id)?))).collect();
        edges.push(json!({"ref": purl(packages.get(id)?), "dependsOn": on}));
    }
    found.remove(*root);
    let components: Vec<_> =
        found.iter().filter_map(|id| Some(component(packages.get(id)?, "library"))).collect();
    Some(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(package, "application")},
        "components": components,
        "dependencies": edges,
    }))
}

/// What is linked in: neither build scripts nor tests.
fn dependencies(node: &Value) -> impl Iterator<Item = &str> {
    node["deps"].as_array().into_iter().flatten().filter_map(|dependency| {
        let kinds = dependency["dep_kinds"].as_array()?;
        let is_normal = kinds.iter().any(|kind| kind["kind"].is_null());
        is_normal.then(|| dependency["pkg"].as_str()).flatten()
    })
}

fn component(package: &Value, kind: &str) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    });
    if let Some(license) = package["license"].as_str() {
        component["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
    }
    if let Some(repository) = package["repository"].as_str() {
        component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
    }
    component
}

/// The identity of a package, as scanners look it up.
fn purl(package: &Value) -> String {
    let text = |name: &str| package[name].as_str().unwrap_or_default();
    format!("pkg:cargo/{}@{}", text("name"), text("version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_linked_in_is_listed_once() {
        let package =
            |name: &str| json!({"id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0"});
        let dependency = |name: &str, kind: Value| json!({"pkg": name, "dep_kinds": [{"kind": kind}]});
        let normal = |name: &str| dependency(name, Value::Null);
        let packages = ["app", "a", "b", "tool", "script"].map(package);
        let metadata = json!({
            "packages": packages,
            "resolve": {"nodes": [
                {"id": "app", "deps": [normal("a"), normal("b"), dependency("tool", "dev".into())]},
                {"id": "a", "deps": [normal("b"), dependency("script", "build".into())]},
                {"id": "b", "deps": []},
            ]},
        });
        let sbom = of(&metadata, "app").unwrap();
        let names: Vec<_> =
            sbom["components"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(sbom["metadata"]["component"]["purl"], "pkg:cargo/app@1.0.0");
        assert_eq!(sbom["components"][0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(sbom["dependencies"].as_array().unwrap().len(), 3);
    }
}
