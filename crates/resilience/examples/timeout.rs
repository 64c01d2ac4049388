//! Two nested calls under one deadline:
//! `cargo run -p mainstay-resilience --features async --example timeout`.

use mainstay_resilience::guard::{Attempt, CallError, CallOptions, Guard, Policy};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // One attempt may take 400 ms, and a whole call 600 ms.
    let policy = Policy::new().total_timeout(Duration::from_millis(600)).timeout(Duration::from_millis(400));
    let (outer, inner) = (Guard::new("outer", policy.clone())?, Guard::new("inner", policy)?);
    for work_ms in [50, 350, 500] {
        let begun = Instant::now();
        // The inner call gets what is left of the outer deadline, so nobody works for a caller that has left.
        let through = |attempt: Attempt| {
            let call = CallOptions { deadline: attempt.deadline, ..CallOptions::default() };
            let work = move |_| async move {
                tokio::time::sleep(Duration::from_millis(work_ms)).await;
                Ok::<_, std::io::Error>("done")
            };
            inner.call_with(call, work)
        };
        let result: Result<_, CallError<_>> = outer.call_with(CallOptions::default(), through).await;
        let result = result.map_err(|error| error.to_string());
        println!("{work_ms} ms of work: {result:?} after {} ms", begun.elapsed().as_millis());
    }
    Ok(())
}
