//! The `.deb`: the binary, its service, its configuration, documents and completions.

use super::{Build, files, text};
use crate::Failure;
use crate::run::{StepResult, root, run, works};
use std::path::{Path, PathBuf};

const CONTROL: &str = "\
Package: mainstay
Version: VERSION
Architecture: amd64
Maintainer: The Mainstay developers <mainstay@localhost>
Section: database
Priority: optional
Depends: adduser
Description: event streams, task queues, schedules, leases and breakers in one store
 A single durable node that replaces a broker, an event store, a scheduler, a lock
 server and shared circuit breakers. An acknowledged write is on disk.
";

pub(super) fn package(build: &Build) -> Result<PathBuf, Failure> {
    if !works(&["dpkg-deb", "--version"]) {
        return Err("dpkg-deb is missing (it is part of Debian's `dpkg`)".into());
    }
    let tree = build.out.join("stage/deb");
    let deploy = root().join("deploy");
    files::copy(&build.binary, &tree.join("usr/bin/mainstay"), 0o755)?;
    files::copy(
        &deploy.join("systemd/mainstay.service"),
        &tree.join("lib/systemd/system/mainstay.service"),
        0o644,
    )?;
    files::copy(&deploy.join("debian/mainstay.toml"), &tree.join("etc/mainstay/mainstay.toml"), 0o644)?;
    files::documents(&tree.join("usr/share/doc/mainstay"))?;
    files::copy(&root().join("LICENSE"), &tree.join("usr/share/doc/mainstay/copyright"), 0o644)?;
    for (shell, path) in [
        ("bash", "usr/share/bash-completion/completions/mainstay"),
        ("zsh", "usr/share/zsh/vendor-completions/_mainstay"),
        ("fish", "usr/share/fish/vendor_completions.d/mainstay.fish"),
    ] {
        files::write(&tree.join(path), files::completions(&build.binary, shell)?, 0o644)?;
    }
    let control = tree.join("DEBIAN");
    files::write(&control.join("control"), CONTROL.replace("VERSION", &build.version), 0o644)?;
    files::write(&control.join("conffiles"), "/etc/mainstay/mainstay.toml\n", 0o644)?;
    for script in ["postinst", "prerm", "postrm"] {
        files::copy(&deploy.join("debian").join(script), &control.join(script), 0o755)?;
    }
    let file = build.out.join(format!("mainstay_{}_amd64.deb", build.version));
    let archive = ["dpkg-deb", "--build", "--root-owner-group", "-Zxz"];
    run(&[&["env", files::EPOCH][..], &archive, &[&text(&tree), &text(&file)]].concat())?;
    Ok(file)
}

/// Installs the package in a copy of this system, runs its node, and removes it again. Needs root.
pub(super) fn try_out(file: &Path) -> Result<StepResult, Failure> {
    let can_mount = ["unshare", "--mount", "sh", "-c", OVERLAY];
    if !works(&can_mount) {
        return Ok(StepResult::NotRun("the package cannot be tried without root and overlayfs".into()));
    }
    run(&["sh", "deploy/debian/try.sh", &text(file)])?;
    Ok(StepResult::Passed)
}

const OVERLAY: &str = "mount -t tmpfs tmpfs /mnt && mkdir /mnt/a /mnt/b /mnt/c && \
    mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/a,workdir=/mnt/b /mnt/c";
