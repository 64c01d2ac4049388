//! Payment endpoints that are safe to retry: the example in Rust, and the Python server that the page shows.

use crate::node::Node;
use crate::process::Example;
use mainstay_client::Client;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Pays until there is a response: what a client does that has lost one.
async fn pay(http: &reqwest::Client, url: &str, key: &str, amount: u32) -> Value {
    loop {
        let payment = http.post(url).header("idempotency-key", key).json(&json!({"amount": amount}));
        let response = payment.send().await.unwrap();
        match response.status().as_u16() {
            201 => return response.json().await.unwrap(),
            409 => assert!(response.headers().contains_key("retry-after")),
            other => panic!("{other}: {}", response.text().await.unwrap()),
        }
        tokio::task::yield_now().await;
    }
}

/// Each of ten payments is made by five requests at the same time.
async fn pay_all(url: &str) -> Vec<Value> {
    let http = reqwest::Client::new();
    let requests = (0..50_u32).map(|n| {
        let (http, url) = (http.clone(), url.to_owned());
        async move { pay(&http, &url, &format!("key-{}", n % 10), n % 10).await }
    });
    let paid = futures_util::future::join_all(requests).await;
    let other = http.post(url).header("idempotency-key", "key-0").json(&json!({"amount": 99}));
    assert_eq!(other.send().await.unwrap().status(), 422, "a key of another payment");
    paid
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payment_service_pays_once_for_each_key() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let service = Example::start("payments", &[], &[("MAINSTAY_URL", node.url.as_str())]);
    let service = service.says("listening on ").await;
    let paid = pay_all(&format!("http://{}/payments", service.said())).await;
    for (n, response) in paid.iter().enumerate() {
        assert_eq!(*response, paid[n % 10], "each request gets the response of the first one");
        assert_eq!(response["amount"], n % 10);
    }
    let payments = Client::new(&node.url).unwrap().read("payments").page().await.unwrap();
    assert_eq!(payments.events.len(), 10);
}

/// The server of docs/idempotency.md; killed when dropped.
struct PythonServer(Child);

impl Drop for PythonServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_server_of_the_page_pays_once_for_each_key() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let page = include_str!("../../../../docs/idempotency.md");
    let (_, program) = page.split_once("```python\n").unwrap();
    let (program, _) = program.split_once("\n```").unwrap();
    let (file, ledger) = (data.path().join("payments.py"), data.path().join("ledger"));
    std::fs::write(&file, program).unwrap();
    let mut command = Command::new("python3");
    command.arg("-u").arg(&file).args([node.url.as_str(), "0"]).arg(&ledger);
    for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    let mut server = PythonServer(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().strip_prefix("listening on ").unwrap();
    let paid = pay_all(&format!("http://127.0.0.1:{port}/")).await;
    for (n, response) in paid.iter().enumerate() {
        assert_eq!(*response, json!({"paid": n % 10}));
    }
    let mut amounts: Vec<String> =
        std::fs::read_to_string(&ledger).unwrap().lines().map(str::to_owned).collect();
    amounts.sort();
    let want: Vec<String> = (0..10).map(|amount| amount.to_string()).collect();
    assert_eq!(amounts, want, "each payment was made once");
}
