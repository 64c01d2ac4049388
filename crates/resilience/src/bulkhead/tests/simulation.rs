//! Adaptive limits in front of a simulated server: where they settle, what they cost in latency, and how they
//! follow a change of its capacity.

use super::super::{Aimd, Config, Gradient, Limit, Request, State, Ticket};
use crate::contract::{Decide, Input, Outcome, Time};
use crate::test_rng::Rng;
use core::cmp::Reverse;
use core::time::Duration;
use std::collections::BinaryHeap;

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLI;

/// A server with a fixed number of workers and an unbounded queue. Callers arrive in an open loop.
struct Server {
    config: Config,
    state: State,
    rng: Rng,
    now: u64,
    /// When each worker becomes free.
    workers: Vec<u64>,
    /// How long a call takes without queueing, plus or minus a fifth.
    service: u64,
    /// The offered load, in percent of the capacity.
    offered_percent: u64,
    under_way: BinaryHeap<Reverse<(u64, u64)>>,
    tickets: Vec<(u64, Ticket)>,
}

/// The results of a simulated run.
#[derive(Debug)]
struct Measured {
    /// The lowest, mean and highest limit.
    limit: (u32, u64, u32),
    /// The mean latency, in percent of the service time.
    latency_percent: u64,
    /// The 99th percentile of the latency.
    late_percent: u64,
    /// The served calls, in percent of the capacity.
    served_percent: u64,
}

impl Server {
    fn new(limit: Limit, workers: usize, service: u64) -> Self {
        let config = Config { limit, queue_max: 0, ..Config::default() };
        assert_eq!(config.check(), Ok(()));
        Self {
            state: config.state(),
            config,
            rng: Rng(7),
            now: 0,
            workers: vec![0; workers],
            service,
            offered_percent: 200,
            under_way: BinaryHeap::new(),
            tickets: Vec::new(),
        }
    }

    fn limit(&self) -> u32 {
        self.config.snapshot(&self.state, Time::from_nanos(self.now)).limit
    }

    /// Ends all calls that finish by then.
    fn end_calls(&mut self, until: u64, latencies: &mut Vec<u64>) {
        while let Some(Reverse((done, id))) = self.under_way.peek().copied().filter(|next| next.0.0 <= until)
        {
            self.under_way.pop();
            let place = self.tickets.iter().position(|(known, _)| *known == id).unwrap();
            let (_, ticket) = self.tickets.swap_remove(place);
            latencies.push(done - ticket.begun().as_nanos());
            let input = Input::at(Time::from_nanos(done));
            self.config.tell(&mut self.state, input, ticket, Outcome::Success, 1);
        }
    }

    fn run(&mut self, seconds: u64) -> Measured {
        let (end, mut latencies, mut limits) = (self.now + seconds * SECOND, Vec::new(), Vec::new());
        let mut id = self.now;
        while self.now < end {
            let between = self.service * 100 / self.offered_percent / self.workers.len() as u64;
            self.now += 1 + self.rng.below(between * 2);
            self.end_calls(self.now, &mut latencies);
            limits.push(self.limit());
            let input = Input::at(Time::from_nanos(self.now));
            let Some(ticket) = self.config.ask(&mut self.state, input, Request::default()).admitted() else {
                continue;
            };
            let service = self.service * 4 / 5 + self.rng.below(self.service * 2 / 5);
            let worker = self.workers.iter_mut().min().unwrap();
            *worker = self.now.max(*worker) + service;
            id += 1;
            self.under_way.push(Reverse((*worker, id)));
            self.tickets.push((id, ticket));
        }
        latencies.sort_unstable();
        let mean = latencies.iter().sum::<u64>() / latencies.len() as u64;
        let could = seconds * SECOND / self.service * self.workers.len() as u64;
        Measured {
            limit: (
                *limits.iter().min().unwrap(),
                limits.iter().map(|limit| u64::from(*limit)).sum::<u64>() / limits.len() as u64,
                *limits.iter().max().unwrap(),
            ),
            latency_percent: mean * 100 / self.service,
            late_percent: latencies[latencies.len() * 99 / 100] * 100 / self.service,
            served_percent: latencies.len() as u64 * 100 / could,
        }
    }
}

/// Three sizes of server.
const SIZES: [usize; 3] = [4, 16, 100];

fn aimd() -> Limit {
    // Twice the latency without queueing.
    Limit::Aimd(Aimd { latency_target: Duration::from_millis(100), ..Aimd::default() })
}

/// Checks that the server works near its capacity, and that calls queue for little longer than the work takes.
fn check_settled(measured: &Measured, most_percent: u64, told: &str) {
    assert!(measured.served_percent >= 95, "{told}: {measured:?}");
    assert!(measured.latency_percent <= most_percent, "{told}: {measured:?}");
    assert!(measured.late_percent <= most_percent * 3 / 2, "{told}: {measured:?}");
}

#[test]
fn with_too_high_a_limit_twice_the_capacity_makes_every_call_late() {
    let mut server = Server::new(Limit::Fixed(320), 16, 50 * MILLI);
    server.run(20);
    let measured = server.run(20);
    assert!(measured.latency_percent > 1_900, "{measured:?}");
}

#[test]
fn aimd_settles_at_its_target_latency() {
    for workers in SIZES {
        let mut server = Server::new(aimd(), workers, 50 * MILLI);
        server.run(30);
        let measured = server.run(60);
        check_settled(&measured, 200, &format!("{workers} workers"));
        let (_, mean, most) = measured.limit;
        assert!(
            mean >= workers as u64 && most as usize <= workers * 5 / 2,
            "{workers} workers: {measured:?}"
        );
    }
}

#[test]
fn aimd_follows_a_capacity_that_halves_and_comes_back() {
    for workers in [16, 100] {
        let mut server = Server::new(aimd(), workers, 50 * MILLI);
        server.run(30);
        server.workers.truncate(workers / 2);
        server.run(20);
        check_settled(&server.run(20), 200, &format!("half of {workers} workers"));
        server.workers.resize(workers, server.now);
        server.run(30);
        check_settled(&server.run(20), 200, &format!("{workers} workers again"));
    }
}

#[test]
fn the_gradient_settles_near_the_capacity_without_being_told_a_latency() {
    for workers in SIZES {
        for service in [5 * MILLI, 50 * MILLI] {
            let mut server = Server::new(Limit::Gradient(Gradient::default()), workers, service);
            server.run(20);
            let measured = server.run(40);
            let told = format!("{workers} workers, {service} ns");
            check_settled(&measured, 250, &told);
            let (_, mean, most) = measured.limit;
            assert!(mean >= workers as u64 && most as usize <= workers * 3, "{told}: {measured:?}");
        }
    }
}

#[test]
fn the_gradient_follows_a_capacity_that_halves_and_comes_back() {
    for workers in [16, 100] {
        let mut server = Server::new(Limit::Gradient(Gradient::default()), workers, 50 * MILLI);
        server.run(40);
        server.workers.truncate(workers / 2);
        server.run(20);
        check_settled(&server.run(20), 250, &format!("half of {workers} workers"));
        server.workers.resize(workers, server.now);
        server.run(20);
        check_settled(&server.run(20), 250, &format!("{workers} workers again"));
    }
}

#[test]
fn the_gradient_learns_that_the_work_itself_became_slower_or_faster() {
    let mut server = Server::new(Limit::Gradient(Gradient::default()), 16, 50 * MILLI);
    server.run(40);
    for service in [100 * MILLI, 25 * MILLI] {
        server.service = service;
        // Long enough to measure the baseline again.
        server.run(60);
        let measured = server.run(30);
        check_settled(&measured, 250, &format!("{service} ns"));
        let baseline = server.config.snapshot(&server.state, Time::ZERO).baseline.unwrap();
        let share = baseline.as_nanos() as u64 * 100 / service;
        assert!((75..=125).contains(&share), "{share} of a hundred");
    }
}

#[test]
fn the_gradient_does_not_drift_under_sustained_overload() {
    let mut server = Server::new(Limit::Gradient(Gradient::default()), 16, 50 * MILLI);
    server.offered_percent = 500;
    server.run(40);
    let early = server.run(60);
    server.run(400);
    let late = server.run(60);
    assert!(late.limit.1 * 4 <= early.limit.1 * 5, "{early:?}, {late:?}");
    check_settled(&late, 250, "after ten minutes");
}

#[test]
fn a_limit_does_not_grow_while_it_is_not_used() {
    for limit in [aimd(), Limit::Gradient(Gradient::default())] {
        let mut server = Server::new(limit, 16, 50 * MILLI);
        server.offered_percent = 30;
        let measured = server.run(120);
        assert!(measured.limit.2 <= 24, "{measured:?}");
        assert!(measured.latency_percent <= 110, "{measured:?}");
    }
}
