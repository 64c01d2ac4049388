//! A retry after a lost response.

use crate::cli::failure::Result;
use crate::tour::Chapter;
use crate::tour::stage::{Stage, Step, json, kept_if};

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "A retry changes nothing",
    about: "Responses get lost. An event is recognised by its `source` and `id`, so sending it again is always safe: \
            it returns the original response.",
    run,
};

fn run(stage: &mut Stage) -> Result {
    let path = "/v1/streams/payment-1/events";
    let payment = r#"{"id":"payment-1","source":"/shop","type":"payment.charged","data":{"amount":12.50}}"#;
    let first = json(&stage.step("A payment is recorded:", &Step::append(path, payment), 200)?);
    let retry =
        stage.step("The same request again, as after a timeout:", &Step::append(path, payment), 200)?;
    stage.check(
        "the response says that it is a repeat",
        kept_if(retry.header("idempotent-replayed") == Some("true")),
    )?;
    let again = json(&retry);
    stage.check(
        "the same cursor as the first time, and no second charge",
        kept_if(again["cursor"] == first["cursor"] && again["replayed"] == true),
    )?;
    let other = r#"{"id":"payment-1","source":"/shop","type":"payment.charged","data":{"amount":99.00}}"#;
    let conflict = stage.step(
        "The same id with another amount is not a retry, and is refused:",
        &Step::append(path, other),
        409,
    )?;
    stage.check("refused", kept_if(json(&conflict)["code"] == "event_conflict"))
}
