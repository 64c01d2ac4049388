//! Which moment `as_of` means. The moment is closed before the read, so that asking again about it always
//! gives the same response.
//!
//! The clocks of application hosts run a little fast or slow. A time up to [`limits::AS_OF_AHEAD_MS_MAX`] ahead
//! of the node's clock is therefore answered as of now, and the response names the moment that was used. A time
//! further ahead is refused: it is more likely a mistake than a fast clock. The node decides this, by the clock
//! that gives events their positions. That clock never goes back, so a question that had an answer keeps it.
//!
//! `as_of_event_time` has no such rule. It selects events by the `time` that their producers gave them, which
//! may lie in the future, and an event that arrives later can still belong to the selection.

use crate::context::Context;
use crate::response::Result;
use crate::unavailable;
use api::request::query::{self, AsOf};
use api::time::Moment;
use api::{Code, Problem};
use model::{Cursor, limits};
use runtime::{AskedTime, ClosedTime};

/// The moment that a read is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResolvedAsOf {
    /// The last cursor that the read may see.
    pub(super) until: Cursor,
    /// The moment as text. Sent back as `as_of`, it means the same moment.
    pub(super) moment: String,
}

/// What an `as_of` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    /// No later event can change the response.
    Final(ResolvedAsOf),
    /// So it is once this time is closed, if it is not too far ahead.
    Close(AskedTime, Option<ResolvedAsOf>),
}

/// # Errors
/// A time too far in the future, or a node that cannot close the time now.
pub(super) async fn resolve(context: &Context, as_of: Option<AsOf>) -> Result<Option<ResolvedAsOf>> {
    let Some(as_of) = as_of else { return Ok(None) };
    let visible = *context.handle.visible().borrow();
    match asked(as_of, visible) {
        Asked::Final(resolved) => Ok(Some(resolved)),
        Asked::Close(time, resolved) => {
            let closed = context.handle.close_time(time).await;
            answer(resolved, closed.map_err(|error| unavailable::problem(&error))?).map(Some)
        }
    }
}

/// `visible` is the last cursor that readers have seen.
fn asked(as_of: AsOf, visible: Cursor) -> Asked {
    let (until, moment) = match as_of {
        AsOf::Now => return Asked::Close(AskedTime::Now, None),
        AsOf::Time(time) => (time.wall().map(Cursor::last_of), time.to_string()),
        AsOf::Cursor(cursor) => (Some(cursor), cursor.to_string()),
    };
    // Before 1970 nothing was recorded.
    let Some(until) = until else { return Asked::Final(ResolvedAsOf { until: Cursor::START, moment }) };
    let resolved = ResolvedAsOf { until, moment };
    if until <= visible {
        return Asked::Final(resolved);
    }
    Asked::Close(AskedTime::At(until.position.wall()), Some(resolved))
}

/// The moment that the node has closed: `asked`, or the present instead of it.
fn answer(asked: Option<ResolvedAsOf>, closed: ClosedTime) -> Result<ResolvedAsOf> {
    match closed {
        ClosedTime::TooFarAhead { ms } => Err(too_far_ahead(ms)),
        ClosedTime::Through(wall) => {
            let asked = asked.filter(|asked| asked.until.position.wall() == wall);
            let present =
                || ResolvedAsOf { until: Cursor::last_of(wall), moment: Moment::from(wall).to_string() };
            Ok(asked.unwrap_or_else(present))
        }
    }
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
    use model::{Position, Slot, Wall};

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

    fn named(resolved: &ResolvedAsOf) -> String {
        let about = match resolved.until.position.wall() {
            wall if resolved.until == Cursor::last_of(wall) => "all of its millisecond",
            _ => "up to a cursor",
        };
        format!("{} {about}", resolved.moment)
    }

    /// What is asked of a node at the time [`CLOCK`], and what follows when the node closes this time.
    fn told(as_of: AsOf, visible: Cursor, closed_ms: i64) -> String {
        let (time, resolved) = match asked(as_of, visible) {
            Asked::Final(resolved) => return format!("final: {}", named(&resolved)),
            Asked::Close(time, resolved) => (time, resolved),
        };
        let time = match time {
            AskedTime::Now => "now".to_owned(),
            AskedTime::At(wall) => format!("{:+}", wall.0.cast_signed() - CLOCK.cast_signed()),
        };
        let closed = ClosedTime::Through(Wall(CLOCK.checked_add_signed(closed_ms).unwrap()));
        format!("close {time}: {}", named(&answer(resolved, closed).unwrap()))
    }

    #[test]
    fn a_moment_that_readers_have_passed_is_final_and_another_is_closed_first() {
        const PAST: &str = "2010-10-02T07:20:38.266Z all of its millisecond";
        let visible = cursor(-500);
        assert_eq!(told(time(-1_000), visible, 0), format!("final: {PAST}"));
        assert_eq!(told(time(-1_000), cursor(-1_000), -1_000), format!("close -1000: {PAST}"));
        assert_eq!(told(AsOf::Cursor(visible), visible, 0), format!("final: {visible} up to a cursor"));
        assert_eq!(
            told(AsOf::Cursor(cursor(-1)), visible, -1),
            format!("close -1: {} up to a cursor", cursor(-1))
        );
        let ancient = AsOf::Time(Moment::parse("1969-07-20T20:17:40Z").unwrap());
        assert_eq!(
            asked(ancient, visible),
            Asked::Final(ResolvedAsOf { until: Cursor::START, moment: "1969-12-31T23:59:59.999Z".into() })
        );
    }

    #[test]
    fn when_the_node_closes_the_present_instead_the_response_is_about_all_of_it() {
        const NOW: &str = "2010-10-02T07:20:39.266Z all of its millisecond";
        let visible = cursor(-500);
        assert_eq!(told(AsOf::Now, visible, 0), format!("close now: {NOW}"));
        assert_eq!(told(time(0), visible, 0), format!("close +0: {NOW}"));
        assert_eq!(told(time(1), visible, 0), format!("close +1: {NOW}"));
        assert_eq!(told(time(60_000), visible, 0), format!("close +60000: {NOW}"));
        assert_eq!(told(AsOf::Cursor(cursor(60_000)), visible, 0), format!("close +60000: {NOW}"));
    }

    #[test]
    fn a_time_too_far_ahead_is_a_problem_that_says_how_far() {
        let problem = answer(None, ClosedTime::TooFarAhead { ms: 60_001 }).unwrap_err();
        assert_eq!(problem.code, Code::TimeInFuture);
        assert!(problem.to_string().contains("60.001 s ahead"), "{problem}");
    }
}
