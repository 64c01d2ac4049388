//! The files and directories: as programs see them, and as they are on the simulated medium.

use fuser::Errno;
use std::collections::BTreeMap;
use std::io;
use storage::memory_disk::{Image, Names};

pub(crate) const ROOT: u64 = 1;
/// What a disk without a limit claims to have.
const CAPACITY_SHOWN: u64 = 1 << 40;

/// Everything on a medium. The default is an empty root.
#[derive(Debug)]
pub struct Tree {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    pub(crate) capacity: Option<u64>,
}

#[derive(Debug)]
struct Node {
    /// The last name and directory it had. Only for showing its path.
    name: String,
    parent: u64,
    content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    File(Image),
    Directory(Names<u64>),
}

impl Default for Tree {
    fn default() -> Self {
        let mut tree = Self { nodes: BTreeMap::new(), next: ROOT, capacity: None };
        tree.add(String::new(), ROOT, Content::Directory(Names::default()));
        tree
    }
}

impl Tree {
    pub(crate) fn path(&self, node: u64) -> String {
        let mut parts = Vec::new();
        let mut at = node;
        while at != ROOT
            && let Some(node) = self.nodes.get(&at)
        {
            parts.push(node.name.as_str());
            at = node.parent;
        }
        parts.reverse();
        parts.join("/")
    }

    pub(crate) fn content(&self, node: u64) -> Result<&Content, Errno> {
        self.nodes.get(&node).map(|node| &node.content).ok_or(Errno::ENOENT)
    }

    pub(crate) fn names(&self, directory: u64) -> Result<&Names<u64>, Errno> {
        match self.content(directory)? {
            Content::Directory(names) => Ok(names),
            Content::File(_) => Err(Errno::ENOTDIR),
        }
    }

    pub(crate) fn parent(&self, node: u64) -> u64 {
        self.nodes.get(&node).map_or(ROOT, |node| node.parent)
    }

    pub(crate) fn find(&self, directory: u64, name: &str) -> Result<u64, Errno> {
        self.names(directory)?.seen().get(name).copied().ok_or(Errno::ENOENT)
    }

    pub(crate) fn file(&mut self, node: u64) -> Result<&mut Image, Errno> {
        match self.nodes.get_mut(&node).map(|node| &mut node.content) {
            Some(Content::File(image)) => Ok(image),
            Some(Content::Directory(_)) => Err(Errno::EISDIR),
            None => Err(Errno::ENOENT),
        }
    }

    pub(crate) fn create(&mut self, directory: u64, name: &str, content: Content) -> Result<u64, Errno> {
        self.names(directory)?;
        let node = self.add(name.to_owned(), directory, content);
        self.names_mut(directory)?.create(name, node).map_err(|error| errno(&error))?;
        Ok(node)
    }

    /// Gives a file another name in its directory.
    pub(crate) fn link(&mut self, node: u64, directory: u64, name: &str) -> Result<(), Errno> {
        self.file(node)?;
        if self.parent(node) != directory {
            return Err(Errno::EXDEV);
        }
        self.names_mut(directory)?.create(name, node).map_err(|error| errno(&error))
    }

    /// How many names a node has.
    pub(crate) fn links(&self, node: u64) -> u32 {
        match (self.content(node), self.names(self.parent(node))) {
            (Ok(Content::File(_)), Ok(names)) => {
                names.seen().values().filter(|named| **named == node).count() as u32
            }
            _ => 1,
        }
    }

    pub(crate) fn rename(&mut self, directory: u64, from: &str, to: &str) -> Result<(), Errno> {
        let node = self.find(directory, from)?;
        self.names_mut(directory)?.rename(from, to).map_err(|error| errno(&error))?;
        if let Some(node) = self.nodes.get_mut(&node) {
            to.clone_into(&mut node.name);
        }
        Ok(())
    }

    pub(crate) fn remove(&mut self, directory: u64, name: &str) -> Result<(), Errno> {
        let node = self.find(directory, name)?;
        if self.names(node).is_ok_and(|names| !names.seen().is_empty()) {
            return Err(Errno::ENOTEMPTY);
        }
        self.names_mut(directory)?.remove(name).map_err(|error| errno(&error))
    }

    pub(crate) fn sync(&mut self, node: u64) {
        match self.nodes.get_mut(&node).map(|node| &mut node.content) {
            Some(Content::File(image)) => image.sync(),
            Some(Content::Directory(names)) => names.sync(),
            None => {}
        }
    }

    pub(crate) fn fail_sync(&mut self, node: u64) {
        if let Ok(image) = self.file(node) {
            image.forget_unsynced();
        }
    }

    /// Bytes in all, and how many of them are free. A removed file takes no space, even while it is open.
    pub(crate) fn space(&self) -> (u64, u64) {
        match self.capacity {
            Some(capacity) => (capacity, capacity.saturating_sub(self.used_bytes(ROOT))),
            None => (CAPACITY_SHOWN, CAPACITY_SHOWN),
        }
    }

    fn used_bytes(&self, node: u64) -> u64 {
        match self.content(node) {
            Ok(Content::File(image)) => image.used_bytes(),
            Ok(Content::Directory(names)) => names.seen().values().map(|child| self.used_bytes(*child)).sum(),
            Err(_) => 0,
        }
    }

    /// Everything, with new numbers for all nodes but the root.
    pub(crate) fn renumbered(self) -> Self {
        let others = self.nodes.keys().filter(|node| **node != ROOT);
        let numbers: BTreeMap<u64, u64> = others.copied().zip(self.next..).collect();
        let new = |node: u64| numbers.get(&node).copied().unwrap_or(ROOT);
        let nodes = self.nodes.into_iter().map(|(number, node)| {
            let content = match node.content {
                Content::Directory(names) => Content::Directory(names.copied(|node| new(*node))),
                file @ Content::File(_) => file,
            };
            (new(number), Node { name: node.name, parent: new(node.parent), content })
        });
        Self { nodes: nodes.collect(), next: self.next + numbers.len() as u64, capacity: self.capacity }
    }

    /// What a power cut leaves, with new numbers for all nodes but the root.
    pub(crate) fn after_power_cut(&self, rng: &mut impl FnMut() -> u64) -> Self {
        let mut left = Self { nodes: BTreeMap::new(), next: self.next, capacity: self.capacity };
        self.keep(ROOT, rng, &mut left, (String::new(), ROOT, ROOT));
        left
    }

    /// Keeps what is left of a node under the given name, parent and number.
    fn keep(
        &self,
        node: u64,
        rng: &mut impl FnMut() -> u64,
        left: &mut Self,
        (name, parent, number): (String, u64, u64),
    ) {
        let content = match self.content(node) {
            Ok(Content::File(image)) => Content::File(image.crash(rng)),
            Ok(Content::Directory(names)) => {
                let (mut names, mut kept) = (names.crash(rng), BTreeMap::new());
                for (name, child) in &mut names {
                    let new = *kept.entry(*child).or_insert(left.next);
                    // A file may have several names.
                    if new == left.next {
                        left.next += 1;
                        self.keep(*child, rng, left, (name.clone(), number, new));
                    }
                    *child = new;
                }
                Content::Directory(Names::durable(names))
            }
            Err(_) => return,
        };
        left.nodes.insert(number, Node { name, parent, content });
    }

    fn add(&mut self, name: String, parent: u64, content: Content) -> u64 {
        let node = self.next;
        self.next += 1;
        self.nodes.insert(node, Node { name, parent, content });
        node
    }

    fn names_mut(&mut self, directory: u64) -> Result<&mut Names<u64>, Errno> {
        match self.nodes.get_mut(&directory).map(|node| &mut node.content) {
            Some(Content::Directory(names)) => Ok(names),
            Some(Content::File(_)) => Err(Errno::ENOTDIR),
            None => Err(Errno::ENOENT),
        }
    }
}

pub(crate) fn errno(error: &io::Error) -> Errno {
    match error.kind() {
        io::ErrorKind::NotFound => Errno::ENOENT,
        io::ErrorKind::AlreadyExists => Errno::EEXIST,
        io::ErrorKind::StorageFull => Errno::ENOSPC,
        io::ErrorKind::FileTooLarge => Errno::EFBIG,
        _ => Errno::EIO,
    }
}
