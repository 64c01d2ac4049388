//! Updates of aggregates when a response is lost, or another writer is faster.

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

#[tokio::test]
async fn a_command_that_its_own_copy_overtakes_at_the_last_decision_is_done() {
    const DECISIONS: usize = 10;
    let script = Script::start(vec![Box::new(|mut connection: Connection| {
        for decision in 1..=DECISIONS {
            connection.request();
            connection.begin("application/x-ndjson");
            connection.end();
            connection.request();
            let (status, code) =
                if decision < DECISIONS { (412, "wrong_revision") } else { (409, "event_conflict") };
            let problem = format!(r#"{{"code":"{code}","status":{status},"detail":"no","retryable":false}}"#);
            connection.respond(status, &problem);
        }
        connection.request();
        connection.begin("application/x-ndjson");
        connection.part(
            "{\"stream\":\"s\",\"revision\":0,\"cursor\":\"0a\",\"recordedtime\":\"2010-10-02T07:20:39.266Z\",\
             \"specversion\":\"1.0\",\"id\":\"form-1/0\",\"source\":\"/streams/s\",\"type\":\"counted\"}\n",
        );
        connection.end();
        connection.wait_for_close();
    })]);
    let update = client(&script).aggregate::<Counter>("s").update(|_| Ok::<_, ()>(vec![Counted::Once]));
    let updated = update.as_command("form-1").await.unwrap();
    assert_eq!((updated.state.count, updated.replayed), (1, true));
}
