//! The web server that has the feature. Like many, it has a fixed number of threads for requests.

use crate::{Result, report};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use mainstay_client::{NewTask, Queue, TaskState};
use serde_json::{Value, json};
use std::time::Duration;

/// Requests that are worked on at the same time.
const THREADS: usize = 4;

/// Starts a shop that makes its reports in the request, and returns its address.
pub(crate) fn start_with_reports_in_requests() -> Result<String> {
    start(Router::new().route("/reports/{month}", post(make)))
}

/// Starts a shop that has its reports made by the workers of a queue, and returns its address.
pub(crate) fn start_with_reports_in(queue: Queue) -> Result<String> {
    start(Router::new().route("/reports/{month}", post(order).get(fetch)).with_state(queue))
}

fn start(reports: Router) -> Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(THREADS)
        .enable_all()
        .build()?;
    std::thread::spawn(move || {
        let serving = async {
            let routes = Router::new().route("/orders/{id}", get(look)).merge(reports);
            axum::serve(tokio::net::TcpListener::from_std(listener)?, routes).await
        };
        runtime.block_on(serving)
    });
    Ok(format!("http://{address}"))
}

/// Runs a request on one of the threads for requests.
async fn on_a_thread(work: impl FnOnce() -> Value + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Json(done).into_response(),
        Err(error) => failed(&error),
    }
}

async fn look(Path(id): Path<u64>) -> Response {
    on_a_thread(move || json!({"order": id, "state": "sent"})).await
}

async fn make(Path(month): Path<String>) -> Response {
    on_a_thread(move || report::make(&month)).await
}

/// The month is the id of the task: a user who clicks twice gets one report.
async fn order(State(queue): State<Queue>, Path(month): Path<String>) -> Response {
    let task = match NewTask::new("monthly").id(&month).payload(&month) {
        Ok(task) => task,
        Err(error) => return failed(&error),
    };
    match queue.enqueue(&task).await {
        Ok(_) => StatusCode::ACCEPTED.into_response(),
        Err(error) => failed(&error),
    }
}

async fn fetch(State(queue): State<Queue>, Path(month): Path<String>) -> Response {
    match queue.task_once_ended(&month, Duration::from_secs(10)).await {
        Ok(task) if task.state == TaskState::Done => Json(task.result).into_response(),
        Ok(_) => StatusCode::ACCEPTED.into_response(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response()
}
