//! Executions in the model: for each key, the one run that there is, if any.

use super::{Simple, SimpleOutcome, Token};
use model::{Namespace, slot_of};

/// One key.
#[derive(Clone, Debug, Default)]
pub struct Execution {
    pub name: String,
    pub slot: u16,
    pub run: Option<Run>,
    /// All tokens that were ever given.
    pub tokens: Vec<u64>,
}

/// Work that was begun under a key.
#[derive(Clone, Debug)]
pub struct Run {
    pub token: u64,
    pub fingerprint: String,
    pub owner: Option<String>,
    pub expires: u64,
    /// `None` while the work is in progress.
    pub response: Option<Vec<u8>>,
}

/// What a command asks of executions, by number.
#[derive(Clone, Debug)]
pub enum ExecutionAsk {
    Begin { execution: usize, fingerprint: String, owner: Option<String>, ttl_ms: u64 },
    Complete(Complete),
    Abandon(usize, Option<Token>),
    Expire { slot: u16, from: u64, executions_max: u32 },
}

/// A completion, as a command or as a write of a transaction.
#[derive(Clone, Debug)]
pub struct Complete {
    pub execution: usize,
    pub token: Token,
    pub response: Vec<u8>,
    pub keep_ms: u64,
}

impl Simple {
    /// The number of an execution. A key that was never seen gets the next number.
    pub fn execution(&mut self, name: &str) -> usize {
        self.executions.iter().position(|known| known.name == name).unwrap_or_else(|| {
            let slot = slot_of(Namespace::ROOT, name).0;
            self.executions.push(Execution { name: name.to_owned(), slot, ..Execution::default() });
            self.executions.len() - 1
        })
    }

    pub(crate) fn ask_execution(&mut self, ask: &ExecutionAsk) -> SimpleOutcome {
        match ask {
            ExecutionAsk::Begin { execution, fingerprint, owner, ttl_ms } => {
                self.begin_execution(*execution, fingerprint, owner.as_ref(), *ttl_ms)
            }
            ExecutionAsk::Complete(complete) if self.is_completed(complete) => {
                SimpleOutcome::ExecutionCompleted { replayed: true }
            }
            ExecutionAsk::Complete(complete) => match self.complete_execution(complete) {
                true => SimpleOutcome::ExecutionCompleted { replayed: false },
                false => SimpleOutcome::ExecutionLost(0),
            },
            ExecutionAsk::Abandon(execution, token) => {
                if token.is_some_and(|token| !self.is_in_progress(*execution, token)) {
                    return SimpleOutcome::ExecutionLost(0);
                }
                let run = self.executions[*execution].run.take();
                SimpleOutcome::ExecutionAbandoned {
                    existed: run.is_some_and(|run| self.elapsed < run.expires),
                }
            }
            ExecutionAsk::Expire { slot, from, executions_max } => {
                for _ in 0..*executions_max {
                    let ended = |execution: &&mut Execution| {
                        let expires = execution.run.as_ref().map(|run| run.expires);
                        execution.slot == *slot
                            && expires.is_some_and(|expires| (*from..=self.elapsed).contains(&expires))
                    };
                    let all = self.executions.iter_mut().filter(ended);
                    let first = all.min_by_key(|execution| {
                        (execution.run.as_ref().map(|run| run.expires), execution.name.clone())
                    });
                    let Some(first) = first else { break };
                    first.run = None;
                }
                SimpleOutcome::Progressed
            }
        }
    }

    fn begin_execution(
        &mut self,
        at: usize,
        fingerprint: &str,
        owner: Option<&String>,
        ttl_ms: u64,
    ) -> SimpleOutcome {
        let (now, slot) = (self.elapsed, self.executions[at].slot);
        if let Some(run) = &self.executions[at].run
            && now < run.expires
        {
            let remaining_ms = run.expires - now;
            return match &run.response {
                _ if run.fingerprint != fingerprint => SimpleOutcome::ExecutionDiffers,
                Some(response) => SimpleOutcome::ExecutionDone { response: response.clone(), remaining_ms },
                None if owner.is_some() && run.owner.as_ref() == owner => {
                    SimpleOutcome::ExecutionNew { token: (run.token, slot), remaining_ms, replayed: true }
                }
                None => SimpleOutcome::ExecutionInProgress(remaining_ms),
            };
        }
        let token = self.take_position();
        let execution = &mut self.executions[at];
        assert!(execution.tokens.last().is_none_or(|last| *last < token), "tokens grow");
        execution.tokens.push(token);
        execution.run = Some(Run {
            token,
            fingerprint: fingerprint.to_owned(),
            owner: owner.cloned(),
            expires: now + ttl_ms,
            response: None,
        });
        SimpleOutcome::ExecutionNew { token: (token, slot), remaining_ms: ttl_ms, replayed: false }
    }

    /// Whether the work under this token is in progress, as far as anyone knows.
    pub(crate) fn is_in_progress(&self, at: usize, (token, slot): Token) -> bool {
        let execution = &self.executions[at];
        let run = execution.run.as_ref().filter(|run| run.token == token && execution.slot == slot);
        run.is_some_and(|run| run.response.is_none())
    }

    pub(crate) fn is_completed(&self, complete: &Complete) -> bool {
        let execution = &self.executions[complete.execution];
        let (token, slot) = complete.token;
        let run = execution.run.as_ref().filter(|run| run.token == token && execution.slot == slot);
        run.is_some_and(|run| run.response.is_some())
    }

    /// Whether it could be completed.
    pub(crate) fn complete_execution(&mut self, complete: &Complete) -> bool {
        let is_in_progress = self.is_in_progress(complete.execution, complete.token);
        let expires = self.elapsed + complete.keep_ms;
        if is_in_progress && let Some(run) = &mut self.executions[complete.execution].run {
            run.response = Some(complete.response.clone());
            run.expires = expires;
        }
        is_in_progress
    }
}
