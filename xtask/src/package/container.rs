//! The container image, as an OCI layout: a directory that `skopeo copy oci:DIRECTORY ...` sends to any registry or
//! engine. It holds the binary and an empty data directory, and nothing else: no shell, no package manager.

use super::{Build, files, text};
use crate::Failure;
use crate::run::output;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A user without a name and without rights, by convention of images without a shell.
const USER: &str = "65532:65532";
const DATA: &str = "var/lib/mainstay";

/// Writes the layout as a directory, and returns one archive of it, which `skopeo` and `podman load` read too.
pub(super) fn image(build: &Build) -> Result<PathBuf, Failure> {
    let stage = build.out.join("stage/image");
    files::copy(&build.binary, &stage.join("program/usr/bin/mainstay"), 0o755)?;
    let data = stage.join("data").join(DATA);
    std::fs::create_dir_all(&data).map_err(|error| error.to_string())?;
    let layers = [("program", "usr", "0:0"), ("data", DATA, USER)];
    let layout = build.out.join("stage/oci");
    std::fs::create_dir_all(layout.join("blobs/sha256")).map_err(|error| error.to_string())?;
    let mut descriptors = Vec::new();
    let mut uncompressed = Vec::new();
    for (name, path, owner) in layers {
        let archive = stage.join(format!("{name}.tar.gz"));
        files::tar(&stage.join(name), &[path], owner, &archive)?;
        let hash = output(&["sh", "-c", &format!("gzip -dc '{}' | sha256sum", archive.display())])?;
        uncompressed.push(format!("sha256:{}", digest(&hash)?));
        let content = std::fs::read(&archive).map_err(|error| error.to_string())?;
        descriptors.push(blob(&layout, "application/vnd.oci.image.layer.v1.tar+gzip", &content)?);
    }
    let config =
        blob(&layout, "application/vnd.oci.image.config.v1+json", config(build, &uncompressed).as_bytes())?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": descriptors,
    });
    let mut manifest =
        blob(&layout, "application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes())?;
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": build.version});
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [manifest],
    });
    files::write(&layout.join("index.json"), index.to_string(), 0o644)?;
    files::write(&layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
    let file = build.out.join(format!("mainstay-{}-oci.tar.gz", build.version));
    files::tar(&layout, &["blobs", "index.json", "oci-layout"], "0:0", &file)?;
    Ok(file)
}

fn config(build: &Build, layers: &[String]) -> String {
    json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "User": USER,
            "Entrypoint": ["/usr/bin/mainstay"],
            "Cmd": ["serve"],
            "Env": [format!("MAINSTAY_DATA=/{DATA}"), "MAINSTAY_LOG_FORMAT=json"],
            "ExposedPorts": {"7070/tcp": {}},
            "Volumes": {format!("/{DATA}"): {}},
            "WorkingDir": format!("/{DATA}"),
            "StopSignal": "SIGTERM",
            "Healthcheck": {
                "Test": ["CMD", "/usr/bin/mainstay", "status"],
                "Interval": 10_000_000_000_u64,
                "Timeout": 5_000_000_000_u64,
                "StartPeriod": 60_000_000_000_u64,
            },
            "Labels": {
                "org.opencontainers.image.title": "mainstay",
                "org.opencontainers.image.version": build.version,
                "org.opencontainers.image.licenses": "Apache-2.0",
            },
        },
        "rootfs": {"type": "layers", "diff_ids": layers},
    })
    .to_string()
}

/// Stores bytes under their hash, and describes them.
fn blob(layout: &Path, media_type: &str, content: &[u8]) -> Result<Value, Failure> {
    let new = layout.join("new");
    std::fs::write(&new, content).map_err(|error| error.to_string())?;
    let hash = digest(&output(&["sha256sum", &text(&new)])?)?;
    std::fs::rename(&new, layout.join("blobs/sha256").join(&hash)).map_err(|error| error.to_string())?;
    Ok(json!({"mediaType": media_type, "digest": format!("sha256:{hash}"), "size": content.len()}))
}

/// The hash in the output of `sha256sum`.
fn digest(line: &str) -> Result<String, Failure> {
    let hash = line.split_whitespace().next().unwrap_or_default();
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| hash.to_owned()).ok_or_else(|| format!("sha256sum printed {line:?}"))
}
