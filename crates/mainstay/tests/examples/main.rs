//! The client's examples against a real node: what they show is true, also when a process is killed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

#[path = "../node/mod.rs"]
mod node;

mod payments;
mod process;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Json, Router, routing::get};
use futures_util::StreamExt;
use mainstay_client::{Client, NewEvent, Retry};
use node::Node;
use process::Example;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A service that knows the price of everything and fails at every tenth request.
async fn start_prices() -> String {
    async fn price(State(asked): State<Arc<AtomicU64>>) -> Result<Json<u64>, StatusCode> {
        match asked.fetch_add(1, Ordering::Relaxed) % 10 {
            9 => Err(StatusCode::SERVICE_UNAVAILABLE),
            _ => Ok(Json(1_250)),
        }
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/prices", listener.local_addr().unwrap());
    let routes = Router::new().route("/prices/{sku}", get(price)).with_state(Arc::default());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

/// Posts until the order is placed: what a browser does whose user clicks again.
async fn place(http: &reqwest::Client, service: &str, id: u32) -> Value {
    let began = Instant::now();
    loop {
        let order = http.post(format!("{service}/orders/{id}")).json(&json!({"sku": "lamp"}));
        let response = order.send().await.unwrap();
        if response.status().is_success() {
            return response.json().await.unwrap();
        }
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{}", response.text().await.unwrap());
        assert!(began.elapsed() < Duration::from_secs(60), "the order is never placed");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_service_places_each_order_once_under_load_while_the_node_is_killed() {
    const ORDERS: u32 = 200;
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let address = node.address();
    let environment = [("MAINSTAY_URL", node.url.as_str()), ("PRICES_URL", &start_prices().await)];
    let service = Example::start("order_service", &[], &environment);
    let service = service.says("listening on ").await;
    let url = format!("http://{}", service.said());
    let http = reqwest::Client::new();
    // Every order is submitted twice at the same time.
    let submitted = (0..ORDERS * 2).map(|n| {
        let (http, url) = (http.clone(), url.clone());
        async move { place(&http, &url, n / 2).await }
    });
    let mut placed = futures_util::stream::iter(submitted).buffer_unordered(50);
    let mut orders = Vec::new();
    let mut node = Some(node);
    while let Some(order) = placed.next().await {
        orders.push(order);
        if orders.len() == 100 {
            node.take().unwrap().kill();
            let (data, address) = (data.path().to_owned(), address.clone());
            let start = move || Node::start_with(&data, &["--listen", &address]);
            node = Some(tokio::task::spawn_blocking(start).await.unwrap());
        }
    }
    assert_eq!(orders.len() as u32, ORDERS * 2);
    assert!(orders.iter().all(|order| *order == json!({"sku": "lamp", "cents": 1_250})), "{orders:?}");
    let client = Client::builder(&node.as_ref().unwrap().url).retry(Retry::never()).build().unwrap();
    assert_eq!(client.read_all().events().count().await as u32, ORDERS, "one event per order");
    assert_eq!(client.streams("order-").count().await as u32, ORDERS);
}

/// The projection's rows: product, orders, cents.
fn rows(file: &std::path::Path) -> Vec<(String, u64, u64)> {
    let database = rusqlite::Connection::open(file).unwrap();
    let Ok(mut query) = database.prepare("SELECT sku, orders, cents FROM sales ORDER BY sku") else {
        return Vec::new();
    };
    let row = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64))
    };
    query.query_map([], row).unwrap().map(Result::unwrap).collect()
}

fn counted(rows: &[(String, u64, u64)]) -> u64 {
    rows.iter().map(|row| row.1).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_projection_counts_each_event_once_however_often_it_is_killed() {
    const ROUNDS: u64 = 5;
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = Client::new(&node.url).unwrap();
    let file = data.path().join("sales.sqlite");
    let wait_for = async |count: u64| {
        let began = Instant::now();
        while counted(&rows(&file)) < count {
            assert!(began.elapsed() < Duration::from_secs(60), "the projection does not catch up");
            tokio::task::yield_now().await;
        }
    };
    for round in 0..ROUNDS {
        let projection = Example::start("sqlite_projection", &[&node.url, file.to_str().unwrap()], &[]);
        for n in 0..100_u64 {
            let order =
                NewEvent::new("order.placed").data(&json!({"sku": format!("sku-{}", n % 3), "cents": n}));
            client.append(format!("order-{round}-{n}"), [order.unwrap()]).await.unwrap();
            client.append("other", [NewEvent::new("order.placed")]).await.unwrap();
        }
        // Killed somewhere in the middle of its work; the last one may finish.
        wait_for(round * 100 + if round + 1 == ROUNDS { 100 } else { 20 }).await;
        projection.kill();
    }
    let sum = |sku: u64| (0..100_u64).filter(|n| n % 3 == sku).sum::<u64>() * ROUNDS;
    let want = [(34, sum(0)), (33, sum(1)), (33, sum(2))];
    let want: Vec<_> = (0..3)
        .zip(want)
        .map(|(sku, (orders, cents))| (format!("sku-{sku}"), orders * ROUNDS, cents))
        .collect();
    assert_eq!(rows(&file), want);
}
