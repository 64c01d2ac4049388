//! Guards by key.

use super::*;

fn guards(policy: Policy, keys_max: u32) -> Guards<u32> {
    Guard::builder("tenants").policy(policy).build_keyed(keys_max).expect("valid")
}

fn keys(guards: &Guards<u32>) -> Vec<u32> {
    let mut keys: Vec<u32> = guards.entries().into_iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test(start_paused = true)]
async fn each_key_has_a_guard_of_its_own() {
    let guards = guards(Policy::new().breaker(tripping()), 10);
    for _ in 0..2 {
        assert_eq!(bad(&guards.get(&1)).await, Err(CallError::Failed("down")));
    }
    assert_eq!(rejected_by(&good(&guards.get(&1)).await), Some(Reason::BreakerOpen));
    assert_eq!(good(&guards.get(&2)).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn the_least_recently_used_idle_guard_is_removed_first() {
    let guards = guards(Policy::new().breaker(tripping()).bulkhead(permits(1, 0)), 3);
    guards.get(&1).trip();
    let busy = guards.get(&2);
    let mut held = Box::pin(never(&busy));
    let _ = poll_once(held.as_mut()).await;
    sleep(MS(1)).await;
    guards.get(&3);
    sleep(MS(1)).await;
    guards.get(&4);
    assert_eq!(keys(&guards), [1, 2, 4], "neither the open nor the busy one leaves");
}

#[tokio::test(start_paused = true)]
async fn keys_share_one_guard_while_none_is_idle() {
    let guards = guards(Policy::new().breaker(tripping()), 1);
    guards.get(&1).trip();
    guards.get(&2).trip();
    assert_eq!(rejected_by(&good(&guards.get(&3)).await), Some(Reason::BreakerOpen), "shared with 2");
    assert_eq!(keys(&guards), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_new_policy_reaches_every_guard_existing_and_future() {
    let guards = guards(Policy::new(), 10);
    let early = guards.get(&1);
    guards.configure(Policy::new().timeout(MS(10))).expect("valid");
    for guard in [early, guards.get(&2)] {
        assert_eq!(never(&guard).await, Err(CallError::TimedOut(MS(10))));
    }
    let error = guards.configure(Policy::new().timeout(MS(0))).expect_err("no time");
    assert_eq!(error.field, "timeout_ms");
}
