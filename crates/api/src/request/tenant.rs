//! Requests about the tenants of a queue: `PUT /v1/queues/{queue}/tenants/{tenant}`.

use crate::json::Reader;
use crate::media;
use crate::problem::Result;
use crate::request::head::Head;
use crate::request::object::{Known, missing, read_number_in, read_object};
use http::HeaderMap;
use model::{PutTenant, QueueName, TenantName, limits};

/// Reads `PUT /v1/queues/{queue}/tenants/{tenant}`.
///
/// # Errors
/// The problem with the request, which then has no effect.
pub fn put(
    headers: &HeaderMap,
    queue: QueueName<'_>,
    tenant: TenantName<'_>,
    body: &[u8],
) -> Result<PutTenant<'static>> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    head.refuse_key("the request replaces the weight, so repeating it is safe without a key")?;
    let mut weight = None;
    let mut reader = Reader::new(body)?;
    read_object(&mut reader, "`weight`", |name, reader| {
        match name {
            "weight" => weight = read_number_in(reader, 1..=limits::TENANT_WEIGHT_MAX.into())?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    reader.end()?;
    let weight = weight.ok_or_else(|| missing("weight"))?;
    let weight = u32::try_from(weight).unwrap_or(limits::TENANT_WEIGHT_MAX);
    Ok(PutTenant { queue: queue.into_owned(), tenant: tenant.into_owned(), weight })
}

/// Checks `DELETE /v1/queues/{queue}/tenants/{tenant}`.
///
/// # Errors
/// The problem with the request.
pub fn check_delete(headers: &HeaderMap) -> Result<()> {
    Head::read(headers)?.refuse_key("a weight that is forgotten stays so, so repeating the request is safe")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_TYPE, HeaderValue};

    fn read(body: &str) -> Result<u32> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let (queue, tenant) = (QueueName::new("q").unwrap(), TenantName::new("acme").unwrap());
        put(&headers, queue, tenant, body.as_bytes()).map(|put| put.weight)
    }

    #[test]
    fn a_tenant_has_a_weight_from_1_to_100() {
        assert_eq!(read(r#"{"weight":1}"#).unwrap(), 1);
        assert_eq!(read(r#"{"weight":100}"#).unwrap(), 100);
        for body in [
            "{}",
            "7",
            "",
            r#"{"weight":null}"#,
            r#"{"weight":0}"#,
            r#"{"weight":101}"#,
            r#"{"weight":-1}"#,
            r#"{"weight":1.5}"#,
            r#"{"weight":"2"}"#,
            r#"{"weight":2,"share":1}"#,
        ] {
            assert_eq!(read(body).expect_err(body).status(), 400, "{body}");
        }
    }
}
