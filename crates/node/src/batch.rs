//! Commands that wait for an entry, in the order they came, and how much of them one entry takes.

use crate::node::RequestId;
use model::{Append, Command, Wall, Write, limits};
use std::collections::VecDeque;

/// Bytes counted for a command besides its events.
const COMMAND_OVERHEAD_BYTES: usize = 128;
/// Bytes counted for an event besides its envelope.
const EVENT_OVERHEAD_BYTES: usize = 64;

/// Who waits for a command's outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiter {
    Request(RequestId),
    /// The node itself (timers, clean-up).
    Node,
}

/// The open batch.
#[derive(Debug, Default)]
pub struct OpenBatch {
    commands: VecDeque<(Waiter, Command<'static>, usize)>,
    closers: Vec<RequestId>,
    wall_min: Wall,
    bytes: usize,
}

/// What goes into one entry.
#[derive(Debug, Default)]
pub struct Closed {
    pub commands: Vec<Command<'static>>,
    pub waiters: Waiters,
    pub wall_min: Wall,
}

/// Who is answered when an entry is applied.
#[derive(Debug, Default)]
pub struct Waiters {
    /// One a command, in their order.
    pub commands: Vec<Waiter>,
    /// Requests that wait for the entry's wall only.
    pub closers: Vec<RequestId>,
    pub bytes: usize,
}

impl OpenBatch {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.closers.is_empty()
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    pub fn push(&mut self, waiter: Waiter, command: Command<'static>, bytes: usize) {
        self.bytes += bytes;
        self.commands.push_back((waiter, command, bytes));
    }

    /// The next entry gets a wall above `wall`.
    pub fn close_time(&mut self, request: RequestId, wall: Wall) {
        self.wall_min = self.wall_min.max(Wall(wall.0.saturating_add(1)));
        self.closers.push(request);
    }

    /// Takes what one entry holds; the rest waits for the next.
    pub fn close(&mut self) -> Closed {
        let mut closed = Closed { wall_min: std::mem::take(&mut self.wall_min), ..Closed::default() };
        closed.waiters.closers = std::mem::take(&mut self.closers);
        while let Some((_, _, bytes)) = self.commands.front() {
            let full = closed.commands.len() >= limits::ENTRY_COMMANDS_MAX
                || (!closed.commands.is_empty() && closed.waiters.bytes + bytes > limits::ENTRY_BYTES_MAX);
            if full {
                break;
            }
            let Some((waiter, command, bytes)) = self.commands.pop_front() else { break };
            closed.waiters.bytes += bytes;
            closed.waiters.commands.push(waiter);
            closed.commands.push(command);
        }
        self.bytes -= closed.waiters.bytes;
        closed
    }

    /// Everyone who waits, when nothing will be proposed any more.
    pub fn drain(&mut self) -> Vec<RequestId> {
        let closed = std::mem::take(self);
        let waiting = closed.commands.into_iter().filter_map(|(waiter, _, _)| match waiter {
            Waiter::Request(request) => Some(request),
            Waiter::Node => None,
        });
        waiting.chain(closed.closers).collect()
    }
}

/// About how many bytes a command takes in memory and in its entry.
#[must_use]
pub fn command_bytes(command: &Command<'_>) -> usize {
    let append_bytes = |append: &Append<'_>| -> usize {
        append
            .events
            .iter()
            .map(|event| event.envelope.len() + event.event_type.len() + EVENT_OVERHEAD_BYTES)
            .sum()
    };
    let events = match command {
        Command::Append(append) => append_bytes(append),
        Command::Transaction(transaction) => {
            let checks = transaction.checks.len() * EVENT_OVERHEAD_BYTES;
            let writes = transaction.writes.iter().map(|write| match write {
                Write::Append(append) => append_bytes(append) + EVENT_OVERHEAD_BYTES,
            });
            checks + writes.sum::<usize>()
        }
        Command::PutSettings(_)
        | Command::DeleteStream(_)
        | Command::ExpireEvents(_)
        | Command::CleanUp(_) => 0,
    };
    events + COMMAND_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::CleanUp;

    fn batch(sizes: &[usize]) -> OpenBatch {
        let mut batch = OpenBatch::default();
        for (number, bytes) in sizes.iter().enumerate() {
            let waiter = Waiter::Request(RequestId(number as u64));
            batch.push(waiter, Command::CleanUp(CleanUp { rows_max: 1 }), *bytes);
        }
        batch
    }

    #[test]
    fn an_entry_closes_at_its_bounds_and_the_rest_waits_in_order() {
        let mib = 1 << 20;
        for (sizes, taken) in [
            (vec![], vec![]),
            (vec![1; 1_025], vec![1_024, 1]),
            (vec![3 * mib, mib, 1], vec![2, 1]),
            (vec![5 * mib, 1], vec![1, 1]),
        ] {
            let mut batch = batch(&sizes);
            let mut next = 0;
            for want in taken {
                let closed = batch.close();
                assert_eq!(closed.commands.len(), want, "{sizes:?}");
                for waiter in closed.waiters.commands {
                    assert_eq!(waiter, Waiter::Request(RequestId(next)));
                    next += 1;
                }
            }
            assert!(batch.is_empty());
            assert_eq!(batch.bytes(), 0);
        }
    }

    #[test]
    fn closing_a_time_needs_an_entry_but_no_command() {
        let mut batch = OpenBatch::default();
        batch.close_time(RequestId(1), Wall(41));
        batch.close_time(RequestId(2), Wall(40));
        assert!(!batch.is_empty());
        let closed = batch.close();
        assert_eq!((closed.wall_min, closed.commands.len()), (Wall(42), 0));
        assert_eq!(closed.waiters.closers, [RequestId(1), RequestId(2)]);
        assert!(batch.is_empty());
    }
}
