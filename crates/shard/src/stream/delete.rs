//! Remove a stream's events.
//!
//! *When the outcome is returned, the stream's events and settings can no longer be read. Its revisions are
//! never used again.* Afterwards the stream does not exist. The next append brings it back and continues
//! after its last revision. Deleting a stream that does not exist is not an error, unless the request expects
//! it to exist.

use crate::heads::{Head, Stream, is_as_expected};
use crate::overlay::Overlay;
use crate::stream::retention;
use model::{DeleteStream, Outcome, Refusal, Settings, View, ViewError};

/// Decides the command.
pub(crate) fn apply<'e, V: View>(
    delete: &'e DeleteStream<'_>,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Outcome, ViewError> {
    let stream = Stream::new(&delete.stream);
    let head = overlay.head(&stream)?;
    let last = head.as_ref().and_then(Head::last);
    if !is_as_expected(delete.expected, head.as_ref()) {
        return Ok(Outcome::Refused(Refusal::WrongRevision { part: 0, current: last }));
    }
    let Some(mut head) = head else { return Ok(Outcome::StreamDeleted { last: None }) };
    let bare = head.row.settings == Settings::default();
    if last.is_none() && bare {
        return Ok(Outcome::StreamDeleted { last: None });
    }
    if head.row.first < head.next {
        retention::remove_before(head.next, 0, &stream, &mut head, overlay)?;
    }
    head.row.deleted |= last.is_some();
    head.row.settings = Settings::default();
    retention::set_timer(&stream, &mut head, overlay)?;
    overlay.put_stream(&stream, head);
    Ok(Outcome::StreamDeleted { last })
}

#[cfg(test)]
mod tests {
    use crate::query;
    use crate::testing::{Store, check, name};
    use model::Settings;

    #[test]
    fn a_deleted_streams_events_are_gone() {
        check(&[
            ("append cart a b", "delete cart", "deleted up to 1", "cart deleted next 2"),
            ("append cart a b; keep cart from 2", "delete cart", "deleted up to 1", "cart deleted next 2"),
            (
                "append cart a; append order b",
                "delete cart",
                "deleted up to 0",
                "cart deleted next 1, order 0b",
            ),
        ]);
    }

    #[test]
    fn deleting_a_stream_that_does_not_exist_is_not_an_error() {
        check(&[
            ("", "delete cart", "nothing to delete", ""),
            ("", "delete cart if none", "nothing to delete", ""),
            ("append cart a; delete cart", "delete cart", "nothing to delete", "cart deleted next 1"),
            ("keep cart count 2", "delete cart", "nothing to delete", "cart next 0"),
        ]);
    }

    #[test]
    fn the_stream_must_be_at_the_expected_revision() {
        check(&[
            ("append cart a b", "delete cart if 1", "deleted up to 1", "cart deleted next 2"),
            ("append cart a b", "delete cart if 0", "part 0 is at 1", "cart 0a 1b"),
            ("append cart a b", "delete cart if none", "part 0 is at 1", "cart 0a 1b"),
            ("", "delete cart if exists", "part 0 has no stream", ""),
            ("append cart a; delete cart", "delete cart if 0", "part 0 has no stream", "cart deleted next 1"),
        ]);
    }

    #[test]
    fn deleting_a_stream_resets_its_settings() {
        let mut store = Store::default();
        store.run("append cart a; keep cart count 1 age 5; delete cart");
        let settings = |store: &Store| query::stream(&store.rows, &name("cart")).unwrap().settings;
        assert_eq!(settings(&store), Settings::default());
        store.run("wait 60000");
        assert_eq!(store.run("append cart b c"), "1 2");
        store.run("keep order count 1; delete order");
        assert_eq!(query::stream(&store.rows, &name("order")).unwrap().settings, Settings::default());
        assert_eq!(store.timers().wall, None);
    }
}
