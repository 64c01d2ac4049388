//! Answers the system's requests. There is one thread; an operation that waits is kept aside, so that others go on.

use crate::operation::{Fate, Kind, Operation};
use crate::tree::{Content, Tree, errno};
use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use std::ffi::OsStr;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use storage::memory_disk::{Image, Names};

/// Only the system changes anything, so what it has cached is always right.
const CACHED: Duration = Duration::from_secs(3_600);
const BLOCK_BYTES: u32 = 512;
const FALLOCATE_KEEP_SIZE: i32 = 1;

type Rule = Box<dyn FnMut(&Operation) -> Fate + Send>;
type Waiting = Box<dyn FnOnce(&Shared) + Send>;

pub(crate) struct Shared {
    tree: Mutex<Tree>,
    rules: Mutex<Rules>,
}

#[derive(Default)]
struct Rules {
    rule: Option<Rule>,
    operations: u64,
    has_ended: bool,
    waiting: Vec<Waiting>,
}

impl Shared {
    pub(crate) fn new(tree: Tree) -> Self {
        Self { tree: Mutex::new(tree), rules: Mutex::default() }
    }

    pub(crate) fn tree(&self) -> MutexGuard<'_, Tree> {
        lock(&self.tree)
    }

    pub(crate) fn rule(&self, rule: Rule) {
        lock(&self.rules).rule = Some(rule);
    }

    pub(crate) fn release(&self) {
        let waiting = {
            let mut rules = lock(&self.rules);
            rules.rule = None;
            std::mem::take(&mut rules.waiting)
        };
        for operation in waiting {
            operation(self);
        }
    }

    pub(crate) fn end(&self) {
        lock(&self.rules).has_ended = true;
        self.release();
    }

    pub(crate) fn begin_again(&self) {
        lock(&self.rules).has_ended = false;
    }

    pub(crate) fn waiting(&self) -> usize {
        lock(&self.rules).waiting.len()
    }

    pub(crate) fn operations(&self) -> u64 {
        lock(&self.rules).operations
    }

    /// Does an operation as the rule wants it, and replies, now or when it is released.
    fn run<T>(
        &self,
        kind: Kind,
        node: u64,
        act: impl FnOnce(&mut Tree) -> Result<T, Errno> + Send + 'static,
        reply: impl FnOnce(Result<T, Errno>) + Send + 'static,
    ) {
        match self.decide(kind, node) {
            Fate::Waits => {
                let later = move |shared: &Self| reply(act(&mut shared.tree()));
                lock(&self.rules).waiting.push(Box::new(later));
            }
            Fate::Done | Fate::Skipped => reply(act(&mut self.tree())),
            Fate::NoSpace => reply(Err(Errno::ENOSPC)),
            Fate::Failed => reply(Err(Errno::EIO)),
            Fate::Ends => {
                // What it did before the end may reach the medium.
                let _ = act(&mut self.tree());
                reply(Err(Errno::EIO));
            }
        }
    }

    fn sync(&self, kind: Kind, node: u64, reply: ReplyEmpty) {
        match self.decide(kind, node) {
            Fate::Skipped => reply.ok(),
            Fate::Waits => {
                let later = move |shared: &Self| {
                    shared.tree().sync(node);
                    reply.ok();
                };
                lock(&self.rules).waiting.push(Box::new(later));
            }
            Fate::Done => {
                self.tree().sync(node);
                reply.ok();
            }
            Fate::Failed => {
                self.tree().fail_sync(node);
                reply.error(Errno::EIO);
            }
            Fate::NoSpace => reply.error(Errno::ENOSPC),
            Fate::Ends => reply.error(Errno::EIO),
        }
    }

    fn decide(&self, kind: Kind, node: u64) -> Fate {
        let path = self.tree().path(node);
        let mut rules = lock(&self.rules);
        if rules.has_ended {
            return Fate::Failed;
        }
        let operation = Operation { number: rules.operations, kind, path };
        rules.operations += u64::from(kind.changes());
        let fate = rules.rule.as_mut().map_or(Fate::Done, |rule| rule(&operation));
        rules.has_ended = fate == Fate::Ends;
        fate
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

/// The kernel's requests; see the crate.
#[derive(Debug)]
pub(crate) struct Served(pub(crate) Arc<Shared>);

impl Served {
    fn change(
        &self,
        kind: Kind,
        directory: INodeNo,
        reply: ReplyEmpty,
        act: impl FnOnce(&mut Tree) -> Result<(), Errno> + Send + 'static,
    ) {
        self.0.run(kind, directory.0, act, |done| match done {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        });
    }
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let tree = self.0.tree();
        match text(name).and_then(|name| tree.find(parent.0, &name)).and_then(|node| attributes(&tree, node))
        {
            Ok(attributes) => reply.entry(&CACHED, &attributes, Generation(0)),
            Err(errno) => reply.error(errno),
        }
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match attributes(&self.0.tree(), node.0) {
            Ok(attributes) => reply.attr(&CACHED, &attributes),
            Err(errno) => reply.error(errno),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        node: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let reply = |changed| match changed {
            Ok(attributes) => reply.attr(&CACHED, &attributes),
            Err(errno) => reply.error(errno),
        };
        let Some(size) = size else { return reply(attributes(&self.0.tree(), node.0)) };
        let truncate = move |tree: &mut Tree| {
            let (_, free_bytes) = tree.space();
            tree.file(node.0)?.set_len(size, free_bytes).map_err(|error| errno(&error))?;
            attributes(tree, node.0)
        };
        self.0.run(Kind::Truncate, node.0, truncate, reply);
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let name = text(name);
        let make = move |tree: &mut Tree| {
            let node = tree.create(parent.0, &name?, Content::Directory(Names::default()))?;
            attributes(tree, node)
        };
        self.0.run(Kind::MakeDirectory, parent.0, make, |made| match made {
            Ok(attributes) => reply.entry(&CACHED, &attributes, Generation(0)),
            Err(errno) => reply.error(errno),
        });
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        let name = text(name);
        let create = move |tree: &mut Tree| {
            let node = tree.create(parent.0, &name?, Content::File(Image::default()))?;
            attributes(tree, node)
        };
        self.0.run(Kind::Create, parent.0, create, |created| match created {
            Ok(attributes) => {
                let cached = FopenFlags::FOPEN_KEEP_CACHE;
                reply.created(&CACHED, &attributes, Generation(0), FileHandle(0), cached);
            }
            Err(errno) => reply.error(errno),
        });
    }

    fn link(&self, _: &Request, node: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = text(name);
        let link = move |tree: &mut Tree| {
            tree.link(node.0, parent.0, &name?)?;
            attributes(tree, node.0)
        };
        self.0.run(Kind::Link, parent.0, link, |linked| match linked {
            Ok(attributes) => reply.entry(&CACHED, &attributes, Generation(0)),
            Err(errno) => reply.error(errno),
        });
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = text(name);
        self.change(Kind::Remove, parent, reply, move |tree| tree.remove(parent.0, &name?));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = text(name);
        self.change(Kind::RemoveDirectory, parent, reply, move |tree| tree.remove(parent.0, &name?));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !flags.is_empty() {
            return reply.error(Errno::EINVAL);
        }
        if parent != new_parent {
            return reply.error(Errno::EXDEV);
        }
        let (from, to) = (text(name), text(new_name));
        self.change(Kind::Rename, parent, reply, move |tree| tree.rename(parent.0, &from?, &to?));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = move |tree: &mut Tree| {
            let mut bytes = vec![0; size as usize];
            let count = tree.file(node.0)?.read(&mut bytes, offset);
            bytes.truncate(count);
            Ok(bytes)
        };
        self.0.run(Kind::Read, node.0, read, |read| match read {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
        });
    }

    fn write(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let bytes = bytes.to_vec();
        let write = move |tree: &mut Tree| {
            let (_, free_bytes) = tree.space();
            tree.file(node.0)?.write(&bytes, offset, free_bytes).map_err(|error| errno(&error))?;
            // A request has at most 16 MiB.
            u32::try_from(bytes.len()).map_err(|_| Errno::EINVAL)
        };
        self.0.run(Kind::Write, node.0, write, |written| match written {
            Ok(bytes) => reply.written(bytes),
            Err(errno) => reply.error(errno),
        });
    }

    fn fsync(&self, _: &Request, node: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.0.sync(Kind::Sync, node.0, reply);
    }

    fn fsyncdir(&self, _: &Request, node: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.0.sync(Kind::SyncDirectory, node.0, reply);
    }

    fn readdir(&self, _: &Request, node: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let tree = self.0.tree();
        let names = match tree.names(node.0) {
            Ok(names) => names.seen(),
            Err(errno) => return reply.error(errno),
        };
        let dots = [(".", node.0), ("..", tree.parent(node.0))];
        let all = dots.into_iter().chain(names.iter().map(|(name, node)| (name.as_str(), *node)));
        for ((name, child), next) in all.zip(1..).skip(usize::try_from(offset).unwrap_or(usize::MAX)) {
            let kind = tree.content(child).map_or(FileType::RegularFile, kind_of);
            if reply.add(INodeNo(child), next, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let (all, free) = self.0.tree().space();
        let [all, free] = [all, free].map(|bytes| bytes / u64::from(BLOCK_BYTES));
        reply.statfs(all, free, free, 0, 0, BLOCK_BYTES, 255, BLOCK_BYTES);
    }

    fn fallocate(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode != FALLOCATE_KEEP_SIZE {
            return reply.error(Errno::EOPNOTSUPP);
        }
        self.change(Kind::Reserve, node, reply, move |tree| {
            let (_, free_bytes) = tree.space();
            let end = offset.saturating_add(length);
            tree.file(node.0)?.reserve(end, free_bytes).map_err(|error| errno(&error))
        });
    }
}

fn text(name: &OsStr) -> Result<String, Errno> {
    name.to_str().map(str::to_owned).ok_or(Errno::EINVAL)
}

fn kind_of(content: &Content) -> FileType {
    match content {
        Content::File(_) => FileType::RegularFile,
        Content::Directory(_) => FileType::Directory,
    }
}

fn attributes(tree: &Tree, node: u64) -> Result<FileAttr, Errno> {
    let content = tree.content(node)?;
    let (size, used, perm) = match content {
        Content::File(image) => (image.len(), image.used_bytes(), 0o644),
        Content::Directory(_) => (0, 0, 0o755),
    };
    let never = SystemTime::UNIX_EPOCH;
    Ok(FileAttr {
        ino: INodeNo(node),
        size,
        blocks: used.div_ceil(BLOCK_BYTES.into()),
        atime: never,
        mtime: never,
        ctime: never,
        crtime: never,
        kind: kind_of(content),
        perm,
        nlink: tree.links(node),
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: BLOCK_BYTES,
        flags: 0,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
