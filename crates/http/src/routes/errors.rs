//! `GET /v1/errors`: the page that every problem's `type` points to.

use super::check_plain;
use crate::reply::{self, Result};
use http::header::HeaderValue;
use http::request;

pub(super) fn answer(parts: &request::Parts) -> Result {
    check_plain(parts)?;
    Ok(reply::whole(HeaderValue::from_static("text/markdown; charset=utf-8"), api::catalogue::page()))
}
