//! Five calls per second, with a burst of three:
//! `cargo run -p mainstay-resilience --features async --example rate_limit`.

use mainstay_resilience::guard::{CallError, CallOptions, Guard, Policy};
use mainstay_resilience::policy::RateLimit;
use mainstay_resilience::rate::token_bucket;
use std::time::{Duration, Instant};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bucket =
        token_bucket::Config::new().tokens(5).per(Duration::from_secs(1)).burst(3).wait_max(Duration::ZERO);
    let policy = Policy::new().rate_limit(RateLimit::TokenBucket(bucket));
    let guard = Guard::new("partner", policy)?;
    let begun = Instant::now();
    for _ in 0..10 {
        let call = guard.call_with(CallOptions::default(), |_| async { Ok::<_, std::io::Error>("sent") });
        match call.await {
            Ok(result) => println!("{:4} ms: {result}", begun.elapsed().as_millis()),
            Err(CallError::Rejected(rejected)) => {
                println!("{:4} ms: {rejected}", begun.elapsed().as_millis());
                tokio::time::sleep(rejected.retry_after.unwrap_or_default()).await;
            }
            Err(error) => println!("{error}"),
        }
    }
    Ok(())
}
