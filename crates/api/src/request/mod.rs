//! Requests on their way in: headers, parameters and bodies become commands and queries.
//!
//! | module | what it reads |
//! |---|---|
//! | [`head`] | the headers that mean something here, each at most once |
//! | [`query`] | query parameters, unknown ones refused by name |
//! | [`append`] | the bodies of events, to one stream |
//! | [`line`] | one line of `POST /v1/events` |
//! | [`transaction`] | checks and writes |
//! | [`settings`] | a stream's settings |
//! | [`object`] | objects of the API's own, member by member |

pub mod append;
pub mod head;
mod key;
pub mod line;
mod object;
pub mod query;
pub mod settings;
pub mod store;
pub mod transaction;

use crate::problem::{Problem, Result};
use crate::{catalogue::Code, uri};
use model::StreamName;

/// The stream that a segment of the path names.
///
/// # Errors
/// When the segment cannot be decoded, or is no name.
pub fn stream_in_path(segment: &str) -> Result<StreamName<'_>> {
    let name =
        uri::decode(segment.as_bytes()).map_err(|error| Problem::new(Code::InvalidPath, error.why()))?;
    Ok(StreamName::new(name)?)
}
