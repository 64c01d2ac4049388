//! A projection that applies each event exactly once: the sales of each product, in a SQLite table.
//!
//! Each event's row and its cursor change in one SQL transaction. Killed at any moment, the program continues
//! after the last cursor that it committed, so no event is counted twice and none is skipped.
//!
//! Usage: `sqlite_projection URL FILE`, with the URL of the node and the database file.

use mainstay_client::{Client, Cursor};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;
use std::env;

#[derive(Deserialize)]
struct OrderPlaced {
    sku: String,
    cents: u64,
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS sales (sku TEXT PRIMARY KEY, orders INTEGER, cents INTEGER);
    CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY CHECK (id = 1), cursor TEXT, store TEXT);";
const ADD_SALE: &str = "
    INSERT INTO sales VALUES (?1, 1, ?2)
    ON CONFLICT (sku) DO UPDATE SET orders = orders + 1, cents = cents + excluded.cents";
const SAVE_PROGRESS: &str = "INSERT OR REPLACE INTO progress VALUES (1, ?1, ?2)";

// One task on one thread, so SQLite may block it.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(url), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: sqlite_projection URL FILE".into());
    };
    let mut database = Connection::open(file)?;
    database.execute_batch(TABLES)?;
    let progress: Option<(String, Option<String>)> = database
        .query_row("SELECT cursor, store FROM progress", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let mut client = Client::builder(&url).token_from_environment();
    if let Some((_, Some(store))) = &progress {
        // The cursor belongs to this store: the node refuses it if the URL now leads to another one.
        client = client.store(store);
    }
    let client = client.build()?;
    let mut placed = client.read_all().prefix("order-").event_type("order.placed");
    if let Some((cursor, _)) = progress {
        placed = placed.after(Cursor(cursor));
    }
    let mut placed = placed.follow();
    while let Some(event) = placed.next().await {
        let event = event?;
        let order: OrderPlaced = event.data()?;
        let change = database.transaction()?;
        change.execute(ADD_SALE, params![order.sku, i64::try_from(order.cents)?])?;
        change.execute(SAVE_PROGRESS, params![event.cursor.0, client.store()])?;
        change.commit()?;
    }
    Ok(())
}
