//! Fails twice, then works; and what is not safe is not repeated: `cargo run -p mainstay-resilience --features async
//! --example retry`.

use mainstay_resilience::guard::{Attempt, Call, Guard, Policy, errors_are_failures};
use mainstay_resilience::retry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let policy = Policy::new().retry(retry::Config::new());
    let guard = Guard::new("inventory", policy)?;
    let flaky = |attempt: Attempt| async move {
        println!("  attempt {}", attempt.number);
        if attempt.number < 3 { Err("reset by peer") } else { Ok("12 in stock") }
    };
    println!("a read, which may be repeated:");
    println!("  {:?}", guard.call(Call::safe(), flaky, errors_are_failures).await);
    println!("a payment, which may not:");
    println!("  {:?}", guard.call(Call::default(), flaky, errors_are_failures).await);
    if let Some(retry) = guard.retry() {
        println!("{:?}", retry.snapshot(guard.now()));
    }
    Ok(())
}
