//! Ends what a token has begun, when the token is not valid any more: requests that wait, and streamed responses. A
//! response that has begun ends with the problem, in the form of the response.

use super::identities::Identities;
use super::table::{Known, Source, Table};
use super::tokens::{Tokens, expired, unknown};
use crate::read::framing::problem_message;
use crate::response::{Aborted, EVENTS, Response, ResponseBody, Result, problem_line};
use api::Problem;
use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::{StreamExt as _, stream};
use http::header::CONTENT_TYPE;
use model::Wall;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// The longest time for which the node's clock is not asked whether a token has expired.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Knows when a token ends.
pub(crate) struct Ending {
    tokens: Arc<Tokens>,
    token: Arc<Known>,
    expires: Option<Wall>,
    table: watch::Receiver<Option<Arc<Table>>>,
    identities: watch::Receiver<Arc<Identities>>,
}

impl Ending {
    /// `certified` is the end of the certificate that stands for a token.
    pub(super) fn new(tokens: Arc<Tokens>, token: Arc<Known>, certified: Option<Wall>) -> Self {
        let expires = token.expires().into_iter().chain(certified).min();
        Self { table: tokens.watch(), identities: tokens.watch_identities(), tokens, token, expires }
    }

    fn is_held(&mut self) -> bool {
        match self.token.source() {
            Source::Row(_) => {
                self.table.borrow_and_update().as_deref().is_some_and(|table| table.holds(&self.token))
            }
            _ => self.identities.borrow_and_update().hold(&self.token),
        }
    }

    /// Resolves when another answer is possible, but for the time.
    async fn changed(&mut self) {
        let changed = match self.token.source() {
            Source::Row(_) => self.table.changed().await,
            _ => self.identities.changed().await,
        };
        if changed.is_err() {
            // Nobody will change it any more.
            pending::<()>().await;
        }
    }

    /// Resolves when the token is not valid any more.
    async fn ended(mut self) -> Box<Problem> {
        loop {
            if !self.is_held() {
                return unknown();
            }
            let now = self.tokens.now();
            if self.expires.is_some_and(|expires| now >= expires) {
                return expired();
            }
            if self.expires.is_none() {
                self.changed().await;
            } else {
                tokio::select! {
                    () = self.changed() => {}
                    () = sleep(LOOK_AGAIN) => {}
                }
            }
        }
    }

    /// Runs a request until its token ends.
    pub(crate) async fn bound(self, respond: impl Future<Output = Result>) -> Result {
        let mut ended: Pin<Box<dyn Future<Output = Box<Problem>> + Send>> = Box::pin(self.ended());
        let response = tokio::select! {
            biased;
            response = respond => response?,
            problem = &mut ended => return Err(problem),
        };
        Ok(cut(response, ended))
    }
}

/// A streamed response that ends when `ended` does. One that is complete is sent.
fn cut(response: Response, ended: Pin<Box<dyn Future<Output = Box<Problem>> + Send>>) -> Response {
    let is_events = response.headers().get(CONTENT_TYPE) == Some(&EVENTS);
    response.map(|body| match body {
        ResponseBody::Parts(parts) => {
            let parts = stream::unfold(Some((parts, ended)), move |state| async move {
                let (mut parts, ended) = state?;
                match select(parts.next(), ended).await {
                    Either::Left((part, ended)) => Some((part?, Some((parts, ended)))),
                    Either::Right((problem, _)) => {
                        let last = if is_events { problem_message(&problem) } else { problem_line(&problem) };
                        Some((Ok::<_, Aborted>(Bytes::from(last)), None))
                    }
                }
            });
            ResponseBody::Parts(Box::pin(parts))
        }
        whole => whole,
    })
}
