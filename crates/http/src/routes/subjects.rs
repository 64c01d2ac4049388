//! Subjects: erase one, and copy the keys of all, wrapped.

use super::command::{refused, submit};
use super::parts;
use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, Result};
use crate::sealing;
use api::request::{query, subject};
use api::response::refusal::Target;
use api::response::subject::write_erased;
use api::{Code, Problem};
use axum::body::Body;
use http::header::HeaderValue;
use http::request;
use model::{Command, EraseSubject, Outcome, limits};
use subject_keys::SubjectKeys;

const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Tells the audit stream first, then erases the key. If the node stops in between, its next start erases it.
pub(super) async fn erase(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let subject = subject::erase(&parts.headers, &body)?;
    drop(body);
    let keys = keys(context)?;
    let mut out = Vec::with_capacity(64);
    let Some(key_id) = keys.find(&subject) else {
        write_erased(&mut out, None);
        return Ok(response::json(out));
    };
    match submit(context, parts, Command::EraseSubject(EraseSubject { key_id })).await? {
        Outcome::SubjectErased { erased } => {
            if let Err(error) = keys.erase(key_id).await {
                return Err(sealing::problem(context.handle.inner(), error).await);
            }
            write_erased(&mut out, Some(erased));
            Ok(response::json(out))
        }
        outcome => Err(refused(context, &outcome, Target::Queue)),
    }
}

/// The header of the file of keys, the last key, how many are erased, and records after one.
pub(super) async fn copy(context: &Context, parts: &request::Parts) -> Result {
    let after = query::subject_key(parts.uri.query())?;
    let keys = keys(context)?.clone();
    let read = move |_: &runtime::Snapshot| {
        let count = keys.count();
        Ok(keys
            .records(after, limits::SUBJECT_KEYS_COPIED_MAX)
            .map(|(header, records)| (header, count, records)))
    };
    let copied = context.handle.read(read).await.map_err(|error| crate::unavailable::read_problem(&error))?;
    match copied {
        Ok((header, count, records)) => {
            let mut out = header.encode();
            out.extend_from_slice(&count.last.0.to_le_bytes());
            out.extend_from_slice(&count.erased.to_le_bytes());
            out.extend_from_slice(&records);
            Ok(response::whole(BYTES, out))
        }
        Err(error) => Err(sealing::problem(context.handle.inner(), error).await),
    }
}

fn keys(context: &Context) -> Result<&SubjectKeys> {
    context.handle.sealing().keys().ok_or_else(|| {
        Problem::new(
            Code::NoSubjectKeys,
            "the node was started without `--subject-key-file`, and seals nothing",
        )
    })
}
