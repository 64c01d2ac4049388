//! Permits: acquire one and give it back. Uncontended without waiting, and by 64 tasks that each hold theirs
//! across one yield, so that with 8 permits most of them are in the queue. The yield's own cost is the first
//! row.

mod ours;

use criterion::{Criterion, criterion_group, criterion_main};
use mainstay_resilience::guard::{CallOptions, Guard, Policy};
use mainstay_resilience::shed::Priority;
use mainstay_resilience::sync::{Admission, Bulkhead};
use mainstay_resilience::{Input, Outcome, bulkhead};
use resilience_bench::service::{Failed, Yielding};
use resilience_bench::{Clock, Contest, Row, THREADS, settings};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer as _, Service, ServiceExt as _};
use tower_resilience_bulkhead::BulkheadLayer;

const TASKS: u64 = 64;

fn uncontended(criterion: &mut Criterion) {
    let mut contest = Contest::new(criterion, "permit, none waiting");
    let permits = Semaphore::new(64);
    let row =
        Row { contestant: "tokio Semaphore 1", semantics: "try_acquire, 64 permits", clock: Clock::NotRead };
    contest.both(row, || permits.try_acquire().is_ok());
    let bulkhead = bulkhead_of(64);
    let row = Row {
        contestant: "mainstay-resilience",
        semantics: "acquire and record, 64 permits",
        clock: Clock::NotRead,
    };
    contest.both(row, || {
        let Ok(permit) = bulkhead.try_acquire_at(Input::default(), Priority::Normal) else {
            panic!("no permit, though none is in use")
        };
        permit.record_at(Input::default(), Outcome::Success);
    });
    contest.finish();
}

fn contended(criterion: &mut Criterion) {
    let mut contest = Contest::new(criterion, "permit, 64 tasks");
    let row = |contestant, semantics, clock| Row { contestant, semantics, clock };
    tasks(&mut contest, row("no limit", "the yield alone", Clock::NotRead), tokio::task::yield_now);
    for permits in [8, 64] {
        let semantics = if permits == 8 { "8 permits, first come, first served" } else { "64 permits" };
        let semaphore = Arc::new(Semaphore::new(permits as usize));
        tasks(&mut contest, row("tokio Semaphore 1", semantics, Clock::NotRead), move || {
            let semaphore = semaphore.clone();
            async move {
                let permit = semaphore.acquire().await;
                assert!(permit.is_ok());
                tokio::task::yield_now().await;
            }
        });
    }
    for permits in [8, 64] {
        let semantics = if permits == 8 { "8 permits, first come, first served" } else { "64 permits" };
        let bulkhead = Arc::new(bulkhead_of(permits));
        tasks(&mut contest, row("mainstay-resilience, shared policy", semantics, Clock::NotRead), move || {
            let bulkhead = bulkhead.clone();
            async move {
                let input = Input::default();
                let permit = match bulkhead.enter_at(input, Priority::Normal) {
                    Ok(Admission::Permit(permit)) => permit,
                    Ok(Admission::Queued(queued)) => queued.await,
                    Err(rejected) => panic!("{rejected}"),
                };
                tokio::task::yield_now().await;
                permit.record_at(input, Outcome::Success);
            }
        });
        let semaphore = Arc::new(Semaphore::new(permits as usize));
        let timed = row("tokio Semaphore 1 in a timeout of 60 s", semantics, Clock::Read);
        tasks(&mut contest, timed, move || {
            let semaphore = semaphore.clone();
            async move {
                let permit = tokio::time::timeout(Duration::from_secs(60), semaphore.acquire()).await;
                assert!(permit.is_ok());
                tokio::task::yield_now().await;
            }
        });
        let policy = Policy::new().bulkhead(permits_of(permits));
        let guard = match Guard::new("bench", policy) {
            Ok(guard) => guard,
            Err(error) => panic!("{error}"),
        };
        tasks(
            &mut contest,
            row("mainstay-resilience, a guard that waits up to 60 s", semantics, Clock::Read),
            move || {
                let guard = guard.clone();
                async move {
                    let work = |_| async {
                        tokio::task::yield_now().await;
                        Ok::<(), Failed>(())
                    };
                    assert!(guard.call_once(CallOptions::default(), work).await.is_ok());
                }
            },
        );
    }
    contest.finish();
}

/// With a queue that is long enough for all waiting callers.
fn permits_of(permits: u32) -> bulkhead::Config {
    let (queue_max, wait_max) = (64, Duration::from_secs(60));
    bulkhead::Config::new().limit(bulkhead::Limit::Fixed(permits)).queue_max(queue_max).wait_max(wait_max)
}

fn bulkhead_of(permits: u32) -> Bulkhead {
    match Bulkhead::new(permits_of(permits)) {
        Ok(bulkhead) => bulkhead,
        Err(error) => panic!("{error}"),
    }
}

fn layers(criterion: &mut Criterion) {
    let mut contest = Contest::new(criterion, "permit, 64 tasks, layer");
    let row = |contestant, semantics, clock| Row { contestant, semantics, clock };
    services(&mut contest, row("bare service", "no limit", Clock::NotRead), Yielding);
    for permits in [8, 64] {
        let ready = if permits == 8 { "8 permits, waits in poll_ready" } else { "64 permits, in poll_ready" };
        let called = if permits == 8 { "8 permits, waits in call" } else { "64 permits, in call" };
        let policy = Policy::new().bulkhead(permits_of(u32::try_from(permits).unwrap_or(8)));
        let ours = ours::layer(policy).layer(Yielding);
        services(&mut contest, row("mainstay-resilience", called, Clock::Read), ours);
        let tower = row("tower ConcurrencyLimit 0.5", ready, Clock::NotRead);
        services(&mut contest, tower, ConcurrencyLimitLayer::new(permits).layer(Yielding));
        let peer = "tower-resilience-bulkhead 0.14";
        let builder = || BulkheadLayer::builder().max_concurrent_calls(permits);
        for (semantics, built) in [(called, builder().build()), (ready, builder().backpressure().build())] {
            match built {
                Ok(layer) => services(&mut contest, row(peer, semantics, Clock::Read), layer.layer(Yielding)),
                Err(error) => panic!("{error}"),
            }
        }
    }
    contest.finish();
}

fn services<S>(contest: &mut Contest<'_>, row: Row, service: S)
where
    S: Service<(), Future: Send, Error: Send> + Clone + Send + Sync + 'static,
{
    contest_of_tasks(contest, row, |count| {
        let mut service = service.clone();
        async move {
            for _ in 0..count {
                let result = match service.ready().await {
                    Ok(service) => service.call(()).await,
                    Err(error) => Err(error),
                };
                assert!(result.is_ok());
            }
        }
    });
}

fn tasks<F: Future<Output = ()> + Send + 'static>(
    contest: &mut Contest<'_>,
    row: Row,
    operation: impl Fn() -> F + Clone + Send + 'static,
) {
    contest_of_tasks(contest, row, move |count| {
        let operation = operation.clone();
        async move {
            for _ in 0..count {
                operation().await;
            }
        }
    });
}

/// Runs the tasks on a runtime of one thread, and of two. Each task does at least one operation.
fn contest_of_tasks<F: Future<Output = ()> + Send + 'static>(
    contest: &mut Contest<'_>,
    row: Row,
    task: impl Fn(u64) -> F,
) {
    for (threads, runtime) in [
        (1, Builder::new_current_thread().enable_time().build()),
        (THREADS, Builder::new_multi_thread().worker_threads(THREADS).enable_time().build()),
    ] {
        let Ok(runtime) = runtime else { panic!("no runtime") };
        contest.timed(row, threads, |iterations| {
            let each = (iterations * threads as u64).div_ceil(TASKS);
            let took = run(&runtime, || task(each));
            // Scaled to exactly as many operations as were requested.
            let done = (each * TASKS) as f64 / threads as f64;
            took.mul_f64(iterations as f64 / done)
        });
    }
}

fn run<F: Future<Output = ()> + Send + 'static>(runtime: &Runtime, task: impl Fn() -> F) -> Duration {
    runtime.block_on(async {
        let start = Instant::now();
        let running: Vec<_> = (0..TASKS).map(|_| tokio::spawn(task())).collect();
        for task in running {
            assert!(task.await.is_ok());
        }
        start.elapsed()
    })
}

criterion_group! { name = benches; config = settings(); targets = uncontended, contended, layers }
criterion_main!(benches);
