//! Which moment `as_of` means. The moment is closed before the read, so that asking again about it always
//! gives the same response.
//!
//! The clocks of application hosts run a little fast or slow. A time up to [`limits::AS_OF_AHEAD_MS_MAX`]
//! ahead of the node's clock therefore counts as now, and the response names the moment that was used. A time
//! further ahead is refused: it is more likely a mistake than a fast clock.
//!
//! `as_of_event_time` has no such rule. It selects events by the `time` that their producers gave them, which
//! may lie in the future, and an event that arrives later can still belong to the selection.

use crate::context::Context;
use crate::response::Result;
use crate::unavailable;
use api::request::query::{self, AsOf};
use api::time::Moment;
use api::{Code, Problem};
use model::{Cursor, Wall, limits};

/// The moment that a read is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResolvedAsOf {
    /// The last cursor that the read may see.
    pub(super) until: Cursor,
    /// The moment as text. Sent back as `as_of`, it means the same moment.
    pub(super) moment: String,
}

/// What is to be done about an `as_of`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    /// No later event can change the response.
    Final(ResolvedAsOf),
    /// So it is once this millisecond is closed.
    Close(Wall, ResolvedAsOf),
    TooFarAhead {
        ms: u64,
    },
}

/// # Errors
/// A time too far in the future, or a node that cannot close the time now.
pub(super) async fn resolve(context: &Context, as_of: Option<AsOf>) -> Result<Option<ResolvedAsOf>> {
    let Some(as_of) = as_of else { return Ok(None) };
    let visible = *context.handle.visible().borrow();
    match decide(as_of, visible, context.handle.wall()) {
        Decision::Final(resolved) => Ok(Some(resolved)),
        Decision::Close(wall, resolved) => {
            context.handle.close_time(wall).await.map_err(|error| unavailable::problem(&error))?;
            Ok(Some(resolved))
        }
        Decision::TooFarAhead { ms } => Err(too_far_ahead(ms)),
    }
}

/// `visible` is the last cursor that readers have seen, `clock` the node's time of day.
fn decide(as_of: AsOf, visible: Cursor, clock: Wall) -> Decision {
    // Positions never go back. Where the clock has, now is when the last event was recorded.
    let now = clock.max(visible.position.wall());
    let (until, moment) = match as_of {
        AsOf::Now => (Some(Cursor::last_of(now)), Moment::from(now).to_string()),
        AsOf::Time(time) => (time.wall().map(Cursor::last_of), time.to_string()),
        AsOf::Cursor(cursor) => (Some(cursor), cursor.to_string()),
    };
    // Before 1970 nothing was recorded.
    let Some(until) = until else { return Decision::Final(ResolvedAsOf { until: Cursor::START, moment }) };
    if until <= visible {
        return Decision::Final(ResolvedAsOf { until, moment });
    }
    let wall = until.position.wall();
    if wall <= now {
        return Decision::Close(wall, ResolvedAsOf { until, moment });
    }
    let ahead_ms = wall.0 - now.0;
    if ahead_ms > limits::AS_OF_AHEAD_MS_MAX {
        return Decision::TooFarAhead { ms: ahead_ms };
    }
    let until = Cursor::last_of(now);
    Decision::Close(now, ResolvedAsOf { until, moment: Moment::from(now).to_string() })
}

fn too_far_ahead(ms: u64) -> Box<Problem> {
    let detail = format!(
        "`as_of` is {}.{:03} s ahead of this node's clock; only a time up to {} s ahead counts as now",
        ms / 1_000,
        ms % 1_000,
        limits::AS_OF_AHEAD_MS_MAX / 1_000
    );
    query::refused(Code::TimeInFuture, "as_of", detail)
        .number("ahead_ms", ms)
        .number("ahead_ms_max", limits::AS_OF_AHEAD_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Position, Slot};

    /// 2010-10-02T07:20:39.266Z.
    const CLOCK: u64 = 1_286_004_039_266;

    fn time(ms_after_clock: i64) -> AsOf {
        AsOf::Time(Moment::from(Wall(CLOCK.checked_add_signed(ms_after_clock).unwrap())))
    }

    /// The cursor in the middle of a millisecond.
    fn cursor(ms_after_clock: i64) -> Cursor {
        let wall = Wall(CLOCK.checked_add_signed(ms_after_clock).unwrap());
        Cursor::new(Position(Position::first_of(wall).0 + 5), Slot(7))
    }

    fn told(as_of: AsOf, visible: Cursor) -> String {
        let named = |resolved: ResolvedAsOf| {
            let about = match resolved.until.position.wall() {
                wall if resolved.until == Cursor::last_of(wall) => "all of its millisecond",
                _ => "up to a cursor",
            };
            format!("{} {about}", resolved.moment)
        };
        match decide(as_of, visible, Wall(CLOCK)) {
            Decision::Final(resolved) => format!("final: {}", named(resolved)),
            Decision::Close(wall, resolved) => {
                format!("close {:+}: {}", wall.0.cast_signed() - CLOCK.cast_signed(), named(resolved))
            }
            Decision::TooFarAhead { ms } => format!("{ms} too far ahead"),
        }
    }

    #[test]
    fn a_moment_that_readers_have_passed_is_final_and_another_is_closed_first() {
        const PAST: &str = "2010-10-02T07:20:38.266Z all of its millisecond";
        let visible = cursor(-500);
        assert_eq!(told(time(-1_000), visible), format!("final: {PAST}"));
        assert_eq!(told(time(-1_000), cursor(-1_000)), format!("close -1000: {PAST}"));
        assert_eq!(told(AsOf::Cursor(visible), visible), format!("final: {visible} up to a cursor"));
        assert_eq!(
            told(AsOf::Cursor(cursor(-1)), visible),
            format!("close -1: {} up to a cursor", cursor(-1))
        );
        let ancient = AsOf::Time(Moment::parse("1969-07-20T20:17:40Z").unwrap());
        assert_eq!(
            decide(ancient, visible, Wall(CLOCK)),
            Decision::Final(ResolvedAsOf { until: Cursor::START, moment: "1969-12-31T23:59:59.999Z".into() })
        );
    }

    #[test]
    fn now_and_up_to_60_s_ahead_is_the_moment_of_the_question() {
        const NOW: &str = "close +0: 2010-10-02T07:20:39.266Z all of its millisecond";
        let visible = cursor(-500);
        assert_eq!(told(AsOf::Now, visible), NOW);
        assert_eq!(told(time(0), visible), NOW);
        assert_eq!(told(time(1), visible), NOW);
        assert_eq!(told(time(60_000), visible), NOW);
        assert_eq!(told(AsOf::Cursor(cursor(60_000)), visible), NOW);
        assert_eq!(told(time(60_001), visible), "60001 too far ahead");
        assert_eq!(told(AsOf::Cursor(cursor(60_001)), visible), "60001 too far ahead");
    }

    #[test]
    fn an_event_that_was_recorded_ahead_of_the_clock_has_happened_by_now() {
        // The clock was set back by 5 s.
        let visible = cursor(5_000);
        const LATEST: &str = "close +5000: 2010-10-02T07:20:44.266Z all of its millisecond";
        assert_eq!(told(AsOf::Now, visible), LATEST);
        assert_eq!(told(time(5_000), visible), LATEST);
        assert_eq!(told(time(65_000), visible), LATEST);
        assert_eq!(told(time(65_001), visible), "60001 too far ahead");
        assert_eq!(told(time(4_999), visible), "final: 2010-10-02T07:20:44.265Z all of its millisecond");
    }
}
