//! When a bulkhead fills up, important calls go first:
//! `cargo run -p mainstay-resilience --features async --example shed`.

use mainstay_resilience::bulkhead::{Config, Limit};
use mainstay_resilience::guard::{CallOptions, Guard, Policy};
use mainstay_resilience::shed::{self, Priority};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bulkhead = Config::new().limit(Limit::Fixed(10)).queue_max(0).shed(shed::Config::new());
    let guard = Guard::new("checkout", Policy::new().bulkhead(bulkhead))?;
    let mut callers = Vec::new();
    for caller in 0..30 {
        let priority = [Priority::Low, Priority::Normal, Priority::Critical][caller % 3];
        let guard = guard.clone();
        callers.push(tokio::spawn(async move {
            let work = |_| async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok::<_, std::io::Error>(())
            };
            let call = CallOptions { priority, ..CallOptions::default() };
            (priority, guard.call_with(call, work).await.is_ok())
        }));
    }
    let mut served = std::collections::BTreeMap::new();
    for caller in callers {
        let (priority, was_served) = caller.await?;
        *served.entry(priority).or_insert(0) += u32::from(was_served);
    }
    println!("calls served, of ten of each priority: {served:?}");
    Ok(())
}
