//! A dependency fails and recovers: `cargo run -p mainstay-resilience --features async --example breaker`.

use mainstay_resilience::breaker;
use mainstay_resilience::guard::{CallError, CallOptions, Guard, Policy};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let breaker = breaker::Config::new()
        .consecutive_failures(3)
        .open_for(Duration::from_millis(300))
        .probes(2)
        .ramp_for(Duration::ZERO);
    let guard = Guard::new("billing", Policy::new().breaker(breaker))?;
    for call in 0..14 {
        // Down for the first half second.
        let works = call >= 7;
        let billing = |_| async move { if works { Ok("paid") } else { Err("connection refused") } };
        match guard.call_with(CallOptions::default(), billing).await {
            Ok(result) => println!("{call:2}: {result}"),
            Err(CallError::Rejected(rejected)) => println!("{call:2}: not called: {rejected}"),
            Err(error) => println!("{call:2}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(70)).await;
    }
    Ok(())
}
