//! What readers see is what the model says, entry by entry: every event, every stream's head and settings, the
//! clocks.

use super::shown::Shown;
use crate::reference::Reference;
use model::{Cursor, Revision, Settings, Slot, StreamName, View};
use reference_model::Stream;
use shard::query::{self, Presence};

/// # Errors
/// Readers see something else.
pub fn check(shown: &Shown, state: &impl View, reference: &Reference) -> Result<(), String> {
    events(shown, reference)?;
    let model = reference.model();
    for stream in &model.streams {
        head(stream, state)?;
    }
    let clock = query::clock(state, Slot(0)).map_err(|error| error.to_string())?;
    let found = (clock.wall.0, clock.elapsed.0, clock.last_position.0);
    if found != (model.wall, model.elapsed, model.last) {
        return Err(format!(
            "the clocks are at {found:?} instead of {:?}",
            (model.wall, model.elapsed, model.last)
        ));
    }
    Ok(())
}

/// # Errors
/// Readers see other events.
pub fn events(shown: &Shown, reference: &Reference) -> Result<(), String> {
    let kept = reference.kept(Cursor::START, usize::MAX);
    for (at, kept) in kept.iter().enumerate() {
        let name = &reference.model().streams[kept.stream].name;
        let Some(event) = shown.events.get(at) else {
            return Err(format!("revision {} of {name} at {} is missing", kept.revision, kept.cursor));
        };
        let same = event.cursor == kept.cursor
            && event.stream == *name
            && event.revision == kept.revision
            && reference.has_text(kept, event.text.as_bytes());
        if !same {
            return Err(format!("instead of {kept:?} of {name} there is {event:?}"));
        }
    }
    match shown.events.get(kept.len()) {
        Some(event) => Err(format!("{event:?} should not be visible")),
        None => Ok(()),
    }
}

fn head(ours: &Stream, state: &impl View) -> Result<(), String> {
    let name = StreamName::new(&ours.name[..]).map_err(|error| error.to_string())?;
    let head = query::stream(state, &name).map_err(|error| error.to_string())?;
    let presence = match (ours.events.is_empty(), ours.deleted) {
        (true, _) => Presence::Never,
        (false, true) => Presence::Deleted,
        (false, false) => Presence::Exists,
    };
    let settings = Settings {
        max_age_ms: ours.keep.age_ms,
        max_count: ours.keep.count,
        truncate_before: ours.keep.truncate_before.map(Revision),
    };
    let (first, next) = (Revision(ours.removed as u64), Revision(ours.events.len() as u64));
    if (head.presence, head.first, head.next, head.settings) != (presence, first, next, settings) {
        return Err(format!(
            "{name} is {head:?} instead of {presence:?} from {first} to {next} with {settings:?}"
        ));
    }
    Ok(())
}
