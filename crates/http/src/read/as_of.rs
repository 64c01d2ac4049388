//! The cursor that an `as_of` stands for. Its time is over before the answer is read, so that the same
//! question always has the same answer.

use crate::context::Context;
use crate::response::Result;
use crate::unavailable;
use api::Code;
use api::request::query::{self, AsOf};
use model::Cursor;

/// # Errors
/// A time in the future, or a node that cannot close it now.
pub(crate) async fn resolve(context: &Context, as_of: Option<AsOf>) -> Result<Option<Cursor>> {
    let Some(as_of) = as_of else { return Ok(None) };
    // Before 1970 nothing was recorded.
    let Some(until) = as_of.until() else { return Ok(Some(Cursor::START)) };
    // What readers have seen is closed, whatever the machine's clock says by now.
    if until <= *context.handle.visible().borrow() {
        return Ok(Some(until));
    }
    let wall = until.position.wall();
    if wall > context.handle.wall() {
        let detail = "the time or cursor in `as_of` lies in the future".into();
        return Err(query::refused(Code::TimeInFuture, "as_of", detail));
    }
    context.handle.close_time(wall).await.map_err(|error| unavailable::problem(&error))?;
    Ok(Some(until))
}
