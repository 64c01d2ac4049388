//! A request without an outcome took effect completely or not at all, and every event belongs to a request.

use super::shown::Shown;
use crate::ledger::Ledger;
use crate::reference::is_drawn;
use reference_model::queue::draw::EVENTS;
use std::collections::BTreeSet;

/// # Errors
/// A request took effect partly, or an event belongs to no request.
pub fn check(shown: &Shown, ledger: &Ledger) -> Result<(), String> {
    let there: BTreeSet<(&str, &str)> =
        shown.events.iter().map(|event| (&event.stream[..], &event.text[..])).collect();
    for (client, events) in &ledger.unknown {
        let durable = events.iter().filter(|(stream, _)| !ledger.removable.contains(stream));
        let (here, missing): (Vec<_>, Vec<_>) =
            durable.partition(|(stream, text)| there.contains(&(&stream[..], &text[..])));
        if !here.is_empty() && !missing.is_empty() {
            return Err(format!("client {client}'s request is half applied: {here:?} without {missing:?}"));
        }
    }
    let asked: BTreeSet<(&str, &str)> =
        ledger.unknown.values().flatten().map(|(stream, text)| (&stream[..], &text[..])).collect();
    // Queues tell one stream what has become of tasks; the model says what.
    let is_asked_for = |stream: &str| !is_drawn(stream) && stream != EVENTS;
    for (stream, text) in there.into_iter().filter(|(stream, _)| is_asked_for(stream)) {
        let acknowledged = ledger.acknowledged.get(stream).is_some_and(|events| events.contains_key(text));
        if !acknowledged && !asked.contains(&(stream, text)) {
            return Err(format!("no request appended {text} to {stream}"));
        }
    }
    Ok(())
}
