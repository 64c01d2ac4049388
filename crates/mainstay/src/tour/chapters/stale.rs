//! A write that was decided on an outdated state.

use crate::cli::failure::Result;
use crate::tour::Chapter;
use crate::tour::stage::{Stage, Step, json, kept_if};

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "A stale write is refused",
    about: "A writer says which revision its decision is based on. If another writer was faster, nothing is written, and \
            the response contains the current revision.",
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
    stage.check("refused, with a stable code for programs", kept_if(problem["code"] == "wrong_revision"))?;
    stage.check("with the current revision", kept_if(problem["current_revision"] == 2))
}
