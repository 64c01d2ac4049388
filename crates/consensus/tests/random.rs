//! Three replicas under seeds: messages that are lost, delayed, repeated and overtaken, and processes that
//! end without having synced. Whatever happens, all replicas apply the same entries, and what was applied
//! once stays.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use bytes::Bytes;
use consensus::{Group, LogWrite, Message};
use format::membership::Membership;
use model::{Index, Term};
use seeded_rng::Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use testing::Log;

mod testing;

const REPLICAS: u64 = 3;
const STEPS: u64 = 6_000;
const FIRST: (Index, Term) = (Index(1), Term(1));

type Applied = (Index, Term, Bytes);

/// One replica and its disk.
struct Replica {
    id: u64,
    group: Group,
    /// What is durable.
    log: Log,
    writes: VecDeque<LogWrite>,
    state: Vec<Applied>,
    /// How many entries of the state are durable.
    flushed: usize,
    /// How many writes replaced entries of another leader.
    replacements: u64,
}

fn open(id: u64, log: &Log, state: &[Applied]) -> Group {
    let applied = state.last().map_or(FIRST, |(index, term, _)| (*index, *term));
    log.open(id, Membership::of_voters([1, 2, 3]), applied).unwrap()
}

impl Replica {
    fn new(id: u64) -> Self {
        let log = Log::default();
        let group = open(id, &log, &[]);
        Self { id, group, log, writes: VecDeque::new(), state: Vec::new(), flushed: 0, replacements: 0 }
    }

    /// Takes all work, and returns the messages.
    fn work(&mut self, decided: &mut BTreeMap<Index, (Term, Bytes)>) -> Vec<Message> {
        let mut sent = Vec::new();
        while let Some(work) = self.group.take(&self.log).unwrap() {
            sent.extend(work.messages);
            self.writes.extend(work.write);
            for entry in work.committed {
                let next = self.state.last().map_or(Index(2), |(last, _, _)| Index(last.0 + 1));
                assert_eq!(entry.index, next, "replica {} applies in order", self.id);
                assert!(self.log.entries.iter().any(|held| held.index == next && held.term == entry.term));
                let found = decided.entry(next).or_insert_with(|| (entry.term, entry.data.clone()));
                assert_eq!(*found, (entry.term, entry.data.clone()), "entry {next} on replica {}", self.id);
                self.group.applied(entry.index);
                self.state.push((entry.index, entry.term, entry.data));
            }
        }
        sent
    }

    fn sync(&mut self) {
        if let Some(write) = self.writes.pop_front() {
            self.write(&write);
            self.group.synced(write.ticket);
        }
    }

    fn write(&mut self, write: &LogWrite) {
        let last = self.log.entries.last().map(|entry| entry.index);
        self.replacements +=
            u64::from(write.entries.first().map(|entry| entry.index) <= last && !write.entries.is_empty());
        self.log.sync(write);
    }

    /// The process ends. Some of the writes under way are on disk, in order, and the state is an older one.
    fn restart(&mut self, rng: &mut Rng) {
        for _ in 0..rng.below(self.writes.len() as u64 + 1) {
            let write = self.writes.pop_front().unwrap();
            self.write(&write);
        }
        self.writes.clear();
        self.state.truncate(self.flushed);
        self.group = open(self.id, &self.log, &self.state);
    }
}

struct World {
    rng: Rng,
    replicas: Vec<Replica>,
    network: Vec<Message>,
    /// A replica that no message leaves or reaches.
    cut_off: Option<u64>,
    decided: BTreeMap<Index, (Term, Bytes)>,
    proposed: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let replicas = (1..=REPLICAS).map(Replica::new).collect();
        let (network, decided) = (Vec::new(), BTreeMap::new());
        Self { rng: Rng::new(seed), replicas, network, cut_off: None, decided, proposed: 0 }
    }

    fn step(&mut self) {
        if self.rng.one_in(200) {
            self.cut_off = self.rng.one_in(2).then(|| self.rng.between(1, REPLICAS));
        }
        let at = self.rng.index(self.replicas.len());
        let replica = &mut self.replicas[at];
        match self.rng.below(100) {
            0..45 => return self.deliver(),
            45..65 => replica.sync(),
            65..85 => replica.group.tick(),
            85..97 if replica.group.is_leader() => {
                self.proposed += 1;
                let data = Bytes::from(format!("{}", self.proposed).repeat(self.rng.index(40)));
                replica.group.propose(data).unwrap().expect("it leads");
            }
            85..97 => {}
            97 | 98 => replica.flushed = replica.state.len().min(replica.flushed + self.rng.index(20)),
            _ if self.rng.one_in(3) => replica.restart(&mut self.rng),
            _ => {}
        }
        self.work(at);
    }

    /// Delivers any of the messages under way. Some are lost, and some arrive twice.
    fn deliver(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let at = self.rng.index(self.network.len().min(8));
        let message = self.network.remove(at);
        if [message.from, message.to].contains(&self.cut_off.unwrap_or_default()) {
            return;
        }
        match self.rng.below(20) {
            0 | 1 => return,
            2 => self.network.push(message.clone()),
            _ => {}
        }
        self.hand_over(message);
    }

    fn hand_over(&mut self, message: Message) {
        let at = message.to as usize - 1;
        self.replicas[at].group.receive(message).unwrap();
        self.work(at);
    }

    fn work(&mut self, at: usize) {
        let sent = self.replicas[at].work(&mut self.decided);
        self.network.extend(sent);
        // A network holds only so much.
        let surplus = self.network.len().saturating_sub(200);
        self.network.drain(..surplus);
    }

    /// All goes well from now on, until every replica has applied everything and a new entry too.
    fn settle(&mut self) {
        self.cut_off = None;
        let mut proposed = None;
        for round in 0..2_000 {
            for at in 0..self.replicas.len() {
                self.replicas[at].group.tick();
                while !self.replicas[at].writes.is_empty() {
                    self.replicas[at].sync();
                    self.work(at);
                }
                self.work(at);
                if proposed.is_none() && self.replicas[at].group.is_leader() {
                    proposed = self.replicas[at].group.propose(Bytes::from_static(b"last")).unwrap();
                    self.work(at);
                }
            }
            for message in std::mem::take(&mut self.network) {
                self.hand_over(message);
            }
            let mut lasts = self.replicas.iter().map(|replica| replica.state.last());
            let is_last = |last: &Applied| &last.2[..] == b"last";
            if lasts.all(|last| last.is_some_and(is_last)) {
                return;
            }
            // Its leader may have lost the lead before it was committed.
            if round % 100 == 99 {
                proposed = None;
            }
        }
        panic!("the replicas do not agree although nothing fails any more");
    }
}

#[test]
fn replicas_apply_the_same_entries_whatever_is_lost() {
    let (mut decided, mut terms, mut replacements) = (0, 0, 0);
    for seed in 0..60 {
        let mut world = World::new(seed);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..STEPS).for_each(|_| world.step());
            world.settle();
        }));
        if let Err(panic) = result {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
        decided += world.decided.len();
        terms += world.decided.values().map(|(term, _)| *term).collect::<BTreeSet<_>>().len();
        replacements += world.replicas.iter().map(|replica| replica.replacements).sum::<u64>();
    }
    let what = format!("{decided} entries in {terms} terms, {replacements} replacements");
    assert!(decided > 2_000 && terms > 200 && replacements > 50, "the runs do enough: {what}");
}

#[test]
fn a_seed_gives_the_same_run_again() {
    let run = |seed| {
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.step());
        (world.decided, world.proposed, world.network.len())
    };
    for seed in 0..5 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
