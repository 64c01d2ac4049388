//! Converts hyper's errors into errors of this crate.

use crate::error::Error;
use hyper_util::client::legacy;
use std::error::Error as _;

/// A connection that broke while a body was being received.
pub(super) fn broken(error: hyper::Error) -> Error {
    Error::Broken(Box::new(error))
}

/// A request that got no response.
pub(super) fn unanswered(address: &str, error: legacy::Error) -> Error {
    if error.is_connect() {
        return Error::Connect { address: address.to_owned(), source: Described::new(&error).into() };
    }
    Error::Broken(Described::new(&error).into())
}

/// An error and its causes in one sentence: hyper's own text names only the stage at which it happened.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Described(String);

impl Described {
    fn new(error: &legacy::Error) -> Self {
        let (mut causes, mut cause) = (Vec::new(), error.source());
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        // Wrappers often repeat the text of what they wrap.
        causes.dedup();
        if causes.is_empty() {
            causes.push(error.to_string());
        }
        Self(causes.join(": "))
    }
}
