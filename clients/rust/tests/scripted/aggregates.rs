//! Updates of aggregates when a response is lost.

use crate::client;
use crate::script::{Connection, Script};
use mainstay_client::{Aggregate, Revision, UpdateError};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum Counted {
    #[serde(rename = "counted")]
    Once,
}

#[derive(Default)]
struct Counter {
    count: u32,
}

impl Aggregate for Counter {
    type Event = Counted;

    fn apply(&mut self, _: Counted) {
        self.count += 1;
    }
}

#[tokio::test]
async fn an_update_whose_first_response_is_lost_takes_effect_once() {
    let script = Script::start(vec![
        Box::new(|mut connection: Connection| {
            connection.request();
            connection.begin("application/x-ndjson");
            connection.end();
        }),
        // The node appends, but its response is lost.
        Box::new(|mut connection| connection.request()),
        Box::new(|mut connection| {
            connection.request();
            connection
                .respond(200, r#"{"stream":"s","events":[{"revision":0,"cursor":"0","replayed":true}]}"#);
            connection.wait_for_close();
        }),
    ]);
    let (decide, decisions) = std::sync::mpsc::channel();
    let updated: Result<_, UpdateError<()>> = client(&script)
        .aggregate::<Counter>("s")
        .update(move |_| {
            decide.send(()).unwrap();
            Ok(vec![Counted::Once])
        })
        .await;
    let updated = updated.unwrap();
    assert_eq!(decisions.try_iter().count(), 1, "its own event is not another writer's");
    assert_eq!((updated.state.count, updated.revision, updated.replayed), (1, Some(Revision(0)), false));
}
