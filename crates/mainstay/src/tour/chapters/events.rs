//! A customer and a cart as events.

use crate::cli::failure::Result;
use crate::tour::Chapter;
use crate::tour::stage::{Stage, Step, json, verdict};

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "A history instead of a row",
    about: "An event says what happened. A stream is the ordered history of one thing, here of a customer and \
            of a cart; nothing is overwritten.",
    run,
};

fn run(stage: &mut Stage) -> Result {
    let customer = "/v1/streams/customer-1/events";
    let answer = stage.step(
        "A customer registers. `If-None-Match: *` says that the stream must not exist yet:",
        &Step::append(
            customer,
            r#"{"type":"customer.registered","data":{"name":"Ada","email":"ada@old.example"}}"#,
        )
        .headers(&[("if-none-match", "*")]),
        200,
    )?;
    stage
        .check("acknowledged, which means: on disk", verdict(json(&answer)["events"][0]["revision"] == 0))?;
    stage.step(
        "Her e-mail address changes. The old one is history, not lost:",
        &Step::append(customer, r#"{"type":"customer.email-changed","data":{"email":"ada@new.example"}}"#),
        200,
    )?;
    let cart = "/v1/streams/cart-7/events";
    stage.step(
        "She puts two things into a cart. Lines of JSON are one batch, all or none:",
        &Step {
            method: "POST",
            path: cart,
            headers: &[],
            body: Some((
                "application/x-ndjson",
                "{\"type\":\"cart.item-added\",\"data\":{\"sku\":\"book\",\"price\":12.50}}\n\
                 {\"type\":\"cart.item-added\",\"data\":{\"sku\":\"lamp\",\"price\":40.00}}",
            )),
        },
        200,
    )?;
    stage.step(
        "And takes one out again:",
        &Step::append(cart, r#"{"type":"cart.item-removed","data":{"sku":"lamp"}}"#),
        200,
    )?;
    let history = stage.step(
        "The whole story of the customer, with what the node filled in (id, source, time):",
        &Step::get(customer),
        200,
    )?;
    let types: Vec<String> = json(&history)["events"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|event| event["type"].as_str().unwrap_or_default().to_owned())
        .collect();
    stage.check("both events, in order", verdict(types == ["customer.registered", "customer.email-changed"]))
}
