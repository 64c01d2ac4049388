//! When reactions have something to do. One job reads for all of them, and the next begins after the commands that
//! came of it are applied, because it must see how far the reactions are.

use crate::react_work::Cursors;
use crate::report::Reacted;
use model::Cursor;

#[derive(Debug, Default)]
pub(crate) struct Reactions {
    /// There may be reactions.
    exist: bool,
    /// There may be something to read.
    wanted: bool,
    cursors: Cursors,
    is_reading: bool,
    /// Commands that are proposed and not applied.
    proposed: usize,
    visible: Cursor,
}

impl Reactions {
    /// Reactions may have changed, or the node has begun to lead.
    pub(crate) fn changed(&mut self) {
        (self.exist, self.wanted) = (true, true);
    }

    /// Readers may see events up to here.
    pub(crate) fn visible(&mut self, visible: Cursor) {
        if visible > self.visible {
            (self.visible, self.wanted) = (visible, true);
        }
    }

    /// Queues may have space again, and cursors that have passed other events must not stay behind for long.
    pub(crate) fn checked(&mut self) {
        (self.wanted, self.cursors) = (true, Cursors::All);
    }

    /// Returns up to where the next job reads, and which cursors it moves, if one is due.
    pub(crate) fn begin_job(&mut self) -> Option<(Cursor, Cursors)> {
        let is_due = self.exist && self.wanted && !self.is_reading && self.proposed == 0;
        if !is_due {
            return None;
        }
        (self.wanted, self.is_reading) = (false, true);
        // A change from now on sets it again.
        self.exist = false;
        Some((self.visible, std::mem::take(&mut self.cursors)))
    }

    /// A job has ended, and its commands go to the node.
    pub(crate) fn read(&mut self, reacted: &Reacted) {
        self.is_reading = false;
        self.proposed = reacted.commands.len();
        self.exist |= reacted.exist;
        self.wanted |= reacted.more;
    }

    /// The node has done with a command.
    pub(crate) fn applied(&mut self) {
        self.proposed = self.proposed.saturating_sub(1);
    }
}
