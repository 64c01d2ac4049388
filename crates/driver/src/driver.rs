//! The node and the end of its body file, and what follows from each of the node's outputs.

use crate::Engine;
use crate::backoff::Backoff;
use crate::chores::Chores;
use crate::compact_work::{BodyRewrite, CompactJob};
use crate::flush_work::FlushJob;
use crate::log_work::LogJob;
use crate::react_work::ReactJob;
use crate::reactions::Reactions;
use crate::report::{Attempt, DiskFailure, Halted, Report};
use consensus::Message;
use model::{Cursor, Index, Outcome, SlotRange};
use node::{
    ClosedTime, DiskSpace, Engine as _, Mono, Node, NodeFigures, NodeOptions, Now, Output, RaftCompletion,
    RaftIo, Replies, Unavailable,
};
use storage::bodies::{Bodies, BodyError, BodyPreparer, BodyStats, BodyWrite};
use storage::disk::Disk;
use storage::log::LogPreparer;
use storage::state::State;

/// Bodies kept in memory until they are written. When there are more, the driver waits for the disk. A disk that does
/// not respond is noticed long before that, and no more entries are applied.
const BODIES_LATER_MAX: u64 = 64 << 20;

/// Bodies are written when there are this many bytes of them, or else at the next check: waking a thread for every entry
/// would cost more than the write.
const BODIES_TOGETHER: u64 = 256 << 10;

/// What happens to a node, apart from reports of its disks.
pub type Input<R> = node::Input<RaftCompletion, Message, R>;

/// Something to be done outside. Do all effects of a call in order.
#[derive(Debug)]
pub enum Effect<D: Disk, S: State, R: Replies> {
    /// For the log thread.
    Log(LogJob),
    /// For the flush thread.
    Flush(FlushJob<D, S::Flush>),
    /// For the compaction thread.
    Compact(CompactJob<D, S::Reader>),
    /// For the reaction thread.
    React(ReactJob<S::Reader>),
    /// For a thread of its own, which does nothing else.
    WriteBodies(BodyWrite<D>),
    /// Readers may see this state, and events up to this cursor. Every body that the state refers to is
    /// appended. The results of the entries that led to it follow.
    Show { state: S::Reader, visible: Cursor },
    /// The result of a command.
    Outcome { reply: R::Outcome, result: Result<Outcome, Unavailable> },
    /// Which time is closed, or the reason why none can be closed.
    TimeClosed { reply: R::TimeClosed, result: Result<ClosedTime, Unavailable> },
    /// Something has happened to the row that this request waited for, or the reason why it cannot wait.
    Woken { reply: R::Woken, result: Result<(), Unavailable> },
    /// This many tasks have become dead letters.
    TasksDied(u32),
    /// The node leads and has applied everything that was in its log.
    Ready { replayed_entries: u64 },
    /// It has changed whether the disk has space, or why it has not.
    DiskSpace(DiskSpace),
    /// A compaction found no space and is tried again later. It is the `failures`th failure in a row.
    CompactionOutOfSpace { why: String, failures: u32 },
    /// Give [`Input::TimerDue`] at this time. It replaces the time set before; `None` means no timer.
    Wait(Option<Mono>),
    /// Give [`Input::Continue`] soon. Other inputs may come first: a long replay must not keep them waiting.
    Continue,
    /// Everything is durable. No effect follows.
    Stopped,
}

/// See the module.
#[derive(Debug)]
pub struct Driver<D: Disk, S: State, R: Replies> {
    node: Node<Engine<D, S>, R>,
    bodies: Bodies<D>,
    preparer: LogPreparer<D>,
    body_preparer: BodyPreparer<D>,
    chores: Chores,
    reactions: Reactions,
    disk_space: DiskSpace,
    /// Empty between calls.
    outputs: Vec<Output<RaftIo<S::Flush>, R>>,
}

impl<D: Disk, S: State, R: Replies> Driver<D, S, R>
where
    S::Flush: std::fmt::Debug,
{
    #[must_use]
    pub fn new(
        options: NodeOptions,
        engine: Engine<D, S>,
        bodies: Bodies<D>,
        preparer: LogPreparer<D>,
    ) -> Self {
        Self {
            node: Node::new(options, engine),
            body_preparer: bodies.preparer(),
            bodies,
            preparer,
            chores: Chores::default(),
            reactions: Reactions::default(),
            disk_space: DiskSpace::Enough,
            outputs: Vec::new(),
        }
    }

    /// Gives the node one input, and adds everything that follows to `effects`.
    ///
    /// # Errors
    /// [`Halted`]: the process must end. What was added before is still done. Requests without a result are
    /// unknown.
    pub fn step(
        &mut self,
        now: Now,
        input: Input<R>,
        effects: &mut Vec<Effect<D, S, R>>,
    ) -> Result<(), Halted> {
        let mut outputs = std::mem::take(&mut self.outputs);
        self.node.step(now, input, &mut outputs);
        let done = self.obey_all(now, &mut outputs, effects);
        outputs.clear();
        self.outputs = outputs;
        done
    }

    /// Takes the report of a disk's work.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn reported(
        &mut self,
        now: Now,
        report: Report,
        effects: &mut Vec<Effect<D, S, R>>,
    ) -> Result<(), Halted> {
        match report {
            Report::Log(synced) => {
                for ticket in synced.0 {
                    self.complete(now, RaftCompletion::LogSynced(ticket), effects)?;
                }
                self.prepare(now, effects);
            }
            Report::BodiesWritten => {
                self.chores.bodies_written();
                self.write_bodies(BODIES_TOGETHER, effects);
            }
            Report::Flushed(progress) => {
                self.bodies.persisted(progress);
                effects.push(Effect::Compact(CompactJob::State));
                self.chores.flushed(progress.index);
                self.complete(now, RaftCompletion::Flushed(progress), effects)?;
            }
            Report::FlushOutOfSpace { why } => {
                self.chores.flush_failed();
                // Before a stopping node gives up its last flush for it.
                self.set_disk_space(now, DiskSpace::Low { why }, effects)?;
                self.complete(now, RaftCompletion::FlushOutOfSpace, effects)?;
            }
            Report::Compacted(attempt) => {
                note(now, attempt, &mut self.chores.state, effects);
                // Entries that waited for it may continue.
                self.step(now, Input::Continue, effects)?;
            }
            Report::BodiesCompacted(attempt @ Attempt::OutOfSpace { .. }) => {
                self.chores.bodies_not_compacted();
                note(now, attempt, &mut self.chores.bodies, effects);
            }
            Report::BodiesCompacted(Attempt::Done) => {
                self.chores.bodies.succeeded();
                // The log may hold the removed events too. After a flush, their log segments can be purged and
                // replaced.
                self.chores.bodies_compacted();
                effects.push(Effect::Log(LogJob::Rotate));
                self.step(now, Input::FlushSoon, effects)?;
            }
            Report::Reacted(reacted) => {
                self.reactions.read(&reacted);
                self.step(now, Input::React(reacted.commands), effects)?;
            }
            Report::Prepared(attempt) => {
                self.chores.prepared();
                match attempt {
                    Attempt::Done => self.chores.prepare.succeeded(),
                    // Appends continue without a prepared segment while there is space.
                    Attempt::OutOfSpace { .. } => self.chores.prepare.failed(now.mono),
                }
            }
        }
        Ok(())
    }

    /// Looks at what changes slowly; `space` is how the disk is now. Call it about once a second, and whenever
    /// [`Self::is_check_due`].
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn check(
        &mut self,
        now: Now,
        space: DiskSpace,
        effects: &mut Vec<Effect<D, S, R>>,
    ) -> Result<(), Halted> {
        self.chores.checked();
        self.reactions.checked();
        // The node observes the time, and so knows that it is not stalled.
        self.step(now, Input::Continue, effects)?;
        self.set_disk_space(now, space, effects)?;
        self.write_bodies(1, effects);
        self.compact_bodies(now, effects)?;
        if self.bodies.stats().is_flush_wanted {
            self.step(now, Input::FlushSoon, effects)?;
        }
        self.compact_state(now, effects);
        self.prepare(now, effects);
        Ok(())
    }

    /// Whether so much was written since the last check that the disk may have filled up.
    #[must_use]
    pub fn is_check_due(&self) -> bool {
        self.chores.is_check_due()
    }

    /// The slots of the shard whose state this is.
    #[must_use]
    pub fn slots(&self) -> SlotRange {
        self.node.engine().slots()
    }

    /// The state as of the last applied entry.
    #[must_use]
    pub fn state(&self) -> &S {
        self.node.engine().state()
    }

    /// The last entry that was applied, and the last that the log held at the start.
    #[must_use]
    pub fn replay(&self) -> (Index, Index) {
        self.node.engine().replay()
    }

    #[must_use]
    pub fn node_figures(&self, now: Now) -> NodeFigures {
        self.node.figures(now)
    }

    #[must_use]
    pub fn body_stats(&self) -> BodyStats {
        self.bodies.stats()
    }

    fn complete(
        &mut self,
        now: Now,
        completion: RaftCompletion,
        effects: &mut Vec<Effect<D, S, R>>,
    ) -> Result<(), Halted> {
        self.step(now, Input::Completion(completion), effects)
    }

    /// Does the outputs of one step. Disk work goes out at once and in order. Results wait until readers can
    /// see what led to them, and are not sent at all if the step ends the node.
    fn obey_all(
        &mut self,
        now: Now,
        outputs: &mut Vec<Output<RaftIo<S::Flush>, R>>,
        effects: &mut Vec<Effect<D, S, R>>,
    ) -> Result<(), Halted> {
        let mut visible = None;
        // Results, and what else must come after readers see the state.
        let mut held = Vec::new();
        for output in outputs.drain(..) {
            match output {
                Output::Io(io) => self.do_io(now, io, effects)?,
                Output::Visible(cursor) => visible = Some(cursor),
                Output::Outcome { reply, result } => held.push(Effect::Outcome { reply, result }),
                Output::TimeClosed { reply, result } => held.push(Effect::TimeClosed { reply, result }),
                Output::Woken { reply, result } => held.push(Effect::Woken { reply, result }),
                Output::Ready { replayed_entries } => {
                    self.reactions.changed();
                    held.push(Effect::Ready { replayed_entries });
                }
                Output::ReactionsChanged => self.reactions.changed(),
                Output::Reacted => self.reactions.applied(),
                Output::TasksDied(tasks) => held.push(Effect::TasksDied(tasks)),
                Output::Wait(at) => held.push(Effect::Wait(at)),
                Output::Continue => held.push(Effect::Continue),
                Output::Stopped => held.push(Effect::Stopped),
                Output::Halt(error) => return Err(error.into()),
            }
        }
        if let Some(visible) = visible {
            self.reactions.visible(visible);
            effects.push(Effect::Show { state: self.state().reader(), visible });
        }
        effects.append(&mut held);
        if let Some((visible, cursors)) = self.reactions.begin_job() {
            let job = ReactJob { state: self.state().reader(), visible, slots: self.slots(), cursors };
            effects.push(Effect::React(job));
        }
        Ok(())
    }

    fn do_io(
        &mut self,
        now: Now,
        io: RaftIo<S::Flush>,
        effects: &mut Vec<Effect<D, S, R>>,
    ) -> Result<(), DiskFailure> {
        match io {
            RaftIo::WriteLog { ticket, records } => {
                self.chores.log_grew(records.len() as u64);
                effects.push(Effect::Log(LogJob::Write { ticket, records }));
            }
            RaftIo::AppendBodies { records, last, end } => {
                let at = self.bodies.append(&records, last)?;
                if at != end {
                    return Err(DiskFailure::BodiesEnd { at, end });
                }
                if self.bodies.later_bytes() > BODIES_LATER_MAX {
                    self.bodies.write_handle().run()?;
                }
                self.write_bodies(BODIES_TOGETHER, effects);
            }
            RaftIo::RemoveBodies { positions } => self.bodies.note_removed(&positions, now.wall),
            RaftIo::Flush { flush } => {
                self.chores.flush_began();
                // Every body up to here was appended before this output.
                let bodies = self.bodies.sync_handle();
                effects.push(Effect::Flush(FlushJob::Flush { bodies, flush }));
            }
            RaftIo::PurgeLog { group, through } => {
                effects.push(Effect::Log(LogJob::Purge { group, through }));
                if self.chores.purged(through) {
                    effects.push(Effect::Log(LogJob::Scrub));
                }
            }
            // There are no other replicas yet.
            RaftIo::Send { .. } => {}
        }
        Ok(())
    }

    /// Has bodies written that were left for later, if there are at least this many bytes of them and none are being
    /// written.
    fn write_bodies(&mut self, at_least: u64, effects: &mut Vec<Effect<D, S, R>>) {
        if self.bodies.later_bytes() >= at_least && self.chores.begin_writing_bodies() {
            effects.push(Effect::WriteBodies(self.bodies.write_handle()));
        }
    }

    /// Tells the node and the outside if it has changed whether the disk has space.
    fn set_disk_space(
        &mut self,
        now: Now,
        space: DiskSpace,
        effects: &mut Vec<Effect<D, S, R>>,
    ) -> Result<(), Halted> {
        if self.disk_space == space {
            return Ok(());
        }
        if space == DiskSpace::Enough {
            self.chores.disk_has_space();
        }
        self.disk_space = space.clone();
        effects.push(Effect::DiskSpace(space.clone()));
        self.step(now, Input::DiskSpace(space), effects)
    }
}

/// The chores of a check.
impl<D: Disk, S: State, R: Replies> Driver<D, S, R>
where
    S::Flush: std::fmt::Debug,
{
    /// Asks for the rewrite of a body segment, if one is due and none is under way.
    fn compact_bodies(&mut self, now: Now, effects: &mut Vec<Effect<D, S, R>>) -> Result<(), DiskFailure> {
        if self.chores.is_compacting_bodies() || !self.chores.bodies.may_try(now.mono) {
            return Ok(());
        }
        match self.bodies.compaction_due(now.wall) {
            Ok(Some(segment)) => {
                self.chores.compacting_bodies();
                let segment = self.bodies.compaction(segment);
                let state = self.state().reader();
                let rewrite = BodyRewrite { segment, state, slots: self.slots() };
                effects.push(Effect::Compact(CompactJob::Bodies(rewrite)));
                Ok(())
            }
            // On a full disk, the segment stays due until a later check.
            Ok(None) | Err(BodyError::NoSpace(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Retries a compaction of the state that found the disk full. While too much is unmerged, no entry is
    /// proposed, so no flush would ask for it.
    fn compact_state(&mut self, now: Now, effects: &mut Vec<Effect<D, S, R>>) {
        if self.chores.state.failures() > 0 && self.chores.state.may_try(now.mono) {
            effects.push(Effect::Compact(CompactJob::State));
        }
    }

    /// Has segments of the log and of the body file prepared before they are needed.
    fn prepare(&mut self, now: Now, effects: &mut Vec<Effect<D, S, R>>) {
        let wanted = self.preparer.is_wanted() || self.body_preparer.is_wanted();
        if wanted && self.chores.prepare.may_try(now.mono) && self.chores.begin_preparing() {
            effects.push(Effect::Flush(FlushJob::Prepare));
        }
    }
}

/// Remembers how a compaction ended, and reports one that found no space.
fn note<D: Disk, S: State, R: Replies>(
    now: Now,
    attempt: Attempt,
    backoff: &mut Backoff,
    effects: &mut Vec<Effect<D, S, R>>,
) {
    match attempt {
        Attempt::Done => backoff.succeeded(),
        Attempt::OutOfSpace { why } => {
            backoff.failed(now.mono);
            effects.push(Effect::CompactionOutOfSpace { why, failures: backoff.failures() });
        }
    }
}
