//! A client over keep-alive connections. It gives up only when its caller drops the call, and repeats nothing by
//! itself.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::net::SocketAddr;
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Client {
    pool: Pool<HttpConnector, Empty<Bytes>>,
}

/// There was no answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer: {0}")]
pub(crate) struct NoAnswer(String);

impl Client {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .retry_canceled_requests(false)
            .build(connector);
        Self { pool }
    }

    /// GETs a path; the answer's status is all there is to know.
    pub(crate) async fn get(&self, address: SocketAddr, path: &str) -> Result<StatusCode, NoAnswer> {
        let request = Request::get(format!("http://{address}{path}")).body(Empty::new());
        let request = request.map_err(|error| NoAnswer(error.to_string()))?;
        let response = self.pool.request(request).await.map_err(|error| NoAnswer(error.to_string()))?;
        Ok(response.status())
    }
}
