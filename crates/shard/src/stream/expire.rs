//! Remove the events of one stream that are older than its `max_age`.
//!
//! *Events recorded longer ago than the stream's `max_age`, measured by the entry's time of day, are
//! removed.* The node proposes this when the stream's timer comes due. If the command is repeated or early,
//! it removes nothing and sets the timer again.

use crate::heads::Stream;
use crate::overlay::Overlay;
use crate::stream::retention;
use model::{ExpireEvents, Outcome, View, ViewError, limits};

/// Decides the command.
pub(crate) fn apply<'e, V: View>(
    expire: &'e ExpireEvents<'_>,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Outcome, ViewError> {
    let done = Outcome::Progressed { more: false };
    let stream = Stream::new(&expire.stream);
    let wall = overlay.shard.wall;
    let Some(mut head) = overlay.head(&stream)? else { return Ok(done) };
    let Some(max_age_ms) = head.row.settings.max_age_ms else { return Ok(done) };
    let before = head.row;
    let first = retention::first_within_age(max_age_ms, &stream, &head, wall, overlay)?;
    if first > head.row.first {
        let at_once_max = limits::EXPIRY_CLEANS_EVENTS_MAX;
        retention::remove_before(first, at_once_max, &stream, &mut head, overlay)?;
    }
    retention::set_timer(&stream, &mut head, overlay)?;
    if head.row != before {
        overlay.put_stream(&stream, head);
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Store, check, name};
    use model::{Command, Effect, Namespace, Timer, Wall};

    #[test]
    fn events_older_than_max_age_are_removed() {
        check(&[
            (
                "keep cart age 10; append cart a; wait 5; append cart b; wait 6",
                "expire cart",
                "no more",
                "cart 1b",
            ),
            ("keep cart age 10; append cart a; wait 10", "expire cart", "no more", "cart 0a"),
            ("keep cart age 10; append cart a; wait 11", "expire cart", "no more", "cart next 1"),
            ("append cart a; wait 100", "expire cart", "no more", "cart 0a"),
            ("", "expire cart", "no more", ""),
        ]);
    }

    #[test]
    fn nothing_is_hidden_before_an_entry_says_so() {
        check(&[("keep cart age 10; append cart a; wait 100", "append cart b", "1", "cart 0a 1b")]);
    }

    #[test]
    fn an_effect_says_when_to_expire() {
        let mut store = Store::default();
        store.run("keep cart age 2500; append cart a");
        let deadline = Some(Wall(1_003_000));
        let (slot, timer) = (name("cart").slot(Namespace::ROOT), Timer::Events(Wall(1_003_000)));
        assert_eq!(store.applied.effects, [Effect::TimerSet { slot, timer }]);
        assert_eq!(store.agenda.next().wall, deadline);
        store.run("append cart b");
        assert_eq!(store.applied.effects, [], "the oldest event's timer stays");
        store.run("wait 2999");
        assert_eq!(store.due(), None);
        store.run("wait 1");
        let Some(Command::ExpireEvents(expire)) = store.due() else { panic!("nothing is due") };
        assert_eq!(expire.stream.as_str(), "cart");
        assert_eq!(store.apply(Command::ExpireEvents(expire)), "no more");
        assert_eq!(store.state(), "cart next 2");
        assert_eq!(store.agenda.next().wall, None);
        store.run("append cart c");
        assert_eq!(store.agenda.next().wall, Some(Wall(1_006_000)));
    }
}
