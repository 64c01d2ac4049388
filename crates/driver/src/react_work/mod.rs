//! The reaction thread's work: read the events after the cursors of reactions, and say which tasks follow.
//!
//! Events are not in the state, so a shard cannot read them when it applies a command. This work reads them from the
//! body file, over the state that readers see, and proposes one command for each reaction that has found something.
//! A command says which cursor it begins at; the shard refuses it if the reaction is elsewhere. Nothing here is a
//! decision, and nothing is lost if it is: the next job reads the same events again.
//!
//! Reactions at the same cursor share a read, and at the end of the store all of them are. A job is bounded in bytes
//! read and in bytes enqueued, and the next one begins with the next reaction. So one that has far to go slows no
//! other.
//!
//! A cursor that has passed events of which none matches is only remembered here, and written with the next task or by
//! the next job that is to move all cursors. Otherwise, each event of the store would cost another entry.

use crate::report::{DiskFailure, Reacted, Report};
use format::body::{self, BodyRecord};
use model::{Cursor, Namespace, Position, React, ReactedEvent, ReactionSettings, SlotRange, View, limits};
use shard::query::{self, Liveness, ReactionView};
use std::collections::BTreeMap;
use storage::bodies::BodyReader;
use storage::disk::Disk;

/// Writes the envelope of the task that a reaction makes of an event.
pub type WriteTask = fn(&BodyRecord<'_>, &ReactionSettings<'_>, &mut Vec<u8>);

/// Bytes of events that one job reads for all reactions.
const EXAMINED_BYTES_MAX: usize = 1 << 20;

/// A job for the reaction thread.
#[derive(Debug)]
pub struct ReactJob<R> {
    pub state: R,
    /// Events up to here may be read.
    pub visible: Cursor,
    /// The slots of the shard that the state belongs to.
    pub slots: SlotRange,
    pub cursors: Cursors,
}

/// Which cursors a job moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cursors {
    /// Those of reactions that have found events.
    #[default]
    Needed,
    /// Also those that have only passed others.
    All,
}

/// See the module.
#[derive(Debug)]
pub struct ReactWork<D: Disk> {
    bodies: BodyReader<D>,
    write: WriteTask,
    /// What was read beyond the cursors in the state, by reaction.
    passed: BTreeMap<String, Passed>,
    /// The reaction whose events were read last.
    turn: String,
}

/// No event between the two cursors matches the reaction as of this version.
#[derive(Clone, Copy, Debug)]
struct Passed {
    version: Position,
    from: Cursor,
    through: Cursor,
}

/// A reaction during one job.
#[derive(Debug)]
struct Follower {
    reaction: ReactionView,
    /// Everything up to here was read.
    at: Cursor,
    found: Vec<ReactedEvent<'static>>,
    state: Taking,
}

/// Whether a reaction takes more events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taking {
    Yes,
    /// Not in this job.
    Full,
    /// Its queue takes no tasks.
    Blocked,
}

impl<D: Disk> ReactWork<D> {
    #[must_use]
    pub fn new(bodies: BodyReader<D>, write: WriteTask) -> Self {
        Self { bodies, write, passed: BTreeMap::new(), turn: String::new() }
    }

    /// Does a job.
    ///
    /// # Errors
    /// The node must stop.
    pub fn run<R: View>(&mut self, job: &ReactJob<R>) -> Result<Report, DiskFailure> {
        let reactions = query::reactions(&job.state, job.slots.first)?;
        self.passed.retain(|name, passed| reactions.iter().any(|reaction| passed.is_about(name, reaction)));
        let exist = !reactions.is_empty();
        let mut followers = self.followers(reactions);
        let mut budget = Budget { examined: EXAMINED_BYTES_MAX, enqueued: limits::REACT_BYTES_MAX };
        while budget.is_left()
            && let Some(first) = followers.iter().find(|follower| follower.reads(job.visible))
        {
            let at = first.at;
            first.reaction.name.as_str().clone_into(&mut self.turn);
            let mut together: Vec<_> = followers
                .iter_mut()
                .filter(|follower| follower.at == at && follower.state == Taking::Yes)
                .collect();
            self.read(at, job, &mut together, &mut budget)?;
        }
        let behind = || followers.iter().filter(|follower| follower.at < job.visible);
        let more = behind().any(|follower| follower.state != Taking::Blocked);
        let lag_ms = behind().map(|follower| follower.lag_ms(job.visible)).max().unwrap_or(0);
        let propose = |follower| self.propose(follower, job.cursors);
        let commands = followers.into_iter().filter_map(propose).collect();
        Ok(Report::Reacted(Reacted { commands, more, exist, lag_ms }))
    }

    /// The reactions that are not paused, beginning with the one whose turn it is.
    fn followers(&self, reactions: Vec<ReactionView>) -> Vec<Follower> {
        let active = reactions.into_iter().filter(|reaction| !reaction.settings.paused);
        let mut followers: Vec<_> = active
            .map(|reaction| {
                let passed = self.passed.get(reaction.name.as_str());
                let at = passed.map_or(reaction.cursor, |passed| passed.through);
                let state = if reaction.obstacle.is_some() { Taking::Blocked } else { Taking::Yes };
                Follower { reaction, at, found: Vec::new(), state }
            })
            .collect();
        let next = followers.partition_point(|follower| *follower.reaction.name.as_str() <= *self.turn);
        followers.rotate_left(next);
        followers
    }

    /// Reads one page for all reactions at a cursor.
    fn read<R: View>(
        &self,
        at: Cursor,
        job: &ReactJob<R>,
        together: &mut [&mut Follower],
        budget: &mut Budget,
    ) -> Result<(), DiskFailure> {
        let page = self.bodies.page_after(at, job.visible, limits::READ_PAGE_BYTES)?;
        budget.examined = budget.examined.saturating_sub(page.bytes.len().max(1));
        // As in reads of the whole store: what was removed may still be in the file.
        let mut liveness = Liveness::new(&job.state, job.slots.first)?;
        let mut rest = &page.bytes[..];
        while !rest.is_empty() && together.iter().any(|follower| follower.state == Taking::Yes) {
            let (record, len) =
                body::decode(rest).map_err(|_| page.damaged(page.bytes.len() - rest.len()))?;
            rest = &rest[len..];
            if record.namespace != Namespace::ROOT || !liveness.is_live(&record)? {
                continue;
            }
            for follower in together.iter_mut().filter(|follower| follower.state == Taking::Yes) {
                follower.examine(&record, self.write, budget);
            }
        }
        // At the end, nothing else is at or before the visible cursor, and nothing will be.
        let through = if page.at_end { job.visible } else { page.through };
        for follower in together.iter_mut().filter(|follower| follower.state == Taking::Yes) {
            follower.at = through;
        }
        Ok(())
    }

    /// The command for what a reaction has found, if it has to be proposed now.
    fn propose(&mut self, follower: Follower, cursors: Cursors) -> Option<React<'static>> {
        let Follower { reaction, at, found, .. } = follower;
        if at <= reaction.cursor {
            return None;
        }
        if found.is_empty() && cursors == Cursors::Needed {
            let passed = Passed { version: reaction.version, from: reaction.cursor, through: at };
            self.passed.insert(reaction.name.into_string(), passed);
            return None;
        }
        Some(React {
            reaction: reaction.name,
            version: reaction.version,
            after: reaction.cursor,
            until: at,
            events: found,
        })
    }
}

/// What one job may still do.
#[derive(Debug)]
struct Budget {
    examined: usize,
    enqueued: usize,
}

impl Budget {
    const fn is_left(&self) -> bool {
        self.examined > 0 && self.enqueued > 0
    }
}

impl Follower {
    /// Takes an event if it matches and there is space for it. Otherwise the reaction stops before it.
    fn examine(&mut self, record: &BodyRecord<'_>, write: WriteTask, budget: &mut Budget) {
        if self.reaction.settings.selects(record.stream, record.event_type) {
            if budget.enqueued == 0 {
                self.state = Taking::Full;
                return;
            }
            let mut envelope = Vec::new();
            write(record, &self.reaction.settings, &mut envelope);
            budget.enqueued = budget.enqueued.saturating_sub(envelope.len().max(1));
            let stream = record.stream.to_owned().into();
            self.found.push(ReactedEvent { cursor: record.cursor(), stream, envelope: envelope.into() });
        }
        self.at = record.cursor();
        if self.found.len() >= limits::REACT_EVENTS_MAX {
            self.state = Taking::Full;
        }
    }

    /// Whether it has something to read.
    fn reads(&self, visible: Cursor) -> bool {
        self.state == Taking::Yes && self.at < visible
    }

    /// By how much time it is behind.
    fn lag_ms(&self, visible: Cursor) -> u64 {
        visible.position.wall().0.saturating_sub(self.at.position.wall().0)
    }
}

impl Passed {
    fn is_about(&self, name: &str, reaction: &ReactionView) -> bool {
        reaction.name.as_str() == name && reaction.version == self.version && reaction.cursor == self.from
    }
}

#[cfg(test)]
mod tests;
