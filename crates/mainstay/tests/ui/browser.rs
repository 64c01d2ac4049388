//! A real Chromium, driven through WebDriver (W3C): each test has a browser of its own, with an empty profile.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mainstay_client::blocking::Client;
use mainstay_client::{Request, Retry};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A page that does not get there in this time, in milliseconds, will not.
const WAIT_MAX_MS: u64 = 30_000;
/// The time limit of a request to the driver: longer than what it waits for itself.
const COMMAND_MAX: Duration = Duration::from_secs(60);

const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1200,900",
];

/// Keys as WebDriver names them.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const PAGE_UP: &str = "\u{e00e}";
pub(crate) const PAGE_DOWN: &str = "\u{e00f}";
pub(crate) const END: &str = "\u{e010}";
pub(crate) const HOME: &str = "\u{e011}";
pub(crate) const LEFT: &str = "\u{e012}";
pub(crate) const UP: &str = "\u{e013}";
pub(crate) const RIGHT: &str = "\u{e014}";
pub(crate) const DOWN: &str = "\u{e015}";

/// A browser with one window; ended when dropped.
pub(crate) struct Browser {
    driver: Child,
    client: Client,
    session: String,
    _profile: TempDir,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("NOT RUN: chromium-driver is not installed; `cargo xtask setup` installs it");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| {
                line.ok()?.rsplit_once("started successfully on port ").map(|(_, port)| port.to_owned())
            })
            .expect("chromedriver says its port");
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://127.0.0.1:{}", port.trim_end_matches('.'));
        let client = mainstay_client::Client::builder(&url)
            .retry(Retry::never())
            .timeout(COMMAND_MAX)
            .build_blocking()
            .unwrap();
        let mut browser = Self { driver, client, session: String::new(), _profile: profile };
        let profile = format!("--user-data-dir={}", browser._profile.path().display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": WAIT_MAX_MS, "pageLoad": WAIT_MAX_MS},
        }}});
        let session = browser.command("POST", "/session", &capabilities);
        session["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        browser
    }

    /// Sends a command to the driver, and returns its value.
    #[track_caller]
    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut request = Request::new(method, path).unwrap();
        if method == "POST" {
            request = request.body("application/json", body.to_string());
        }
        let response = self.client.send(&request).unwrap();
        let mut said: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(response.status, 200, "{method} {path} {body}: {said}");
        said["value"].take()
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        self.command("POST", &format!("/session/{}/{path}", self.session), body)
    }

    #[track_caller]
    pub(crate) fn open(&self, url: &str) {
        self.post("url", &json!({"url": url}));
    }

    /// What an expression of JavaScript is now.
    #[track_caller]
    pub(crate) fn get(&self, expression: &str) -> Value {
        self.post("execute/sync", &json!({"script": format!("return ({expression})"), "args": []}))
    }

    /// Waits until an expression of JavaScript is true, and returns it.
    #[track_caller]
    pub(crate) fn until(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; const end = Date.now() + {WAIT_MAX_MS} - 2000;
             const look = () => {{
               let found; try {{ found = ({expression}); }} catch (error) {{ found = null; }}
               if (found || Date.now() > end) done(found || null); else setTimeout(look, 20);
             }}; look();"
        );
        let found = self.post("execute/async", &json!({"script": script, "args": []}));
        if found.is_null() {
            panic!("never true: {expression}\nthe page:\n{}\nthe log: {:?}", self.text(), self.log());
        }
        found
    }

    /// Runs statements of JavaScript, which end with a call of `done`.
    #[track_caller]
    pub(crate) fn run(&self, statements: &str) -> Value {
        let script = format!("const done = arguments[arguments.length - 1];\n{statements}");
        self.post("execute/async", &json!({"script": script, "args": []}))
    }

    /// Presses and releases keys, one after another, wherever the focus is.
    #[track_caller]
    pub(crate) fn keys(&self, text: &str) {
        let press = |key: char| {
            [
                json!({"type": "keyDown", "value": key.to_string()}),
                json!({"type": "keyUp", "value": key.to_string()}),
            ]
        };
        let actions: Vec<Value> = text.chars().flat_map(press).collect();
        self.post("actions", &json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]}));
    }

    /// Clicks on the first element that a selector finds.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        let found = self.post("element", &json!({"using": "css selector", "value": selector}));
        let element = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.post(&format!("element/{element}/click"), &json!({}));
    }

    /// The texts of all elements that a selector finds.
    #[track_caller]
    pub(crate) fn texts(&self, selector: &str) -> Vec<String> {
        let found =
            self.get(&format!("[...document.querySelectorAll('{selector}')].map((e) => e.innerText)"));
        serde_json::from_value(found).unwrap()
    }

    /// Everything that the page shows.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        self.get("document.body.innerText").as_str().unwrap().to_owned()
    }

    /// What the browser has reported since the last call: errors of scripts, what its policy blocked, failed requests.
    #[track_caller]
    pub(crate) fn log(&self) -> Vec<String> {
        let entries = self.post("se/log", &json!({"type": "browser"}));
        let shown = |entry: &Value| format!("{} {}", entry["level"], entry["message"]);
        entries.as_array().unwrap().iter().map(shown).collect()
    }

    /// A picture of the window, as PNG.
    pub(crate) fn picture(&self) -> Vec<u8> {
        let encoded = self.command("GET", &format!("/session/{}/screenshot", self.session), &Value::Null);
        BASE64_STANDARD.decode(encoded.as_str().unwrap()).unwrap()
    }

    /// What a person would see, with these media features and a window of this width and height.
    #[track_caller]
    pub(crate) fn emulate(&self, features: &Value, (width, height): (u32, u32)) {
        let set = |command: &str, parameters: Value| {
            self.post("goog/cdp/execute", &json!({"cmd": command, "params": parameters}));
        };
        set("Emulation.setEmulatedMedia", json!({"features": features}));
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        set("Emulation.setDeviceMetricsOverride", metrics);
        set("Emulation.setScrollbarsHidden", json!({"hidden": true}));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with the session.
        if let Ok(request) = Request::new("DELETE", format!("/session/{}", self.session)) {
            let _ = self.client.send(&request);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
