//! Say whether the work under a key is new, in progress, or done.
//!
//! *Of all who begin with a key, one is told to do the work. The others are told to wait while it is done, and get its
//! response when it is.* A key that comes back with another fingerprint is refused, whatever the state of the work is.
//!
//! An owner that begins again while it has the execution gets the token that it has, and its time goes on as before: a
//! retry changes nothing. When the time of an execution is over, the key is free for another one, with a greater token.

use super::Execution;
use crate::overlay::Overlay;
use format::row::{ExecutionRow, ExecutionState};
use model::{BeginExecution, Begun, Elapsed, Outcome, Refusal, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    begin: &BeginExecution<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let execution = Execution::load(&begin.key, overlay)?;
    let now = overlay.shard.elapsed;
    if let Some(row) = execution.row()?.filter(|row| now < row.expires) {
        return Ok(known(begin, &row, &execution, now));
    }
    let token = overlay.take_position();
    let row = ExecutionRow {
        fingerprint: &begin.fingerprint,
        token,
        expires: Elapsed(now.0.saturating_add(begin.ttl_ms)),
        state: ExecutionState::Begun { owner: begin.owner.as_deref() },
    };
    execution.put(&row, overlay)?;
    let token = execution.cursor(token);
    Ok(Outcome::ExecutionBegun(Begun::New { token, remaining_ms: begin.ttl_ms, replayed: false }))
}

/// The outcome for a key that was used before.
fn known(
    begin: &BeginExecution<'_>,
    row: &ExecutionRow<'_>,
    execution: &Execution<'_>,
    now: Elapsed,
) -> Outcome {
    if row.fingerprint != begin.fingerprint {
        return Outcome::Refused(Refusal::ExecutionDiffers);
    }
    let remaining_ms = row.expires.0.saturating_sub(now.0);
    match row.state {
        ExecutionState::Completed(response) => {
            Outcome::ExecutionBegun(Begun::Completed { response: response.into(), remaining_ms })
        }
        ExecutionState::Begun { owner } if owner.is_some() && owner == begin.owner.as_deref() => {
            let token = execution.cursor(row.token);
            Outcome::ExecutionBegun(Begun::New { token, remaining_ms, replayed: true })
        }
        ExecutionState::Begun { .. } => Outcome::Refused(Refusal::ExecutionInProgress { remaining_ms }),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Store, check};

    #[test]
    fn of_all_who_begin_with_a_key_one_does_the_work() {
        check(&[
            ("", "begin pay by a", "new 1000", "pay begun by a"),
            ("begin pay by a", "begin pay by b", "in progress 1000", "pay begun by a"),
            ("begin pay by a; wait 400", "begin pay by b", "in progress 600", "pay begun by a"),
            ("begin pay by a", "begin tax by b", "new 1000", "pay begun by a, tax begun by b"),
            ("begin pay", "begin pay", "in progress 1000", "pay begun"),
        ]);
    }

    #[test]
    fn an_owner_that_begins_again_has_what_it_had() {
        let mut store = Store::default();
        store.run("begin pay by a");
        let token = store.execution_token("pay");
        assert_eq!(store.run("wait 400; begin pay by a"), "had 600");
        assert_eq!(store.execution_token("pay"), token);
        assert_eq!(store.applied.writes.len(), 1, "nothing but the shard's own row");
    }

    #[test]
    fn who_comes_after_the_work_is_done_gets_its_response() {
        check(&[
            ("begin pay by a; complete pay with 201", "begin pay by b", "response 201", "pay is 201"),
            ("begin pay by a; complete pay with 201", "begin pay by a", "response 201", "pay is 201"),
            (
                "begin pay by a; complete pay with 201; wait 9999",
                "begin pay by b",
                "response 201",
                "pay is 201",
            ),
            (
                "begin pay by a; complete pay with 201; wait 10000",
                "begin pay by b",
                "new 1000",
                "pay begun by b",
            ),
        ]);
    }

    #[test]
    fn a_key_with_another_fingerprint_is_refused_whatever_the_state_is() {
        const DIFFERS: &str = "the fingerprint differs";
        check(&[
            ("begin pay by a of x", "begin pay by b of y", DIFFERS, "pay begun by a of x"),
            ("begin pay by a of x", "begin pay by a of y", DIFFERS, "pay begun by a of x"),
            ("begin pay by a of x", "begin pay by b", DIFFERS, "pay begun by a of x"),
            ("begin pay by a of x; complete pay with 201", "begin pay by b of y", DIFFERS, "pay is 201 of x"),
            ("begin pay by a of x; wait 1000", "begin pay by b of y", "new 1000", "pay begun by b of y"),
        ]);
    }

    #[test]
    fn an_execution_whose_owner_vanished_ends_and_a_later_one_has_a_greater_token() {
        let mut store = Store::default();
        store.run("begin pay by a");
        let first = store.execution_token("pay");
        assert_eq!(store.run("wait 999; begin pay by b"), "in progress 1");
        assert_eq!(store.run("wait 1; begin pay by b"), "new 1000", "whether the node has noticed it or not");
        let second = store.execution_token("pay");
        assert!(first < second);
        store.run("wait 1000");
        store.do_what_is_due();
        assert_eq!(store.state(), "");
        store.run("begin pay by a");
        assert!(second < store.execution_token("pay"));
    }
}
