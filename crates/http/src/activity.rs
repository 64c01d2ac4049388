//! What a connection is doing, and how long it may keep doing it.
//!
//! The parts of a connection record progress in an [`Activity`] as it happens: one store, no clock. The connection
//! compares two readings from time to time and lets [`Timeouts`] decide, so that no request needs a timer.

use crate::options::HttpOptions;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Instant;

/// The progress of one connection. It stays on one thread; the atomics only make it shareable.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Requests whose response is not finished.
    open_requests: AtomicU32,
    /// Counts requests begun and ended and lines received: each is a whole step forward.
    steps: AtomicU32,
    /// Counts reads and writes that moved at least one byte.
    transfers: AtomicU32,
    /// Some bytes of a request head have arrived, but not all.
    head_begun: AtomicBool,
    /// The client is not reading: the socket accepts no more bytes.
    write_blocked: AtomicBool,
    body_awaited: AtomicBool,
    body_expired: AtomicBool,
    /// The body is a stream of lines, each of which may take as long as a whole body.
    lines: AtomicBool,
    /// A request waits for something that nobody may want any more once the client is gone.
    client_watched: AtomicBool,
    /// While it was watched, the client has closed its side of the connection.
    client_left: AtomicBool,
    /// This side has sent everything and is closing.
    closing: AtomicBool,
}

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitingFor {
    /// The node: it has no time limit here.
    Node,
    Request,
    Head,
    Body,
    Line,
    Write,
    Close,
}

/// What to do with a connection after a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Continue,
    /// Finish the requests in progress, then close.
    FinishAndClose,
    /// The body has been marked as expired: poll the connection, so that its reader notices.
    ExpireBody,
    /// Close at once, for this reason.
    Close(&'static str),
}

/// The time limits of one connection: since when it has been waiting for the same thing.
#[derive(Debug)]
pub(crate) struct Timeouts {
    seen: (WaitingFor, u32),
    since: Instant,
    /// The last step, and when it was first seen.
    step: (u32, Instant),
}

impl Activity {
    pub(crate) fn received(&self, bytes: usize) {
        if bytes > 0 {
            self.transfers.fetch_add(1, Relaxed);
            if self.open_requests.load(Relaxed) == 0 {
                self.head_begun.store(true, Relaxed);
            }
        }
    }

    pub(crate) fn sent(&self) {
        self.transfers.fetch_add(1, Relaxed);
        self.write_blocked.store(false, Relaxed);
    }

    pub(crate) fn write_blocked(&self) {
        self.write_blocked.store(true, Relaxed);
    }

    pub(crate) fn request_began(&self) {
        self.open_requests.fetch_add(1, Relaxed);
        self.steps.fetch_add(1, Relaxed);
        self.head_begun.store(false, Relaxed);
        self.body_expired.store(false, Relaxed);
        self.lines.store(false, Relaxed);
    }

    pub(crate) fn request_ended(&self) {
        self.open_requests.fetch_sub(1, Relaxed);
        self.body_awaited.store(false, Relaxed);
        self.steps.fetch_add(1, Relaxed);
    }

    /// From here on, the body is read line by line.
    pub(crate) fn lines_began(&self) {
        self.lines.store(true, Relaxed);
    }

    /// A whole line was read, or its sender was made to wait.
    pub(crate) fn line_read(&self) {
        self.steps.fetch_add(1, Relaxed);
    }

    /// A reader waits for more of the body. Returns true once that has taken too long.
    pub(crate) fn await_body(&self) -> bool {
        self.body_awaited.store(true, Relaxed);
        self.body_expired.load(Relaxed)
    }

    pub(crate) fn body_received(&self) {
        self.body_awaited.store(false, Relaxed);
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Relaxed);
    }

    /// Watches whether the client closes its side, and returns whether it has. Until then, the connection is polled
    /// when it happens.
    pub(crate) fn client_left(&self) -> bool {
        self.client_watched.store(true, Relaxed);
        self.client_left.load(Relaxed)
    }

    pub(crate) fn watches_client(&self) -> bool {
        self.client_watched.load(Relaxed) && !self.client_left.load(Relaxed)
    }

    pub(crate) fn client_closed_its_side(&self) {
        self.client_left.store(true, Relaxed);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    fn waiting(&self) -> WaitingFor {
        if self.is_closing() {
            return WaitingFor::Close;
        }
        if self.write_blocked.load(Relaxed) {
            return WaitingFor::Write;
        }
        if self.open_requests.load(Relaxed) == 0 {
            return if self.head_begun.load(Relaxed) { WaitingFor::Head } else { WaitingFor::Request };
        }
        if !self.body_awaited.load(Relaxed) {
            return WaitingFor::Node;
        }
        if self.lines.load(Relaxed) { WaitingFor::Line } else { WaitingFor::Body }
    }
}

impl Timeouts {
    pub(crate) fn new(now: Instant) -> Self {
        Self { seen: (WaitingFor::Node, 0), since: now, step: (0, now) }
    }

    /// Compares the activity with the last check, and decides what to do.
    pub(crate) fn check(&mut self, activity: &Activity, options: &HttpOptions, now: Instant) -> Action {
        let waiting = activity.waiting();
        let steps = activity.steps.load(Relaxed);
        // Single bytes keep a write or a body alive, but neither a head nor a line.
        let progress = match waiting {
            WaitingFor::Write | WaitingFor::Body => activity.transfers.load(Relaxed),
            _ => steps,
        };
        if self.step.0 != steps {
            self.step = (steps, now);
        }
        if self.seen != (waiting, progress) {
            self.seen = (waiting, progress);
            self.since = now;
        }
        let waited = now.duration_since(self.since);
        let since_step = now.duration_since(self.step.1);
        match waiting {
            WaitingFor::Request if waited >= options.idle_time => Action::FinishAndClose,
            // The connection checks again only when this wait is over.
            WaitingFor::Close => Action::Close("the client did not close its side"),
            WaitingFor::Head if waited >= options.head_time => Action::Close("the head arrived too slowly"),
            WaitingFor::Write if waited >= options.write_wait => {
                Action::Close("the client read nothing for too long")
            }
            WaitingFor::Body if waited >= options.body_wait || since_step >= options.body_time => {
                activity.body_expired.store(true, Relaxed);
                Action::ExpireBody
            }
            WaitingFor::Line if waited >= options.body_time => {
                activity.body_expired.store(true, Relaxed);
                Action::ExpireBody
            }
            _ => Action::Continue,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Checks every second for `seconds`, each time after `progress`. Returns the first action other than
    /// `Continue`, and its second.
    fn action(activity: &Activity, seconds: u64, progress: impl Fn(&Activity)) -> (u64, Action) {
        let options = HttpOptions::default();
        let start = Instant::now();
        let mut timeouts = Timeouts::new(start);
        for second in 0..=seconds {
            progress(activity);
            let action = timeouts.check(activity, &options, start + Duration::from_secs(second));
            if action != Action::Continue {
                return (second, action);
            }
        }
        (seconds, Action::Continue)
    }

    #[test]
    fn a_head_that_trickles_in_is_closed() {
        let activity = Activity::default();
        assert_eq!(
            action(&activity, 60, |activity| activity.received(1)),
            (10, Action::Close("the head arrived too slowly"))
        );
    }

    #[test]
    fn an_idle_connection_is_closed() {
        assert_eq!(action(&Activity::default(), 100, |_| {}), (75, Action::FinishAndClose));
    }

    #[test]
    fn a_body_expires_when_it_stalls_or_takes_too_long_in_total() {
        let activity = Activity::default();
        activity.request_began();
        assert!(!activity.await_body());
        assert_eq!(action(&activity, 60, |_| {}), (10, Action::ExpireBody));
        assert!(activity.await_body(), "the reader notices");
        let activity = Activity::default();
        activity.request_began();
        activity.await_body();
        assert_eq!(action(&activity, 100, |activity| activity.received(1)), (60, Action::ExpireBody));
    }

    #[test]
    fn a_stream_of_lines_may_take_forever_but_a_single_line_may_not() {
        let activity = Activity::default();
        activity.request_began();
        activity.lines_began();
        activity.await_body();
        assert_eq!(action(&activity, 1_000, Activity::line_read), (1_000, Action::Continue));
        assert_eq!(action(&activity, 1_000, |activity| activity.received(1)), (60, Action::ExpireBody));
    }

    #[test]
    fn a_client_that_reads_nothing_is_closed_and_a_slow_one_is_not() {
        let activity = Activity::default();
        activity.request_began();
        activity.write_blocked();
        assert!(matches!(action(&activity, 100, |_| {}), (30, Action::Close(_))));
        let slow = |activity: &Activity| {
            activity.sent();
            activity.write_blocked();
        };
        assert_eq!(action(&activity, 1_000, slow), (1_000, Action::Continue));
    }

    #[test]
    fn a_request_the_node_works_on_has_no_time_limit() {
        let activity = Activity::default();
        activity.request_began();
        assert_eq!(action(&activity, 10_000, |_| {}), (10_000, Action::Continue));
    }
}
