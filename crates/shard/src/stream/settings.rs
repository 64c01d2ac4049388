//! Set what a stream keeps.
//!
//! *The settings replace all earlier ones. When the outcome is returned, the events that they remove can no
//! longer be read.* The stream need not exist yet. `truncate_before` must not be greater than the stream's
//! next revision. It never decreases: a lower value than before has no effect. Deleting the stream resets its
//! settings.

use crate::heads::{Head, Stream};
use crate::overlay::Overlay;
use crate::stream::retention;
use format::row::StreamRow;
use model::{Outcome, PutSettings, Refusal, Revision, Settings, StreamId, View, ViewError};

/// Decides the command.
pub(crate) fn apply<'e, V: View>(
    put: &'e PutSettings<'_>,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Outcome, ViewError> {
    let stream = Stream::new(&put.stream);
    let head = overlay.head(&stream)?;
    if let Err(refusal) = check(&put.settings, head.as_ref()) {
        return Ok(Outcome::Refused(refusal));
    }
    let before = head.map_or(Settings::default(), |head| head.row.settings);
    let settings = Settings {
        truncate_before: put
            .settings
            .truncate_before
            .map(|first| before.truncate_before.map_or(first, |old| old.max(first))),
        ..put.settings
    };
    let mut head = match head {
        Some(head) => head,
        None if settings == Settings::default() => return Ok(Outcome::SettingsPut),
        None => Head { row: StreamRow::new(StreamId(overlay.take_position().0)), next: Revision::FIRST },
    };
    head.row.settings = settings;
    enforce(&stream, &mut head, overlay)?;
    retention::set_timer(&stream, &mut head, overlay)?;
    overlay.put_stream(&stream, head);
    Ok(Outcome::SettingsPut)
}

fn check(settings: &Settings, head: Option<&Head>) -> Result<(), Refusal> {
    let next = head.map_or(Revision::FIRST, |head| head.next);
    match settings.truncate_before {
        Some(first) if first > next => Err(Refusal::TruncateBeyondEnd { next }),
        _ => Ok(()),
    }
}

/// Removes what the stream's settings do not keep.
fn enforce<'e, V: View>(
    stream: &Stream<'e>,
    head: &mut Head,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<(), ViewError> {
    let settings = head.row.settings;
    let by_age = match settings.max_age_ms {
        Some(max_age_ms) => {
            retention::first_within_age(max_age_ms, stream, head, overlay.shard.wall, overlay)?
        }
        None => head.row.first,
    };
    let by_count = settings.max_count.map_or(0, |max| head.next.0.saturating_sub(max));
    let first = by_age.max(Revision(by_count)).max(settings.truncate_before.unwrap_or_default());
    if first > head.row.first {
        retention::remove_before(first, 0, stream, head, overlay)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::query;
    use crate::testing::{Store, check, name};

    #[test]
    fn settings_remove_events_at_once() {
        check(&[
            ("append cart a b c", "keep cart count 1", "kept", "cart 2c"),
            ("append cart a b c", "keep cart from 1", "kept", "cart 1b 2c"),
            ("append cart a b c", "keep cart from 3", "kept", "cart next 3"),
            ("append cart a; wait 10; append cart b; wait 10", "keep cart age 15", "kept", "cart 1b"),
            ("append cart a; wait 10; append cart b; wait 10", "keep cart age 20", "kept", "cart 0a 1b"),
            ("append cart a b c d", "keep cart count 3 from 2", "kept", "cart 2c 3d"),
            ("append cart a b c", "keep cart count 0", "kept", "cart next 3"),
        ]);
    }

    #[test]
    fn removed_events_do_not_come_back() {
        check(&[
            ("append cart a b c; keep cart from 2", "keep cart from 1", "kept", "cart 2c"),
            ("append cart a b c; keep cart count 1", "keep cart", "kept", "cart 2c"),
            ("append cart a b c; keep cart from 2; keep cart from 1", "append cart d", "3", "cart 2c 3d"),
        ]);
    }

    #[test]
    fn a_stream_cannot_be_truncated_beyond_its_end() {
        check(&[
            ("append cart a", "keep cart from 2", "the stream ends before 1", "cart 0a"),
            ("", "keep cart from 1", "the stream ends before 0", ""),
            ("", "keep cart from 0", "kept", "cart next 0"),
        ]);
    }

    #[test]
    fn a_stream_can_have_settings_before_it_exists() {
        check(&[
            ("keep cart count 1", "append cart if exists a", "part 0 has no stream", "cart next 0"),
            ("keep cart count 1", "append cart if none a b", "0 1", "cart 1b"),
            ("", "keep cart", "kept", ""),
        ]);
    }

    #[test]
    fn truncate_before_never_moves_back() {
        let mut store = Store::default();
        store.run("append cart a b c; keep cart from 2; keep cart from 1 count 7");
        let settings = query::stream(&store.rows, &name("cart")).unwrap().settings;
        assert_eq!((settings.truncate_before, settings.max_count), (Some(model::Revision(2)), Some(7)));
    }
}
