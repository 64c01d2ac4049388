//! Every acknowledged event exists exactly once, at the revision and position of its outcome. In streams
//! whose events may be removed, this holds for the events that still exist. It is about orderly
//! clients, and knows only what they know.

use super::shown::Shown;
use crate::ledger::Ledger;
use crate::reference::is_of_clients;
use std::collections::BTreeMap;

/// # Errors
/// An acknowledged event is missing, is somewhere else, or exists twice.
pub fn check(shown: &Shown, ledger: &Ledger) -> Result<(), String> {
    let mut found = BTreeMap::new();
    for event in shown.events.iter().filter(|event| is_of_clients(&event.stream)) {
        if let Some(before) = found.insert((&event.stream[..], &event.text[..]), event) {
            return Err(format!(
                "{} is in {} twice: {} and {}",
                event.text, event.stream, before.revision, event.revision
            ));
        }
    }
    for (stream, events) in &ledger.acknowledged {
        for (text, known) in events {
            match found.get(&(&stream[..], &text[..])) {
                None if ledger.removable.contains(stream) => {}
                None => return Err(format!("{text} in {stream} was acknowledged at {known:?} but is lost")),
                Some(event)
                    if event.revision != known.revision || event.cursor.position != known.position =>
                {
                    return Err(format!(
                        "{text} in {stream} was acknowledged at {known:?} but is at {event:?}"
                    ));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}
