//! Requests and streams that a limit of a token or of the node has stopped.

use crate::instrument::Counter;

/// What was limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    Requests,
    Bytes,
    Subscribers,
    Body,
}

/// Whose limit it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitOf {
    Token,
    /// Of all clients together.
    Node,
}

impl Limited {
    pub const ALL: [Self; 4] = [Self::Requests, Self::Bytes, Self::Subscribers, Self::Body];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests_per_second",
            Self::Bytes => "bytes_per_second",
            Self::Subscribers => "subscribers_max",
            Self::Body => "body_bytes_max",
        }
    }
}

impl LimitOf {
    pub const ALL: [Self; 2] = [Self::Token, Self::Node];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Node => "node",
        }
    }
}

/// How often each limit has stopped something.
#[derive(Debug, Default)]
pub struct LimitMetrics([[Counter; LimitOf::ALL.len()]; Limited::ALL.len()]);

impl LimitMetrics {
    #[must_use]
    pub const fn of(&self, limited: Limited, of: LimitOf) -> &Counter {
        &self.0[limited as usize][of as usize]
    }
}
