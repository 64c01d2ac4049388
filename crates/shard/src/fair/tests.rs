//! What a queue shared by tenants promises. `weight acme 3` and `forget acme` are lines of the scripts of queues, and
//! `fair acme` is a property of a task.

use crate::queue::tests::{Script, queue};
use crate::{limit, query};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use model::{TenantName, limits};

/// Enqueues this many tasks of a tenant, which are called after it and a number.
fn add(script: &mut Script, tenant: &str, tasks: usize) {
    for number in 0..tasks {
        let fair = if tenant == "-" { String::new() } else { format!("fair {tenant}") };
        assert_eq!(script.run(format!("add {tenant}.{number} {fair}").trim()), "added");
    }
}

/// The tenant of a granted task.
fn tenant_of(granted: &str) -> String {
    granted.split('.').next().unwrap_or_default().to_string()
}

/// One worker runs this many tasks, one after another. How many were of each tenant.
fn served(script: &mut Script, tasks: usize) -> BTreeMap<String, usize> {
    let mut served = BTreeMap::new();
    for _ in 0..tasks {
        let granted = script.run("claim 1");
        let (task, _) = granted.split_once('#').unwrap();
        *served.entry(tenant_of(task)).or_default() += 1;
        script.run(&format!("done {task}"));
    }
    served
}

fn is_about(found: Option<&usize>, wanted: usize) -> bool {
    found.is_some_and(|found| found.abs_diff(wanted) <= 1)
}

#[test]
fn one_worker_serves_tenants_by_their_weights() {
    for (weights, wanted) in [
        (&[("a", 1), ("b", 1)][..], &[100, 100][..]),
        (&[("a", 3), ("b", 1)], &[150, 50]),
        (&[("a", 100), ("b", 1)], &[198, 2]),
        (&[("a", 2), ("b", 3), ("c", 5)], &[40, 60, 100]),
        (&[("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 6)], &[20, 20, 20, 20, 120]),
    ] {
        let mut script = Script::default();
        for (tenant, weight) in weights {
            script.run(&format!("weight {tenant} {weight}"));
            add(&mut script, tenant, 200);
        }
        let served = served(&mut script, 200);
        for ((tenant, _), wanted) in weights.iter().zip(wanted) {
            assert!(is_about(served.get(*tenant), *wanted), "{weights:?}: {served:?}");
        }
    }
}

#[test]
fn tasks_without_a_tenant_are_a_tenant_also_those_from_before() {
    let mut script = Script::default();
    add(&mut script, "-", 100);
    script.run("claim 1; done -.0");
    // The first task that names a tenant does not wait for what was there.
    add(&mut script, "a", 100);
    let served = served(&mut script, 40);
    assert!(is_about(served.get("-"), 20) && is_about(served.get("a"), 20), "{served:?}");
    add(&mut script, "b", 100);
    script.run("weight b 2");
    let served = self::served(&mut script, 40);
    assert!(is_about(served.get("-"), 10) && is_about(served.get("b"), 20), "{served:?}");
}

#[test]
fn a_weight_counts_for_what_is_in_the_queue_already() {
    let mut script = Script::default();
    add(&mut script, "a", 300);
    add(&mut script, "b", 300);
    assert!(is_about(served(&mut script, 40).get("a"), 20));
    script.run("weight a 9");
    let after = served(&mut script, 100);
    assert!(is_about(after.get("a"), 90), "{after:?}");
    script.run("forget a");
    let after = served(&mut script, 100);
    // One more turn was paid for with the weight before.
    assert!(after["a"].abs_diff(50) <= 2, "{after:?}");
}

/// Ten workers. Tasks of `a` take forever, and all others end at once. How many tasks of `a` run in the end.
fn held_by_long_tasks(script: &mut Script) -> usize {
    const WORKERS: usize = 10;
    let mut held = 0;
    for _ in 0..200 {
        let mut short = Vec::new();
        while held + short.len() < WORKERS {
            let granted = script.run("claim 1");
            let Some((task, _)) = granted.split_once('#') else { break };
            if tenant_of(task) == "a" {
                held += 1;
            } else {
                short.push(task.to_string());
            }
        }
        for task in short {
            script.run(&format!("done {task}"));
        }
    }
    held
}

#[test]
fn a_tenant_whose_tasks_take_long_holds_its_share_of_the_workers_and_no_more() {
    let mut script = Script::default();
    add(&mut script, "a", 50);
    add(&mut script, "b", 2_500);
    assert_eq!(held_by_long_tasks(&mut script), 5);
    let mut script = Script::default();
    script.run("weight b 4");
    add(&mut script, "a", 50);
    add(&mut script, "b", 2_500);
    assert_eq!(held_by_long_tasks(&mut script), 2);
    // Alone, it gets all of them.
    let mut script = Script::default();
    add(&mut script, "a", 50);
    assert_eq!(held_by_long_tasks(&mut script), 10);
}

#[test]
fn an_idle_tenant_gathers_no_credit() {
    let mut script = Script::default();
    add(&mut script, "a", 500);
    add(&mut script, "b", 1);
    served(&mut script, 300);
    add(&mut script, "b", 200);
    assert!(served(&mut script, 1).contains_key("a"), "who has waited goes first");
    let after = served(&mut script, 20);
    assert!(is_about(after.get("b"), 10), "{after:?}");
}

#[test]
fn a_tenant_that_always_has_one_task_gets_no_more_than_its_share() {
    let mut script = Script::default();
    script.run("weight a 9");
    add(&mut script, "a", 500);
    let mut of_b = 0;
    script.run("add b.0 fair b");
    for number in 1..=200 {
        let granted = script.run("claim 1");
        let (task, _) = granted.split_once('#').unwrap();
        if tenant_of(task) == "b" {
            of_b += 1;
            script.run(&format!("add b.{number} fair b"));
        }
        script.run(&format!("done {task}"));
    }
    assert!((19..=21).contains(&of_b), "{of_b}");
}

#[test]
fn priorities_keys_and_order_hold_among_tenants() {
    let mut script = Script::default();
    script.run(
        "add x.0 fair x; add y.0 fair y prio 9; add y.1 fair y; add x.1 fair x key k; add y.2 fair y key k",
    );
    // The higher priority first; then turn by turn, and within a tenant the order in which they became ready.
    let order: Vec<String> = (0..5).map(|_| script.run("claim 1")).collect();
    assert_eq!(order, ["y.0#1", "x.0#1", "y.1#1", "x.1#1", ""]);
    assert_eq!(script.run("done x.1; claim 1"), "y.2#1");
    // A task that is returned goes first.
    assert_eq!(script.run("add x.2 fair x; add y.3 fair y; return y.2; claim 1"), "y.2#1");
}

#[test]
fn a_claim_of_many_tasks_is_shared_too() {
    let mut script = Script::default();
    script.run("weight a 3");
    add(&mut script, "a", 100);
    add(&mut script, "b", 100);
    let granted = script.run("claim 40");
    let of_a = granted.split(' ').filter(|task| task.starts_with("a.")).count();
    assert_eq!(granted.split(' ').count(), 40);
    assert!(of_a.abs_diff(30) <= 1, "{granted}");
}

#[test]
fn a_tenant_is_shown_with_what_it_has() {
    let mut script = Script::default();
    script.run("weight a 3; weight z 7; add -.8; add -.9; claim 1; done -.8");
    let unnamed = query::unnamed_tenant(&script.store.rows, &queue()).unwrap();
    assert_eq!((unnamed.waiting, unnamed.running), (1, 0));
    script.run("cancel -.9");
    add(&mut script, "a", 3);
    add(&mut script, "-", 2);
    script.run("claim 2");
    let shown = |script: &Script, name: &str| {
        let view = query::tenant(&script.store.rows, &queue(), &TenantName::new(name.to_string()).unwrap());
        let view = view.unwrap();
        (view.weight, view.waiting, view.running)
    };
    assert_eq!(shown(&script, "a"), (3, 1, 2));
    assert_eq!((shown(&script, "z"), shown(&script, "nobody")), ((7, 0, 0), (1, 0, 0)));
    let unnamed = query::unnamed_tenant(&script.store.rows, &queue()).unwrap();
    assert_eq!((unnamed.waiting, unnamed.running), (2, 0));
    script.run("forget z; forget z; done a.0");
    assert_eq!((shown(&script, "a"), shown(&script, "z")), ((3, 1, 1), (1, 0, 0)));
    let all = |after: Option<&str>, limit| {
        let after = after.map(|name| TenantName::new(name.to_string()).unwrap());
        let found = query::tenants(&script.store.rows, &queue(), after.as_ref(), limit).unwrap();
        found.into_iter().map(|tenant| tenant.name).collect::<Vec<_>>()
    };
    assert_eq!(
        (all(None, 9), all(None, 0), all(Some("a"), 9)),
        (["a".to_string()].to_vec(), Vec::new(), Vec::new())
    );
}

#[test]
fn a_queue_that_is_finished_leaves_nothing_of_its_tenants() {
    let mut script = Script::default();
    script.run("set keep 100");
    add(&mut script, "a", 20);
    add(&mut script, "b", 20);
    add(&mut script, "-", 20);
    script.run("cancel a.3; cancel b.7");
    served(&mut script, 58);
    script.run("tick 200");
    let kept = script.store.rows.keys().filter(|key| matches!(key[6], 33..=35 | 53 | 56..=58)).count();
    assert_eq!(kept, 0);
}

#[test]
fn no_more_than_a_bounded_number_of_tenants_is_passed_over() {
    let mut script = Script::default();
    // Each of them runs more than its share: another tenant has weight, and only tasks of a type that no one claims.
    script.run("weight z 100; add z.0 fair z type other");
    let tenants = 2 * limits::TENANTS_PASSED_MAX;
    for number in 0..tenants {
        add(&mut script, &format!("t{number}"), 2);
    }
    let first = script.run(&format!("claim {tenants} t"));
    assert_eq!(first.split(' ').count(), tenants);
    let next = script.run("claim 1 t");
    assert_eq!(next, format!("t{}.1#1", limits::TENANTS_PASSED_MAX));
}

/// A queue in which tasks of higher priority, other tenants and other keys never end. Each task begins after a number of
/// claims that the test states.
#[test]
fn no_key_tenant_or_priority_starves() {
    const CLAIM_MS: u64 = 1_000;
    const AGEING: u64 = limits::TASK_AGEING_MS / CLAIM_MS;
    for unlucky in ["prio 0", "fair small prio 0", "key k prio 0", "fair small key k", "fair small prio 9"] {
        let mut script = Script::default();
        script.run("set claim 80000000; weight big 100");
        let mut number = 0;
        let mut more = |script: &mut Script| {
            for words in ["prio 9 fair big", "prio 9 fair big key l", "prio 9"] {
                number += 1;
                script.run(&format!("add n.{number} {words}"));
            }
        };
        for _ in 0..20 {
            more(&mut script);
        }
        script.run(&format!("add unlucky.0 {unlucky}"));
        let mut claims = 0;
        loop {
            // The queue never runs empty.
            more(&mut script);
            script.run(&format!("tick {CLAIM_MS}"));
            let granted = script.run("claim 1");
            claims += 1;
            let (task, _) = granted.split_once('#').unwrap();
            if tenant_of(task) == "unlucky" {
                break;
            }
            script.run(&format!("done {task}"));
            // Everything that was ready before it, and the share of a tenant of weight 1 among 102.
            assert!(claims <= 2 * AGEING + 60 + 102, "{unlucky} starves");
        }
    }
}

#[test]
fn a_tenant_whose_tasks_have_keys_of_limits_keeps_the_order_of_these() {
    for (cancelled, granted) in
        [("", "a b c d"), ("a", "b c d"), ("b", "a c d"), ("c", "a b d"), ("d", "a b c")]
    {
        let mut script = limit::tests::Script::default();
        script.run("set q api:payload.host");
        for task in ["a", "b", "c", "d"] {
            script.run(&format!("add q {task} host {task} fair acme"));
        }
        if !cancelled.is_empty() {
            script.run(&format!("cancel {cancelled}"));
        }
        assert_eq!(script.run("claim q 9"), granted);
    }
}
