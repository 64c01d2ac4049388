//! Values in the model.

use super::{Expect, Simple, SimpleOutcome};
use model::{Namespace, slot_of};

/// One value.
#[derive(Clone, Debug, Default)]
pub struct Value {
    pub name: String,
    pub slot: u16,
    /// Everything that was ever written to it, by revision.
    pub contents: Vec<Vec<u8>>,
    pub deleted: bool,
}

impl Value {
    #[must_use]
    pub fn exists(&self) -> bool {
        !self.contents.is_empty() && !self.deleted
    }

    /// The last revision, if the value exists.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.exists().then(|| self.contents.len() as u64 - 1)
    }

    pub(crate) fn is(&self, expect: Expect) -> bool {
        match expect {
            Expect::Any => true,
            Expect::None => !self.exists(),
            Expect::Exists => self.exists(),
            Expect::Revision(revision) => self.last() == Some(revision),
        }
    }
}

impl Simple {
    /// The number of a value. A name that was never seen gets the next number.
    pub fn value(&mut self, name: &str) -> usize {
        self.values.iter().position(|value| value.name == name).unwrap_or_else(|| {
            let slot = slot_of(Namespace::ROOT, name).0;
            self.values.push(Value { name: name.to_owned(), slot, ..Value::default() });
            self.values.len() - 1
        })
    }

    pub(crate) fn put_value(&mut self, at: usize, expect: Expect, content: &[u8]) -> SimpleOutcome {
        let value = &mut self.values[at];
        if !value.is(expect) {
            return SimpleOutcome::WrongRevision { part: 0, current: value.last() };
        }
        value.contents.push(content.to_owned());
        value.deleted = false;
        SimpleOutcome::ValuePut { revision: value.contents.len() as u64 - 1, replayed: false }
    }

    pub(crate) fn delete_value(&mut self, at: usize, expect: Expect) -> SimpleOutcome {
        let value = &mut self.values[at];
        let last = value.last();
        if !value.is(expect) {
            return SimpleOutcome::WrongRevision { part: 0, current: last };
        }
        value.deleted = true;
        SimpleOutcome::ValueDeleted(last)
    }
}
