//! An order service: axum for its API, reqwest guarded by a policy for the price service, Mainstay for its
//! orders.
//!
//! Placing an order again, as after a lost response, returns the first order and records nothing.
//!
//! The variables `MAINSTAY_URL`, `PRICES_URL` and `LISTEN` override the addresses in `main`. The price
//! service must respond to `GET PRICES_URL/SKU` with the price in cents, as JSON.

use axum::extract::{Path, State};
use axum::{Json, Router, http::StatusCode, routing::post};
use mainstay_client::{Aggregate, Client};
use mainstay_resilience::guard::{CallOptions, Guard, Policy};
use mainstay_resilience::{breaker, reqwest::StatusClassifier, retry};
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, env, time::Duration};

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum OrderEvent {
    #[serde(rename = "order.placed")]
    Placed { sku: String, cents: u64 },
}

#[derive(Default, Serialize)]
struct Order {
    sku: String,
    cents: u64,
}

impl Aggregate for Order {
    type Event = OrderEvent;

    fn apply(&mut self, OrderEvent::Placed { sku, cents }: OrderEvent) {
        *self = Self { sku, cents };
    }
}

#[derive(Clone)]
struct Service {
    store: Client,
    prices: reqwest::Client,
    prices_url: String,
    guard: Guard<StatusClassifier>,
}

#[derive(Deserialize)]
struct NewOrder {
    sku: String,
}

async fn place(
    State(service): State<Service>,
    Path(id): Path<String>,
    Json(NewOrder { sku }): Json<NewOrder>,
) -> Result<Json<Order>, (StatusCode, String)> {
    let unavailable = |error: &dyn std::error::Error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string());
    let url = format!("{}/{sku}", service.prices_url);
    let ask = |_| async { service.prices.get(&url).send().await?.error_for_status()?.json::<u64>().await };
    let asked = service.guard.call_with(CallOptions::safe(), ask).await;
    let cents = asked.map_err(|error| unavailable(&error))?;
    let place = move |_: &Order| Ok::<_, Infallible>(vec![OrderEvent::Placed { sku: sku.clone(), cents }]);
    let order = service.store.aggregate::<Order>(format!("order-{id}")).update(place).as_command("place");
    Ok(Json(order.await.map_err(|error| unavailable(&error))?.state))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let variable = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let policy = Policy::new()
        .timeout(Duration::from_millis(500))
        .retry(retry::Config::new())
        .breaker(breaker::Config::new());
    let service = Service {
        store: Client::builder(&variable("MAINSTAY_URL", "http://127.0.0.1:7070"))
            .token_from_environment()
            .build()?,
        prices: reqwest::Client::new(),
        prices_url: variable("PRICES_URL", "http://127.0.0.1:7071/prices"),
        guard: Guard::builder("prices").policy(policy).classify_with(StatusClassifier).build()?,
    };
    let listener = tokio::net::TcpListener::bind(variable("LISTEN", "127.0.0.1:8080")).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/orders/{id}", post(place)).with_state(service)).await?;
    Ok(())
}
