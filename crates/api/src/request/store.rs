//! `Mainstay-Store`: which store a request is meant for.

use crate::catalogue::Code;
use crate::contract::parameters::STORE;
use crate::problem::{Problem, Result};
use http::HeaderMap;
use http::header::HeaderName;

/// The header of requests and responses.
pub const HEADER: HeaderName = HeaderName::from_static("mainstay-store");

const DIGITS: usize = 32;

/// Checks that a request which names a store means `store`.
///
/// # Errors
/// [`Code::OtherStore`] when it names another one, [`Code::InvalidHeader`] or [`Code::DuplicateHeader`] when the
/// header is malformed.
pub fn check(headers: &HeaderMap, store: &str) -> Result<()> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(()) };
    if values.next().is_some() {
        let detail = format!("`{}` was sent twice", STORE.name);
        return Err(Problem::new(Code::DuplicateHeader, detail).header(HEADER.as_str()));
    }
    if value.as_bytes() == store.as_bytes() {
        return Ok(());
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
    let detail = format!("the request is meant for store {named}, and this is store {store}");
    Err(Problem::new(Code::OtherStore, detail).header(HEADER.as_str()).text("store", store))
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
