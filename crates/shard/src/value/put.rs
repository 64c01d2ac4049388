//! Replace a value's content, or create the value.
//!
//! *Each write gives the value the next revision, and a write that expects another revision is refused.* Writing the
//! same content again is a write too. Revisions begin at 0 and are never used again, also after the value was
//! deleted.

use crate::overlay::Overlay;
use crate::value::{Known, key};
use format::row::{ValueContent, ValueRow};
use model::{Outcome, PutValue, Refusal, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    put: &PutValue<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let known = Known::load(&put.value, overlay)?;
    if !known.is(put.expected) {
        return Ok(Outcome::Refused(Refusal::WrongRevision { part: 0, current: known.current() }));
    }
    let Some(revision) = known.next() else { return Ok(Outcome::Refused(Refusal::ValueFull)) };
    let content = ValueContent { content_type: &put.content_type, bytes: &put.content };
    overlay.put(key(&put.value), ValueRow { revision, content: Some(content) }.encode());
    overlay.notify(key(&put.value));
    Ok(Outcome::ValuePut { revision, replayed: false })
}

#[cfg(test)]
mod tests {
    use crate::testing::{Store, check};
    use crate::value::key;
    use model::{Effect, ValueName};

    #[test]
    fn each_write_gives_the_value_the_next_revision() {
        check(&[
            ("", "put flag on", "written 0", "flag 0=on"),
            ("put flag on", "put flag off", "written 1", "flag 1=off"),
            ("put flag on", "put flag on", "written 1", "flag 1=on"),
            ("put flag on; remove flag", "put flag on", "written 1", "flag 1=on"),
        ]);
    }

    #[test]
    fn who_watches_a_value_is_told_of_each_change() {
        let told = [Effect::Notify { key: key(&ValueName::new("flag").unwrap()) }];
        let mut store = Store::default();
        for (script, is_told) in [
            ("put flag on", true),
            ("put flag if 7 off", false),
            ("put flag on", true),
            ("remove flag", true),
            ("remove flag", false),
        ] {
            store.run(script);
            assert_eq!(store.applied.effects == told, is_told, "{script}: {:?}", store.applied.effects);
        }
    }

    #[test]
    fn a_write_that_expects_another_revision_is_refused() {
        check(&[
            ("put flag on", "put flag if 0 off", "written 1", "flag 1=off"),
            ("put flag on", "put flag if 1 off", "part 0 is at 0", "flag 0=on"),
            ("put flag on", "put flag if none off", "part 0 is at 0", "flag 0=on"),
            ("", "put flag if none on", "written 0", "flag 0=on"),
            ("", "put flag if exists on", "part 0 has no stream", ""),
            ("put flag on; remove flag", "put flag if 0 on", "part 0 has no stream", "flag removed 0"),
            ("put flag on; remove flag", "put flag if none on", "written 1", "flag 1=on"),
        ]);
    }
}
