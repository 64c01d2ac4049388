//! The commands and outcomes of executions. `entry` and `outcome` hold their tags.

use crate::lease::{get_cursor, get_u32, put_cursor};
use crate::outcome::get_flag;
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::Cow;
use model::{
    AbandonExecution, BeginExecution, Begun, CompleteExecution, Elapsed, ExecutionKey, ExpireExecutions, Slot,
};

const NEW: u8 = 1;
const COMPLETED: u8 = 2;

pub(crate) fn put_begin(writer: &mut Writer<'_>, begin: &BeginExecution<'_>) {
    put_key(writer, &begin.key);
    writer.prefixed(begin.fingerprint.as_bytes());
    match &begin.owner {
        None => writer.u8(0),
        Some(owner) => {
            writer.u8(1);
            writer.prefixed(owner.as_bytes());
        }
    }
    writer.varint(begin.ttl_ms);
}

pub(crate) fn get_begin<'a>(reader: &mut Reader<'a>) -> Result<BeginExecution<'a>, FormatError> {
    let (key, fingerprint) = (get_key(reader)?, Cow::Borrowed(reader.text("fingerprint")?));
    let owner = if get_flag(reader)? { Some(Cow::Borrowed(reader.text("owner")?)) } else { None };
    Ok(BeginExecution { key, fingerprint, owner, ttl_ms: reader.varint()? })
}

pub(crate) fn put_complete(writer: &mut Writer<'_>, complete: &CompleteExecution<'_>) {
    put_key(writer, &complete.key);
    put_cursor(writer, complete.token);
    writer.prefixed(&complete.response);
    writer.varint(complete.keep_ms);
}

pub(crate) fn get_complete<'a>(reader: &mut Reader<'a>) -> Result<CompleteExecution<'a>, FormatError> {
    Ok(CompleteExecution {
        key: get_key(reader)?,
        token: get_cursor(reader)?,
        response: Cow::Borrowed(reader.prefixed()?),
        keep_ms: reader.varint()?,
    })
}

pub(crate) fn put_abandon(writer: &mut Writer<'_>, abandon: &AbandonExecution<'_>) {
    put_key(writer, &abandon.key);
    match abandon.token {
        None => writer.u8(0),
        Some(token) => {
            writer.u8(1);
            put_cursor(writer, token);
        }
    }
}

pub(crate) fn get_abandon<'a>(reader: &mut Reader<'a>) -> Result<AbandonExecution<'a>, FormatError> {
    let key = get_key(reader)?;
    let token = if get_flag(reader)? { Some(get_cursor(reader)?) } else { None };
    Ok(AbandonExecution { key, token })
}

pub(crate) fn put_expire(writer: &mut Writer<'_>, expire: &ExpireExecutions) {
    writer.u16(expire.slot.0);
    writer.u64(expire.from.0);
    writer.varint(u64::from(expire.executions_max));
}

pub(crate) fn get_expire(reader: &mut Reader<'_>) -> Result<ExpireExecutions, FormatError> {
    Ok(ExpireExecutions {
        slot: Slot(reader.u16()?),
        from: Elapsed(reader.u64()?),
        executions_max: get_u32(reader, "number of executions")?,
    })
}

pub(crate) fn put_begun(writer: &mut Writer<'_>, begun: &Begun) {
    match begun {
        Begun::New { token, remaining_ms, replayed } => {
            writer.u8(NEW);
            put_cursor(writer, *token);
            writer.varint(*remaining_ms);
            writer.u8(u8::from(*replayed));
        }
        Begun::Completed { response, remaining_ms } => {
            writer.u8(COMPLETED);
            writer.prefixed(response);
            writer.varint(*remaining_ms);
        }
    }
}

pub(crate) fn get_begun(reader: &mut Reader<'_>) -> Result<Begun, FormatError> {
    Ok(match reader.u8()? {
        NEW => Begun::New {
            token: get_cursor(reader)?,
            remaining_ms: reader.varint()?,
            replayed: get_flag(reader)?,
        },
        COMPLETED => Begun::Completed { response: reader.prefixed()?.into(), remaining_ms: reader.varint()? },
        other => return Err(FormatError::invalid("state of an execution", u64::from(other))),
    })
}

fn put_key(writer: &mut Writer<'_>, key: &ExecutionKey<'_>) {
    writer.prefixed(key.as_str().as_bytes());
}

pub(crate) fn get_key<'a>(reader: &mut Reader<'a>) -> Result<ExecutionKey<'a>, FormatError> {
    let what = "key of an execution";
    ExecutionKey::new(reader.text(what)?).map_err(|_| FormatError::Text { what })
}
