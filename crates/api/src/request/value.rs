//! Requests that write values.

use super::head::Head;
use crate::catalogue::Code;
use crate::problem::{Problem, Result};
use http::HeaderMap;
use model::{DeleteValue, PutValue, ValueName, limits};

/// What a value is when its writer does not say.
const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// Reads `PUT /v1/values/{value}`: the body is the content, as it is.
///
/// # Errors
/// The problem with the request.
pub fn put(headers: &HeaderMap, value: ValueName<'_>, body: &[u8]) -> Result<PutValue<'static>> {
    let head = Head::read(headers)?;
    let content_type = head.content_type.unwrap_or(DEFAULT_CONTENT_TYPE);
    if content_type.is_empty() || content_type.len() > limits::VALUE_CONTENT_TYPE_BYTES_MAX {
        let detail = format!("a content type has 1 to {} bytes", limits::VALUE_CONTENT_TYPE_BYTES_MAX);
        return Err(Problem::new(Code::InvalidHeader, detail).header("content-type"));
    }
    if body.len() > limits::VALUE_BYTES_MAX {
        let detail = format!("the content has {} bytes", body.len());
        return Err(Problem::new(Code::ValueTooLarge, detail).number("limit", limits::VALUE_BYTES_MAX as u64));
    }
    let mut put = PutValue {
        keyed: None,
        value: value.into_owned(),
        expected: head.expected()?,
        content_type: content_type.to_owned().into(),
        content: body.to_owned().into(),
    };
    put.keyed = head.key()?.map(|key| key.for_value(&put));
    Ok(put)
}

/// Reads `DELETE /v1/values/{value}`.
///
/// # Errors
/// The problem with the request.
pub fn delete(headers: &HeaderMap, value: ValueName<'_>) -> Result<DeleteValue<'static>> {
    let head = Head::read(headers)?;
    head.refuse_key("a deleted value stays deleted, so repeating the request is safe without a key")?;
    Ok(DeleteValue { value: value.into_owned(), expected: head.expected()? })
}
