//! `/v1/backups`: begin a backup, read its parts, end it. `/v1/archives`: read the log.

use super::parts;
use crate::context::Context;
use crate::response::{self, Result};
use crate::unavailable;
use api::request::query;
use api::response::backup::{Backup, Segment, write_ended};
use api::{Code, Problem};
use http::header::HeaderValue;
use http::request;
use runtime::{BackupId, CannotArchive, CannotBegin, LogRead, Unavailable};
use std::sync::Arc;
use storage::bodies::CopyKind;

const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
const RETRY_AFTER_S: u32 = 60;

pub(super) async fn begin(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    unavailable::check_readable(context)?;
    let id = name(parts)?;
    let backup = context.handle.begin_backup(id).await.map_err(|why| match why {
        CannotBegin::TooMany => {
            let max = model::limits::BACKUPS_MAX;
            let mut problem = Problem::new(Code::TooManyBackups, format!("{max} backups are under way"));
            problem.retry_after_s = Some(RETRY_AFTER_S);
            problem
        }
        CannotBegin::Unavailable(why) => unavailable::read_problem(&why),
    })?;
    let header = backup.header();
    let (id, store, encoded) = (backup.id().to_string(), header.store.to_string(), header.encode());
    let shown =
        Backup { backup: &id, store: &store, through: header.through, wall: header.wall, header: &encoded };
    let mut out = Vec::with_capacity(512 + 128 * backup.segments().len());
    shown.write(
        &mut out,
        backup.segments().map(|segment| Segment {
            name: &segment.name,
            bytes: segment.bytes,
            sealed: segment.kind == CopyKind::Sealed,
            may_hold_removed: segment.may_hold_removed,
        }),
    );
    Ok(response::json(out))
}

pub(super) async fn rows(context: &Context, parts: &request::Parts) -> Result {
    let chunk = query::backup_chunk(parts.uri.query())?;
    let backup = find(context, parts)?;
    bytes(context.handle.backup_rows(backup, chunk).await)
}

pub(super) async fn segment(context: &Context, parts: &request::Parts) -> Result {
    let from = query::backup_byte(parts.uri.query())?;
    let backup = find(context, parts)?;
    let segment = at(parts, 5).to_owned();
    bytes(context.handle.backup_segment(backup, segment, from).await)
}

pub(super) fn end(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let id = name(parts)?;
    let existed = context.handle.end_backup(id);
    let mut out = Vec::with_capacity(64);
    write_ended(&mut out, &id.to_string(), existed);
    Ok(response::json(out))
}

pub(super) async fn log(context: &Context, parts: &request::Parts) -> Result {
    let has = query::archive_entry(parts.uri.query())?;
    let archive = name(parts)?;
    unavailable::check_readable(context)?;
    match context.handle.archive_log(archive, has).await {
        Ok(LogRead::Piece(piece)) => Ok(response::whole(BYTES, piece)),
        Ok(LogRead::Nothing) => Ok(response::whole(BYTES, Vec::new())),
        Ok(LogRead::NotInLog { last }) => {
            let detail = format!("the log does not have the entry after {has}; its last one is {last}");
            Err(Problem::new(Code::NotInLog, detail))
        }
        Err(CannotArchive::TooMany) => {
            let max = model::limits::ARCHIVES_MAX;
            let mut problem =
                Problem::new(Code::TooManyArchives, format!("{max} other archives read the log"));
            problem.retry_after_s = Some(RETRY_AFTER_S);
            Err(problem)
        }
        Err(CannotArchive::Unavailable(why)) => Err(unavailable::read_problem(&why)),
    }
}

fn find(context: &Context, parts: &request::Parts) -> Result<Arc<runtime::Backup>> {
    context.handle.backup(name(parts)?).ok_or_else(not_found)
}

/// The name of the backup or archive in the path.
fn name(parts: &request::Parts) -> Result<BackupId> {
    at(parts, 3).parse().map_err(|_| {
        Problem::new(Code::InvalidName, "the name of a backup or archive is 16 lower-case hex digits")
    })
}

fn bytes(read: std::result::Result<Option<Vec<u8>>, Unavailable>) -> Result {
    let read = read.map_err(|error| unavailable::read_problem(&error))?;
    read.map(|read| response::whole(BYTES, read)).ok_or_else(not_found)
}

fn not_found() -> Box<Problem> {
    Problem::new(Code::BackupNotFound, "no backup with this id is under way, or it has no such part")
}

/// A segment of the path. The names that the node has given out need no decoding, and others are not found.
fn at(parts: &request::Parts, segment: usize) -> &str {
    parts.uri.path().split('/').nth(segment).unwrap_or_default()
}
