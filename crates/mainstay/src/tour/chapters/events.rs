//! A customer and a cart as events.

use crate::cli::failure::Result;
use crate::tour::Chapter;
use crate::tour::stage::{Stage, Step, json, kept_if};

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "A history instead of a row",
    about: "An event records what happened. A stream is the ordered history of one thing, here of a customer and \
            of a cart. Nothing is overwritten.",
    run,
};

fn run(stage: &mut Stage) -> Result {
    let customer = "/v1/streams/customer-1/events";
    let response = stage.step(
        "A customer registers. `If-None-Match: *` requires that the stream does not exist yet:",
        &Step::append(
            customer,
            r#"{"type":"customer.registered","data":{"name":"Ada","email":"ada@old.example"}}"#,
        )
        .headers(&[("if-none-match", "*")]),
        200,
    )?;
    stage.check(
        "acknowledged, so the event is on disk",
        kept_if(json(&response)["events"][0]["revision"] == 0),
    )?;
    stage.step(
        "Her e-mail address changes. The old one stays in the history:",
        &Step::append(customer, r#"{"type":"customer.email-changed","data":{"email":"ada@new.example"}}"#),
        200,
    )?;
    let cart = "/v1/streams/cart-7/events";
    stage.step(
        "She puts two items into a cart. Lines of JSON are one batch, appended all or nothing:",
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
        "She takes one out again:",
        &Step::append(cart, r#"{"type":"cart.item-removed","data":{"sku":"lamp"}}"#),
        200,
    )?;
    let history = stage.step(
        "The customer's whole history, with the attributes that the node filled in (id, source, time):",
        &Step::get(customer),
        200,
    )?;
    let types: Vec<String> = json(&history)["events"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|event| event["type"].as_str().unwrap_or_default().to_owned())
        .collect();
    stage.check("both events, in order", kept_if(types == ["customer.registered", "customer.email-changed"]))
}
