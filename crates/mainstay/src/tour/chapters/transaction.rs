//! Two streams in one transaction.

use crate::cli::failure::Result;
use crate::tour::Chapter;
use crate::tour::stage::{Stage, Step, json, kept_if};

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "Two streams, all or nothing",
    about: "A transaction has checks and writes. Either every check holds and every write is applied, or nothing changes.",
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
    let response =
        json(&stage.step("The cart is checked out and the order placed in one transaction:", &step, 200)?);
    stage.check("both were written", kept_if(response["writes"].as_array().map(Vec::len) == Some(2)))?;
    let again = stage.step(
        "The same order again, from a double click. The cart is no longer at revision 2:",
        &step,
        412,
    )?;
    stage.check("refused as a whole", kept_if(json(&again)["code"] == "wrong_revision"))?;
    let orders = stage.step("There is one order:", &Step::get("/v1/streams/order-1/events"), 200)?;
    stage.check("written once", kept_if(json(&orders)["events"].as_array().map(Vec::len) == Some(1)))
}
