//! A payment endpoint that is safe to retry: axum, and an idempotency key in Mainstay.
//!
//! `POST /payments` with an `Idempotency-Key` pays once. Every other request with the key gets the response of the
//! first one. The variables `MAINSTAY_URL` and `LISTEN` override the addresses in `main`.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::post};
use mainstay_client::{Client, Error, NewEvent, OnceError, StoredResponse};
use serde_json::{Value, json};
use std::env;

/// Charges the customer. Here, a charge is an event, whose id makes it safe to try again after an error.
async fn charge(store: &Client, key: &str, body: &[u8]) -> Result<Value, Error> {
    let order: Value = serde_json::from_slice(body).map_err(|error| Error::Request(error.to_string()))?;
    let event = NewEvent::new("payment.charged").id(key).data(&order)?;
    let charged = store.append("payments", [event]).await?;
    Ok(json!({"payment": charged.last_revision().0, "amount": order["amount"]}))
}

async fn pay(State(store): State<Client>, headers: HeaderMap, body: axum::body::Bytes) -> Response {
    let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) else {
        return (StatusCode::BAD_REQUEST, "send an Idempotency-Key").into_response();
    };
    let once = store.once(format!("payments/{key}")).fingerprint(&body);
    let response = once.run(async |_| StoredResponse::json(201, &charge(&store, key, &body).await?)).await;
    match response {
        Ok(stored) => respond(&stored),
        Err(OnceError::Store(error)) if error.is_execution_in_progress() => {
            let retry_after = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
            (StatusCode::CONFLICT, retry_after, "the payment is in progress").into_response()
        }
        Err(OnceError::Store(error)) if error.is_fingerprint_different() => {
            (StatusCode::UNPROCESSABLE_ENTITY, "the key was used for another payment").into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

fn respond(stored: &StoredResponse) -> Response {
    let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    match stored.body() {
        Ok(body) => (status, json, body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let variable = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let url = variable("MAINSTAY_URL", "http://127.0.0.1:7070");
    let store = Client::builder(&url).token_from_environment().build()?;
    let listener = tokio::net::TcpListener::bind(variable("LISTEN", "127.0.0.1:8080")).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/payments", post(pay)).with_state(store)).await?;
    Ok(())
}
