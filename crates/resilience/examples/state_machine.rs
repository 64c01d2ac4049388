//! A breaker without a clock, a thread or an allocator of its own, as a replicated state machine has it:
//! `cargo run -p mainstay-resilience --example state_machine`.

use mainstay_resilience::{Decide, Decision, Input, Outcome, Time, breaker};

/// What the log holds: each replica comes to the same state by it.
enum Entry {
    Ask,
    Tell(Outcome),
}

fn main() {
    let config = breaker::Config::new().consecutive_failures(2);
    let log = [
        (10, Entry::Ask),
        (12, Entry::Tell(Outcome::Failure)),
        (20, Entry::Ask),
        (25, Entry::Tell(Outcome::Failure)),
        (30, Entry::Ask),
    ];
    let mut replicas = [config.state(), config.state(), config.state()];
    for state in &mut replicas {
        let mut tickets = Vec::new();
        for (millis, entry) in &log {
            // The entry carries the time and a random number: its proposer chose them, and all replicas use the same.
            let input = Input { now: Time::from_millis(*millis), random: *millis };
            match entry {
                Entry::Ask => match config.ask(state, input, breaker::Request::default()) {
                    Decision::Admit(ticket) => tickets.push(ticket),
                    answer => println!("{millis} ms: {answer:?}"),
                },
                Entry::Tell(outcome) => {
                    if let Some(ticket) = tickets.pop() {
                        println!("{millis} ms: {:?}", config.tell(state, input, ticket, *outcome, 1));
                    }
                }
            }
        }
    }
    println!("the replicas agree: {}", replicas.windows(2).all(|pair| pair[0] == pair[1]));
}
