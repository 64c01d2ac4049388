//! The commands of limits, and the limits that a queue's settings name. `entry` and `outcome` hold their tags.

use crate::queue::{get_option, get_u32, put_option};
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use model::{
    AdvanceLimits, DeleteLimit, Elapsed, KeyExpression, LimitName, LimitSettings, PutLimit, QueueLimit, Rate,
    Slot,
};

/// The smallest encoding of a limit that a queue names, and of a type.
const QUEUE_LIMIT_BYTES_MIN: usize = 5;
const TYPE_BYTES_MIN: usize = 1;

pub(crate) fn put_put(writer: &mut Writer<'_>, put: &PutLimit<'_>) {
    writer.prefixed(put.limit.as_str().as_bytes());
    put_settings(writer, &put.settings);
}

pub(crate) fn get_put<'a>(reader: &mut Reader<'a>) -> Result<PutLimit<'a>, FormatError> {
    Ok(PutLimit { limit: get_name(reader)?, settings: get_settings(reader)? })
}

pub(crate) fn put_delete(writer: &mut Writer<'_>, delete: &DeleteLimit<'_>) {
    writer.prefixed(delete.limit.as_str().as_bytes());
}

pub(crate) fn get_delete<'a>(reader: &mut Reader<'a>) -> Result<DeleteLimit<'a>, FormatError> {
    Ok(DeleteLimit { limit: get_name(reader)? })
}

pub(crate) fn put_advance(writer: &mut Writer<'_>, advance: AdvanceLimits) {
    writer.u16(advance.slot.0);
    writer.u64(advance.from.0);
    writer.varint(u64::from(advance.keys_max));
}

pub(crate) fn get_advance(reader: &mut Reader<'_>) -> Result<AdvanceLimits, FormatError> {
    Ok(AdvanceLimits { slot: Slot(reader.u16()?), from: Elapsed(reader.u64()?), keys_max: get_u32(reader)? })
}

pub(crate) fn put_settings(writer: &mut Writer<'_>, settings: &LimitSettings) {
    put_option(writer, settings.concurrency, |writer, tasks| writer.varint(u64::from(tasks)));
    put_option(writer, settings.rate, |writer, rate| {
        writer.varint(rate.cost_max);
        writer.varint(rate.per_ms);
        writer.varint(rate.burst);
    });
}

pub(crate) fn get_settings(reader: &mut Reader<'_>) -> Result<LimitSettings, FormatError> {
    Ok(LimitSettings {
        concurrency: get_option(reader, get_u32)?,
        rate: get_option(reader, |reader| {
            Ok(Rate { cost_max: reader.varint()?, per_ms: reader.varint()?, burst: reader.varint()? })
        })?,
    })
}

pub(crate) fn put_queue_limits(writer: &mut Writer<'_>, limits: &[QueueLimit]) {
    writer.varint(limits.len() as u64);
    for limit in limits {
        writer.prefixed(limit.limit.as_str().as_bytes());
        writer.prefixed(limit.key.as_str().as_bytes());
        writer.varint(limit.types.len() as u64);
        for task_type in &limit.types {
            writer.prefixed(task_type.as_bytes());
        }
        writer.varint(u64::from(limit.cost));
    }
}

pub(crate) fn get_queue_limits(reader: &mut Reader<'_>) -> Result<Vec<QueueLimit>, FormatError> {
    let count = reader.count(QUEUE_LIMIT_BYTES_MIN)?;
    let mut limits = Vec::with_capacity(count.min(16));
    for _ in 0..count {
        let limit = get_name(reader)?.into_owned();
        let what = "key of a limit";
        let key = KeyExpression::new(reader.text(what)?).map_err(|_| FormatError::Text { what })?;
        let count = reader.count(TYPE_BYTES_MIN)?;
        let mut types = Vec::with_capacity(count.min(16));
        for _ in 0..count {
            types.push(reader.text("task type")?.to_owned());
        }
        limits.push(QueueLimit { limit, key, types, cost: get_u32(reader)? });
    }
    Ok(limits)
}

pub(crate) fn get_name<'a>(reader: &mut Reader<'a>) -> Result<LimitName<'a>, FormatError> {
    let what = "limit name";
    LimitName::new(reader.text(what)?).map_err(|_| FormatError::Text { what })
}
