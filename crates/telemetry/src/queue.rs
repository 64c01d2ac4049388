//! Bounded queues as metrics: what is in them, their bound, and how often they were full.

use crate::catalogue::Queue;
use crate::cell::{Count, Level};

/// One bounded queue's figures. The queue itself is elsewhere and tells them here.
#[derive(Debug, Default)]
pub struct QueueFigures {
    pub depth: Level,
    pub bound: Level,
    /// Counted each time the bound was reached.
    pub refused: Count,
}

/// The figures of every queue in the catalogue.
#[derive(Debug, Default)]
pub struct Queues([QueueFigures; Queue::ALL.len()]);

impl Queues {
    #[must_use]
    pub fn of(&self, queue: Queue) -> &QueueFigures {
        // Declared in the order of `ALL`, so the discriminant is the place.
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
