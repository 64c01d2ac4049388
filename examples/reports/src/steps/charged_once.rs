//! Step 4: reports cost money. Responses get lost, clients try again, and each customer is charged once.

use crate::Result;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::post};
use mainstay_client::{Client, StoredResponse};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const PURCHASES: u32 = 30;
/// How long a client waits before it tries again.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long a slow response takes.
const SLOW: Duration = Duration::from_millis(600);

/// The shop, and the bank that it asks to charge its customers.
#[derive(Clone)]
struct Shop {
    store: Client,
    /// What the bank has charged.
    charges: Arc<AtomicU32>,
}

impl Shop {
    /// Charges a customer. The response of every third charge comes too late.
    async fn charge(&self) -> u32 {
        let number = self.charges.fetch_add(1, Ordering::Relaxed) + 1;
        if number.is_multiple_of(3) {
            tokio::time::sleep(SLOW).await;
        }
        number
    }
}

/// As it was: each request charges.
async fn buy(State(shop): State<Shop>) -> Response {
    json!({"charge": shop.charge().await}).to_string().into_response()
}

/// As it is now: the key of the purchase is charged once, and everyone who comes with it gets that response.
async fn buy_once(State(shop): State<Shop>, Path(purchase): Path<String>) -> Response {
    let once = shop.store.once(format!("purchases/{purchase}")).wait(Duration::from_secs(5));
    // A task of its own, because a client that gives up ends the handler of its request.
    let charged = tokio::spawn(async move {
        let charge = async |_: &_| StoredResponse::json(201, &json!({"charge": shop.charge().await}));
        once.run(charge).await
    });
    match charged.await {
        Ok(Ok(stored)) => match stored.body() {
            Ok(body) => body.into_response(),
            Err(error) => failed(&error),
        },
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response()
}

pub(crate) async fn run(store: &Client) -> Result {
    let charges = Arc::new(AtomicU32::new(0));
    let shop = Shop { store: store.clone(), charges: Arc::clone(&charges) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let routes =
        Router::new().route("/buy/{purchase}", post(buy)).route("/buy-once/{purchase}", post(buy_once));
    tokio::spawn(async move { axum::serve(listener, routes.with_state(shop)).await });
    println!("Step 4: {PURCHASES} purchases, and every third response of the bank comes too late.");
    for (path, what) in
        [("buy", "each request is charged:      "), ("buy-once", "with an idempotency key:     ")]
    {
        charges.store(0, Ordering::Relaxed);
        let mut requests = 0;
        for purchase in 0..PURCHASES {
            requests += purchase_one(&format!("{url}/{path}/{purchase}")).await?;
        }
        let charged = charges.load(Ordering::Relaxed);
        println!("  {what}{requests} requests, {charged} charges, {} too many", charged - PURCHASES);
    }
    Ok(())
}

/// Asks until there is a response, and returns how often it has asked.
async fn purchase_one(url: &str) -> Result<u32> {
    let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let mut requests = 0;
    loop {
        requests += 1;
        match http.post(url).send().await {
            Ok(response) => {
                response.error_for_status()?;
                return Ok(requests);
            }
            Err(error) if error.is_timeout() => {}
            Err(error) => return Err(error.into()),
        }
    }
}
