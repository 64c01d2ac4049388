//! Two streams in one atomic unit.

use crate::cli::failure::Result;
use crate::tour::Chapter;
use crate::tour::stage::{Stage, Step, json, verdict};

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "Two streams, all or none",
    about: "A transaction has checks and writes. Either every check holds and every write is made, or nothing happens.",
    run,
};

fn run(stage: &mut Stage) -> Result {
    let order = r#"{"checks":[{"stream":"customer-1","expected":"exists"}],
 "writes":[{"append":{"stream":"cart-7","expected":2,"events":[{"type":"cart.checked-out","data":{}}]}},
           {"append":{"stream":"order-1","expected":"none","events":[{"type":"order.placed","data":{"cart":"cart-7","total":12.50}}]}}]}"#;
    let step = Step {
        method: "POST",
        path: "/v1/transactions",
        headers: &[],
        body: Some(("application/json", order)),
    };
    let answer = json(&stage.step("The cart is checked out and the order placed, in one:", &step, 200)?);
    stage.check("both were written", verdict(answer["writes"].as_array().map(Vec::len) == Some(2)))?;
    let again = stage.step(
        "The same order once more, from a double click. The cart is no longer at revision 2:",
        &step,
        412,
    )?;
    stage.check("refused as a whole", verdict(json(&again)["code"] == "wrong_revision"))?;
    let orders = stage.step("There is one order:", &Step::get("/v1/streams/order-1/events"), 200)?;
    stage.check("written once", verdict(json(&orders)["events"].as_array().map(Vec::len) == Some(1)))
}
