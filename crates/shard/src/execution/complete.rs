//! Store the response of an execution.
//!
//! *Only who has the token of the execution can complete it. Who is late, because someone else has begun meanwhile,
//! learns that the execution is lost, and changes nothing.* A completion that is sent again changes nothing, and says
//! that it was done before. The response is kept for the time that the completion says.
//!
//! As a write of a transaction, it is done with the other writes or not at all.

use super::Execution;
use crate::overlay::Overlay;
use format::row::{ExecutionRow, ExecutionState};
use model::{CompleteExecution, Elapsed, Outcome, Refusal, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    complete: &CompleteExecution<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    if is_done(complete, overlay)? {
        return Ok(Outcome::ExecutionCompleted { replayed: true });
    }
    Ok(match write(complete, 0, overlay)? {
        Ok(()) => Outcome::ExecutionCompleted { replayed: false },
        Err(refusal) => Outcome::Refused(refusal),
    })
}

/// Whether the execution was completed before, with this token.
pub(crate) fn is_done(complete: &CompleteExecution<'_>, view: &impl View) -> Result<bool, ViewError> {
    Execution::load(&complete.key, view)?.is_completed(complete.token)
}

/// Completes an execution that is in progress.
pub(crate) fn write<V: View>(
    complete: &CompleteExecution<'_>,
    part: u32,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Result<(), Refusal>, ViewError> {
    let execution = Execution::load(&complete.key, overlay)?;
    if !execution.is_in_progress(complete.token)? {
        return Ok(Err(Refusal::ExecutionLost { part }));
    }
    let row = ExecutionRow {
        fingerprint: execution.row()?.map_or("", |row| row.fingerprint),
        token: complete.token.position,
        expires: Elapsed(overlay.shard.elapsed.0.saturating_add(complete.keep_ms)),
        state: ExecutionState::Completed(&complete.response),
    };
    execution.put(&row, overlay)?;
    execution.notify(overlay);
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Store, check};
    use format::row::execution_key;
    use model::{Effect, ExecutionKey, Namespace};

    const LOST: &str = "part 0 has lost the execution";

    #[test]
    fn only_who_has_the_token_can_complete() {
        check(&[
            ("begin pay by a", "complete pay with 201", "completed", "pay is 201"),
            (
                "begin pay by a; complete pay with 201",
                "complete pay with 201",
                "completed before",
                "pay is 201",
            ),
            (
                "begin pay by a; complete pay with 201",
                "complete pay with 500",
                "completed before",
                "pay is 201",
            ),
            ("begin pay by a; abandon pay", "complete pay with 201", LOST, ""),
            (
                "begin pay by a; wait 1000; begin pay by b",
                "complete pay of a with 201",
                LOST,
                "pay begun by b",
            ),
            (
                "begin pay by a; wait 1000; begin pay by b; complete pay with 201",
                "complete pay of a with 202",
                LOST,
                "pay is 201",
            ),
            (
                "begin pay by a; begin tax by b",
                "complete tax of a with 201",
                LOST,
                "pay begun by a, tax begun by b",
            ),
        ]);
    }

    #[test]
    fn an_owner_that_is_late_completes_what_no_one_else_has_begun() {
        check(&[
            ("begin pay by a; wait 5000", "complete pay with 201", "completed", "pay is 201"),
            ("begin pay by a; wait 5000; free pay 9", "complete pay with 201", LOST, ""),
        ]);
    }

    #[test]
    fn a_transaction_completes_with_its_writes_or_not_at_all() {
        check(&[
            (
                "begin pay by a",
                "append cart x, complete pay with 201",
                "done: 0, completed",
                "cart 0x, pay is 201",
            ),
            (
                "begin pay by a",
                "complete pay with 201, append cart if 7 x",
                "part 1 has no stream",
                "pay begun by a",
            ),
            (
                "begin pay by a; wait 1000; begin pay by b",
                "append cart x, complete pay of a with 201",
                "part 1 has lost the execution",
                "pay begun by b",
            ),
            (
                "begin pay by a; append cart x, complete pay with 201",
                "append cart x, complete pay with 201",
                "done again: 0*, completed",
                "cart 0x, pay is 201",
            ),
            // What has no identity is refused with the token that has ended its execution.
            (
                "begin pay by a; append cart _, complete pay with 201",
                "append cart _, complete pay with 201",
                "part 1 has lost the execution",
                "cart 0_, pay is 201",
            ),
            ("begin pay by a", "check pay begun, append cart x", "done: 0", "cart 0x, pay begun by a"),
            ("begin pay by a; abandon pay", "check pay begun, append cart x", LOST, ""),
            ("begin pay by a; complete pay with 201", "check pay begun, append cart x", LOST, "pay is 201"),
        ]);
    }

    #[test]
    fn who_waits_for_a_key_is_told_when_it_is_completed_or_free() {
        let slot = ExecutionKey::new("pay").unwrap().slot(Namespace::ROOT);
        let told = Effect::Notify { key: execution_key(slot, Namespace::ROOT, "pay") };
        for ends in ["complete pay with 201", "abandon pay", "wait 1000; free pay 9"] {
            let mut store = Store::default();
            store.run("begin pay by a");
            assert!(!store.applied.effects.contains(&told));
            store.run(ends);
            assert!(store.applied.effects.contains(&told), "{ends}");
        }
    }
}
