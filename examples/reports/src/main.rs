//! The story of a report feature that grows, in four steps that each print what they measured before and after.
//!
//! ```text
//!   main ── 1, 2, 3, 4 ──► steps/   what is compared, and the figures
//!                           │  shop.rs    the web server that has the feature
//!                           │  load.rs    its users, and their latencies
//!                           │  process.rs other processes of this program: workers, timers, leaders
//!                           └─ report.rs  the work itself
//! ```
//!
//! `MAINSTAY_URL` is the node. The script `run` beside this file starts one.

mod load;
mod process;
mod report;
mod shop;
mod steps;

use mainstay_client::Client;
use std::env;

/// Everything that can go wrong here ends the program.
type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result {
    let url = env::var("MAINSTAY_URL").unwrap_or_else(|_| "http://127.0.0.1:7070".to_owned());
    let store = Client::builder(&url).token_from_environment().build()?;
    match env::args().nth(1).as_deref() {
        Some("1") => steps::in_the_request::run().await,
        Some("2") => steps::in_a_queue::run(&store).await,
        Some("3") => steps::every_night::run(&store).await,
        Some("4") => steps::charged_once::run(&store).await,
        Some(role) => process::play(role, &store).await,
        None => Err("say which step: 1, 2, 3 or 4".into()),
    }
}
