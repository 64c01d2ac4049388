//! Writers that know what they were told. Each has streams of its own, so that what must be in them follows
//! from its own acknowledgements: the writes 0, 1, 2, ... in order, and of the first one without an answer
//! either all or nothing.

use mainstay_client::blocking::{Client, Pending};
use mainstay_client::{Expected, NewEvent, Revision, Transaction};

/// How a writer writes. Each kind is another path through the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One event a request.
    Single,
    /// Seven events a request.
    Batch,
    /// A transaction over two streams: one event in the first, two in the second.
    Transaction,
    /// One event with the expected revision.
    Expecting,
}

const WRITERS_EACH: u32 = 3;

#[derive(Debug)]
pub(crate) struct Writer {
    kind: Kind,
    name: String,
    /// Writes that were acknowledged.
    acknowledged: u64,
    /// Up to here the streams were verified.
    verified: u64,
    /// The write `acknowledged` was sent and has no answer.
    unanswered: bool,
}

/// One write's part in one stream.
struct Part {
    stream: String,
    ids: Vec<String>,
}

impl Writer {
    pub(crate) fn all() -> Vec<Self> {
        let kinds = [Kind::Single, Kind::Batch, Kind::Transaction, Kind::Expecting];
        let of = |kind| {
            (0..WRITERS_EACH).map(move |number| Self {
                kind,
                name: format!("{kind:?}-{number}").to_lowercase(),
                acknowledged: 0,
                verified: 0,
                unanswered: false,
            })
        };
        kinds.into_iter().flat_map(of).collect()
    }

    fn parts(&self, write: u64) -> Vec<Part> {
        let part = |suffix: &str, events: u64| Part {
            stream: format!("{}{suffix}", self.name),
            ids: (0..events).map(|event| format!("{write}.{event}")).collect(),
        };
        match self.kind {
            Kind::Single | Kind::Expecting => vec![part("", 1)],
            Kind::Batch => vec![part("", 7)],
            Kind::Transaction => vec![part("-a", 1), part("-b", 2)],
        }
    }

    pub(crate) fn acknowledged_events(&self) -> u64 {
        self.acknowledged * self.parts(0).iter().map(|part| part.ids.len() as u64).sum::<u64>()
    }

    /// Sends one write; says whether all of it was there already.
    fn write(&self, client: &Client, write: u64) -> mainstay_client::Result<bool> {
        let parts = self.parts(write);
        let events = |part: &Part| -> Vec<NewEvent> {
            let padding = "x".repeat(300);
            let event = |id: &String| NewEvent::new("t").source("/crash").id(id).data(&padding);
            part.ids.iter().map(|id| event(id).unwrap()).collect()
        };
        match parts.as_slice() {
            [one] => {
                let expected = match (self.kind, write.checked_sub(1)) {
                    (Kind::Expecting, Some(last)) => Expected::Revision(Revision(last)),
                    (Kind::Expecting, None) => Expected::None,
                    _ => Expected::Any,
                };
                Ok(client.append(&one.stream, events(one)).expected(expected).send()?.all_replayed())
            }
            parts => {
                let add = |transaction: Pending<Transaction>, part: &Part| {
                    transaction.append(&part.stream, Expected::Any, events(part))
                };
                Ok(parts.iter().fold(client.transaction(), add).send()?.replayed)
            }
        }
    }

    /// Verifies what was written since the last time, sends what got no answer again, and says whether that
    /// had taken effect already.
    pub(crate) fn verify_and_retry(&mut self, client: &Client, round: u32) -> bool {
        let took_effect = self.verify(client, self.verified, round);
        self.verified = self.acknowledged;
        if !std::mem::take(&mut self.unanswered) {
            assert!(!took_effect, "{} in round {round}: an event that nobody sent", self.name);
            return false;
        }
        let replayed = self.write(client, self.acknowledged).unwrap();
        assert_eq!(replayed, took_effect, "{} in round {round}: write {}", self.name, self.acknowledged);
        self.acknowledged += 1;
        took_effect
    }

    pub(crate) fn verify_from_the_beginning(&self, client: &Client) {
        assert!(!self.verify(client, 0, u32::MAX), "{}", self.name);
    }

    /// Checks the streams from write `from` on; says whether they hold one write more than was acknowledged.
    fn verify(&self, client: &Client, from: u64, round: u32) -> bool {
        let per_write = self.parts(0);
        let more: Vec<bool> = (0..per_write.len())
            .map(|index| {
                let first = Revision(from * per_write[index].ids.len() as u64);
                let stream = &per_write[index].stream;
                let events = client.read(stream).from(first).events();
                let found: Vec<String> = events.map(|event| event.unwrap().id).collect();
                let ids = |writes: std::ops::Range<u64>| -> Vec<String> {
                    writes.flat_map(|write| self.parts(write).swap_remove(index).ids).collect()
                };
                let acknowledged = ids(from..self.acknowledged);
                let with_unanswered = ids(from..self.acknowledged + 1);
                assert!(
                    found == acknowledged || found == with_unanswered,
                    "round {round}: {stream} from {first} should hold {} events, or {} with the unanswered \
                     write, and holds {}: ...{:?}",
                    acknowledged.len(),
                    with_unanswered.len(),
                    found.len(),
                    &found[found.len().saturating_sub(10)..],
                );
                found != acknowledged
            })
            .collect();
        assert!(
            more.iter().all(|it| *it == more[0]),
            "round {round}: {} is half applied: {more:?}",
            self.name
        );
        more[0]
    }
}

/// Writes until an answer does not come.
pub(crate) fn write_until_it_breaks(client: &Client, mut writer: Writer) -> Writer {
    loop {
        match writer.write(client, writer.acknowledged) {
            Ok(replayed) => {
                assert!(
                    !replayed,
                    "{}: write {} was there before it was sent",
                    writer.name, writer.acknowledged
                );
                writer.acknowledged += 1;
            }
            Err(error) => {
                assert!(error.problem().is_none(), "{}: {error}", writer.name);
                writer.unanswered = true;
                return writer;
            }
        }
    }
}
