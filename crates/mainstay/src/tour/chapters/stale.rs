//! A write that was decided on an old state.

use crate::cli::failure::Result;
use crate::tour::Chapter;
use crate::tour::stage::{Stage, Step, json, verdict};

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "A stale write is refused",
    about: "Who decides on a state says which one it was. If somebody else was faster, nothing is written, and the \
            answer says where the stream is now.",
    run,
};

fn run(stage: &mut Stage) -> Result {
    let refused = stage.step(
        "A second browser tab still shows the lamp (revision 1) and wants to sell it:",
        &Step::append("/v1/streams/cart-7/events", r#"{"type":"cart.checked-out","data":{}}"#)
            .headers(&[("if-match", "\"1\"")]),
        412,
    )?;
    let problem = json(&refused);
    stage.check(
        "refused, by a code that programs can rely on",
        verdict(problem["code"] == "wrong_revision"),
    )?;
    stage.check("with the revision to go on from", verdict(problem["current_revision"] == 2))
}
