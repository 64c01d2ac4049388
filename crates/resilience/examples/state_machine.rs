//! A breaker inside a replicated state machine, where it has no clock and no thread of its own:
//! `cargo run -p mainstay-resilience --example state_machine`.

use mainstay_resilience::{Decide, Decision, Input, Outcome, Time, breaker};

/// A command in the replicated log. Every replica applies the same commands and reaches the same state.
enum Command {
    Ask,
    Tell(Outcome),
}

fn main() {
    let config = breaker::Config::new().consecutive_failures(2);
    let log = [
        (10, Command::Ask),
        (12, Command::Tell(Outcome::Failure)),
        (20, Command::Ask),
        (25, Command::Tell(Outcome::Failure)),
        (30, Command::Ask),
    ];
    let mut replicas = [config.state(), config.state(), config.state()];
    for state in &mut replicas {
        let mut tickets = Vec::new();
        for (millis, command) in &log {
            // An entry also holds the time and a random number. Its proposer chose them, so all replicas use
            // the same.
            let input = Input { now: Time::from_millis(*millis), random: *millis };
            match command {
                Command::Ask => match config.ask(state, input, breaker::Request::default()) {
                    Decision::Admit(ticket) => tickets.push(ticket),
                    decision => println!("{millis} ms: {decision:?}"),
                },
                Command::Tell(outcome) => {
                    if let Some(ticket) = tickets.pop() {
                        println!("{millis} ms: {:?}", config.tell(state, input, ticket, *outcome, 1));
                    }
                }
            }
        }
    }
    println!("the replicas agree: {}", replicas.windows(2).all(|pair| pair[0] == pair[1]));
}
