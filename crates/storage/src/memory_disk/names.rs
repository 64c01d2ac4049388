//! The names in a directory: as callers see them, and as they are on the simulated medium.

use std::collections::BTreeMap;
use std::io;

/// The names of nodes in one directory. Two nodes are equal if they are the same file or directory.
#[derive(Debug)]
pub struct Names<N> {
    seen: BTreeMap<String, N>,
    durable: BTreeMap<String, N>,
    unsynced: Vec<Change<N>>,
}

#[derive(Debug)]
enum Change<N> {
    Create(String, N),
    Rename { from: String, to: String, node: N },
    Remove(String, N),
}

impl<N> Default for Names<N> {
    fn default() -> Self {
        Self { seen: BTreeMap::new(), durable: BTreeMap::new(), unsynced: Vec::new() }
    }
}

impl<N: Clone + PartialEq> Names<N> {
    /// Names that are all durable.
    #[must_use]
    pub fn durable(names: BTreeMap<String, N>) -> Self {
        Self { durable: names.clone(), seen: names, unsynced: Vec::new() }
    }

    /// The names that callers see.
    #[must_use]
    pub fn seen(&self) -> &BTreeMap<String, N> {
        &self.seen
    }

    /// # Errors
    /// `AlreadyExists`.
    pub fn create(&mut self, name: &str, node: N) -> io::Result<()> {
        if self.seen.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(Change::Create(name.to_owned(), node));
        Ok(())
    }

    /// Gives a node another name, in place of the node that has it.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let node = self.find(from)?;
        self.change(Change::Rename { from: from.to_owned(), to: to.to_owned(), node });
        Ok(())
    }

    /// # Errors
    /// `NotFound`.
    pub fn remove(&mut self, name: &str) -> io::Result<()> {
        let node = self.find(name)?;
        self.change(Change::Remove(name.to_owned(), node));
        Ok(())
    }

    /// Makes all changes durable.
    pub fn sync(&mut self) {
        self.durable = self.seen.clone();
        self.unsynced.clear();
    }

    /// What a power cut leaves of the changes that were not synced: none, all, the first few, or any of them.
    pub fn crash(&self, rng: &mut impl FnMut() -> u64) -> BTreeMap<String, N> {
        let fate = rng() % 4;
        let first = (rng() % (self.unsynced.len() as u64 + 1)) as usize;
        let mut names = self.durable.clone();
        for (number, change) in self.unsynced.iter().enumerate() {
            let kept = match fate {
                0 => false,
                1 => true,
                2 => number < first,
                _ => rng().is_multiple_of(2),
            };
            if kept {
                apply(&mut names, change);
            }
        }
        names
    }

    /// The same names, of copies of the nodes.
    #[must_use]
    pub fn copied(&self, mut copy: impl FnMut(&N) -> N) -> Self {
        let mut all = |names: &BTreeMap<String, N>| {
            names.iter().map(|(name, node)| (name.clone(), copy(node))).collect()
        };
        let (seen, durable) = (all(&self.seen), all(&self.durable));
        let unsynced = self.unsynced.iter().map(|change| change.with(&mut copy)).collect();
        Self { seen, durable, unsynced }
    }

    fn find(&self, name: &str) -> io::Result<N> {
        self.seen.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&mut self, change: Change<N>) {
        apply(&mut self.seen, &change);
        self.unsynced.push(change);
    }
}

impl<N> Change<N> {
    fn with(&self, mut copy: impl FnMut(&N) -> N) -> Self {
        match self {
            Self::Create(name, node) => Self::Create(name.clone(), copy(node)),
            Self::Rename { from, to, node } => {
                Self::Rename { from: from.clone(), to: to.clone(), node: copy(node) }
            }
            Self::Remove(name, node) => Self::Remove(name.clone(), copy(node)),
        }
    }
}

/// A name is removed only if it still belongs to the same file, because another change may have been lost.
fn apply<N: Clone + PartialEq>(names: &mut BTreeMap<String, N>, change: &Change<N>) {
    match change {
        Change::Create(name, node) => {
            names.insert(name.clone(), node.clone());
        }
        Change::Rename { from, to, node } => {
            take(names, from, node);
            names.insert(to.clone(), node.clone());
        }
        Change::Remove(name, node) => take(names, name, node),
    }
}

fn take<N: PartialEq>(names: &mut BTreeMap<String, N>, name: &str, node: &N) {
    if names.get(name) == Some(node) {
        names.remove(name);
    }
}
