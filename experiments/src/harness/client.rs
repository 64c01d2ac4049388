//! An HTTP client over keep-alive connections. It has no timeout and never retries: it stops only when its caller
//! drops the call.

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

/// The request got no response.
#[derive(Debug, thiserror::Error)]
#[error("no response: {0}")]
pub(crate) struct NoResponse(String);

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

    /// Sends a GET and returns the response's status.
    pub(crate) async fn get(&self, address: SocketAddr, path: &str) -> Result<StatusCode, NoResponse> {
        let request = Request::get(format!("http://{address}{path}")).body(Empty::new());
        let request = request.map_err(|error| NoResponse(error.to_string()))?;
        let response = self.pool.request(request).await.map_err(|error| NoResponse(error.to_string()))?;
        Ok(response.status())
    }
}
