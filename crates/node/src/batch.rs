//! The open batch: commands that wait for an entry, in arrival order. One entry takes as many of them as fit.

use crate::claims::WaitingClaim;
use crate::request::Replies;
use model::{
    Action, Append, Command, CreateGroup, Elapsed, Enqueue, React, ScheduleAction, ScheduleDefinition,
    Settle, Settlement, Wall, Write, limits,
};
use std::collections::VecDeque;

/// Bytes counted for a command besides its events.
const COMMAND_OVERHEAD_BYTES: usize = 128;
/// Bytes counted for an event besides its envelope.
const EVENT_OVERHEAD_BYTES: usize = 64;
/// Bytes counted for a task besides its envelope, and for a settlement besides what it carries.
const TASK_OVERHEAD_BYTES: usize = 128;
const RECORD_OVERHEAD_BYTES: usize = 64;
const SETTLEMENT_OVERHEAD_BYTES: usize = 64;

/// How much goes into one entry. An entry that has commands of clients holds at least one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryMax {
    pub commands: usize,
    /// Estimated bytes of commands. A command that is longer gets an entry of its own.
    pub bytes: usize,
}

impl Default for EntryMax {
    fn default() -> Self {
        Self { commands: limits::ENTRY_COMMANDS_MAX, bytes: limits::ENTRY_BYTES_MAX }
    }
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

/// Who receives the outcome of a command.
#[derive(Debug)]
pub enum Waiter<R: Replies> {
    Any(R::Outcome),
    /// Goes on waiting if it is granted no tasks.
    Claim(WaitingClaim<R>),
    /// The command is a reaction's, and the node only says that it is done.
    Reaction,
}

impl<R: Replies> Waiter<R> {
    /// The reply, if someone waits for one.
    #[must_use]
    pub fn into_reply(self) -> Option<R::Outcome> {
        match self {
            Self::Any(reply) => Some(reply),
            Self::Claim(waiting) => Some(waiting.reply),
            Self::Reaction => None,
        }
    }
}

/// Clients' commands, and times to be closed, that wait for the next entry.
#[derive(Debug)]
pub struct OpenBatch<R: Replies> {
    commands: VecDeque<(Waiter<R>, SizedCommand)>,
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
    /// One for each client's command, in order. The node's own commands come after those.
    pub commands: Vec<Waiter<R>>,
    /// How many commands are the node's own.
    pub own: usize,
    /// Requests that wait only for the entry's wall, each with the time that the entry closes for it.
    pub closers: Vec<(R::TimeClosed, Wall)>,
    /// Estimated bytes of the commands.
    pub bytes: usize,
    /// The entry's clocks.
    pub wall: Wall,
    pub elapsed: Elapsed,
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

    pub fn push(&mut self, reply: R::Outcome, command: SizedCommand) {
        self.bytes += command.bytes;
        self.commands.push_back((Waiter::Any(reply), command));
    }

    /// Adds a claim that goes on waiting if it is granted nothing.
    pub fn push_claim(&mut self, waiting: WaitingClaim<R>) {
        let command = SizedCommand::new(Command::Claim(waiting.claim.clone()));
        self.bytes += command.bytes;
        self.commands.push_back((Waiter::Claim(waiting), command));
    }

    /// Adds what a reaction has to do.
    pub fn push_reaction(&mut self, react: React<'static>) {
        let command = SizedCommand::new(Command::React(react));
        self.bytes += command.bytes;
        self.commands.push_back((Waiter::Reaction, command));
    }

    /// Removes what reactions have to do, and returns how many commands that were.
    pub fn drop_reactions(&mut self) -> usize {
        let before = self.commands.len();
        let bytes = &mut self.bytes;
        self.commands.retain(|(waiter, command)| {
            let stays = !matches!(waiter, Waiter::Reaction);
            if !stays {
                *bytes -= command.bytes;
            }
            stays
        });
        before - self.commands.len()
    }

    /// Gives the next entry a wall above `wall`.
    pub fn close_time(&mut self, reply: R::TimeClosed, wall: Wall) {
        self.wall_min = self.wall_min.max(Wall(wall.0.saturating_add(1)));
        self.closers.push((reply, wall));
    }

    /// The least wall that the next entry gets.
    pub const fn wall_min(&self) -> Wall {
        self.wall_min
    }

    /// Takes as much as one entry holds besides `own`, the node's own commands. The rest waits for the next
    /// entry. `claims` returns the waiting claims for what the clients' commands make ready; they follow those.
    pub fn close(
        &mut self,
        own: Vec<Command<'static>>,
        max: EntryMax,
        claims: impl FnOnce(&[Command<'static>]) -> Vec<WaitingClaim<R>>,
    ) -> Closed<R> {
        let wall_min = std::mem::take(&mut self.wall_min);
        let closers = std::mem::take(&mut self.closers);
        let mut waiters = Waiters {
            commands: Vec::new(),
            own: own.len(),
            closers,
            bytes: 0,
            wall: wall_min,
            elapsed: Elapsed(0),
        };
        let mut commands = Vec::new();
        while let Some((_, next)) = self.commands.front() {
            let full = commands.len() + own.len() >= max.commands || waiters.bytes + next.bytes > max.bytes;
            if full && !commands.is_empty() {
                break;
            }
            let Some((reply, SizedCommand { command, bytes })) = self.commands.pop_front() else { break };
            waiters.bytes += bytes;
            waiters.commands.push(reply);
            commands.push(command);
        }
        self.bytes -= waiters.bytes;
        for waiting in claims(&commands) {
            commands.push(Command::Claim(waiting.claim.clone()));
            waiters.commands.push(Waiter::Claim(waiting));
        }
        commands.extend(own);
        Closed { commands, waiters, wall_min }
    }

    /// Removes and returns all waiters. For use when nothing will be proposed any more.
    pub fn drain(&mut self) -> Waiters<R> {
        let Self { commands, closers, bytes, .. } = std::mem::take(self);
        let commands = commands.into_iter().map(|(reply, _)| reply).collect();
        Waiters { commands, own: 0, closers, bytes, wall: Wall(0), elapsed: Elapsed(0) }
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each command")]
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
                Write::Enqueue(enqueue) => tasks_bytes(enqueue) + EVENT_OVERHEAD_BYTES,
                Write::Settle(settle) => settlements_bytes(settle) + EVENT_OVERHEAD_BYTES,
                Write::CompleteExecution(complete) => complete.response.len() + EVENT_OVERHEAD_BYTES,
                Write::CreateGroup(create) => group_bytes(create) + EVENT_OVERHEAD_BYTES,
            });
            checks + writes.sum::<usize>()
        }
        Command::PutSettings(_)
        | Command::DeleteStream(_)
        | Command::ExpireEvents(_)
        | Command::CleanUp(_)
        | Command::ExpireRecords(_)
        | Command::AcquireLease(_)
        | Command::RenewLease(_)
        | Command::ReleaseLease(_)
        | Command::WithdrawLease(_)
        | Command::ExpireLeases(_)
        | Command::DeleteValue(_)
        | Command::AbandonExecution(_)
        | Command::ExpireExecutions(_)
        | Command::PutQueue(_)
        | Command::CancelTask(_)
        | Command::SettleDeadLetter(_)
        | Command::AdvanceTasks(_)
        | Command::ChangeTasks(_)
        | Command::PutTenant(_)
        | Command::DeleteTenant(_)
        | Command::PutLimit(_)
        | Command::DeleteLimit(_)
        | Command::AdvanceLimits(_)
        | Command::DeleteBreaker(_)
        | Command::ControlBreaker(_)
        | Command::AskBreaker(_)
        | Command::DeleteSchedule(_)
        | Command::AdvanceSchedule(_)
        | Command::DeleteReaction(_)
        | Command::ChangeToken(_)
        | Command::EraseSubject(_) => 0,
        Command::Audited(audited) => command_bytes(&audited.command),
        Command::PutBreaker(put) => put.settings.ignore.iter().map(String::len).sum(),
        Command::RecordBreaker(record) => {
            record.records.iter().map(|one| one.worker.len() + RECORD_OVERHEAD_BYTES).sum()
        }
        Command::PutReaction(put) => put.settings.types.iter().map(|event_type| event_type.len()).sum(),
        Command::React(react) => {
            react.events.iter().map(|event| event.envelope.len() + TASK_OVERHEAD_BYTES).sum()
        }
        Command::Enqueue(enqueue) => tasks_bytes(enqueue),
        Command::CreateGroup(create) => group_bytes(create),
        Command::ReplayTask(replay) => replay.envelope.as_ref().map_or(0, |envelope| envelope.len()),
        Command::Claim(claim) => claim.types.iter().map(|task_type| task_type.len()).sum(),
        Command::Settle(settle) => settlements_bytes(settle),
        Command::BeginExecution(begin) => {
            begin.fingerprint.len() + begin.owner.as_ref().map_or(0, |o| o.len())
        }
        Command::CompleteExecution(complete) => complete.response.len(),
        Command::PutSchedule(put) => definition_bytes(&put.definition),
        Command::PutScheduleSet(put) => {
            let bytes = |one: &model::PutSchedule<'_>| definition_bytes(&one.definition);
            put.schedules.iter().map(bytes).sum()
        }
        Command::ControlSchedule(control) => match &control.action {
            ScheduleAction::Backfill { ticks, .. } => ticks.len() * size_of::<Wall>(),
            ScheduleAction::Pause | ScheduleAction::Resume | ScheduleAction::Fire => 0,
        },
        Command::PutValue(put) => put.content.len() + put.content_type.len(),
    };
    events + COMMAND_OVERHEAD_BYTES
}

fn definition_bytes(definition: &ScheduleDefinition<'_>) -> usize {
    let exclusions: usize = definition.rules.exclusions.iter().map(|exclusion| exclusion.len()).sum();
    tasks_bytes(&definition.enqueue) + exclusions + COMMAND_OVERHEAD_BYTES
}

fn tasks_bytes(enqueue: &Enqueue<'_>) -> usize {
    enqueue.tasks.iter().map(|task| task.envelope.len() + TASK_OVERHEAD_BYTES).sum()
}

fn group_bytes(create: &CreateGroup<'_>) -> usize {
    let tasks = create.content.tasks().chain(create.content.followers());
    tasks.map(|task| task.task.envelope.len() + TASK_OVERHEAD_BYTES).sum()
}

fn settlements_bytes(settle: &Settle<'_>) -> usize {
    settle.settlements.iter().map(settlement_bytes).sum()
}

fn settlement_bytes(settlement: &Settlement<'_>) -> usize {
    let carried = match &settlement.action {
        Action::Heartbeat { progress } => progress.as_ref().map_or(0, |progress| progress.len()),
        Action::Complete { result } => result.as_ref().map_or(0, |result| result.len()),
        Action::Fail(failure) => failure.class.len() + failure.detail.len(),
        Action::Throttle(throttle) => throttle.key.as_ref().map_or(0, |key| key.len()),
        Action::Defer { .. } | Action::Return => 0,
    };
    carried + SETTLEMENT_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Cursor, DeleteStream, Expected, ExpireEvents, Position, ReactionName, StreamName};

    /// Replies that are numbers.
    #[derive(Debug)]
    struct Numbers;

    impl Replies for Numbers {
        type Outcome = usize;
        type TimeClosed = usize;
        type Woken = usize;

        fn is_gone(_: &usize) -> bool {
            false
        }

        fn is_abandoned(_: &usize) -> bool {
            false
        }
    }

    fn name() -> StreamName<'static> {
        StreamName::new("a").unwrap()
    }

    fn batch(sizes: &[usize]) -> OpenBatch<Numbers> {
        let mut batch = OpenBatch::default();
        for (number, bytes) in sizes.iter().enumerate() {
            let command = Command::DeleteStream(DeleteStream { stream: name(), expected: Expected::Any });
            batch.push(number, SizedCommand { command, bytes: *bytes });
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
                let closed = batch.close(Vec::new(), EntryMax::default(), |_| Vec::new());
                assert_eq!(closed.commands.len(), want, "{sizes:?}");
                for reply in closed.waiters.commands {
                    assert_eq!(reply.into_reply(), Some(next));
                    next += 1;
                }
            }
            assert!(batch.is_empty());
            assert_eq!(batch.bytes(), 0);
        }
    }

    #[test]
    fn the_nodes_own_commands_come_last_and_leave_the_rest_of_an_entry_to_clients() {
        let mut batch = batch(&[1; 1_024]);
        let own =
            vec![Command::ExpireEvents(ExpireEvents { stream: name() }); limits::ENTRY_OWN_COMMANDS_MAX];
        let closed = batch.close(own, EntryMax::default(), |_| Vec::new());
        assert_eq!(closed.commands.len(), limits::ENTRY_COMMANDS_MAX);
        assert_eq!((closed.waiters.commands.len(), closed.waiters.own), (896, 128));
        let is_own = |command: &Command<'_>| matches!(command, Command::ExpireEvents(_));
        assert_eq!(closed.commands.iter().position(is_own), Some(896));
        assert_eq!(batch.len(), 128);
    }

    #[test]
    fn an_entry_holds_a_clients_command_even_where_its_bounds_are_smaller() {
        let own = vec![Command::ExpireEvents(ExpireEvents { stream: name() }); 3];
        for max in [EntryMax { commands: 2, bytes: 1_000 }, EntryMax { commands: 1_000, bytes: 5 }] {
            let mut batch = batch(&[10, 20]);
            for left in [1, 0] {
                let closed = batch.close(own.clone(), max, |_| Vec::new());
                assert_eq!((closed.waiters.commands.len(), closed.waiters.own), (1, 3), "{max:?}");
                assert_eq!(batch.len(), left);
            }
        }
    }

    #[test]
    fn what_reactions_have_to_do_is_dropped_and_clients_commands_stay() {
        let mut batch = batch(&[10, 20]);
        for _ in 0..3 {
            batch.push_reaction(React {
                reaction: ReactionName::new("r").unwrap(),
                version: Position(1),
                after: Cursor::START,
                until: Cursor::START,
                events: Vec::new(),
            });
        }
        assert!(batch.bytes() > 30);
        assert_eq!(batch.drop_reactions(), 3);
        assert_eq!((batch.len(), batch.bytes()), (2, 30));
        assert_eq!(batch.drop_reactions(), 0);
        let waiters = batch.drain().commands.into_iter().map(Waiter::into_reply);
        assert_eq!(waiters.collect::<Vec<_>>(), [Some(0), Some(1)]);
    }

    #[test]
    fn closing_a_time_needs_an_entry_but_no_command() {
        let mut batch = OpenBatch::<Numbers>::default();
        batch.close_time(1, Wall(41));
        batch.close_time(2, Wall(40));
        assert!(!batch.is_empty());
        let closed = batch.close(Vec::new(), EntryMax::default(), |_| Vec::new());
        assert_eq!((closed.wall_min, closed.commands.len()), (Wall(42), 0));
        assert_eq!(closed.waiters.closers, [(1, Wall(41)), (2, Wall(40))]);
        assert!(batch.is_empty());
    }
}
