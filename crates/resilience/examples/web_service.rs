//! A web service with two dependencies, each behind its own guard. When one of them hangs, the pages that
//! need the other are as fast as before. The program also runs both dependencies and some visitors:
//! `cargo run -p mainstay-resilience --features tower --example web_service`.

use axum::Router;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use mainstay_resilience::guard::{CallRejected, Policy};
use mainstay_resilience::tower::{BoxError, GuardLayer, Guarded, HttpRules};
use mainstay_resilience::{breaker, bulkhead, retry};
use std::time::{Duration, Instant};
use tower::{Layer, Service, ServiceExt};

type Plain = Client<HttpConnector, Full<Bytes>>;

/// A dependency: its address, and a guarded client.
#[derive(Clone)]
struct Dependency {
    url: String,
    client: Guarded<Plain, HttpRules>,
}

impl Dependency {
    fn new(name: &str, url: String) -> Result<Self, BoxError> {
        let policy = Policy::new()
            .total_timeout(Duration::from_secs(2))
            .retry(retry::Config::new())
            .breaker(breaker::Config::new().calls_min(5))
            .bulkhead(bulkhead::Config::new().limit(bulkhead::Limit::Fixed(8)).queue_max(4))
            .timeout(Duration::from_millis(300));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let layer = GuardLayer::from_policy(name, policy, HttpRules::default())?;
        Ok(Self { url, client: layer.layer(client) })
    }

    async fn page(mut self) -> Response<axum::body::Body> {
        let request = Request::builder().uri(self.url).body(Full::default());
        let result = match request {
            Ok(request) => match self.client.ready().await {
                Ok(client) => client.call(request).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error.into()),
        };
        match result {
            Ok(response) => response.status().into_response(),
            // Say when to come back, if a policy knows it.
            Err(error) => {
                let after = error.downcast_ref::<CallRejected>().and_then(|rejected| rejected.retry_after);
                let seconds = after.map_or(1, |after| after.as_secs().max(1)).to_string();
                (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, seconds)], error.to_string())
                    .into_response()
            }
        }
    }
}

async fn serve(router: Router) -> Result<String, BoxError> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let prices = serve(Router::new().route("/", get(async || "12.50"))).await?;
    let reviews = serve(Router::new().route("/", get(async || std::future::pending::<()>().await))).await?;
    let dependencies = (Dependency::new("prices", prices)?, Dependency::new("reviews", reviews)?);
    let router = Router::new()
        .route(
            "/prices",
            get(async |State((prices, _)): State<(Dependency, Dependency)>| prices.page().await),
        )
        .route(
            "/reviews",
            get(async |State((_, reviews)): State<(Dependency, Dependency)>| reviews.page().await),
        )
        .with_state(dependencies);
    let shop = serve(router).await?;

    let visitor: Plain = Client::builder(TokioExecutor::new()).build_http();
    for round in 1..=6 {
        for page in ["prices", "reviews"] {
            let begun = Instant::now();
            let uri = format!("{shop}/{page}").parse()?;
            let response = visitor.get(uri).await?;
            let after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            let after = after.map(|after| format!(", retry after {after} s")).unwrap_or_default();
            println!(
                "{round}: /{page:7} {} in {:4} ms{after}",
                response.status(),
                begun.elapsed().as_millis()
            );
        }
    }
    Ok(())
}
