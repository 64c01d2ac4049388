//! Executions in the tables of cases.

use super::{Store, slot_and_rows};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use format::row::{ExecutionRow, ExecutionState};
use model::{
    AbandonExecution, BeginExecution, Begun, Check, Command, CompleteExecution, Cursor, Elapsed,
    ExecutionKey, ExpireExecutions, Namespace, Outcome,
};

/// The kinds of rows, as in `format::row`.
const EXECUTION: u8 = 47;
const TIMER: u8 = 143;
const PREFIX: usize = 7;

impl Store {
    pub(super) fn execution_command(&self, verb: &str, rest: &str) -> Option<Command<'static>> {
        Some(match verb {
            "begin" => Command::BeginExecution(begin(rest)),
            "complete" => Command::CompleteExecution(self.complete(rest)),
            "abandon" => {
                let (key, token) = self.key_and_token(rest);
                Command::AbandonExecution(AbandonExecution { key, token: Some(token) })
            }
            "forget-key" => Command::AbandonExecution(AbandonExecution { key: key(rest), token: None }),
            "free" => {
                let (slot, executions_max) = slot_and_rows(rest);
                Command::ExpireExecutions(ExpireExecutions { slot, from: Elapsed(0), executions_max })
            }
            _ => return None,
        })
    }

    /// `pay with 201`, with the last token of the key, or `pay of a with 201`, with the last token of the owner.
    pub(super) fn complete(&self, text: &str) -> CompleteExecution<'static> {
        let (target, response) = text.split_once(" with ").unwrap();
        let (key, token) = self.key_and_token(target);
        let response = Cow::Owned(response.as_bytes().to_vec());
        CompleteExecution { key, token, response, keep_ms: 10_000 }
    }

    /// `pay begun`
    pub(super) fn check_begun(&self, name: &str) -> Check<'static> {
        Check::Execution { key: key(name), token: self.execution_token(name) }
    }

    fn key_and_token(&self, text: &str) -> (ExecutionKey<'static>, Cursor) {
        let (name, of) = text.split_once(" of ").unwrap_or((text, text));
        (key(name), self.execution_token(of))
    }

    /// The last token of a key or of an owner.
    pub(crate) fn execution_token(&self, of: &str) -> Cursor {
        self.execution_tokens[of]
    }

    pub(super) fn learn_execution_tokens(&mut self) {
        let mut learned = Vec::new();
        for (name, row) in self.execution_rows() {
            let token = Cursor::new(row.token, key(&name).slot(Namespace::ROOT));
            if let ExecutionState::Begun { owner: Some(owner) } = row.state {
                learned.push((owner.to_string(), token));
            }
            learned.push((name, token));
        }
        self.execution_tokens.extend(learned);
    }

    fn execution_rows(&self) -> Vec<(String, ExecutionRow<'_>)> {
        let rows = self.rows.iter().filter(|(key, _)| key[6] == EXECUTION);
        let row = |(key, value)| {
            let (key, value): (&Vec<u8>, &Vec<u8>) = (key, value);
            (String::from_utf8(key[PREFIX..].to_vec()).unwrap(), ExecutionRow::decode(value).unwrap())
        };
        let mut rows: Vec<_> = rows.map(row).collect();
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        rows
    }

    /// The numbers of rows of executions and of their timers.
    pub(crate) fn rows_of_executions(&self) -> [usize; 2] {
        [EXECUTION, TIMER].map(|kind| self.rows.keys().filter(|key| key[6] == kind).count())
    }

    pub(super) fn executions(&self) -> Vec<String> {
        let describe = |(name, row): (String, ExecutionRow<'_>)| {
            let state = match row.state {
                ExecutionState::Begun { owner: None } => "begun".to_string(),
                ExecutionState::Begun { owner: Some(owner) } => format!("begun by {owner}"),
                ExecutionState::Completed(response) => format!("is {}", text(response)),
            };
            match row.fingerprint {
                "" => format!("{name} {state}"),
                fingerprint => format!("{name} {state} of {fingerprint}"),
            }
        };
        self.execution_rows().into_iter().map(describe).collect()
    }
}

pub(super) fn describe_begun(outcome: &Begun) -> String {
    match outcome {
        Begun::New { remaining_ms, replayed: true, .. } => format!("had {remaining_ms}"),
        Begun::New { remaining_ms, .. } => format!("new {remaining_ms}"),
        Begun::Completed { response, .. } => format!("response {}", text(response)),
    }
}

pub(super) fn describe_end(outcome: &Outcome) -> Option<&'static str> {
    Some(match outcome {
        Outcome::ExecutionCompleted { replayed: false } => "completed",
        Outcome::ExecutionCompleted { replayed: true } => "completed before",
        Outcome::ExecutionAbandoned { existed: true } => "abandoned",
        Outcome::ExecutionAbandoned { existed: false } => "nothing to abandon",
        _ => return None,
    })
}

fn begin(rest: &str) -> BeginExecution<'static> {
    let mut words = rest.split(' ');
    let key = key(words.next().unwrap());
    let mut begin = BeginExecution { key, fingerprint: Cow::Borrowed(""), owner: None, ttl_ms: 1_000 };
    let words: Vec<_> = words.collect();
    for pair in words.chunks(2) {
        match pair[0] {
            "by" => begin.owner = Some(Cow::Owned(pair[1].to_string())),
            "of" => begin.fingerprint = Cow::Owned(pair[1].to_string()),
            "ttl" => begin.ttl_ms = pair[1].parse().unwrap(),
            other => panic!("{other} is not an option of begin"),
        }
    }
    begin
}

fn key(name: &str) -> ExecutionKey<'static> {
    ExecutionKey::new(name.to_string()).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap()
}
