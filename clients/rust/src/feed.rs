//! A long response that is opened again when its connection breaks. Reading lines and following share it.
//!
//! The feed holds all progress, not the caller's future, so a caller may stop polling at any point and lose
//! nothing.

use crate::error::{Error, Result};
use crate::transport::Response;
use bytes::Bytes;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// One response at a time.
#[derive(Default)]
pub(crate) enum Feed {
    #[default]
    Closed,
    Opening(Pin<Box<dyn Future<Output = Result<Response>> + Send>>),
    Open(Box<Response>),
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "Closed",
            Self::Opening(_) => "Opening",
            Self::Open(_) => "Open",
        })
    }
}

/// Why a feed returns no further part.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The response could not be opened.
    NotOpened(Error),
    /// The response was open, and broke.
    Broken(Error),
}

impl Feed {
    /// Reads the response of `opening`, starting with the next [`Self::poll_part`].
    pub(crate) fn open(&mut self, opening: impl Future<Output = Result<Response>> + Send + 'static) {
        *self = Self::Opening(Box::pin(opening));
    }

    /// The next part, or `None` when the response has ended. The feed is closed after that and after an
    /// error.
    pub(crate) fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Failure>> {
        let part = loop {
            match self {
                Self::Closed => break Ok(None),
                Self::Opening(opening) => match ready!(opening.as_mut().poll(context)) {
                    Ok(response) => *self = Self::Open(Box::new(response)),
                    Err(error) => break Err(Failure::NotOpened(error)),
                },
                Self::Open(response) => break ready!(response.poll_part(context)).map_err(Failure::Broken),
            }
        };
        if !matches!(part, Ok(Some(_))) {
            *self = Self::Closed;
        }
        Poll::Ready(part)
    }
}
