//! Digests of files, in the form that `sha256sum` writes and checks.

use crate::error::{Result, UpkeepError};
use crate::place::Fetched;
use ring::digest::{Context, SHA256};
use std::io::Read;

const READ_BYTES: usize = 1 << 20;

/// SHA-256 in hex digits.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    hex(context)
}

/// The SHA-256 of a file, in hex digits, and its length.
pub(crate) fn of_file(file: &Fetched) -> Result<(String, u64)> {
    let failed = |source| UpkeepError::io(&file.shown, source);
    let mut file = file.open()?;
    let (mut context, mut length, mut buffer) = (Context::new(&SHA256), 0, vec![0; READ_BYTES]);
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok((hex(context), length));
        }
        context.update(&buffer[..read]);
        length += read as u64;
    }
}

fn hex(context: Context) -> String {
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
