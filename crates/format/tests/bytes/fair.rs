//! One command, one outcome and one row of every shape of fair shares, of keys that run several tasks, and of events
//! about finished tasks.

use crate::golden::check;
use crate::queue::{KEY, queue_row};
use crate::samples::{CLOCK, Sample};
use format::row::KeyRow;
use model::{Behaviour, Command, PutQueue, QueueName, QueueOptions, QueueSettings};

fn queue() -> QueueName<'static> {
    QueueName::new("żółw").unwrap()
}

fn commands() -> Vec<(&'static str, Command<'static>)> {
    let put = |options| {
        let settings = QueueSettings { options, ..queue_row().settings };
        Command::PutQueue(PutQueue { queue: queue(), settings })
    };
    let key_concurrency = QueueOptions { key_concurrency: Some(300), ..QueueOptions::NONE };
    vec![("put-queue-with-key-concurrency", put(key_concurrency))]
}

const OPEN_KEY: KeyRow = KeyRow { open: 300, ..KEY };

pub(crate) fn samples() -> Vec<Sample> {
    let entry = |command: Command<'_>| {
        let mut out = Vec::new();
        format::entry::encode(Behaviour(1), CLOCK, &[command], &mut out);
        out
    };
    let mut all: Vec<Sample> = commands().into_iter().map(|(name, command)| (name, entry(command))).collect();
    all.push(("key-with-open-tasks", OPEN_KEY.encode()));
    all
}

#[test]
fn the_bytes_of_fair_shares_never_change() {
    check("fair.hex", &samples());
}

#[test]
fn fair_shares_read_back_as_they_were() {
    for ((name, command), (_, bytes)) in commands().into_iter().zip(samples()) {
        assert_eq!(format::entry::decode(&bytes).unwrap().commands, [command], "{name}");
    }
    assert_eq!(KeyRow::decode(&OPEN_KEY.encode()), Ok(OPEN_KEY));
}
