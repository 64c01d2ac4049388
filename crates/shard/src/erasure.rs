//! Erase a subject.
//!
//! *The key with which a subject's events are sealed is erased once, and for good.* The state does not have the key. It
//! remembers that the key is erased and since when, so that an older copy of it, in a restored store for example, is erased
//! too.

use crate::damage::bad_row;
use crate::overlay::Overlay;
use format::row::{decode_number, encode_number, erased_key};
use model::{EraseSubject, Outcome, View, ViewError, Wall};

/// Decides the command.
pub(crate) fn apply<V: View>(
    erase: EraseSubject,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let key = erased_key(overlay.first_slot(), erase.key_id);
    if let Some(value) = overlay.get(&key)? {
        let erased = decode_number(&value).map_err(|error| bad_row("erased key", error))?;
        return Ok(Outcome::SubjectErased { erased: Wall(erased) });
    }
    let erased = overlay.shard.wall;
    overlay.put(key.to_vec(), encode_number(erased.0));
    Ok(Outcome::SubjectErased { erased })
}

#[cfg(test)]
mod tests {
    use crate::query;
    use crate::testing::Store;
    use model::{Command, EraseSubject, KeyId, Outcome, Slot, Wall};

    #[test]
    fn a_key_is_erased_once_and_the_state_remembers_since_when() {
        let mut store = Store::default();
        let erase = |store: &mut Store, key| -> Outcome {
            store.apply(Command::EraseSubject(EraseSubject { key_id: KeyId(key) }));
            store.applied.outcomes[0].clone()
        };
        store.wall = Wall(2_000_000);
        assert_eq!(erase(&mut store, 7), Outcome::SubjectErased { erased: Wall(2_000_000) });
        store.wall = Wall(3_000_000);
        assert_eq!(erase(&mut store, 7), Outcome::SubjectErased { erased: Wall(2_000_000) });
        assert_eq!(erase(&mut store, 3), Outcome::SubjectErased { erased: Wall(3_000_000) });
        assert_eq!(query::erased_keys(&store.rows, Slot(0)).unwrap(), [KeyId(3), KeyId(7)]);
    }
}
