//! What the clients know: which events were acknowledged and where they are, and which requests have no
//! outcome yet.

use model::{Append, Command, Position, Revision, Write};
use std::collections::{BTreeMap, BTreeSet};

/// The text of a test event's envelope, which is unique in the whole run.
pub type EventText = String;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    pub revision: Revision,
    pub position: Position,
}

/// What the clients of one run know.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Where each acknowledged event is, by stream.
    pub acknowledged: BTreeMap<String, BTreeMap<EventText, Acknowledged>>,
    /// For each client, the events without an outcome yet: either all of them exist or none.
    pub unknown: BTreeMap<u64, BTreeSet<(String, EventText)>>,
    /// Streams whose events may be removed. Only what they still hold is compared.
    pub removable: BTreeSet<String>,
    pub acknowledgements: u64,
    pub replays: u64,
}

impl Ledger {
    /// A client sends a new command.
    pub fn asked(&mut self, client: u64, command: &Command<'static>) {
        self.unknown.insert(client, events_of(command).into_iter().collect());
    }

    /// A client has received an outcome.
    pub fn answered(&mut self, client: u64) {
        self.unknown.remove(&client);
    }

    /// # Errors
    /// The same event was acknowledged before with another position.
    pub fn acknowledge(&mut self, stream: &str, text: &str, event: Acknowledged) -> Result<(), String> {
        let events = self.acknowledged.entry(stream.to_owned()).or_default();
        match events.get(text) {
            Some(before) if *before != event => {
                Err(format!("{text} in {stream} was acknowledged at {before:?} and then at {event:?}"))
            }
            _ => {
                events.insert(text.to_owned(), event);
                Ok(())
            }
        }
    }
}

/// A command's events, by stream and text.
#[must_use]
pub fn events_of(command: &Command<'_>) -> Vec<(String, EventText)> {
    let of_append = |append: &Append<'_>| -> Vec<(String, EventText)> {
        let text = |event: &model::NewEvent<'_>| String::from_utf8_lossy(&event.envelope).into_owned();
        append.events.iter().map(|event| (append.stream.as_str().to_owned(), text(event))).collect()
    };
    match command {
        Command::Append(append) => of_append(append),
        Command::Transaction(transaction) => transaction
            .writes
            .iter()
            .flat_map(|write| match write {
                Write::Append(append) => of_append(append),
                Write::Enqueue(_)
                | Write::Settle(_)
                | Write::CompleteExecution(_)
                | Write::CreateGroup(_) => Vec::new(),
            })
            .collect(),
        _ => Vec::new(),
    }
}
