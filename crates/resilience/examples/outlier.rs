//! One of four hosts fails: `cargo run -p mainstay-resilience --features tower --example outlier`.

use mainstay_resilience::tower::{BoxError, ClassifyWith, Hosts};
use mainstay_resilience::{Outcome, outlier};
use tower::{ServiceExt, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), mainstay_resilience::ConfigError> {
    let classify = ClassifyWith::new(|result: Result<&u32, &BoxError>| match result {
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Failure,
    });
    let host = |number: u32| {
        service_fn(move |(): ()| async move {
            if number == 2 { Err::<u32, BoxError>("out of memory".into()) } else { Ok(number) }
        })
    };
    let hosts = Hosts::new("search", outlier::Config::default(), (0..4).map(host).collect(), classify)?;
    let (mut good, mut bad) = (0, 0);
    for _ in 0..1_000 {
        match hosts.clone().oneshot(()).await {
            Ok(_) => good += 1,
            Err(_) => bad += 1,
        }
    }
    println!("{good} succeeded, {bad} failed: after five failures in a row the host was ejected");
    Ok(())
}
