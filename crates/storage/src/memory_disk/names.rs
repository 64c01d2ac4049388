//! The names in a directory: as callers see them, and as they are on the simulated medium.

use super::{Node, lock};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
pub(super) struct Names {
    seen: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Create(String, Node),
    Rename { from: String, to: String, node: Node },
    Remove(String, Node),
}

impl Names {
    pub(super) fn find(&self, name: &str) -> Option<Node> {
        self.seen.get(name).cloned()
    }

    pub(super) fn list(&self) -> Vec<String> {
        self.seen.keys().cloned().collect()
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.seen.values().map(|node| lock(node).used_bytes()).sum()
    }

    pub(super) fn create(&mut self, name: &str) -> io::Result<Node> {
        if self.seen.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let node = Node::default();
        self.change(Change::Create(name.to_owned(), Arc::clone(&node)));
        Ok(node)
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let node = self.find(from).ok_or(io::ErrorKind::NotFound)?;
        self.change(Change::Rename { from: from.to_owned(), to: to.to_owned(), node });
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let node = self.find(name).ok_or(io::ErrorKind::NotFound)?;
        self.change(Change::Remove(name.to_owned(), node));
        Ok(())
    }

    pub(super) fn sync(&mut self) {
        self.durable = self.seen.clone();
        self.unsynced.clear();
    }

    pub(super) fn sync_all(&mut self) {
        self.sync();
        self.seen.values().for_each(|node| lock(node).sync());
    }

    /// What a power cut leaves of the changes that were not synced: none, all, the first few, or any of them.
    pub(super) fn crash(&self, rng: &mut impl FnMut() -> u64) -> Self {
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
        let after = |image: &Node| Arc::new(Mutex::new(lock(image).crash(rng)));
        Self::settled(copied(&names, after))
    }

    /// An independent copy of everything that is seen, and of what is durable.
    pub(super) fn duplicate(&self) -> Self {
        let mut copies: Vec<(Node, Node)> = Vec::new();
        let mut copy = |node: &Node| {
            if let Some((_, copy)) = copies.iter().find(|(original, _)| Arc::ptr_eq(original, node)) {
                return Arc::clone(copy);
            }
            let copy = Arc::new(Mutex::new(lock(node).clone()));
            copies.push((Arc::clone(node), Arc::clone(&copy)));
            copy
        };
        let seen = copied(&self.seen, &mut copy);
        let durable = copied(&self.durable, &mut copy);
        let unsynced = self.unsynced.iter().map(|change| change.with(&mut copy)).collect();
        Self { seen, durable, unsynced }
    }

    fn settled(names: BTreeMap<String, Node>) -> Self {
        Self { durable: names.clone(), seen: names, unsynced: Vec::new() }
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.seen, &change);
        self.unsynced.push(change);
    }
}

impl Change {
    fn with(&self, mut copy: impl FnMut(&Node) -> Node) -> Self {
        match self {
            Self::Create(name, node) => Self::Create(name.clone(), copy(node)),
            Self::Rename { from, to, node } => {
                Self::Rename { from: from.clone(), to: to.clone(), node: copy(node) }
            }
            Self::Remove(name, node) => Self::Remove(name.clone(), copy(node)),
        }
    }
}

fn copied(names: &BTreeMap<String, Node>, mut copy: impl FnMut(&Node) -> Node) -> BTreeMap<String, Node> {
    names.iter().map(|(name, node)| (name.clone(), copy(node))).collect()
}

/// A name is removed only if it still belongs to the same file, because another change may have been lost.
fn apply(names: &mut BTreeMap<String, Node>, change: &Change) {
    match change {
        Change::Create(name, node) => {
            names.insert(name.clone(), Arc::clone(node));
        }
        Change::Rename { from, to, node } => {
            take(names, from, node);
            names.insert(to.clone(), Arc::clone(node));
        }
        Change::Remove(name, node) => take(names, name, node),
    }
}

fn take(names: &mut BTreeMap<String, Node>, name: &str, node: &Node) {
    if names.get(name).is_some_and(|there| Arc::ptr_eq(there, node)) {
        names.remove(name);
    }
}
