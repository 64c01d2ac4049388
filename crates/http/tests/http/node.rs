//! A node with its HTTP side, on threads of its own, stopped when it is dropped.

use http_server::HttpOptions;
use http_server::access::admin::{self, Secret};
use http_server::options::Access;
use std::net::SocketAddr;
use std::path::Path;
use std::thread::JoinHandle;
use subject_keys::{SubjectKeys, WrappingKey};
use telemetry::Metrics;
use telemetry::metrics::Build;
use tokio::sync::oneshot;

/// The token of an administrator, on nodes that ask for tokens.
pub(crate) const ADMIN: &str = "the-token-of-the-first-administrator";

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), runtime::Halted>>>,
    data: Option<tempfile::TempDir>,
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::with(HttpOptions::default())
    }

    pub(crate) fn with(options: HttpOptions) -> Self {
        Self::on(tempfile::tempdir().unwrap(), options, 0, None)
    }

    /// Asks for tokens. Its administrator has [`ADMIN`].
    pub(crate) fn with_tokens() -> Self {
        let attempts_burst = 1_000_000;
        Self::with(HttpOptions { access: Access::Tokens, attempts_burst, ..HttpOptions::default() })
    }

    /// Seals events of subjects.
    pub(crate) fn with_subject_keys(options: HttpOptions) -> Self {
        Self::on(tempfile::tempdir().unwrap(), options, 0, Some(wrapping()))
    }

    /// Stops gracefully, lets `change` change the files, and starts again on them, with the keys of subjects.
    pub(crate) fn restart_with_subject_keys(mut self, change: impl FnOnce(&Path)) -> Self {
        self.stop();
        let data = self.data.take().unwrap();
        change(data.path());
        Self::on(data, HttpOptions::default(), 0, Some(wrapping()))
    }

    /// On a disk that has less free space than the node's reserve.
    pub(crate) fn without_space() -> Self {
        let node = Self::on(tempfile::tempdir().unwrap(), HttpOptions::default(), u64::MAX, None);
        while node.get("/readyz").json()["read_only"].is_null() {
            std::thread::yield_now();
        }
        node
    }

    /// Stops gracefully, and starts again on the same data.
    pub(crate) fn restart(self) -> Self {
        self.restart_after(|_| {})
    }

    /// Stops gracefully, lets `change` change the files, and starts again on them.
    pub(crate) fn restart_after(self, change: impl FnOnce(&Path)) -> Self {
        self.restart_with(HttpOptions::default(), change)
    }

    /// As [`Self::restart_after`], with other options.
    pub(crate) fn restart_with(mut self, options: HttpOptions, change: impl FnOnce(&Path)) -> Self {
        self.stop();
        let data = self.data.take().unwrap();
        change(data.path());
        Self::on(data, options, 0, None)
    }

    /// Waits until the node has stopped on its own, and returns why.
    pub(crate) fn why_it_stopped(mut self) -> String {
        let ended = self.thread.take().unwrap().join().unwrap();
        ended.expect_err("it stopped on its own").to_string()
    }

    fn on(
        data: tempfile::TempDir,
        options: HttpOptions,
        space_reserve_bytes: u64,
        wrapping: Option<WrappingKey>,
    ) -> Self {
        let plain = options.tls.is_none();
        let (stop, stopped) = oneshot::channel::<()>();
        let (listening, address) = std::sync::mpsc::channel();
        let mut node_options = runtime::Options::new(data.path());
        node_options.segment_bytes = 1 << 20;
        node_options.write_task = http_server::write_reaction_task;
        node_options.space_reserve_bytes = space_reserve_bytes;
        let asks_for_tokens = options.access == Access::Tokens;
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(2)
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let metrics = Metrics::new(Build::of("0.0.0"));
                let (handle, task) = runtime::start(&node_options, &metrics).unwrap();
                let address = listener.local_addr().unwrap();
                let subject_keys = wrapping
                    .map(|wrapping| SubjectKeys::open(&node_options.data, handle.store(), wrapping).unwrap());
                let options = HttpOptions { subject_keys, ..options };
                let (http_ended, node_may_end) = oneshot::channel::<()>();
                let given = handle.clone();
                let asks = options.access == Access::Tokens;
                let http = tokio::spawn(async move {
                    let stop = async { drop(stopped.await) };
                    http_server::serve(listener, handle, options, metrics, stop).await;
                    drop(http_ended);
                });
                listening.send(address).unwrap();
                if asks {
                    let secret = Secret::given(ADMIN).unwrap();
                    tokio::spawn(async move { admin::give(&given, &secret).await.unwrap() });
                }
                task.run(async move { drop(node_may_end.await) }).await?;
                http.await.unwrap();
                Ok(())
            })
        });
        let node = Self {
            address: address.recv().unwrap(),
            stop: Some(stop),
            thread: Some(thread),
            data: Some(data),
        };
        // With TLS, the test must ask.
        if plain {
            node.until_ready();
        }
        if plain && asks_for_tokens {
            node.until_known();
        }
        node
    }

    /// Waits until the node knows its administrator.
    fn until_known(&self) {
        let authorization = format!("Bearer {ADMIN}");
        for _ in 0..10_000 {
            match self.request("GET", "/v1", &[("authorization", &authorization)], "").status {
                200 => return,
                // Nobody is told that a token is wrong before the node knows its administrator.
                503 => std::thread::yield_now(),
                other => panic!("{other}"),
            }
        }
        panic!("the node does not know its administrator");
    }

    fn until_ready(&self) {
        for _ in 0..1_000 {
            if self.get("/readyz").status == 200 {
                return;
            }
            std::thread::yield_now();
        }
        panic!("the node did not become ready");
    }

    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

fn wrapping() -> WrappingKey {
    WrappingKey::parse(&"ab".repeat(32)).unwrap()
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}
