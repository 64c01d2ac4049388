//! Parsers of requests: headers, parameters and bodies become commands and queries.
//!
//! | module | what it reads |
//! |---|---|
//! | [`head`] | the headers that this API uses |
//! | [`query`] | query parameters |
//! | [`append`] | bodies with events for one stream |
//! | [`line`] | one line of `POST /v1/events` |
//! | [`transaction`] | the body of a transaction |
//! | [`queue`] | everything about task queues |
//! | [`settings`] | a stream's settings |
//! | [`store`] | the store that a request is meant for |
//! | [`object`] | the API's own JSON objects, member by member |
//! | `key` | idempotency keys and their fingerprints |

pub mod append;
pub mod head;
mod key;
pub mod line;
mod object;
pub mod query;
pub mod queue;
pub mod settings;
pub mod store;
pub mod transaction;

use crate::problem::{Problem, Result};
use crate::{catalogue::Code, uri};
use model::StreamName;

/// The stream name in a segment of the path.
///
/// # Errors
/// When the segment cannot be decoded or is not a valid name.
pub fn stream_in_path(segment: &str) -> Result<StreamName<'_>> {
    let name =
        uri::decode(segment.as_bytes()).map_err(|error| Problem::new(Code::InvalidPath, error.why()))?;
    Ok(StreamName::new(name)?)
}
