//! The open batch: commands that wait for an entry, in arrival order. One entry takes as many of them as fit.

use crate::request::Replies;
use model::{Append, Command, Wall, Write, limits};
use std::collections::VecDeque;

/// Bytes counted for a command besides its events.
const COMMAND_OVERHEAD_BYTES: usize = 128;
/// Bytes counted for an event besides its envelope.
const EVENT_OVERHEAD_BYTES: usize = 64;

/// Who receives a command's outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiter<T> {
    /// A request, through its reply.
    Request(T),
    /// The node itself (timers, clean-up).
    Node,
}

/// A command with its estimated size, which is computed only once.
#[derive(Debug)]
pub struct SizedCommand {
    command: Command<'static>,
    bytes: usize,
}

impl SizedCommand {
    #[must_use]
    pub fn new(command: Command<'static>) -> Self {
        let bytes = command_bytes(&command);
        Self { command, bytes }
    }

    /// About how many bytes the command takes, in memory and in its entry.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Commands, and times to be closed, that wait for the next entry.
#[derive(Debug)]
pub struct OpenBatch<R: Replies> {
    commands: VecDeque<(Waiter<R::Outcome>, SizedCommand)>,
    closers: Vec<(R::TimeClosed, Wall)>,
    wall_min: Wall,
    bytes: usize,
}

/// What goes into one entry.
#[derive(Debug)]
pub struct Closed<R: Replies> {
    pub commands: Vec<Command<'static>>,
    pub waiters: Waiters<R>,
    /// The entry's wall must be at least this.
    pub wall_min: Wall,
}

/// Who receives the results of one entry.
#[derive(Debug)]
pub struct Waiters<R: Replies> {
    /// One for each command, in order.
    pub commands: Vec<Waiter<R::Outcome>>,
    /// Requests that wait only for the entry's wall, each with the time that the entry closes for it.
    pub closers: Vec<(R::TimeClosed, Wall)>,
    /// Estimated bytes of the commands.
    pub bytes: usize,
}

impl<R: Replies> Default for OpenBatch<R> {
    fn default() -> Self {
        Self { commands: VecDeque::new(), closers: Vec::new(), wall_min: Wall(0), bytes: 0 }
    }
}

impl<R: Replies> OpenBatch<R> {
    /// Whether nothing waits for an entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.closers.is_empty()
    }

    /// Estimated bytes of the commands.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many commands wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    pub fn push(&mut self, waiter: Waiter<R::Outcome>, command: SizedCommand) {
        self.bytes += command.bytes;
        self.commands.push_back((waiter, command));
    }

    /// Gives the next entry a wall above `wall`.
    pub fn close_time(&mut self, reply: R::TimeClosed, wall: Wall) {
        self.wall_min = self.wall_min.max(Wall(wall.0.saturating_add(1)));
        self.closers.push((reply, wall));
    }

    /// Takes as much as one entry holds. The rest waits for the next entry.
    pub fn close(&mut self) -> Closed<R> {
        let wall_min = std::mem::take(&mut self.wall_min);
        let mut waiters =
            Waiters { commands: Vec::new(), closers: std::mem::take(&mut self.closers), bytes: 0 };
        let mut commands = Vec::new();
        while let Some((_, next)) = self.commands.front() {
            let full = commands.len() >= limits::ENTRY_COMMANDS_MAX
                || (!commands.is_empty() && waiters.bytes + next.bytes > limits::ENTRY_BYTES_MAX);
            if full {
                break;
            }
            let Some((waiter, SizedCommand { command, bytes })) = self.commands.pop_front() else { break };
            waiters.bytes += bytes;
            waiters.commands.push(waiter);
            commands.push(command);
        }
        self.bytes -= waiters.bytes;
        Closed { commands, waiters, wall_min }
    }

    /// Removes and returns all waiters. For use when nothing will be proposed any more.
    pub fn drain(&mut self) -> Waiters<R> {
        let Self { commands, closers, bytes, .. } = std::mem::take(self);
        Waiters { commands: commands.into_iter().map(|(waiter, _)| waiter).collect(), closers, bytes }
    }
}

fn command_bytes(command: &Command<'_>) -> usize {
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

    /// Replies that are numbers.
    #[derive(Debug)]
    struct Numbers;

    impl Replies for Numbers {
        type Outcome = usize;
        type TimeClosed = usize;
    }

    fn batch(sizes: &[usize]) -> OpenBatch<Numbers> {
        let mut batch = OpenBatch::default();
        for (number, bytes) in sizes.iter().enumerate() {
            let command = Command::CleanUp(CleanUp { rows_max: 1 });
            batch.push(Waiter::Request(number), SizedCommand { command, bytes: *bytes });
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
                    assert_eq!(waiter, Waiter::Request(next));
                    next += 1;
                }
            }
            assert!(batch.is_empty());
            assert_eq!(batch.bytes(), 0);
        }
    }

    #[test]
    fn closing_a_time_needs_an_entry_but_no_command() {
        let mut batch = OpenBatch::<Numbers>::default();
        batch.close_time(1, Wall(41));
        batch.close_time(2, Wall(40));
        assert!(!batch.is_empty());
        let closed = batch.close();
        assert_eq!((closed.wall_min, closed.commands.len()), (Wall(42), 0));
        assert_eq!(closed.waiters.closers, [(1, Wall(41)), (2, Wall(40))]);
        assert!(batch.is_empty());
    }
}
