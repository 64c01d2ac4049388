//! What clients know: what was acknowledged where, and what they asked for and do not know yet.

use model::{Append, Command, Position, Revision, Write};
use std::collections::{BTreeMap, BTreeSet};

/// What a test event is known by: its envelope is this text, alone in the whole run.
pub type EventText = String;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    pub revision: Revision,
    pub position: Position,
}

/// One run's knowledge.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Stream to event text to its place.
    pub acknowledged: BTreeMap<String, BTreeMap<EventText, Acknowledged>>,
    /// Asked for and not answered: each group is all there or none of it.
    pub unknown: BTreeMap<u64, BTreeSet<(String, EventText)>>,
    /// Streams whose events may be removed: only what is still there is compared.
    pub removable: BTreeSet<String>,
    pub acknowledgements: u64,
    pub replays: u64,
}

impl Ledger {
    /// A client asks for something (again).
    pub fn asked(&mut self, client: u64, command: &Command<'static>) {
        self.unknown.insert(client, events_of(command).into_iter().collect());
    }

    /// A client has its answer.
    pub fn answered(&mut self, client: u64) {
        self.unknown.remove(&client);
    }

    /// # Errors
    /// The same event was acknowledged before, at another place.
    pub fn acknowledge(&mut self, stream: &str, text: &str, place: Acknowledged) -> Result<(), String> {
        let events = self.acknowledged.entry(stream.to_owned()).or_default();
        match events.get(text) {
            Some(before) if *before != place => {
                Err(format!("{text} in {stream} was acknowledged at {before:?} and then at {place:?}"))
            }
            _ => {
                events.insert(text.to_owned(), place);
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
            })
            .collect(),
        _ => Vec::new(),
    }
}
