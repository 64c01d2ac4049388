//! The first token of an administrator: given by the configuration, or drawn by the node and left in a file.
//!
//! ```text
//!   no administrator ─► draw ─► admin-token.new, synced ─► into the store ─► renamed to admin-token
//! ```
//!
//! The file is complete before the token is valid: a crash in between leaves a file without a use, which the next start
//! replaces. In the other order, it could leave a valid token that nobody knows, and a store that nobody can administer. A
//! crash before the renaming leaves a valid token under the first name, which the next start renames. A file that
//! an earlier start has left says nothing: its token may have been revoked, and must not become valid again.

use crate::cli::failure::{Failure, Result};
use crate::config::Config;
use http_server::access::admin::{self, Secret};
use http_server::options::Access;
use runtime::Handle;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use storage::directory::{ADMIN_TOKEN_NAME as FILE, ADMIN_TOKEN_NEW_NAME as NEW_FILE};

/// The variable that gives a token, for containers.
pub(crate) const VARIABLE: &str = "MAINSTAY_ADMIN_TOKEN";
/// More than any secret, so that a wrong path cannot fill the memory.
const FILE_BYTES_MAX: u64 = 4_096;

/// Makes sure that a node that asks for tokens has one that can create others. Waits until the node is ready.
///
/// # Errors
/// When the token that is given cannot be used, the file cannot be written, or the node does not take the token.
pub(crate) async fn prepare(config: &Config, handle: &Handle) -> Result {
    if config.access == Access::Open {
        return Ok(());
    }
    if let Some(secret) = given(config)? {
        return admin::give(handle, &secret).await.map_err(refused);
    }
    let directory = &config.data;
    if admin::exists(handle).await.map_err(refused)? {
        // The token of an earlier start that ended just before this.
        return rename(directory).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(unwritten(directory, &error)),
        });
    }
    let secret = Secret::draw().map_err(refused)?;
    write(directory, &secret).map_err(|error| unwritten(directory, &error))?;
    admin::create(handle, &secret).await.map_err(refused)?;
    rename(directory).map_err(|error| unwritten(directory, &error))?;
    tracing::info!(file = %directory.join(FILE).display(), "the token of the first administrator is in this file");
    Ok(())
}

/// The token that the configuration gives.
fn given(config: &Config) -> Result<Option<Secret>> {
    let (text, origin) = match (&config.admin_token_file, std::env::var(VARIABLE)) {
        (Some(file), _) => {
            let text = read(file).map_err(|error| {
                Failure::usage(format!(
                    "cannot read the administrator's token from {}: {error}",
                    file.display()
                ))
            })?;
            (text, format!("file {}", file.display()))
        }
        (None, Ok(text)) => (text, format!("environment {VARIABLE}")),
        (None, Err(_)) => return Ok(None),
    };
    let secret = Secret::given(&text).map_err(|why| {
        Failure::usage(format!("the administrator's token (from {origin}) cannot be used: {why}"))
            .advice("`openssl rand -hex 32` makes one.")
    })?;
    Ok(Some(secret))
}

/// Reads a file with a secret, up to a bound.
pub(crate) fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes the file for its owner only, and makes it durable.
fn write(directory: &Path, secret: &Secret) -> io::Result<()> {
    let path = directory.join(NEW_FILE);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // It must be a new file: another's could be open elsewhere, or have other permissions.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    writeln!(file, "{}", secret.reveal())?;
    file.sync_all()?;
    File::open(directory)?.sync_all()
}

fn rename(directory: &Path) -> io::Result<()> {
    fs::rename(directory.join(NEW_FILE), directory.join(FILE))?;
    File::open(directory)?.sync_all()
}

fn refused(error: impl std::fmt::Display) -> Failure {
    Failure::local(format!("the node has no token of an administrator: {error}"))
}

fn unwritten(directory: &Path, error: &io::Error) -> Failure {
    Failure::local(format!("cannot write the administrator's token to {}: {error}", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_file_is_for_its_owner_only_and_replaces_an_unfinished_one() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(NEW_FILE), "unfinished").unwrap();
        let secret = Secret::draw().unwrap();
        write(directory.path(), &secret).unwrap();
        rename(directory.path()).unwrap();
        let file = directory.path().join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Secret::given(&read(&file).unwrap()).unwrap(), secret);
        assert!(!directory.path().join(NEW_FILE).exists());
    }
}
