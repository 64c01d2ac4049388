//! A call that fails twice and then succeeds; a call that is not safe to repeat is not retried:
//! `cargo run -p mainstay-resilience --features async --example retry`.

use mainstay_resilience::guard::{Attempt, CallOptions, Guard, Policy};
use mainstay_resilience::retry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let policy = Policy::new().retry(retry::Config::new());
    let guard = Guard::new("inventory", policy)?;
    let flaky = |attempt: Attempt| async move {
        println!("  attempt {}", attempt.number);
        if attempt.number < 3 { Err("reset by peer") } else { Ok("12 in stock") }
    };
    println!("a read, which is safe to repeat:");
    println!("  {:?}", guard.call_with(CallOptions::safe(), flaky).await);
    println!("a payment, which is not:");
    println!("  {:?}", guard.call_with(CallOptions::default(), flaky).await);
    println!("{:?}", guard.snapshot().retry);
    Ok(())
}
