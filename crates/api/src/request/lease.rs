//! Bodies of requests about leases.

use super::head::Head;
use super::object::{Known, invalid, missing, read_number, read_object, read_text};
use crate::json::Reader;
use crate::media;
use crate::problem::Result;
use http::HeaderMap;
use model::{AcquireLease, Cursor, LeaseName, ReleaseLease, RenewLease, limits};
use std::ops::RangeInclusive;

const TTL: RangeInclusive<u64> = limits::LEASE_TTL_MS_MIN..=limits::LEASE_TTL_MS_MAX;

/// Reads the body of `POST /v1/leases/{lease}/acquire`.
///
/// # Errors
/// The problem with the request.
pub fn acquire(headers: &HeaderMap, lease: LeaseName<'_>, body: &[u8]) -> Result<AcquireLease<'static>> {
    check_head(
        headers,
        "a holder that asks again gets what it has, so repeating the request is safe without a key",
    )?;
    let (mut holder, mut ttl_ms, mut hold_off_ms, mut permits, mut wait_ms) = (None, None, 0, 1, 0);
    let mut reader = Reader::new(body)?;
    read_object(
        &mut reader,
        "`holder`, `ttl_ms`, `wait_ms`, `permits` and `hold_off_ms`",
        |name, reader| {
            match name {
                "holder" => holder = Some(read_holder(reader)?),
                "ttl_ms" => ttl_ms = read_within(reader, TTL)?,
                "wait_ms" => wait_ms = read_within(reader, 0..=limits::LEASE_WAIT_MS_MAX)?.unwrap_or(0),
                "hold_off_ms" => {
                    hold_off_ms = read_within(reader, 0..=limits::LEASE_HOLD_OFF_MS_MAX)?.unwrap_or(0);
                }
                "permits" => {
                    permits = read_within(reader, 1..=u64::from(limits::LEASE_PERMITS_MAX))?.unwrap_or(1);
                }
                _ => return Ok(Known::No),
            }
            Ok(Known::Yes)
        },
    )?;
    reader.end()?;
    Ok(AcquireLease {
        lease: lease.into_owned(),
        holder: holder.ok_or_else(|| missing("holder"))?.into(),
        ttl_ms: ttl_ms.ok_or_else(|| missing("ttl_ms"))?,
        hold_off_ms,
        permits: permits as u32,
        wait_ms,
    })
}

/// Reads the body of `POST /v1/leases/{lease}/renew`.
///
/// # Errors
/// The problem with the request.
pub fn renew(headers: &HeaderMap, lease: LeaseName<'_>, body: &[u8]) -> Result<RenewLease<'static>> {
    check_head(headers, "repeating a renewal is safe without a key")?;
    let (mut token, mut ttl_ms) = (None, None);
    let mut reader = Reader::new(body)?;
    read_object(&mut reader, "`token` and `ttl_ms`", |name, reader| {
        match name {
            "token" => token = Some(read_token(reader)?),
            "ttl_ms" => ttl_ms = read_within(reader, TTL)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    reader.end()?;
    Ok(RenewLease { lease: lease.into_owned(), token: token.ok_or_else(|| missing("token"))?, ttl_ms })
}

/// Reads the body of `POST /v1/leases/{lease}/release`.
///
/// # Errors
/// The problem with the request.
pub fn release(headers: &HeaderMap, lease: LeaseName<'_>, body: &[u8]) -> Result<ReleaseLease<'static>> {
    check_head(headers, "repeating a release is safe without a key")?;
    let mut token = None;
    let mut reader = Reader::new(body)?;
    read_object(&mut reader, "`token`", |name, reader| {
        match name {
            "token" => token = Some(read_token(reader)?),
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    reader.end()?;
    Ok(ReleaseLease { lease: lease.into_owned(), token: token.ok_or_else(|| missing("token"))? })
}

fn check_head(headers: &HeaderMap, why_no_key: &'static str) -> Result<()> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    head.refuse_key(why_no_key)
}

fn read_holder(reader: &mut Reader<'_>) -> Result<String> {
    let holder = read_text(reader)?;
    if holder.is_empty()
        || holder.len() > limits::LEASE_HOLDER_BYTES_MAX
        || holder.chars().any(char::is_control)
    {
        return Err(invalid(format!(
            "a holder has 1 to {} bytes of UTF-8 without control characters",
            limits::LEASE_HOLDER_BYTES_MAX
        )));
    }
    Ok(holder)
}

/// Reads the token of a lease, as it was returned when the lease was granted.
pub(super) fn read_token(reader: &mut Reader<'_>) -> Result<Cursor> {
    let text = read_text(reader)?;
    text.parse()
        .map_err(|_| invalid("a token is the 20 hex digits that were returned when the lease was granted"))
}

fn read_within(reader: &mut Reader<'_>, range: RangeInclusive<u64>) -> Result<Option<u64>> {
    match read_number(reader)? {
        Some(number) if !range.contains(&number) => {
            Err(invalid(format!("this must be a number from {} to {}", range.start(), range.end())))
        }
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_TYPE, HeaderValue};

    fn headers() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers
    }

    fn lease() -> LeaseName<'static> {
        LeaseName::new("lock").unwrap()
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let read = acquire(&headers(), lease(), br#"{"holder":"a","ttl_ms":1000}"#).unwrap();
        assert_eq!((read.holder.as_ref(), read.ttl_ms), ("a", 1_000));
        assert_eq!((read.permits, read.wait_ms, read.hold_off_ms), (1, 0, 0));
        let read = renew(&headers(), lease(), br#"{"token":"00000000000000050007"}"#).unwrap();
        assert_eq!((read.token.to_string().as_str(), read.ttl_ms), ("00000000000000050007", None));
    }

    #[test]
    fn what_is_out_of_range_is_refused_with_its_member() {
        let long = "h".repeat(257);
        for (body, code, member) in [
            ("{}", "missing_member", Some("holder")),
            (r#"{"holder":"a"}"#, "missing_member", Some("ttl_ms")),
            (r#"{"holder":"","ttl_ms":1000}"#, "invalid_member", Some("holder")),
            (r#"{"holder":"a\nb","ttl_ms":1000}"#, "invalid_member", Some("holder")),
            (&format!(r#"{{"holder":"{long}","ttl_ms":1000}}"#), "invalid_member", Some("holder")),
            (r#"{"holder":7,"ttl_ms":1000}"#, "invalid_member", Some("holder")),
            (r#"{"holder":"a","ttl_ms":999}"#, "invalid_member", Some("ttl_ms")),
            (r#"{"holder":"a","ttl_ms":3600001}"#, "invalid_member", Some("ttl_ms")),
            (r#"{"holder":"a","ttl_ms":1.5}"#, "invalid_member", Some("ttl_ms")),
            (r#"{"holder":"a","ttl_ms":1000,"wait_ms":600001}"#, "invalid_member", Some("wait_ms")),
            (r#"{"holder":"a","ttl_ms":1000,"wait_ms":-1}"#, "invalid_member", Some("wait_ms")),
            (r#"{"holder":"a","ttl_ms":1000,"permits":0}"#, "invalid_member", Some("permits")),
            (r#"{"holder":"a","ttl_ms":1000,"permits":101}"#, "invalid_member", Some("permits")),
            (r#"{"holder":"a","ttl_ms":1000,"hold_off_ms":3600001}"#, "invalid_member", Some("hold_off_ms")),
            (r#"{"holder":"a","ttl_ms":1000,"wait":5}"#, "unknown_member", Some("wait")),
            ("[]", "invalid_member", None),
        ] {
            let problem = acquire(&headers(), lease(), body.as_bytes()).expect_err(body);
            let json: serde_json::Value = serde_json::from_slice(&problem.to_bytes()).unwrap();
            assert_eq!((problem.code.as_str(), json["member"].as_str()), (code, member), "{body}");
        }
        for body in [r#"{"token":"5"}"#, r#"{"token":5}"#, r#"{"token":"0000000000000005000G"}"#] {
            assert_eq!(
                release(&headers(), lease(), body.as_bytes()).expect_err(body).code.as_str(),
                "invalid_member"
            );
        }
    }
}
