//! Parsers of requests: headers, parameters and bodies become commands and queries.
//!
//! | module | what it reads |
//! |---|---|
//! | [`head`] | the headers that this API uses |
//! | [`query`] | query parameters |
//! | [`append`] | bodies with events for one stream |
//! | [`line`] | one line of `POST /v1/events` |
//! | [`lease`] | bodies of requests about leases |
//! | [`breaker`] | settings of breakers, and the outcomes of calls |
//! | [`limit`] | requests that write limits, and the limits of a queue |
//! | [`value`] | requests that write values |
//! | [`execution`] | bodies of requests about executions |
//! | [`token`] | the body of a new token |
//! | [`transaction`] | the body of a transaction |
//! | [`group`] | the body that creates a group |
//! | [`queue`] | everything about task queues |
//! | [`tenant`] | weights of tenants |
//! | [`schedule`] | requests about schedules |
//! | [`reaction`] | reactions |
//! | [`settings`] | a stream's settings |
//! | [`store`] | the store that a request is meant for |
//! | [`object`] | the API's own JSON objects, member by member |
//! | `key` | idempotency keys and their fingerprints |

pub mod append;
pub mod breaker;
pub mod execution;
pub mod group;
pub mod head;
mod key;
pub mod lease;
pub mod limit;
pub mod line;
mod object;
pub mod query;
pub mod queue;
pub mod reaction;
pub mod schedule;
pub mod settings;
pub mod store;
pub mod subject;
pub mod tenant;
pub mod token;
pub mod transaction;
pub mod value;

use crate::problem::{Problem, Result};
use crate::{catalogue::Code, uri};
use model::{BreakerName, ExecutionKey, LeaseName, LimitName, StreamName, TenantName, ValueName};

/// The stream name in a segment of the path.
///
/// # Errors
/// When the segment cannot be decoded or is not a valid name.
pub fn stream_in_path(segment: &str) -> Result<StreamName<'_>> {
    Ok(StreamName::new(decode(segment)?)?)
}

/// The lease name in a segment of the path.
///
/// # Errors
/// As for [`stream_in_path`].
pub fn lease_in_path(segment: &str) -> Result<LeaseName<'_>> {
    Ok(LeaseName::new(decode(segment)?)?)
}

/// The value name in a segment of the path.
///
/// # Errors
/// As for [`stream_in_path`].
pub fn value_in_path(segment: &str) -> Result<ValueName<'_>> {
    Ok(ValueName::new(decode(segment)?)?)
}

/// The key of an execution in a segment of the path.
///
/// # Errors
/// As for [`stream_in_path`].
pub fn execution_in_path(segment: &str) -> Result<ExecutionKey<'_>> {
    Ok(ExecutionKey::new(decode(segment)?)?)
}

/// The limit name in a segment of the path.
///
/// # Errors
/// As for [`stream_in_path`].
pub fn limit_in_path(segment: &str) -> Result<LimitName<'_>> {
    Ok(LimitName::new(decode(segment)?)?)
}

/// The breaker name in a segment of the path.
///
/// # Errors
/// As for [`stream_in_path`].
pub fn breaker_in_path(segment: &str) -> Result<BreakerName<'_>> {
    Ok(BreakerName::new(decode(segment)?)?)
}

/// The tenant name in a segment of the path.
///
/// # Errors
/// As for [`stream_in_path`].
pub fn tenant_in_path(segment: &str) -> Result<TenantName<'_>> {
    Ok(TenantName::new(decode(segment)?)?)
}

fn decode(segment: &str) -> Result<std::borrow::Cow<'_, str>> {
    uri::decode(segment.as_bytes()).map_err(|error| Problem::new(Code::InvalidPath, error.why()))
}
