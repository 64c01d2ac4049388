//! `Mainstay-Store`: which store a request is meant for.

use crate::catalogue::Code;
use crate::contract::parameters::STORE;
use crate::problem::{Problem, Result};
use http::HeaderMap;
use http::header::HeaderName;
use model::Cursor;

/// The header of requests and responses.
pub const HEADER: HeaderName = HeaderName::from_static("mainstay-store");

const DIGITS: usize = 32;

/// Checks that a request which names a store means `store`.
///
/// # Errors
/// [`Code::OtherStore`] when it names another one, [`Code::InvalidHeader`] or [`Code::DuplicateHeader`] when the
/// header is malformed.
pub fn check(headers: &HeaderMap, store: &str) -> Result<()> {
    other(headers, store)?.map_or(Ok(()), |named| Err(other_store(named, store)))
}

/// The store that the request names, if it is not `store`.
///
/// # Errors
/// [`Code::InvalidHeader`] or [`Code::DuplicateHeader`] when the header is malformed.
pub fn other<'h>(headers: &'h HeaderMap, store: &str) -> Result<Option<&'h str>> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        let detail = format!("`{}` was sent twice", STORE.name);
        return Err(Problem::new(Code::DuplicateHeader, detail).header(HEADER.as_str()));
    }
    if value.as_bytes() == store.as_bytes() {
        return Ok(None);
    }
    let named = value.to_str().ok().filter(|text| {
        text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    });
    let Some(named) = named else {
        let detail = format!(
            "`{}` must be the identity of a store as `GET /v1` returns it: 32 lower-case hex digits",
            STORE.name
        );
        return Err(Problem::new(Code::InvalidHeader, detail).header(HEADER.as_str()));
    };
    Ok(Some(named))
}

/// The problem of a request that is meant for another store.
#[must_use]
pub fn other_store(named: &str, store: &str) -> Box<Problem> {
    let detail = format!("the request is meant for store {named}, and this is store {store}");
    Problem::new(Code::OtherStore, detail).header(HEADER.as_str()).text("store", store)
}

/// The problem of a read that goes on in a restored store after a cursor that the backup of `named` did not have.
#[must_use]
pub fn beyond_restore(named: &str, store: &str, through: Cursor) -> Box<Problem> {
    let detail = format!(
        "store {store} was restored from a backup of store {named}, which has its history up to {through}; the request \
         names a later cursor"
    );
    let problem = Problem::new(Code::BeyondRestore, detail).header(HEADER.as_str()).text("store", store);
    problem.text("restored_through", through.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HeaderValue;

    #[test]
    fn only_requests_for_this_store_pass() {
        const MINE: &str = "0123456789abcdef0123456789abcdef";
        const OTHER: &str = "fedcba9876543210fedcba9876543210";
        for (values, want) in [
            (&[][..], None),
            (&[MINE], None),
            (&[OTHER], Some(Code::OtherStore)),
            (&[""], Some(Code::InvalidHeader)),
            (&["0123"], Some(Code::InvalidHeader)),
            (&["0123456789ABCDEF0123456789ABCDEF"], Some(Code::InvalidHeader)),
            (&[MINE, MINE], Some(Code::DuplicateHeader)),
        ] {
            let headers: HeaderMap =
                values.iter().map(|value| (HEADER, HeaderValue::from_static(value))).collect();
            assert_eq!(check(&headers, MINE).err().map(|problem| problem.code), want, "{values:?}");
        }
    }
}
