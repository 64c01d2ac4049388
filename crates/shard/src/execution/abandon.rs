//! Free a key, because its work was not done.
//!
//! *Who has the token of an execution can give the key back, and the next one to begin does the work.* The token of an
//! execution that is over frees nothing. Without a token, which is for operators, the key is freed whatever its state
//! is, and a stored response is forgotten.

use super::Execution;
use crate::overlay::Overlay;
use model::{AbandonExecution, Outcome, Refusal, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    abandon: &AbandonExecution<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let execution = Execution::load(&abandon.key, overlay)?;
    if let Some(token) = abandon.token
        && !execution.is_in_progress(token)?
    {
        return Ok(Outcome::Refused(Refusal::ExecutionLost { part: 0 }));
    }
    let now = overlay.shard.elapsed;
    let existed = execution.row()?.is_some_and(|row| now < row.expires);
    execution.remove(overlay)?;
    Ok(Outcome::ExecutionAbandoned { existed })
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    const LOST: &str = "part 0 has lost the execution";

    #[test]
    fn a_key_that_is_given_back_is_free() {
        check(&[
            ("begin pay by a", "abandon pay", "abandoned", ""),
            ("begin pay by a; abandon pay", "begin pay by b", "new 1000", "pay begun by b"),
            ("begin pay by a of x; abandon pay", "begin pay by b of y", "new 1000", "pay begun by b of y"),
        ]);
    }

    #[test]
    fn only_who_has_the_token_gives_a_key_back() {
        check(&[
            ("begin pay by a; abandon pay", "abandon pay", LOST, ""),
            ("begin pay by a; complete pay with 201", "abandon pay", LOST, "pay is 201"),
            ("begin pay by a; wait 1000; begin pay by b", "abandon pay of a", LOST, "pay begun by b"),
        ]);
    }

    #[test]
    fn an_operator_frees_a_key_in_any_state() {
        check(&[
            ("", "forget-key pay", "nothing to abandon", ""),
            ("begin pay by a", "forget-key pay", "abandoned", ""),
            ("begin pay by a; complete pay with 201", "forget-key pay", "abandoned", ""),
            ("begin pay by a; wait 1000", "forget-key pay", "nothing to abandon", ""),
        ]);
    }
}
