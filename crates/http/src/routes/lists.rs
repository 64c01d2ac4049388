//! One page of a list of names, with what the caller covers.
//!
//! A caller with a limited token gets full pages too: the list is read on until the page is full. So the name in a page's
//! `next` is always one that the caller covers. Each read is bounded, and gives way to others.

use crate::access::Caller;
use crate::context::Context;
use crate::response::Result;
use crate::unavailable;
use api::request::query::ListNames;
use http::request;
use model::{NameError, limits};
use runtime::{ReadFailure, Snapshot};
use shard::query::Names;

/// Makes a name of its text.
type Parse<N> = fn(String) -> std::result::Result<N, NameError>;

/// Reads the items of a page, and one more if there is one. `read` reads a number of items after a name.
pub(super) async fn read<N, T>(
    context: &Context,
    parts: &request::Parts,
    list: &ListNames<N>,
    (name, parse): (impl Fn(&T) -> &str, Parse<N>),
    read: impl Fn(&Snapshot, Option<&N>, usize) -> std::result::Result<Names<T>, ReadFailure>
    + Clone
    + Send
    + 'static,
) -> Result<Names<T>>
where
    N: Clone + Send + 'static,
    T: Send + 'static,
{
    let caller = Caller::of(context, parts);
    let wanted = list.read_max();
    let at_a_time = if caller.covers_all() { wanted } else { wanted.max(limits::PAGE_EVENTS_MAX) };
    let mut after = list.cursor.clone();
    let mut page = Names { items: Vec::new(), goes_on_after: None };
    loop {
        let (read, from) = (read.clone(), after.take());
        let job = move |snapshot: &Snapshot| read(snapshot, from.as_ref(), at_a_time);
        let found = context.handle.read(job).await.map_err(|error| unavailable::read_problem(&error))?;
        if caller.covers_all() {
            return Ok(found);
        }
        let is_full = found.items.len() >= at_a_time;
        let last = found.items.last().filter(|_| is_full).map(|item| name(item).to_owned());
        let last = found.goes_on_after.or(last);
        page.items.extend(found.items.into_iter().filter(|item| caller.covers(name(item))));
        after = last.and_then(|last| parse(last).ok());
        if after.is_none() || page.items.len() >= wanted {
            return Ok(page);
        }
    }
}

/// A list whose reads end only at its end.
pub(super) const fn whole<T>(items: Vec<T>) -> Names<T> {
    Names { items, goes_on_after: None }
}
