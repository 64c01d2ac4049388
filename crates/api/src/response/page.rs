//! Pages: lists with a link to what follows. `next` is a path and query to `GET`; null says that nothing
//! follows (yet).

use super::outcome::write_revision;
use crate::json;
use crate::request::query::ListNames;
use crate::uri;
use model::{Cursor, Revision};

/// The end of a page of one stream's events; the rendered events, parted by commas, come before it.
#[derive(Clone, Debug)]
pub struct StreamPage<'a> {
    pub stream: &'a str,
    /// The last revision, as of the moment that was asked for; null when there was none.
    pub revision: Option<Revision>,
    /// The first revision that is kept; null when there is none.
    pub first: Option<Revision>,
    /// The moment that the page shows, where the request had `as_of`.
    pub as_of: Option<&'a str>,
    pub next: Option<String>,
}

impl StreamPage<'_> {
    /// The page around the rendered events.
    #[must_use]
    pub fn around(&self, events: Vec<u8>) -> Vec<u8> {
        let mut head = b"{\"stream\":".to_vec();
        json::write_text(&mut head, self.stream);
        head.extend_from_slice(b",\"revision\":");
        write_revision(&mut head, self.revision);
        head.extend_from_slice(b",\"first\":");
        write_revision(&mut head, self.first);
        write_as_of(&mut head, self.as_of);
        around(head, events, self.next.as_deref())
    }
}

/// The end of a page of the whole store's events.
#[derive(Clone, Debug)]
pub struct StorePage<'a> {
    /// Where the page ended: everything up to here was examined.
    pub cursor: Cursor,
    /// The greatest cursor of a removed event.
    pub removed_through: Option<Cursor>,
    /// The moment that the page shows, where the request had `as_of`.
    pub as_of: Option<&'a str>,
    pub next: Option<String>,
}

impl StorePage<'_> {
    /// The page around the rendered events.
    #[must_use]
    pub fn around(&self, events: Vec<u8>) -> Vec<u8> {
        let mut head = b"{\"cursor\":\"".to_vec();
        head.extend_from_slice(&self.cursor.to_hex());
        head.extend_from_slice(b"\",\"removed_through\":");
        match self.removed_through {
            None => head.extend_from_slice(b"null"),
            Some(cursor) => json::write_text(&mut head, &cursor.to_string()),
        }
        write_as_of(&mut head, self.as_of);
        around(head, events, self.next.as_deref())
    }
}

/// One stream of a list.
#[derive(Clone, Debug)]
pub struct ListedStream<'a> {
    pub stream: &'a str,
    pub first: Option<Revision>,
    pub revision: Option<Revision>,
}

/// A page of the list of streams.
pub fn write_streams<'a>(
    out: &mut Vec<u8>,
    streams: impl Iterator<Item = ListedStream<'a>>,
    next: Option<&str>,
) {
    out.extend_from_slice(b"{\"streams\":[");
    for (at, listed) in streams.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"stream\":");
        json::write_text(out, listed.stream);
        out.extend_from_slice(b",\"first\":");
        write_revision(out, listed.first);
        out.extend_from_slice(b",\"revision\":");
        write_revision(out, listed.revision);
        out.push(b'}');
    }
    out.push(b']');
    write_next(out, next);
}

fn write_as_of(out: &mut Vec<u8>, moment: Option<&str>) {
    if let Some(moment) = moment {
        out.extend_from_slice(b",\"as_of\":");
        json::write_text(out, moment);
    }
}

/// Puts a page's beginning before its events, and its end after them. Events are megabytes, so they are moved within their own
/// memory and not copied into another.
fn around(mut head: Vec<u8>, events: Vec<u8>, next: Option<&str>) -> Vec<u8> {
    head.extend_from_slice(b",\"events\":[");
    let mut page = events;
    page.splice(..0, head);
    page.push(b']');
    write_next(&mut page, next);
    page
}

/// Writes the end of an object that has a `next`.
pub(super) fn write_next(out: &mut Vec<u8>, next: Option<&str>) {
    out.extend_from_slice(b",\"next\":");
    match next {
        None => out.extend_from_slice(b"null"),
        Some(link) => json::write_text(out, link),
    }
    out.push(b'}');
}

/// A path and query, put together.
#[derive(Clone, Debug)]
pub struct Link {
    text: Vec<u8>,
    parameters: usize,
}

impl Link {
    /// The path of one stream's events.
    #[must_use]
    pub fn stream_events(stream: &str) -> Self {
        let mut text = b"/v1/streams/".to_vec();
        uri::encode(&mut text, stream);
        text.extend_from_slice(b"/events");
        Self { text, parameters: 0 }
    }

    /// The path of one queue's tasks.
    #[must_use]
    pub fn tasks(queue: &str) -> Self {
        let mut text = b"/v1/queues/".to_vec();
        uri::encode(&mut text, queue);
        text.extend_from_slice(b"/tasks");
        Self { text, parameters: 0 }
    }

    /// The path of one queue's tenants.
    #[must_use]
    pub fn tenants(queue: &str) -> Self {
        let mut text = b"/v1/queues/".to_vec();
        uri::encode(&mut text, queue);
        text.extend_from_slice(b"/tenants");
        Self { text, parameters: 0 }
    }

    /// Another path.
    #[must_use]
    pub fn path(path: &'static str) -> Self {
        Self { text: path.into(), parameters: 0 }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.text.push(if self.parameters == 0 { b'?' } else { b'&' });
        self.text.extend_from_slice(name.as_bytes());
        self.text.push(b'=');
        uri::encode(&mut self.text, value);
        self.parameters += 1;
        self
    }

    #[must_use]
    pub fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            None => self,
            Some(value) => self.with(name, value),
        }
    }

    #[must_use]
    pub fn into_text(self) -> String {
        String::from_utf8(self.text).unwrap_or_default()
    }
}

/// Cuts what was read for a page of names to that page, and returns the path of the next one. The list may go on after a
/// name although there is nothing more to cut.
pub fn end_names<N, T>(
    list: &ListNames<N>,
    path: &'static str,
    found: &mut Vec<T>,
    goes_on_after: Option<String>,
    name: impl Fn(&T) -> &str,
) -> Option<String> {
    let has_more = found.len() > list.page_max();
    found.truncate(list.page_max());
    let last = found.last().filter(|_| has_more).map(|last| name(last).to_owned());
    last.or(goes_on_after).map(|name| {
        Link::path(path)
            .with_some("limit", list.limit.map(|limit| limit.to_string()).as_deref())
            .with("cursor", &name)
            .into_text()
    })
}

/// Writes `{"member":[...],"next":...}`.
pub fn write_list<T>(
    out: &mut Vec<u8>,
    member: &str,
    items: impl IntoIterator<Item = T>,
    next: Option<&str>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'{');
    json::write_text(out, member);
    out.extend_from_slice(b":[");
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
    write_next(out, next);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_encoded() {
        let link = Link::stream_events("a b")
            .with("from", "7")
            .with_some("limit", None)
            .with_some("as_of", Some("+&"));
        assert_eq!(link.into_text(), "/v1/streams/a%20b/events?from=7&as_of=%2B%26");
    }

    #[test]
    fn pages_are_json() {
        let out = StreamPage { stream: "s", revision: None, first: None, as_of: None, next: None }
            .around(b"{},{}".to_vec());
        assert_eq!(out, br#"{"stream":"s","revision":null,"first":null,"events":[{},{}],"next":null}"#);
        let next = Some("/v1/events?after=x".into());
        let out =
            StorePage { cursor: Cursor::START, removed_through: Some(Cursor::START), as_of: Some("x"), next }
                .around(Vec::new());
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&json["as_of"], &json["next"]), (&"x".into(), &"/v1/events?after=x".into()));
        let mut out = Vec::new();
        let listed = ListedStream { stream: "s", first: Some(Revision(1)), revision: Some(Revision(2)) };
        write_streams(&mut out, [listed.clone(), listed].into_iter(), None);
        assert_eq!(
            out,
            br#"{"streams":[{"stream":"s","first":1,"revision":2},{"stream":"s","first":1,"revision":2}],"next":null}"#
        );
    }
}
