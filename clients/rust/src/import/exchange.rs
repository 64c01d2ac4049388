//! One request of an import: its body is still being written while its response is read.

use crate::client::Client;
use crate::error::Result;
use crate::line_buffer::LineBuffer;
use crate::transport::{Call, Response};
use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE};
use std::future::poll_fn;
use std::pin::Pin;
use tokio::sync::mpsc;

pub(super) struct Exchange {
    /// `None` once the request has ended.
    body: Option<mpsc::Sender<Bytes>>,
    response: ResponseState,
    received: LineBuffer,
}

enum ResponseState {
    Waiting(Pin<Box<dyn Future<Output = Result<Response>> + Send>>),
    Open(Box<Response>),
}

impl Exchange {
    pub(super) fn begin(client: &Client) -> Self {
        let (body, parts) = mpsc::channel(1);
        let client = client.clone();
        let call = Call::new(Method::POST, "/v1/events")
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header(ACCEPT, "application/x-ndjson");
        let sending = async move { client.shared.transport.send_parts(&call, parts).await?.success().await };
        Self {
            body: Some(body),
            response: ResponseState::Waiting(Box::pin(sending)),
            received: LineBuffer::default(),
        }
    }

    /// The next line of the response that has arrived.
    pub(super) fn line(&mut self) -> Option<Bytes> {
        self.received.line()
    }

    pub(super) fn body(&self) -> Option<mpsc::Sender<Bytes>> {
        self.body.clone()
    }

    pub(super) fn end_request(&mut self) {
        self.body = None;
    }

    /// Receives a part of the response; false at its end. Dropping the future loses nothing.
    pub(super) async fn receive(&mut self) -> Result<bool> {
        if let ResponseState::Waiting(sending) = &mut self.response {
            self.response = ResponseState::Open(Box::new(sending.await?));
        }
        let ResponseState::Open(response) = &mut self.response else { return Ok(false) };
        let part = poll_fn(|context| response.poll_part_unbounded(context)).await?;
        Ok(part.map(|part| self.received.push(&part)).is_some())
    }
}

/// Waits until the request accepts another part; `None` when it never will.
pub(super) async fn reserve(body: Option<mpsc::Sender<Bytes>>) -> Option<mpsc::OwnedPermit<Bytes>> {
    match body {
        Some(body) => body.reserve_owned().await.ok(),
        None => std::future::pending().await,
    }
}
