//! Remove a value.
//!
//! *A deleted value does not exist, until it is written again.* Deleting a value that does not exist changes nothing,
//! unless the request expects that it exists. The row stays, without content, so that no revision is used again.

use crate::overlay::Overlay;
use crate::value::{Known, key};
use format::row::ValueRow;
use model::{DeleteValue, Outcome, Refusal, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    delete: &DeleteValue<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let known = Known::load(&delete.value, overlay)?;
    if !known.is(delete.expected) {
        return Ok(Outcome::Refused(Refusal::WrongRevision { part: 0, current: known.current() }));
    }
    if let Some(revision) = known.current() {
        overlay.put(key(&delete.value), ValueRow { revision, content: None }.encode());
        overlay.notify(key(&delete.value));
    }
    Ok(Outcome::ValueDeleted { last: known.current() })
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn a_deleted_value_does_not_exist() {
        check(&[
            ("put flag on", "remove flag", "removed 0", "flag removed 0"),
            ("put flag on; put flag off", "remove flag if 1", "removed 1", "flag removed 1"),
            ("put flag on", "remove flag if 1", "part 0 is at 0", "flag 0=on"),
            ("put flag on; remove flag", "remove flag", "nothing to remove", "flag removed 0"),
            ("", "remove flag", "nothing to remove", ""),
            ("", "remove flag if exists", "part 0 has no stream", ""),
        ]);
    }
}
