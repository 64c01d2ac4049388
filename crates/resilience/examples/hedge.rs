//! One response in thirty is slow: `cargo run -p mainstay-resilience --features async --example hedge`.

use mainstay_resilience::guard::{CallOptions, Guard, Policy};
use mainstay_resilience::hedge;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    for hedge in [None, Some(hedge::Config::new())] {
        let name = if hedge.is_some() { "hedged" } else { "plain" };
        let guard = Guard::new("search", Policy::new().hedge(hedge))?;
        let sent = AtomicU32::new(0);
        let mut took = Vec::new();
        for _ in 0..300 {
            let begun = Instant::now();
            let search = |_| {
                let is_slow = sent.fetch_add(1, Ordering::Relaxed) % 30 == 29;
                async move {
                    tokio::time::sleep(Duration::from_millis(if is_slow { 200 } else { 4 })).await;
                    Ok::<_, std::io::Error>(())
                }
            };
            guard.call_with(CallOptions::safe(), search).await?;
            took.push(begun.elapsed().as_millis());
        }
        took.sort_unstable();
        println!("{name:6}: p50 {} ms, p98 {} ms, {} requests", took[150], took[294], sent.into_inner());
    }
    Ok(())
}
