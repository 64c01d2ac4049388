//! The Rust client against a real node: what only both together can show.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

#[path = "../node/mod.rs"]
mod node;

use mainstay_client::{
    Aggregate, Client, Cursor, Error, Expected, ImportOutcome, NewEvent, Retry, Revision, Settings,
    UpdateError, Written,
};
use node::Node;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum AccountEvent {
    #[serde(rename = "account.deposited")]
    Deposited { amount: u64 },
    #[serde(rename = "account.withdrawn")]
    Withdrawn { amount: u64 },
}

#[derive(Debug, Default, PartialEq)]
struct Account {
    balance: u64,
}

impl Aggregate for Account {
    type Event = AccountEvent;

    fn apply(&mut self, event: AccountEvent) {
        match event {
            AccountEvent::Deposited { amount } => self.balance += amount,
            AccountEvent::Withdrawn { amount } => self.balance -= amount,
        }
    }
}

/// A client that waits for a node that is away.
fn patient(url: &str) -> Client {
    let retry = Retry {
        attempts_max: 1_000,
        wait_first: Duration::from_millis(1),
        wait_max: Duration::from_millis(20),
    };
    Client::builder(url).retry(retry).build().unwrap()
}

#[test]
fn decisions_of_many_at_once_never_overdraw() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let accounts = node.client().aggregate::<Account>("account-1");
    let opened = accounts.update(|_| Ok::<_, ()>(vec![AccountEvent::Deposited { amount: 10 }])).unwrap();
    assert_eq!((opened.state.balance, opened.revision), (10, Some(Revision(0))));
    let takers: Vec<_> = (0..4)
        .map(|_| {
            let accounts = node.client().aggregate::<Account>("account-1");
            std::thread::spawn(move || {
                let mut taken = 0;
                loop {
                    let decided = accounts.update(|account| match account.balance {
                        0 => Err("empty"),
                        _ => Ok(vec![AccountEvent::Withdrawn { amount: 1 }]),
                    });
                    match decided {
                        Ok(_) => taken += 1,
                        Err(UpdateError::Refused("empty")) => return taken,
                        // Others were faster ten times: ask again.
                        Err(UpdateError::Client(error)) if error.is_wrong_revision() => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    let taken: u64 = takers.into_iter().map(|taker| taker.join().unwrap()).sum();
    assert_eq!((taken, accounts.load().unwrap().state.balance), (10, 0));
    let first = node.client().read("account-1").limit(1).page().unwrap().events.remove(0);
    assert_eq!(accounts.load_as_of(&first.cursor).unwrap().state.balance, 10);
}

#[test]
fn a_transaction_is_all_or_nothing_and_safe_to_repeat() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = node.client();
    let transfer = client
        .transaction()
        .append("a", Expected::None, [NewEvent::new("out").id("1").source("/t")])
        .append("b", Expected::Any, [NewEvent::new("in"), NewEvent::new("in")]);
    let committed = transfer.commit().unwrap();
    let Written::Appended(b) = &committed.writes[1] else { panic!("{committed:?}") };
    assert_eq!((b.stream.as_str(), b.last_revision(), committed.replayed), ("b", Revision(1), false));
    assert!(transfer.commit().unwrap().replayed, "the client gave the events their ids once");
    let refused = client
        .transaction()
        .check("a", Expected::Revision(Revision(7)))
        .append("b", Expected::Any, [NewEvent::new("in")])
        .commit()
        .unwrap_err();
    assert!(refused.is_wrong_revision());
    assert_eq!(refused.problem().unwrap().current_revision(), Some(Revision(0)));
    assert_eq!(client.read("b").page().unwrap().events.len(), 2);
}

#[test]
fn pages_lead_to_each_other_and_lines_hold_the_same() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = node.client();
    for number in 0..25 {
        client.append("s", Expected::Any, [NewEvent::new("t").data(&number).unwrap()]).unwrap();
    }
    let mut page = client.read("s").limit(10).page().unwrap();
    assert_eq!(page.revision, Some(Revision(24)));
    let mut numbers: Vec<u32> = Vec::new();
    loop {
        numbers.extend(page.events.iter().map(|event| event.data::<u32>().unwrap()));
        let Some(next) = page.next else { break };
        page = client.page_at(&next).unwrap();
    }
    assert_eq!(numbers, (0..25).collect::<Vec<u32>>());
    let lines: Vec<u32> =
        client.read_all().events().unwrap().map(|event| event.unwrap().data().unwrap()).collect();
    assert_eq!(lines, numbers);
}

#[test]
fn bytes_and_texts_come_back_as_they_were() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = node.client();
    client.append("s", Expected::Any, [NewEvent::new("t").bytes("image/png", [0, 255, 7])]).unwrap();
    client.append("ż/s \"1\"", Expected::Any, [NewEvent::new("t").data(&"text").unwrap()]).unwrap();
    let event = client.read("s").page().unwrap().events.remove(0);
    assert_eq!(event.bytes(), Some(vec![0, 255, 7]));
    let event = client.read("ż/s \"1\"").page().unwrap().events.remove(0);
    assert_eq!((event.stream.as_str(), event.data::<String>().unwrap().as_str()), ("ż/s \"1\"", "text"));
}

#[test]
fn a_follower_misses_nothing_over_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let listen = node.url.strip_prefix("http://").unwrap().to_owned();
    let append = |client: &Client, number: u32| {
        client.append("s", Expected::Any, [NewEvent::new("t").data(&number).unwrap()]).unwrap();
    };
    (0..5).for_each(|number| append(&node.client(), number));
    let mut follow = patient(&node.url).read_all().follow();
    let mut take = |count: usize| -> Vec<u32> {
        follow.by_ref().take(count).map(|event| event.unwrap().data().unwrap()).collect()
    };
    assert_eq!(take(5), [0, 1, 2, 3, 4]);
    append(&node.client(), 5);
    node.kill();
    let node = Node::start_with(data.path(), &["--listen", &listen]);
    append(&node.client(), 6);
    assert_eq!(take(2), [5, 6]);
    assert!(node.stop().success());
    let node = Node::start_with(data.path(), &["--listen", &listen]);
    append(&node.client(), 7);
    assert_eq!(take(1), [7]);
}

/// Imports 20,000 lines, ends the node after 500 answers, and starts it again.
fn import_over_a_restart(end: impl FnOnce(Node)) {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let listen = node.url.strip_prefix("http://").unwrap().to_owned();
    let lines: String = (0..20_000)
        .map(|n| format!("{{\"stream\":\"s-{}\",\"type\":\"t\",\"data\":{n}}}\n", n % 10))
        .collect();
    let mut import = patient(&node.url).import(std::io::Cursor::new(lines));
    let first = import.by_ref().take(500).map(|line| line.unwrap().line).collect::<Vec<_>>();
    assert_eq!(first, (1..=500).collect::<Vec<u64>>());
    end(node);
    let node = Node::start_with(data.path(), &["--listen", &listen]);
    for (line, want) in import.zip(501..) {
        let line = line.unwrap();
        assert!(!matches!(line.outcome, ImportOutcome::Refused(_)), "{line:?}");
        assert_eq!(line.line, want);
    }
    assert_eq!(node.client().read_all().events().unwrap().count(), 20_000, "each line once");
}

#[test]
fn an_import_goes_on_after_a_kill() {
    import_over_a_restart(Node::kill);
}

#[test]
fn an_import_goes_on_after_a_graceful_stop() {
    import_over_a_restart(|node| assert!(node.stop().success()));
}

#[test]
fn settings_are_put_and_streams_deleted() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = node.client();
    let settings = Settings { max_age: Some("30d".into()), max_count: Some(2), ..Settings::default() };
    client.put_settings("s", &settings).unwrap();
    assert_eq!(client.settings("s").unwrap(), settings);
    for _ in 0..4 {
        client.append("s", Expected::Any, [NewEvent::new("t")]).unwrap();
    }
    let error = client.read("s").from(Revision(0)).page().unwrap_err();
    assert_eq!(error.problem().unwrap().code, "history_truncated");
    let streams: Vec<_> = client.streams("").collect::<Result<_, _>>().unwrap();
    assert_eq!(
        (streams.len(), streams[0].first, streams[0].revision),
        (1, Some(Revision(2)), Some(Revision(3)))
    );
    client.delete("s", Expected::Revision(Revision(3))).unwrap();
    assert_eq!(client.streams("").count(), 0);
}

#[test]
fn a_checkpoint_is_where_another_subscription_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = node.client();
    for stream in ["a-1", "b-1", "a-2"] {
        client.append(stream, Expected::Any, [NewEvent::new("t")]).unwrap();
    }
    let wait = Duration::from_secs(10);
    let mut follow = client.read_all().prefix("a-").follow();
    assert_eq!(follow.next_within(wait).unwrap().unwrap().stream, "a-1");
    let checkpoint = follow.checkpoint().unwrap();
    let mut follow = client.read_all().prefix("a-").after(checkpoint).follow();
    assert_eq!(follow.next_within(wait).unwrap().unwrap().stream, "a-2");
    let refused = client.read_all().after(Cursor("no cursor".into())).page().unwrap_err();
    assert!(matches!(refused, Error::Problem(problem) if problem.status == 400));
}
