//! What a connection is doing, and for how long it may. Figures are noted as they happen (a store, no clock);
//! the connection compares them each time it looks, so a time-out costs no timer a request.

use crate::options::HttpOptions;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Instant;

/// What happens on one connection. All on one thread; atomics only so that it may be shared.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Requests without a finished answer.
    busy: AtomicU32,
    /// Requests and lines begun so far: whoever is being waited for has made a whole step.
    steps: AtomicU32,
    /// Reads and writes that moved something.
    moves: AtomicU32,
    /// Bytes of a head have come, and not all of them.
    head_begun: AtomicBool,
    /// The client takes no more bytes for now.
    write_blocked: AtomicBool,
    body_waits: AtomicBool,
    body_expired: AtomicBool,
    /// The body is a stream of lines: each may take as long as a whole body.
    lines: AtomicBool,
    /// Our side has said all it will.
    closing: AtomicBool,
}

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Nothing,
    ForRequest,
    ForHead,
    ForBody,
    ForLine,
    ForWrite,
    ForClose,
}

/// What to do about a wait that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Patience,
    /// Finish what is under way and close.
    CloseIdle,
    /// The body's reader has been told: poll the connection.
    ExpireBody,
    /// Close at once.
    Close(&'static str),
}

/// Remembers since when a connection waits for the same thing.
#[derive(Debug)]
pub(super) struct Patience {
    seen: (Waiting, u32),
    since: Instant,
    whole: (u32, Instant),
}

impl Watch {
    pub(crate) fn read(&self, bytes: usize) {
        if bytes > 0 {
            self.moves.fetch_add(1, Relaxed);
            if self.busy.load(Relaxed) == 0 {
                self.head_begun.store(true, Relaxed);
            }
        }
    }

    pub(crate) fn wrote(&self) {
        self.moves.fetch_add(1, Relaxed);
        self.write_blocked.store(false, Relaxed);
    }

    pub(crate) fn write_is_blocked(&self) {
        self.write_blocked.store(true, Relaxed);
    }

    pub(crate) fn request_began(&self) {
        self.busy.fetch_add(1, Relaxed);
        self.steps.fetch_add(1, Relaxed);
        self.head_begun.store(false, Relaxed);
        self.body_expired.store(false, Relaxed);
        self.lines.store(false, Relaxed);
    }

    pub(crate) fn request_ended(&self) {
        self.busy.fetch_sub(1, Relaxed);
        self.body_waits.store(false, Relaxed);
        self.steps.fetch_add(1, Relaxed);
    }

    /// The body is read line by line from here on.
    pub(crate) fn lines_began(&self) {
        self.lines.store(true, Relaxed);
    }

    /// A whole line came, or its sender was made to wait.
    pub(crate) fn line_came(&self) {
        self.steps.fetch_add(1, Relaxed);
    }

    /// A body is waited for. True when that has been long enough.
    pub(crate) fn body_waits(&self) -> bool {
        self.body_waits.store(true, Relaxed);
        self.body_expired.load(Relaxed)
    }

    pub(crate) fn body_came(&self) {
        self.body_waits.store(false, Relaxed);
    }

    pub(super) fn closing(&self) {
        self.closing.store(true, Relaxed);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    fn waiting(&self) -> Waiting {
        if self.is_closing() {
            return Waiting::ForClose;
        }
        if self.write_blocked.load(Relaxed) {
            return Waiting::ForWrite;
        }
        if self.busy.load(Relaxed) == 0 {
            return if self.head_begun.load(Relaxed) { Waiting::ForHead } else { Waiting::ForRequest };
        }
        if !self.body_waits.load(Relaxed) {
            return Waiting::Nothing;
        }
        if self.lines.load(Relaxed) { Waiting::ForLine } else { Waiting::ForBody }
    }
}

impl Patience {
    pub(super) fn new(now: Instant) -> Self {
        Self { seen: (Waiting::Nothing, 0), since: now, whole: (0, now) }
    }

    /// Looks at what the connection waits for, and for how long it has.
    pub(super) fn look(&mut self, watch: &Watch, options: &HttpOptions, now: Instant) -> Verdict {
        let waiting = watch.waiting();
        let steps = watch.steps.load(Relaxed);
        // A trickle of bytes keeps a write or a body alive, but neither a head nor a line.
        let sign_of_life = match waiting {
            Waiting::ForWrite | Waiting::ForBody => watch.moves.load(Relaxed),
            _ => steps,
        };
        if self.whole.0 != steps {
            self.whole = (steps, now);
        }
        if self.seen != (waiting, sign_of_life) {
            self.seen = (waiting, sign_of_life);
            self.since = now;
        }
        let waited = now.duration_since(self.since);
        let whole = now.duration_since(self.whole.1);
        match waiting {
            Waiting::ForRequest if waited >= options.idle_time => Verdict::CloseIdle,
            // The connection looks again only after that long.
            Waiting::ForClose => Verdict::Close("the client did not close its side"),
            Waiting::ForHead if waited >= options.head_time => Verdict::Close("the head came too slowly"),
            Waiting::ForWrite if waited >= options.write_wait => {
                Verdict::Close("the client took nothing for too long")
            }
            Waiting::ForBody if waited >= options.body_wait || whole >= options.body_time => {
                watch.body_expired.store(true, Relaxed);
                Verdict::ExpireBody
            }
            Waiting::ForLine if waited >= options.body_time => {
                watch.body_expired.store(true, Relaxed);
                Verdict::ExpireBody
            }
            _ => Verdict::Patience,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Looks every second for `seconds`, with `life` before each look; the first verdict but patience.
    fn verdict(watch: &Watch, seconds: u64, life: impl Fn(&Watch)) -> (u64, Verdict) {
        let options = HttpOptions::default();
        let start = Instant::now();
        let mut patience = Patience::new(start);
        for second in 0..=seconds {
            life(watch);
            let verdict = patience.look(watch, &options, start + Duration::from_secs(second));
            if verdict != Verdict::Patience {
                return (second, verdict);
            }
        }
        (seconds, Verdict::Patience)
    }

    #[test]
    fn a_head_that_trickles_is_closed_all_the_same() {
        let watch = Watch::default();
        assert_eq!(
            verdict(&watch, 60, |watch| watch.read(1)),
            (10, Verdict::Close("the head came too slowly"))
        );
    }

    #[test]
    fn an_idle_connection_is_closed_later() {
        assert_eq!(verdict(&Watch::default(), 100, |_| {}), (75, Verdict::CloseIdle));
    }

    #[test]
    fn a_body_expires_when_it_stops_or_takes_too_long_in_all() {
        let watch = Watch::default();
        watch.request_began();
        assert!(!watch.body_waits());
        assert_eq!(verdict(&watch, 60, |_| {}), (10, Verdict::ExpireBody));
        assert!(watch.body_waits(), "the reader is told");
        let watch = Watch::default();
        watch.request_began();
        watch.body_waits();
        assert_eq!(verdict(&watch, 100, |watch| watch.read(1)), (60, Verdict::ExpireBody));
    }

    #[test]
    fn a_stream_of_lines_may_go_on_for_ever_but_not_a_line() {
        let watch = Watch::default();
        watch.request_began();
        watch.lines_began();
        watch.body_waits();
        assert_eq!(verdict(&watch, 1_000, Watch::line_came), (1_000, Verdict::Patience));
        assert_eq!(verdict(&watch, 1_000, |watch| watch.read(1)), (60, Verdict::ExpireBody));
    }

    #[test]
    fn a_client_that_takes_nothing_is_closed_and_one_that_is_slow_is_not() {
        let watch = Watch::default();
        watch.request_began();
        watch.write_is_blocked();
        assert!(matches!(verdict(&watch, 100, |_| {}), (30, Verdict::Close(_))));
        let slow = |watch: &Watch| {
            watch.wrote();
            watch.write_is_blocked();
        };
        assert_eq!(verdict(&watch, 1_000, slow), (1_000, Verdict::Patience));
    }

    #[test]
    fn a_request_under_way_may_take_its_time() {
        let watch = Watch::default();
        watch.request_began();
        assert_eq!(verdict(&watch, 10_000, |_| {}), (10_000, Verdict::Patience));
    }
}
