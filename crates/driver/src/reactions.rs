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

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Position, React, ReactionName, Slot};

    fn cursor(position: u64) -> Cursor {
        Cursor::new(Position(position), Slot(0))
    }

    /// A job that has found something for this many reactions, of which there are some.
    fn found(commands: usize) -> Reacted {
        let react = React {
            reaction: ReactionName::new("r").unwrap(),
            version: Position(1),
            after: Cursor::START,
            until: cursor(1),
            events: Vec::new(),
        };
        Reacted { commands: vec![react; commands], more: false, exist: true, lag_ms: 0 }
    }

    #[test]
    fn a_job_begins_when_there_may_be_something_to_read_and_the_last_one_is_done_with() {
        let mut reactions = Reactions::default();
        reactions.visible(cursor(1));
        assert_eq!(reactions.begin_job(), None, "there are no reactions");
        reactions.changed();
        assert_eq!(reactions.begin_job(), Some((cursor(1), Cursors::Needed)));
        reactions.visible(cursor(2));
        assert_eq!(reactions.begin_job(), None, "a job is under way");
        reactions.read(&found(2));
        for left in [2, 1] {
            assert_eq!(reactions.begin_job(), None, "{left} commands are to be applied");
            reactions.applied();
        }
        assert_eq!(reactions.begin_job(), Some((cursor(2), Cursors::Needed)), "seen while a job read");
        reactions.read(&found(0));
        reactions.visible(cursor(1));
        assert_eq!(reactions.begin_job(), None, "everything visible was read");
        reactions.checked();
        assert_eq!(reactions.begin_job(), Some((cursor(2), Cursors::All)));
        reactions.read(&Reacted { more: true, ..found(0) });
        assert_eq!(reactions.begin_job(), Some((cursor(2), Cursors::Needed)), "there is more");
        reactions.read(&Reacted { exist: false, ..found(0) });
        reactions.visible(cursor(3));
        assert_eq!(reactions.begin_job(), None, "the last reaction is gone");
    }

    #[test]
    fn reactions_that_change_while_a_job_reads_get_another() {
        let mut reactions = Reactions::default();
        reactions.changed();
        assert!(reactions.begin_job().is_some());
        reactions.changed();
        reactions.read(&Reacted { exist: false, ..found(0) });
        assert!(reactions.begin_job().is_some());
    }
}
