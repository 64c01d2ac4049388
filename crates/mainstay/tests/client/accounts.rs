//! Aggregates: decisions of many at once, and commands that are sent twice.

use crate::client;
use crate::node::Node;
use mainstay_client::{Aggregate, AggregateStream, Revision, UpdateError, Updated};
use serde::{Deserialize, Serialize};

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

impl Account {
    fn withdraw(&self, amount: u64) -> Result<Vec<AccountEvent>, &'static str> {
        if self.balance < amount { Err("not covered") } else { Ok(vec![AccountEvent::Withdrawn { amount }]) }
    }
}

fn account(node: &Node) -> AggregateStream<Account> {
    client(node).aggregate("account-1")
}

async fn deposit(node: &Node, amount: u64) -> Updated<Account> {
    account(node).update(move |_| Ok::<_, ()>(vec![AccountEvent::Deposited { amount }])).await.unwrap()
}

/// Takes one at a time until nothing is left; says how many.
async fn take_all(account: AggregateStream<Account>) -> u64 {
    let mut taken = 0;
    loop {
        match account.update(|account| account.withdraw(1)).await {
            Ok(_) => taken += 1,
            Err(UpdateError::Refused(_)) => return taken,
            // Others were faster ten times.
            Err(UpdateError::Client(error)) if error.is_wrong_revision() => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_of_many_at_once_never_overdraw() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let opened = deposit(&node, 10).await;
    assert_eq!((opened.state.balance, opened.revision, opened.replayed), (10, Some(Revision(0)), false));
    let takers: Vec<_> = (0..4).map(|_| tokio::spawn(take_all(account(&node)))).collect();
    let mut taken = 0;
    for taker in takers {
        taken += taker.await.unwrap();
    }
    assert_eq!((taken, account(&node).load().await.unwrap().state.balance), (10, 0));
    let first = client(&node).read("account-1").limit(1).page().await.unwrap().events.remove(0);
    assert_eq!(account(&node).load_as_of(&first.cursor).await.unwrap().state.balance, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_sent_twice_has_one_effect() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    deposit(&node, 10).await;
    let withdraw = || account(&node).update(|account| account.withdraw(10)).as_command("form-1");
    let first = withdraw().await.unwrap();
    assert_eq!((first.state.balance, first.replayed), (0, false));
    // Decided again, it would be refused: nothing is left to withdraw.
    let again = withdraw().await.unwrap();
    assert_eq!((again.state.balance, again.revision, again.replayed), (0, Some(Revision(1)), true));
    let other = account(&node).update(|account| account.withdraw(10)).as_command("form-2").await;
    assert!(matches!(other, Err(UpdateError::Refused("not covered"))), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_sent_many_times_at_once_among_others_has_one_effect() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    deposit(&node, 100).await;
    let mut commands = tokio::task::JoinSet::new();
    for number in 0..40_u64 {
        // Ten commands, each sent four times; the decisions differ, as those of a clock or a price would.
        let (account, command) = (account(&node), number % 10);
        commands.spawn(async move {
            let decide = move |account: &Account| account.withdraw(1 + number / 10);
            loop {
                match account.update(decide).as_command(format!("command-{command}")).await {
                    Ok(updated) => return updated.replayed,
                    Err(UpdateError::Client(error)) if error.is_wrong_revision() => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    let replayed = commands.join_all().await;
    assert_eq!(replayed.iter().filter(|replayed| !**replayed).count(), 10);
    let revision = account(&node).load().await.unwrap().revision;
    assert_eq!(revision, Some(Revision(10)), "the deposit and ten withdrawals");
}
