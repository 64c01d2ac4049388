//! Metrics of bounded queues: how full they are, their bounds, and how often a request found them full.

use crate::catalogue::Queue;
use crate::instrument::{Counter, Gauge};

/// The metrics of one bounded queue. The code that owns the queue updates them.
#[derive(Debug, Default)]
pub struct QueueFigures {
    pub depth: Gauge,
    pub bound: Gauge,
    /// How often a request found the queue full.
    pub rejected: Counter,
}

/// The metrics of every queue in the catalogue.
#[derive(Debug, Default)]
pub struct Queues([QueueFigures; Queue::ALL.len()]);

impl Queues {
    #[must_use]
    pub fn of(&self, queue: Queue) -> &QueueFigures {
        // The variants are declared in the order of `ALL`, so the discriminant is the index.
        &self.0[queue as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_has_figures_of_its_own() {
        let queues = Queues::default();
        for (n, queue) in Queue::ALL.into_iter().enumerate() {
            assert_eq!(queue as usize, n, "ALL is in the order of the declaration");
            queues.of(queue).bound.set(n as u64);
        }
        for (n, queue) in Queue::ALL.into_iter().enumerate() {
            assert_eq!(queues.of(queue).bound.get(), n as i64);
        }
    }
}
