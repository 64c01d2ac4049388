//! `cargo xtask package`: what people install. Everything is made from one release binary by tools that every Debian
//! has, so nothing is downloaded and no daemon is needed. Packing the same binary twice gives the same bytes.
//!
//! | module | contents |
//! |---|---|
//! | `files` | what is installed where, for all packages |
//! | `debian` | the `.deb` |
//! | `container` | the container image, as an OCI layout |
//! | `sbom` | the list of all crates in the binary, in the format of CycloneDX |

mod container;
mod debian;
mod files;
mod sbom;

use crate::Failure;
use crate::run::{StepResult, output, root, run, target_dir, works};
use std::path::{Path, PathBuf};

/// Where the binary runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linking {
    /// Any Linux of the architecture: the binary needs no library.
    Static,
    /// Systems with a C library at least as new as this one's. Quick, because the tests have built it already.
    Host,
}

/// A binary that is ready to be packed.
#[derive(Clone, Debug)]
struct Build {
    version: String,
    /// As Rust calls it, such as `x86_64`.
    architecture: String,
    /// Without debug information.
    binary: PathBuf,
    /// Everything is written here.
    out: PathBuf,
}

const STATIC_TARGET: &str = "x86_64-unknown-linux-musl";

/// Builds the binary and all packages. Returns the directory that they are in.
///
/// # Errors
/// A tool is missing, or a step failed.
pub fn package(linking: Linking) -> Result<PathBuf, Failure> {
    let build = build(linking)?;
    let packages =
        [archive(&build)?, debian::package(&build)?, container::image(&build)?, sbom::write(&build)?];
    let names: Vec<_> = packages.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    let out = build.out.display().to_string();
    let sums = output(&[&["env", "-C", &out, "sha256sum"][..], &names].concat())?;
    std::fs::write(build.out.join("SHA256SUMS"), &sums).map_err(|error| error.to_string())?;
    print!("{sums}");
    Ok(build.out)
}

/// Builds the packages from the binary that the tests use, packs them again to compare, and tries the `.deb` out.
///
/// # Errors
/// A step failed, or two packages of the same binary differ.
pub fn try_out() -> Result<StepResult, Failure> {
    let sums = || -> Result<String, Failure> {
        let sums = package(Linking::Host)?.join("SHA256SUMS");
        std::fs::read_to_string(sums).map_err(|error| error.to_string())
    };
    let (first, again) = (sums()?, sums()?);
    if first != again {
        return Err(format!("packing again gives other bytes:\n{first}\n{again}"));
    }
    let name = again.split_whitespace().find(|name| name.ends_with(".deb")).unwrap_or_default();
    debian::try_out(&target_dir().join("package").join(name))
}

fn build(linking: Linking) -> Result<Build, Failure> {
    let cargo = ["cargo", "build", "--locked", "--release", "-p", "mainstay"];
    let built = match linking {
        Linking::Host => {
            run(&cargo)?;
            target_dir().join("release/mainstay")
        }
        Linking::Static => {
            if !works(&["musl-gcc", "--version"]) {
                return Err("musl-gcc is missing (install it with `apt-get install musl-tools`)".into());
            }
            run(&["rustup", "target", "add", STATIC_TARGET])?;
            run(&[&cargo[..], &["--target", STATIC_TARGET]].concat())?;
            target_dir().join(STATIC_TARGET).join("release/mainstay")
        }
    };
    let version = output(&[&text(&built), "--version"])?;
    let version = version.trim().rsplit(' ').next().unwrap_or_default().to_owned();
    let out = target_dir().join("package");
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir_all(&out).map_err(|error| error.to_string())?;
    let build = Build { version, architecture: "x86_64".into(), binary: out.join("mainstay"), out };
    // People who look into a crash fetch the debug information; others need not carry it.
    let debug = build.out.join(format!("mainstay-{}.debug", build.version));
    run(&["objcopy", "--only-keep-debug", "--compress-debug-sections", &text(&built), &text(&debug)])?;
    let link = format!("--add-gnu-debuglink={}", debug.display());
    run(&["objcopy", "--strip-all", &link, &text(&built), &text(&build.binary)])?;
    Ok(build)
}

/// The binary with its documents, for systems without packages.
fn archive(build: &Build) -> Result<PathBuf, Failure> {
    let name = format!("mainstay-{}-{}-linux", build.version, build.architecture);
    let staged = build.out.join("stage").join(&name);
    files::documents(&staged.join("docs"))?;
    files::copy(&build.binary, &staged.join("mainstay"), 0o755)?;
    files::copy(&root().join("LICENSE"), &staged.join("LICENSE"), 0o644)?;
    files::copy(&root().join("README.md"), &staged.join("README.md"), 0o644)?;
    let file = build.out.join(format!("{name}.tar.gz"));
    files::tar(&build.out.join("stage"), &[&name], "0:0", &file)?;
    Ok(file)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
