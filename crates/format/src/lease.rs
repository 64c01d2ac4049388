//! The commands and outcomes of leases. `entry` and `outcome` hold the tags.

use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::Cow;
use model::{
    AcquireLease, Cursor, Elapsed, ExpireLeases, Granted, LeaseName, Position, ReleaseLease, RenewLease,
    Slot, WithdrawLease,
};

pub(crate) fn put_acquire(writer: &mut Writer<'_>, acquire: &AcquireLease<'_>) {
    writer.prefixed(acquire.lease.as_str().as_bytes());
    writer.prefixed(acquire.holder.as_bytes());
    writer.varint(acquire.ttl_ms);
    writer.varint(acquire.hold_off_ms);
    writer.varint(u64::from(acquire.permits));
    writer.varint(acquire.wait_ms);
}

pub(crate) fn get_acquire<'a>(reader: &mut Reader<'a>) -> Result<AcquireLease<'a>, FormatError> {
    Ok(AcquireLease {
        lease: get_name(reader)?,
        holder: get_holder(reader)?,
        ttl_ms: reader.varint()?,
        hold_off_ms: reader.varint()?,
        permits: get_u32(reader, "number of permits")?,
        wait_ms: reader.varint()?,
    })
}

pub(crate) fn put_renew(writer: &mut Writer<'_>, renew: &RenewLease<'_>) {
    writer.prefixed(renew.lease.as_str().as_bytes());
    put_cursor(writer, renew.token);
    match renew.ttl_ms {
        None => writer.u8(0),
        Some(ttl_ms) => {
            writer.u8(1);
            writer.varint(ttl_ms);
        }
    }
}

pub(crate) fn get_renew<'a>(reader: &mut Reader<'a>) -> Result<RenewLease<'a>, FormatError> {
    let (lease, token) = (get_name(reader)?, get_cursor(reader)?);
    let ttl_ms = match reader.u8()? {
        0 => None,
        1 => Some(reader.varint()?),
        other => return Err(FormatError::invalid("option", u64::from(other))),
    };
    Ok(RenewLease { lease, token, ttl_ms })
}

pub(crate) fn put_release(writer: &mut Writer<'_>, release: &ReleaseLease<'_>) {
    writer.prefixed(release.lease.as_str().as_bytes());
    put_cursor(writer, release.token);
}

pub(crate) fn get_release<'a>(reader: &mut Reader<'a>) -> Result<ReleaseLease<'a>, FormatError> {
    Ok(ReleaseLease { lease: get_name(reader)?, token: get_cursor(reader)? })
}

pub(crate) fn put_withdraw(writer: &mut Writer<'_>, withdraw: &WithdrawLease<'_>) {
    writer.prefixed(withdraw.lease.as_str().as_bytes());
    writer.prefixed(withdraw.holder.as_bytes());
    writer.u64(withdraw.asked.0);
}

pub(crate) fn get_withdraw<'a>(reader: &mut Reader<'a>) -> Result<WithdrawLease<'a>, FormatError> {
    Ok(WithdrawLease {
        lease: get_name(reader)?,
        holder: get_holder(reader)?,
        asked: Position(reader.u64()?),
    })
}

pub(crate) fn put_expire(writer: &mut Writer<'_>, expire: &ExpireLeases) {
    writer.u16(expire.slot.0);
    writer.u64(expire.from.0);
    writer.varint(u64::from(expire.leases_max));
}

pub(crate) fn get_expire(reader: &mut Reader<'_>) -> Result<ExpireLeases, FormatError> {
    Ok(ExpireLeases {
        slot: Slot(reader.u16()?),
        from: Elapsed(reader.u64()?),
        leases_max: get_u32(reader, "number of leases")?,
    })
}

pub(crate) fn put_granted(writer: &mut Writer<'_>, granted: Granted) {
    put_cursor(writer, granted.token);
    writer.varint(granted.remaining_ms);
    writer.u8(u8::from(granted.replayed));
}

pub(crate) fn get_granted(reader: &mut Reader<'_>) -> Result<Granted, FormatError> {
    let (token, remaining_ms) = (get_cursor(reader)?, reader.varint()?);
    let replayed = match reader.u8()? {
        0 => false,
        1 => true,
        other => return Err(FormatError::invalid("flag", u64::from(other))),
    };
    Ok(Granted { token, remaining_ms, replayed })
}

pub(crate) fn put_cursor(writer: &mut Writer<'_>, cursor: Cursor) {
    writer.u64(cursor.position.0);
    writer.u16(cursor.slot.0);
}

pub(crate) fn get_cursor(reader: &mut Reader<'_>) -> Result<Cursor, FormatError> {
    Ok(Cursor::new(Position(reader.u64()?), Slot(reader.u16()?)))
}

pub(crate) fn get_u32(reader: &mut Reader<'_>, what: &'static str) -> Result<u32, FormatError> {
    let number = reader.varint()?;
    u32::try_from(number).map_err(|_| FormatError::invalid(what, number))
}

pub(crate) fn get_name<'a>(reader: &mut Reader<'a>) -> Result<LeaseName<'a>, FormatError> {
    let what = "lease name";
    LeaseName::new(reader.text(what)?).map_err(|_| FormatError::Text { what })
}

fn get_holder<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, FormatError> {
    reader.text("lease holder").map(Cow::Borrowed)
}
