//! The commands of tokens. `entry` holds their tags.
//!
//! ```text
//! change  = id u64, tag u8, [hash 32 bytes, settings, ttl, [allowance]]
//! audited = id u64, name, operation, target, command
//! ```

use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use model::{Allowance, Audited, ChangeToken, Command, Role, TokenChange, TokenHash, TokenId, TokenSettings};

/// Numbers that never change.
mod tag {
    pub(super) const CREATE: u8 = 1;
    pub(super) const REVOKE: u8 = 2;
    pub(super) const USE: u8 = 3;
    /// As [`CREATE`], with an allowance. Written only if there is one.
    pub(super) const CREATE_LIMITED: u8 = 4;

    pub(super) const READ: u8 = 1;
    pub(super) const WRITE: u8 = 2;
    pub(super) const ADMIN: u8 = 3;
}

/// The smallest encoding of a prefix. The count is checked against it.
const PREFIX_BYTES_MIN: usize = 1;

pub(crate) fn put_change(writer: &mut Writer<'_>, change: &ChangeToken<'_>) {
    writer.u64(change.token.0);
    match &change.change {
        TokenChange::Create { hash, settings, ttl_ms } => {
            let is_limited = !settings.allowance.is_unlimited();
            writer.u8(if is_limited { tag::CREATE_LIMITED } else { tag::CREATE });
            put_hash(writer, *hash);
            put_settings(writer, settings);
            put_optional(writer, *ttl_ms);
            if is_limited {
                put_allowance(writer, &settings.allowance);
            }
        }
        TokenChange::Revoke => writer.u8(tag::REVOKE),
        TokenChange::Use => writer.u8(tag::USE),
    }
}

pub(crate) fn get_change<'a>(reader: &mut Reader<'a>) -> Result<ChangeToken<'a>, FormatError> {
    let token = TokenId(reader.u64()?);
    let change = match reader.u8()? {
        tag @ (tag::CREATE | tag::CREATE_LIMITED) => {
            let (hash, mut settings) = (get_hash(reader)?, get_settings(reader)?);
            let ttl_ms = get_optional(reader)?;
            if tag == tag::CREATE_LIMITED {
                settings.allowance = get_allowance(reader)?;
            }
            TokenChange::Create { hash, settings, ttl_ms }
        }
        tag::REVOKE => TokenChange::Revoke,
        tag::USE => TokenChange::Use,
        other => return Err(FormatError::invalid("change of a token", u64::from(other))),
    };
    Ok(ChangeToken { token, change })
}

/// Writes what comes before the audited command.
pub(crate) fn put_audited(writer: &mut Writer<'_>, audited: &Audited<'_>) {
    writer.u64(audited.token.0);
    writer.prefixed(audited.name.as_bytes());
    writer.prefixed(audited.operation.as_bytes());
    writer.prefixed(audited.target.as_bytes());
}

/// Reads an audited command. `get_command` reads the command in it, and must refuse another audited one.
pub(crate) fn get_audited<'a>(
    reader: &mut Reader<'a>,
    get_command: impl FnOnce(&mut Reader<'a>) -> Result<Command<'a>, FormatError>,
) -> Result<Audited<'a>, FormatError> {
    Ok(Audited {
        token: TokenId(reader.u64()?),
        name: Cow::Borrowed(reader.text("token name")?),
        operation: Cow::Borrowed(reader.text("operation")?),
        target: Cow::Borrowed(reader.text("target")?),
        command: Box::new(get_command(reader)?),
    })
}

pub(crate) fn put_hash(writer: &mut Writer<'_>, TokenHash(hash): TokenHash) {
    writer.prefixed(&hash);
}

pub(crate) fn get_hash(reader: &mut Reader<'_>) -> Result<TokenHash, FormatError> {
    let bytes = reader.prefixed()?;
    let hash = bytes.try_into().map_err(|_| FormatError::invalid("length of a hash", bytes.len() as u64))?;
    Ok(TokenHash(hash))
}

pub(crate) fn put_allowance(writer: &mut Writer<'_>, allowance: &Allowance) {
    allowance.parts().into_iter().for_each(|part| put_optional(writer, part));
}

pub(crate) fn get_allowance(reader: &mut Reader<'_>) -> Result<Allowance, FormatError> {
    let mut parts = [None; 4];
    for part in &mut parts {
        *part = get_optional(reader)?;
    }
    Ok(Allowance::of_parts(parts))
}

/// Writes the settings but for the allowance, which comes later, and only if there is one.
pub(crate) fn put_settings(writer: &mut Writer<'_>, settings: &TokenSettings<'_>) {
    writer.u8(match settings.role {
        Role::Read => tag::READ,
        Role::Write => tag::WRITE,
        Role::Admin => tag::ADMIN,
    });
    writer.varint(settings.prefixes.len() as u64);
    settings.prefixes.iter().for_each(|prefix| writer.prefixed(prefix.as_bytes()));
    writer.prefixed(settings.name.as_bytes());
}

pub(crate) fn get_settings<'a>(reader: &mut Reader<'a>) -> Result<TokenSettings<'a>, FormatError> {
    let role = match reader.u8()? {
        tag::READ => Role::Read,
        tag::WRITE => Role::Write,
        tag::ADMIN => Role::Admin,
        other => return Err(FormatError::invalid("role", u64::from(other))),
    };
    let count = reader.count(PREFIX_BYTES_MIN)?;
    // A text is larger in memory than on the wire. The vector grows as needed instead of trusting the count.
    let mut prefixes = Vec::with_capacity(count.min(16));
    for _ in 0..count {
        prefixes.push(Cow::Borrowed(reader.text("prefix")?));
    }
    Ok(TokenSettings {
        role,
        prefixes,
        name: Cow::Borrowed(reader.text("token name")?),
        allowance: Allowance::default(),
    })
}

pub(crate) fn put_optional(writer: &mut Writer<'_>, number: Option<u64>) {
    match number {
        None => writer.u8(0),
        Some(number) => {
            writer.u8(1);
            writer.varint(number);
        }
    }
}

pub(crate) fn get_optional(reader: &mut Reader<'_>) -> Result<Option<u64>, FormatError> {
    Ok(if crate::outcome::get_flag(reader)? { Some(reader.varint()?) } else { None })
}
