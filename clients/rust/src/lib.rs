//! The Rust client of Mainstay.
//!
//! One small blocking [`Client`] of a node: append events with an expected revision, transactions over
//! several streams, read as of any moment, follow, import, and fold streams into aggregates. Every request
//! is safe to send again, by the events' own identity, so the client does that itself: bounded, with jittered
//! backoff, and only where it can help.
//!
//! It speaks the HTTP API and knows nothing of the server's inside.
//!
//! | module | what it holds |
//! |---|---|
//! | `client` | [`Client`], its builder, the loop that tries again |
//! | `event` | [`NewEvent`], [`RecordedEvent`], [`Expected`], [`Revision`], [`Cursor`] |
//! | `append`, `transaction` | writes |
//! | `read`, `follow` | pages, lines, subscriptions that resume |
//! | `import` | lines for many streams, both ways at once |
//! | `streams` | lists, settings, deletion |
//! | `raw` | any request, and its answer as it is |
//! | `aggregate` | folds, and decisions on them |
//! | `transport`, `retry`, `sse`, `lines`, `id` | what they stand on |

mod aggregate;
mod append;
mod client;
mod error;
mod event;
mod follow;
mod id;
mod import;
mod lines;
mod raw;
mod read;
mod retry;
mod sse;
mod streams;
mod transaction;
mod transport;

pub use aggregate::{Aggregate, Aggregates, Loaded, UpdateError};
pub use append::{Appended, EventPlace};
pub use client::{Client, ClientBuilder};
pub use error::{Error, Problem, Result};
pub use event::{Cursor, Expected, NewEvent, RecordedEvent, Revision};
pub use follow::Follow;
pub use import::{Import, ImportOutcome, ImportedLine};
pub use raw::{Request, Response};
pub use read::{Direction, Events, Page, Read};
pub use retry::Retry;
pub use streams::{Settings, StreamSummary, Streams};
pub use transaction::{Committed, Transaction, Written};
