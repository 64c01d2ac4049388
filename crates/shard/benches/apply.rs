//! The cost of deciding, without a store: `cargo bench -p shard`. The view is a map in memory.
//!
//! Prints nanoseconds of CPU for each event, for entries of several sizes, with 1 KiB events in 1,000
//! streams.

use model::{
    Append, Command, EntryClock, Expected, Filled, Fingerprint, IdHash, Identity, KeyId, NewEvent, StreamName,
};
use model::{Elapsed, Key, Value, Wall};
use shard::{Shard, ShardOptions};
use std::collections::BTreeMap;
use std::time::Instant;

const STREAMS: u64 = 1_000;
const EVENTS: u64 = 100_000;

fn main() {
    // `cargo test --all-targets` runs this too, and needs no figures.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    for (appends, events) in [(1, 1), (64, 1), (1, 100), (16, 100)] {
        for identity in [Who::Client, Who::Server] {
            measure(appends, events, identity);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Client,
    Server,
}

fn measure(appends: u64, events: u64, who: Who) {
    let mut rows: BTreeMap<Key, Value> = BTreeMap::new();
    let mut shard = Shard::new(ShardOptions::default());
    let envelope = vec![b'x'; 1_024];
    let (mut done, mut decoding, mut applying) = (0, 0, 0);
    let mut number = 0_u64;
    let mut logged = Vec::new();
    while done < EVENTS {
        let commands: Vec<_> = (0..appends)
            .map(|_| {
                number += 1;
                let stream = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % STREAMS;
                append(stream, number, events, who, &envelope)
            })
            .collect();
        let clock = EntryClock { wall: Wall(1_700_000_000_000 + number), elapsed: Elapsed(number) };
        logged.clear();
        format::entry::encode(shard::BEHAVIOUR, clock, &commands, &mut logged);
        let start = Instant::now();
        let Ok(entry) = format::entry::decode(&logged) else { return };
        let decoded = Instant::now();
        let Ok(applied) = shard.apply(&entry, &rows) else { return };
        applying += decoded.elapsed().as_nanos();
        decoding += (decoded - start).as_nanos();
        applied.writes.change(&mut rows);
        done += appends * events;
    }
    let each = |nanoseconds: u128| nanoseconds / u128::from(done);
    println!(
        "{appends:>3} appends of {events:>3}, ids by {who:?}: decode {:>5} ns, apply {:>5} ns an event",
        each(decoding),
        each(applying),
    );
}

fn append<'a>(stream: u64, number: u64, events: u64, who: Who, envelope: &'a [u8]) -> Command<'a> {
    let event = |at: u64| NewEvent {
        identity: match who {
            Who::Client => Identity::Client(IdHash(
                u128::from((number * events + at).wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64,
            )),
            Who::Server => Identity::Server,
        },
        fingerprint: Fingerprint(u128::from(number)),
        filled: Filled::default(),
        event_type: "cart.item-added".into(),
        key_id: KeyId::NONE,
        envelope: envelope.into(),
    };
    let Ok(stream) = StreamName::new(format!("cart-{stream}")) else { std::process::abort() };
    Command::Append(Append {
        keyed: None,
        stream,
        expected: Expected::Any,
        events: (0..events).map(event).collect(),
    })
}
