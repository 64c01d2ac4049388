//! `GET /v1/streams`: the list of streams; `DELETE /v1/streams/{stream}`.

use super::command::{refused, submit};
use super::parts;
use crate::access::Caller;
use crate::context::Context;
use crate::response::{self, Result};
use crate::unavailable;
use api::Code;
use api::request::head::Head;
use api::request::query::{ListStreams, refused as refused_parameter};
use api::response::outcome::write_deleted;
use api::response::page::{Link, ListedStream, write_streams};
use api::response::refusal::Target;
use http::request;
use model::{Command, DeleteStream, Outcome, Slot, StreamName, limits};
use runtime::Snapshot;
use shard::query::{ListPoint, StreamsPage, StreamsRequest, streams};

pub(super) async fn delete(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let stream = parts::stream(parts)?;
    let head = Head::read(&parts.headers)?;
    head.refuse_key("a deleted stream stays deleted, so repeating the request is safe without a key")?;
    let command = DeleteStream { stream: stream.clone().into_owned(), expected: head.expected()? };
    match submit(context, parts, Command::DeleteStream(command)).await? {
        Outcome::StreamDeleted { last } => {
            let mut out = Vec::with_capacity(128);
            write_deleted(&mut out, stream.as_str(), last);
            Ok(response::json(out))
        }
        outcome => Err(refused(context, &outcome, Target::Stream(stream.as_str()))),
    }
}

pub(super) async fn list(context: &Context, parts: &request::Parts) -> Result {
    unavailable::check_readable(context)?;
    let list = ListStreams::parse(parts.uri.query())?;
    let limit =
        list.limit.map_or(limits::PAGE_EVENTS_DEFAULT, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let from = list.cursor.as_deref().map(parse_point).transpose()?.unwrap_or_default();
    let prefix = list.prefix.clone().unwrap_or_default();
    let page = read(context, &Caller::of(context, parts), from, &prefix, limit).await?;
    Ok(rendered(&page, &list, limit))
}

/// Reads a page of the streams that the caller covers. If that is not all of them, the list is read on until the page is
/// full, so that the name in its `next` is one that the caller covers. Each read is bounded.
async fn read(
    context: &Context,
    caller: &Caller,
    mut from: ListPoint,
    prefix: &str,
    limit: usize,
) -> Result<StreamsPage> {
    let mut page = StreamsPage::default();
    loop {
        let (prefix, left) = (prefix.to_owned(), limit - page.streams.len());
        let job = move |snapshot: &Snapshot| {
            let request = StreamsRequest { from, prefix: &prefix, limit: left, ..StreamsRequest::default() };
            Ok(streams(&snapshot.state, &request)?)
        };
        let found = context.handle.read(job).await.map_err(|error| unavailable::read_problem(&error))?;
        if caller.covers_all() {
            return Ok(found);
        }
        let visible = found.streams.into_iter().filter(|listed| caller.covers(listed.name.as_str()));
        page.streams.extend(visible);
        match found.next {
            Some(next) if page.streams.len() < limit => from = next,
            next => {
                page.next = next;
                return Ok(page);
            }
        }
    }
}

fn rendered(page: &StreamsPage, list: &ListStreams, limit: usize) -> response::Response {
    let next = page.next.as_ref().map(|point| {
        Link::path("/v1/streams")
            .with_some("prefix", list.prefix.as_deref())
            .with_some("limit", list.limit.is_some().then(|| limit.to_string()).as_deref())
            .with("cursor", &written_point(point))
            .into_text()
    });
    let lines = page.streams.iter().map(|listed| ListedStream {
        stream: listed.name.as_str(),
        first: (listed.state.first < listed.state.next).then_some(listed.state.first),
        revision: listed.state.last(),
    });
    let mut out = Vec::with_capacity(64 * page.streams.len() + 64);
    write_streams(&mut out, lines, next.as_deref());
    response::json(out)
}

/// Where a list continues: a slot, and the last name before it. Opaque to clients.
fn written_point(point: &ListPoint) -> String {
    match &point.behind {
        None => format!("{:04x}", point.slot.0),
        Some(name) => format!("{:04x}.{name}", point.slot.0),
    }
}

fn parse_point(text: &str) -> Result<ListPoint> {
    let parsed = || {
        let (slot, behind) = match text.split_once('.') {
            None => (text, None),
            Some((slot, name)) => (slot, Some(StreamName::new(name.to_owned()).ok()?)),
        };
        let digits = slot.len() == 4 && slot.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let slot = digits.then(|| u16::from_str_radix(slot, 16).ok()).flatten()?;
        Some(ListPoint { slot: Slot(slot), behind })
    };
    parsed().ok_or_else(|| {
        refused_parameter(
            Code::InvalidParameter,
            "cursor",
            "`cursor` does not come from the `next` of a page".into(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_continues_where_its_cursor_says() {
        for behind in [None, Some("a.b"), Some("żółw")] {
            let behind = behind.map(|name| StreamName::new(name.to_owned()).unwrap());
            let point = ListPoint { slot: Slot(0x1a2b), behind };
            assert_eq!(parse_point(&written_point(&point)), Ok(point));
        }
        for text in ["", "1", "1a2g", "+a2b", "1a2b.", "1a2b1", "1A2B"] {
            assert!(parse_point(text).is_err(), "{text}");
        }
    }
}
