//! Executions: one value of every shape.

use crate::samples::{CLOCK, Sample};
use format::row::{ExecutionRow, ExecutionState, ExecutionTimerKey, execution_key};
use model::{
    AbandonExecution, BeginExecution, Begun, Check, Command, CompleteExecution, Cursor, Elapsed,
    ExecutionKey, ExpireExecutions, Namespace, Outcome, Position, Refusal, Slot, Transaction, Write, Written,
};

const TOKEN: Cursor = Cursor::new(Position(1 << 50), Slot(51_197));
const RESPONSE: &[u8] = br#"{"status":201}"#;

fn key() -> ExecutionKey<'static> {
    ExecutionKey::new("pay-7").unwrap()
}

pub(crate) fn commands() -> Vec<(&'static str, Command<'static>)> {
    let begin = |owner: Option<&'static str>| {
        Command::BeginExecution(BeginExecution {
            key: key(),
            fingerprint: "sha-256".into(),
            owner: owner.map(Into::into),
            ttl_ms: 60_000,
        })
    };
    let abandon = |token| Command::AbandonExecution(AbandonExecution { key: key(), token });
    let complete =
        CompleteExecution { key: key(), token: TOKEN, response: RESPONSE.into(), keep_ms: 86_400_000 };
    let expire = ExpireExecutions { slot: Slot(51_197), from: Elapsed(86_400_000), executions_max: 256 };
    let transaction = Transaction {
        keyed: None,
        checks: vec![Check::Execution { key: key(), token: TOKEN }],
        writes: vec![Write::CompleteExecution(complete.clone())],
    };
    vec![
        ("begin-execution", begin(None)),
        ("begin-execution-by-owner", begin(Some("host-1"))),
        ("complete-execution", Command::CompleteExecution(complete)),
        ("abandon-execution", abandon(Some(TOKEN))),
        ("abandon-execution-in-any-state", abandon(None)),
        ("expire-executions", Command::ExpireExecutions(expire)),
        ("transaction-of-an-execution", Command::Transaction(transaction)),
    ]
}

pub(crate) fn outcomes() -> Vec<(&'static str, Outcome)> {
    let refused = Outcome::Refused;
    let new = Begun::New { token: TOKEN, remaining_ms: 60_000, replayed: true };
    let completed = Begun::Completed { response: RESPONSE.into(), remaining_ms: 86_400_000 };
    let writes = vec![Written::ExecutionCompleted];
    vec![
        ("execution-begun", Outcome::ExecutionBegun(new)),
        ("execution-begun-before", Outcome::ExecutionBegun(completed)),
        ("execution-completed", Outcome::ExecutionCompleted { replayed: true }),
        ("execution-abandoned", Outcome::ExecutionAbandoned { existed: true }),
        ("transacted-execution", Outcome::Transacted { replayed: false, writes }),
        ("execution-in-progress", refused(Refusal::ExecutionInProgress { remaining_ms: 60_000 })),
        ("execution-differs", refused(Refusal::ExecutionDiffers)),
        ("execution-lost", refused(Refusal::ExecutionLost { part: 2 })),
    ]
}

pub(crate) const ROWS: [ExecutionRow<'static>; 3] = [
    row(ExecutionState::Begun { owner: None }),
    row(ExecutionState::Begun { owner: Some("host-1") }),
    row(ExecutionState::Completed(RESPONSE)),
];

const fn row(state: ExecutionState<'static>) -> ExecutionRow<'static> {
    ExecutionRow { fingerprint: "sha-256", token: TOKEN.position, expires: Elapsed(86_460_000), state }
}

pub(crate) fn timer() -> ExecutionTimerKey<'static> {
    ExecutionTimerKey { slot: TOKEN.slot, deadline: CLOCK.elapsed, namespace: Namespace::ROOT, key: key() }
}

pub(crate) fn rows() -> Vec<Sample> {
    vec![
        ("execution-key", execution_key(TOKEN.slot, Namespace::ROOT, "żółw")),
        ("execution-begun", ROWS[0].encode()),
        ("execution-begun-by-owner", ROWS[1].encode()),
        ("execution-completed", ROWS[2].encode()),
        ("execution-timer-key", timer().encode()),
    ]
}
