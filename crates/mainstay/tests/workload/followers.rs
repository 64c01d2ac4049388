//! Followers of every kind, each of which remembers what it received. A follower must receive exactly the events
//! of the ledger that it asked for: once, in order, none that was not recorded, and none left out unless it was
//! removed. Since a follower sees an event before its writer does, this also checks that nothing becomes
//! visible before it is durable.

use super::ledger::{Checked, Event, Ledger, violation};
use mainstay_client::blocking::{Client, Read};
use mainstay_client::{Cursor, Error, Revision};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a follower waits before it looks whether its round has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A follower that has not caught up after this long never will.
const PATIENCE: Duration = Duration::from_secs(30);
/// A cursor that no event of these tests can have.
const BEYOND_ALL: &str = "7fffffffffffffffffff";

/// Which events a follower asks for.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    Store,
    /// Events of one type, in streams whose names begin with a prefix.
    Filtered {
        prefix: &'static str,
        event_type: &'static str,
    },
    Stream(&'static str),
}

impl Wanted {
    fn includes(self, event: &Event) -> bool {
        match self {
            Self::Store => true,
            Self::Filtered { prefix, event_type } => {
                event.stream.starts_with(prefix) && event.event_type == event_type
            }
            Self::Stream(stream) => event.stream == stream,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Eager,
    /// Falls behind: pauses after each few events.
    Slow,
    /// Disconnects after each few events, and continues after the last one.
    Reconnecting,
    /// Reads pages instead of following.
    Polling,
}

/// Where a follower begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    Start,
    /// At the end of the store, again in each round.
    End,
    /// After a cursor that the store reaches only later.
    Ahead(Duration),
    /// After a cursor that the store never reaches.
    BeyondAll,
}

/// Where a follower continues.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    Start,
    After(String),
    From(u64),
}

#[derive(Debug)]
pub(crate) struct Follower {
    name: &'static str,
    wanted: Wanted,
    pace: Pace,
    beginning: Beginning,
    next: Next,
    /// Received, and not verified yet.
    news: Vec<(String, Event)>,
    /// Everything up to here was verified.
    verified: Option<String>,
    /// The first revisions that the node named when it said that history was removed.
    told_first: BTreeSet<u64>,
    /// The revision after the last verified event, for a follower of one stream.
    revision: u64,
    received: u64,
}

impl Follower {
    pub(crate) fn of_every_kind() -> Vec<Self> {
        use Beginning::{Ahead, BeyondAll, End, Start};
        use Pace::{Eager, Polling, Reconnecting, Slow};
        let filtered = Wanted::Filtered { prefix: "batch-", event_type: "t1" };
        [
            ("eager", Wanted::Store, Eager, Start),
            ("slow", Wanted::Store, Slow, Start),
            ("filtered", filtered, Eager, Start),
            ("reconnecting", Wanted::Store, Reconnecting, Start),
            ("polling", Wanted::Store, Polling, Start),
            ("stream", Wanted::Stream("transaction-0-b"), Eager, Start),
            // Its stream keeps ten events, so it is overtaken again and again.
            ("at the edge", Wanted::Stream("capped-0"), Slow, Start),
            ("on a deleted stream", Wanted::Stream("deleting-0"), Reconnecting, Start),
            ("from the end", Wanted::Store, Eager, End),
            ("ahead", Wanted::Store, Eager, Ahead(Duration::from_millis(300))),
            ("beyond all", filtered, Eager, BeyondAll),
        ]
        .map(|(name, wanted, pace, beginning)| Self::new(name, wanted, pace, beginning))
        .into()
    }

    fn new(name: &'static str, wanted: Wanted, pace: Pace, beginning: Beginning) -> Self {
        let after = match beginning {
            Beginning::Start | Beginning::End => None,
            Beginning::Ahead(by) => Some(cursor_at(SystemTime::now() + by)),
            Beginning::BeyondAll => Some(BEYOND_ALL.to_owned()),
        };
        let next = after.clone().map_or(Next::Start, Next::After);
        let (news, told_first) = (Vec::new(), BTreeSet::new());
        Self {
            name,
            wanted,
            pace,
            beginning,
            next,
            news,
            verified: after,
            told_first,
            revision: 0,
            received: 0,
        }
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    pub(crate) fn overtaken_times(&self) -> usize {
        self.told_first.len()
    }

    /// Called before each round, when the store holds exactly what is in the ledger.
    pub(crate) fn begin(&mut self, ledger: &Ledger) {
        if self.beginning == Beginning::End {
            self.next = Next::After("end".to_owned());
            self.verified = ledger.last().map(str::to_owned);
        }
    }

    /// Receives until the connection breaks or `stop` is set.
    pub(crate) fn follow(&mut self, client: &Client, stop: &AtomicBool) -> Checked {
        self.follow_until(client, &|_| stop.load(Ordering::Relaxed))
    }

    fn follow_until(&mut self, client: &Client, is_over: &dyn Fn(&Next) -> bool) -> Checked {
        loop {
            let outcome = match self.pace {
                Pace::Polling => self.poll(client, is_over),
                _ => self.subscribe(client, is_over),
            };
            match outcome {
                Ok(Ended::Reconnect) => {}
                Ok(Ended::Over) => return Ok(()),
                Err(error) if error.is_retryable() => return Ok(()),
                Err(error) if error.code() == Some("history_truncated") => self.overtaken(&error)?,
                Err(error) => return violation(format!("the follower {:?}: {error}", self.name)),
            }
        }
    }

    fn overtaken(&mut self, error: &Error) -> Checked {
        let first = error.problem().and_then(|problem| problem.members.get("first_revision")?.as_u64());
        let Some(first) = first else {
            return violation(format!("{error} names no first revision"));
        };
        self.told_first.insert(first);
        self.next = Next::From(first);
        Ok(())
    }

    fn read(&self, client: &Client) -> Read {
        let read = match self.wanted {
            Wanted::Store => client.read_all(),
            Wanted::Filtered { prefix, event_type } => {
                client.read_all().prefix(prefix).event_type(event_type)
            }
            Wanted::Stream(stream) => client.read(stream),
        };
        match &self.next {
            Next::Start => read,
            Next::After(cursor) => read.after(Cursor(cursor.clone())),
            Next::From(revision) => read.from(Revision(*revision)),
        }
    }

    fn subscribe(&mut self, client: &Client, is_over: &dyn Fn(&Next) -> bool) -> Result<Ended, Error> {
        const FEW: u32 = 10;
        let broken = Arc::new(AtomicBool::new(false));
        let breaks = Arc::clone(&broken);
        let mut follow =
            self.read(client).follow().on_break(move |_, _| breaks.store(true, Ordering::Relaxed));
        let mut taken = 0;
        while !is_over(&self.next) && !broken.load(Ordering::Relaxed) {
            match follow.next_within(LOOK_EVERY)? {
                Some(event) => {
                    self.take(event.cursor.0.clone(), Event::of(&event));
                    taken += 1;
                    match self.pace {
                        Pace::Reconnecting if taken == FEW => return Ok(Ended::Reconnect),
                        Pace::Slow if taken % FEW == 0 => std::thread::sleep(LOOK_EVERY),
                        _ => {}
                    }
                }
                // A progress message may have moved it.
                None => {
                    if let Some(cursor) = follow.checkpoint().filter(|cursor| cursor.0 != "end") {
                        self.next = Next::After(cursor.0.clone());
                    }
                }
            }
        }
        Ok(Ended::Over)
    }

    fn poll(&mut self, client: &Client, is_over: &dyn Fn(&Next) -> bool) -> Result<Ended, Error> {
        while !is_over(&self.next) {
            let page = self.read(client).limit(50).page()?;
            if page.events.is_empty() {
                std::thread::sleep(LOOK_EVERY);
            }
            page.events.iter().for_each(|event| self.take(event.cursor.0.clone(), Event::of(event)));
        }
        Ok(Ended::Over)
    }

    fn take(&mut self, cursor: String, event: Event) {
        self.received += 1;
        self.next = Next::After(cursor.clone());
        self.news.push((cursor, event));
    }

    /// Compares what was received with the ledger, which must hold everything that the store holds.
    pub(crate) fn verify(&mut self, ledger: &Ledger) -> Checked {
        let checked = self.verify_news(ledger);
        checked.map_err(|violation| violation.at(format!("the follower {:?}", self.name)))
    }

    fn verify_news(&mut self, ledger: &Ledger) -> Checked {
        let last = self.news.last().map(|(cursor, _)| cursor.clone());
        // The node has also said that there is nothing more for this follower up to where it continues.
        let through = match &self.next {
            Next::After(cursor) if self.beginning != Beginning::End => last.max(Some(cursor.clone())),
            _ => last,
        };
        let Some(through) = through else { return Ok(()) };
        let mut news = std::mem::take(&mut self.news).into_iter().peekable();
        // What was recorded before a follower from the end was connected is not for it.
        let first =
            news.peek().filter(|_| self.beginning == Beginning::End).map(|(cursor, _)| cursor.clone());
        let known = ledger.between(self.verified.as_deref(), Some(&through));
        let known = known.skip_while(|(cursor, _)| first.as_deref().is_some_and(|first| *cursor < first));
        for (cursor, event) in known.filter(|(_, event)| self.wanted.includes(event)) {
            let is_received = news.next_if(|(at, received)| at == cursor && received == event).is_some();
            if !is_received && ledger.is_kept(event) {
                let next = news.peek();
                return violation(format!("{event:?} at {cursor} was left out; next was {next:?}"));
            }
            if is_received && matches!(self.wanted, Wanted::Stream(_)) {
                let is_told = event.revision == self.revision || self.told_first.contains(&event.revision);
                // A read from the beginning begins with whatever is kept by then.
                let is_beginning = self.verified.is_none() && self.revision == 0;
                if !is_told && !is_beginning {
                    let revision = self.revision;
                    return violation(format!("{event:?} follows revision {revision} without a word"));
                }
                self.revision = event.revision + 1;
            }
        }
        if let Some((cursor, event)) = news.next() {
            return violation(format!(
                "{event:?} was visible at {cursor}, and it is not there, not recorded, or was sent twice"
            ));
        }
        self.verified = Some(through);
        Ok(())
    }

    /// Receives the rest of the ledger, and compares it.
    pub(crate) fn catch_up(&mut self, client: &Client, ledger: &Ledger) -> Checked {
        let wanted = |(_, event): &(&str, &Event)| self.wanted.includes(event) && ledger.is_kept(event);
        let last = ledger.between(self.verified.as_deref(), None).filter(wanted).last();
        let Some(last) = last.map(|(cursor, _)| cursor.to_owned()) else { return self.verify(ledger) };
        if self.beginning == Beginning::End {
            return self.verify(ledger);
        }
        if self.pace != Pace::Polling {
            self.pace = Pace::Eager;
        }
        let began = Instant::now();
        let is_there = |next: &Next| matches!(next, Next::After(cursor) if *cursor >= last);
        self.follow_until(client, &|next| is_there(next) || began.elapsed() > PATIENCE)?;
        if !is_there(&self.next) {
            return violation(format!("the follower {:?} never receives {last}: {self:?}", self.name));
        }
        self.verify(ledger)
    }
}

/// Why a connection was given up.
enum Ended {
    Reconnect,
    Over,
}

/// The first cursor that an event of that time can have.
fn cursor_at(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap();
    format!("{:012x}00000000", since.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cursor of these tests.
    fn at(number: u64) -> String {
        format!("{number:020x}")
    }

    fn event(revision: u64) -> Event {
        let (stream, event_type) = ("capped-0".to_owned(), "t".to_owned());
        Event { stream, revision, id: revision.to_string(), event_type, data: "1".to_owned() }
    }

    /// What the check says about a follower that received these revisions, when six were recorded and the first
    /// two of them removed.
    fn check(wanted: Wanted, received: &[u64], told_first: &[u64]) -> String {
        let mut ledger = Ledger::default();
        (0..6).for_each(|revision| ledger.record(at(revision + 1), event(revision)).unwrap());
        ledger.removed_before("capped-0", 2);
        let mut follower = Follower::new("test", wanted, Pace::Eager, Beginning::Start);
        received.iter().for_each(|revision| follower.take(at(revision + 1), event(*revision)));
        follower.told_first.extend(told_first);
        follower.verify(&ledger).map_or_else(|violation| violation.to_string(), |()| "exact".to_owned())
    }

    #[test]
    fn a_follower_that_received_something_else_than_the_ledger_holds_is_found_out() {
        const STREAM: Wanted = Wanted::Stream("capped-0");
        for (wanted, received, told_first, says) in [
            (Wanted::Store, &[0, 1, 2, 3, 4, 5][..], &[][..], "exact"),
            (Wanted::Store, &[2, 3, 4], &[], "exact"),
            (Wanted::Store, &[0, 1, 3, 4], &[], "was left out"),
            (Wanted::Store, &[2, 3, 3, 4], &[], "was left out"),
            (Wanted::Store, &[2, 3, 3], &[], "sent twice"),
            (Wanted::Store, &[2, 4, 3], &[], "was left out"),
            (Wanted::Store, &[2, 3, 4, 5, 6], &[], "it is not there"),
            (STREAM, &[0, 1, 2, 3], &[], "exact"),
            (STREAM, &[2, 3], &[2], "exact"),
            (STREAM, &[2, 3], &[], "exact"),
            (STREAM, &[0, 2, 3], &[2], "exact"),
            (STREAM, &[0, 2, 3], &[], "without a word"),
            (Wanted::Filtered { prefix: "batch-", event_type: "t" }, &[2], &[], "it is not there"),
        ] {
            let said = check(wanted, received, told_first);
            assert!(said.contains(says), "{wanted:?} {received:?}: {said}");
        }
    }
}
