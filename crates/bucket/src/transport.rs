//! HTTP for `object_store`.
//!
//! `object_store` repeats what fails. Here is what bounds a single attempt, besides the time to connect: the time until a
//! response begins, and the time between two parts of its body.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, StreamBody};
use https_client::{Client, Version};
use hyper::body::Frame;
use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use std::time::Duration;
use tokio::time::timeout;

/// Until a response begins: the request with its body, which is up to a part of an object, has been sent by then.
const RESPONSE_MAX: Duration = Duration::from_secs(120);
/// Until the next part of a response's body.
const FRAME_MAX: Duration = Duration::from_secs(30);

/// Connects `object_store` with the network.
#[derive(Debug)]
pub(crate) struct Connector;

#[derive(Debug)]
struct Service {
    client: Client<HttpRequestBody>,
    /// Whether a URL may begin with `http:`.
    may_be_plain: bool,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = https_client::client(Version::Http1)
            .map_err(|source| object_store::Error::Generic { store: "S3", source: Box::new(source) })?;
        let may_be_plain =
            options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|it| it == "true");
        Ok(HttpClient::new(Service { client, may_be_plain }))
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if request.uri().scheme_str() != Some("https") && !self.may_be_plain {
            let why = "the URL does not begin with https, and AWS_ALLOW_HTTP is not `true`";
            return Err(HttpError::new(HttpErrorKind::Unknown, std::io::Error::other(why)));
        }
        let response = timeout(RESPONSE_MAX, self.client.request(request)).await;
        let response = response.map_err(|elapsed| HttpError::new(HttpErrorKind::Timeout, elapsed))?;
        let response = response.map_err(|error| {
            let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Request };
            HttpError::new(kind, error)
        })?;
        let (parts, body) = response.into_parts();
        // Fused: a body may be asked again after its end.
        let frames = stream::unfold(Some(body), |body| async {
            let mut body = body?;
            let frame: Result<Frame<Bytes>, HttpError> = match timeout(FRAME_MAX, body.frame()).await {
                Ok(Some(Ok(frame))) => return Some((Ok(frame), Some(body))),
                Ok(None) => return None,
                Ok(Some(Err(error))) => Err(HttpError::new(HttpErrorKind::Interrupted, error)),
                Err(elapsed) => Err(HttpError::new(HttpErrorKind::Timeout, elapsed)),
            };
            Some((frame, None))
        });
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(StreamBody::new(Box::pin(frames.fuse())))))
    }
}
