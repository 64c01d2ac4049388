//! Notices when the disk does not respond: a write of the log or of bodies, or a flush, takes longer than any disk
//! needs.
//!
//! The loop decides this by its own clock, so no thread that waits for the disk is needed to notice. The threads
//! that hang are left alone. When the disk responds, they continue, and so does the node.

use std::time::{Duration, Instant};

/// A write of the log with its sync usually takes milliseconds, and one of bodies less.
const WRITE_TIME_MAX: Duration = Duration::from_secs(2);
/// A flush does hundreds of writes, and may merge tables before.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(30);

/// The disk work under way.
#[derive(Debug, Default)]
pub(super) struct DiskWatch {
    log: Job,
    bodies: Job,
    flush: Job,
    stalled: bool,
}

/// Work of one kind, and since when none of it has ended.
#[derive(Debug, Default)]
struct Job {
    under_way: u32,
    since: Option<Instant>,
}

impl Job {
    fn begun(&mut self, now: Instant) {
        self.under_way += 1;
        self.since = self.since.or(Some(now));
    }

    fn ended(&mut self, now: Instant) {
        self.under_way = self.under_way.saturating_sub(1);
        self.since = (self.under_way > 0).then_some(now);
    }
}

/// The disk has begun to stall, or to respond again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Stalled { why: String },
    Responds,
}

impl DiskWatch {
    pub(super) fn log_begun(&mut self, now: Instant) {
        self.log.begun(now);
    }

    pub(super) fn log_ended(&mut self, now: Instant) {
        self.log.ended(now);
    }

    pub(super) fn bodies_begun(&mut self, now: Instant) {
        self.bodies.begun(now);
    }

    pub(super) fn bodies_ended(&mut self, now: Instant) {
        self.bodies.ended(now);
    }

    pub(super) fn flush_begun(&mut self, now: Instant) {
        self.flush.begun(now);
    }

    pub(super) fn flush_ended(&mut self, now: Instant) {
        self.flush.ended(now);
    }

    /// When to call [`Self::change`], if nothing ends before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.stalled { None } else { self.overdue_at() }
    }

    /// What has changed since the last call. Call it when the deadline has passed, and when work has ended.
    pub(super) fn change(&mut self, now: Instant) -> Option<Change> {
        let stalled = self.overdue_at().is_some_and(|at| at <= now);
        if stalled == self.stalled {
            return None;
        }
        self.stalled = stalled;
        if !stalled {
            return Some(Change::Responds);
        }
        let write = self.write_overdue_at().is_some_and(|at| at <= now);
        let (what, limit) = if write { ("a write", WRITE_TIME_MAX) } else { ("a flush", FLUSH_TIME_MAX) };
        Some(Change::Stalled { why: format!("it has not completed {what} for {} s", limit.as_secs()) })
    }

    fn overdue_at(&self) -> Option<Instant> {
        let flush = self.flush.since.map(|since| since + FLUSH_TIME_MAX);
        self.write_overdue_at().into_iter().chain(flush).min()
    }

    fn write_overdue_at(&self) -> Option<Instant> {
        let since = self.log.since.into_iter().chain(self.bodies.since).min();
        since.map(|since| since + WRITE_TIME_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_stalls_when_nothing_ends_in_time_and_responds_when_something_does() {
        let begun = Instant::now();
        let at = |s: u64| begun + Duration::from_secs(s);
        let mut disk = DiskWatch::default();
        assert_eq!(disk.deadline(), None);
        disk.log_begun(at(0));
        disk.log_begun(at(1));
        assert_eq!(disk.deadline(), Some(at(2)));
        disk.log_ended(at(1));
        assert_eq!((disk.change(at(2)), disk.deadline()), (None, Some(at(3))), "something has ended");
        assert!(
            matches!(disk.change(at(3)), Some(Change::Stalled { why }) if why.contains("a write for 2 s"))
        );
        assert_eq!((disk.change(at(9)), disk.deadline()), (None, None), "it is known");
        disk.log_ended(at(9));
        assert_eq!(disk.change(at(9)), Some(Change::Responds));
        assert_eq!(disk.change(at(49)), None, "an idle disk does not stall");
        disk.bodies_begun(at(50));
        assert!(
            matches!(disk.change(at(52)), Some(Change::Stalled { why }) if why.contains("a write for 2 s"))
        );
        disk.bodies_ended(at(53));
        assert_eq!(disk.change(at(53)), Some(Change::Responds));
        disk.flush_begun(at(100));
        assert_eq!((disk.change(at(110)), disk.deadline()), (None, Some(at(130))));
        assert!(
            matches!(disk.change(at(130)), Some(Change::Stalled { why }) if why.contains("a flush for 30 s"))
        );
        disk.flush_ended(at(131));
        assert_eq!(disk.change(at(131)), Some(Change::Responds));
    }
}
