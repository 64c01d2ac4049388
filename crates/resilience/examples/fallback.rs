//! A cached price is better than none: `cargo run -p mainstay-resilience --features tower --example fallback`.

use mainstay_resilience::fallback::When;
use mainstay_resilience::guard::Policy;
use mainstay_resilience::tower::{BoxError, ClassifyWith, FallbackLayer, GuardLayer};
use mainstay_resilience::{Outcome, breaker};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let classify = ClassifyWith::new(|result: Result<&u32, &BoxError>| match result {
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Failure,
    });
    let breaker = breaker::Config::new().consecutive_failures(2);
    let policy = Policy::new().breaker(breaker);
    let cached = |error: &BoxError| {
        println!("  ({error}; using the cached price)");
        995
    };
    let mut prices = ServiceBuilder::new()
        .layer(FallbackLayer::new(When::AnyFailure, cached))
        .layer(GuardLayer::from_policy("prices", policy, classify)?)
        .service(service_fn(|_item: &'static str| async { Err::<u32, BoxError>("no route".into()) }));
    for item in ["tea", "milk", "sugar"] {
        println!("{item}: {} cents", prices.ready().await?.call(item).await?);
    }
    Ok(())
}
