//! Twenty callers, three permits, a queue of five: `cargo run -p mainstay-resilience --features async --example
//! bulkhead`.

use mainstay_resilience::bulkhead::{Config, Limit};
use mainstay_resilience::guard::{CallError, CallOptions, Guard, Policy};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bulkhead = Config::new().limit(Limit::Fixed(3)).queue_max(5).wait_max(Duration::from_millis(150));
    let guard = Guard::new("reports", Policy::new().bulkhead(bulkhead))?;
    let callers: Vec<_> = (0..20)
        .map(|caller| {
            let guard = guard.clone();
            tokio::spawn(async move {
                let report = |_| async {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    Ok::<_, std::io::Error>("a report")
                };
                match guard.call_with(CallOptions::default(), report).await {
                    Ok(report) => println!("caller {caller:2}: {report}"),
                    Err(CallError::Rejected(rejected)) => println!("caller {caller:2}: {rejected}"),
                    Err(error) => println!("caller {caller:2}: {error}"),
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await?;
    }
    Ok(())
}
