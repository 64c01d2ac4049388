//! The cart's present and past state.

use crate::cli::failure::Result;
use crate::tour::Chapter;
use crate::tour::stage::{Stage, Step, json, kept_if};
use mainstay_client::{Aggregate, RecordedEvent};
use serde::{Deserialize, Serialize};

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "As of any moment",
    about: "A state is the fold of its events, so every past state can be computed: read the events as of a time or a \
            cursor, and fold them.",
    run,
};

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum CartEvent {
    #[serde(rename = "cart.item-added")]
    ItemAdded { sku: String },
    #[serde(rename = "cart.item-removed")]
    ItemRemoved { sku: String },
    #[serde(rename = "cart.checked-out")]
    CheckedOut {},
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Cart {
    items: Vec<String>,
}

impl Aggregate for Cart {
    type Event = CartEvent;

    fn apply(&mut self, event: CartEvent) {
        match event {
            CartEvent::ItemAdded { sku } => self.items.push(sku),
            CartEvent::ItemRemoved { sku } => self.items.retain(|item| *item != sku),
            CartEvent::CheckedOut {} => {}
        }
    }
}

fn run(stage: &mut Stage) -> Result {
    let events: Vec<RecordedEvent> = stage.client().read("cart-7").events().collect::<Result<_, _>>()?;
    let Some(second) = events.get(1) else { return stage.check("the cart has its events", kept_if(false)) };
    let cursor = second.cursor.to_string();
    let response = stage.step(
        "What was in the cart right after the lamp was added? `as_of` takes an event's cursor, or a time such as \
         2026-03-01T12:00:00Z:",
        &Step::get(&format!("/v1/streams/cart-7/events?as_of={cursor}")),
        200,
    )?;
    stage.check(
        "the later removal is not visible",
        kept_if(json(&response)["events"].as_array().map(Vec::len) == Some(2)),
    )?;
    let carts = stage.client().aggregate::<Cart>("cart-7");
    let (then, now) = (carts.load_as_of(&cursor)?.state, carts.load()?.state);
    stage.say(&format!("\nFolded by the Rust client: then {:?}, now {:?}", then.items, now.items))?;
    stage.check("the cart then: book and lamp", kept_if(then.items == ["book", "lamp"]))?;
    stage.check("the cart now: book", kept_if(now.items == ["book"]))
}
