//! A retry, after an answer that was lost.

use crate::cli::failure::Result;
use crate::tour::Chapter;
use crate::tour::stage::{Stage, Step, json, verdict};

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "A retry changes nothing",
    about: "Answers get lost. An event is known by its `source` and `id`, so sending it again is always safe: the \
            first answer comes again.",
    run,
};

fn run(stage: &mut Stage) -> Result {
    let path = "/v1/streams/payment-1/events";
    let payment = r#"{"id":"payment-1","source":"/shop","type":"payment.charged","data":{"amount":12.50}}"#;
    let first = json(&stage.step("A payment is recorded:", &Step::append(path, payment), 200)?);
    let retry =
        stage.step("The same request again, as after a time-out:", &Step::append(path, payment), 200)?;
    stage.check(
        "the answer says that it is one given again",
        verdict(retry.header("idempotent-replayed") == Some("true")),
    )?;
    let again = json(&retry);
    stage.check(
        "the same place as the first time, and no second charge",
        verdict(again["cursor"] == first["cursor"] && again["replayed"] == true),
    )?;
    let other = r#"{"id":"payment-1","source":"/shop","type":"payment.charged","data":{"amount":99.00}}"#;
    let conflict = stage.step(
        "The same id with another amount is no retry, and is refused:",
        &Step::append(path, other),
        409,
    )?;
    stage.check("refused", verdict(json(&conflict)["code"] == "event_conflict"))
}
