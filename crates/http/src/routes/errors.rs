//! `GET /v1/errors`: the page that the `type` of every problem points to.

use super::parts;
use crate::response::{self, Result};
use http::header::HeaderValue;
use http::request;

pub(super) fn respond(parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    Ok(response::whole(HeaderValue::from_static("text/markdown; charset=utf-8"), api::errors_page::page()))
}
