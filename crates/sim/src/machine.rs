//! One computer: disks that outlive the process on it, a wall clock that steps, and a monotonic clock that
//! starts again with each boot.

use crate::disk::{Deaf, SimDisk};
use crate::limits::Limits;
use crate::mutant::Mutant;
use crate::process::{Ended, Process};
use crate::schedule::Moment;
use crate::state::SimState;
use model::Wall;
use node::{DiskSpace, Mono, Now};
use seeded_rng::Rng;
use std::io;
use storage::disk::{Disk as _, DiskFile as _};
use storage::memory_disk::MemoryDisk;
use storage::memory_state::{BegunFlush, MemoryState, MemoryStateDisk, Space};
use storage::state::{Pressure, Progress};

/// The wall clock at the start of a run: 2026-01-01T00:00:00Z.
const WALL_AT_START_MS: u64 = 1_767_225_600_000;

/// A disk that fills up has at most this many bytes left.
const LEFT_BYTES_MAX: u64 = 80_000;

#[derive(Debug)]
pub struct Machine {
    log_disk: MemoryDisk,
    body_disk: MemoryDisk,
    state_disk: MemoryStateDisk,
    mutant: Mutant,
    pub limits: Limits,
    pub process: Option<Process>,
    /// Counts starts. Events of an earlier process are ignored.
    pub boot: u64,
    booted: Moment,
    /// How long processes stood still since the run began, and of that since the last boot.
    paused_ms: u64,
    paused_since_boot_ms: u64,
    wall_ms: i64,
    ailing: bool,
    full: bool,
    /// The progress of the last two flushes, for the mutant that forgets the last one.
    flushed_before: (Progress, Progress),
}

impl Machine {
    #[must_use]
    pub fn new(mutant: Mutant, limits: Limits) -> Self {
        Self {
            log_disk: MemoryDisk::new(),
            body_disk: MemoryDisk::new(),
            state_disk: MemoryStateDisk::new(),
            mutant,
            limits,
            process: None,
            boot: 0,
            booted: Moment(0),
            paused_ms: 0,
            paused_since_boot_ms: 0,
            wall_ms: 0,
            ailing: false,
            full: false,
            flushed_before: (Progress::default(), Progress::default()),
        }
    }

    #[must_use]
    pub fn now(&self, moment: Moment) -> Now {
        let passed_ms = moment.0 / 1_000 + self.paused_ms;
        let wall = WALL_AT_START_MS.saturating_add(passed_ms).saturating_add_signed(self.wall_ms);
        let mono = (moment.0 - self.booted.0) / 1_000 + self.paused_since_boot_ms;
        let follows = if self.mutant == Mutant::MonotonicFromWall { self.wall_ms } else { 0 };
        let mono = mono.saturating_add_signed(follows);
        Now { wall: Wall(wall), mono: Mono(mono) }
    }

    /// The process stands still while time passes, as after SIGSTOP.
    pub fn pause(&mut self, ms: u64) {
        self.paused_ms += ms;
        self.paused_since_boot_ms += ms;
    }

    /// Sets the wall clock forwards or backwards.
    pub fn step_wall(&mut self, ms: i64) {
        self.wall_ms = self.wall_ms.saturating_add(ms);
    }

    /// Opens the node on what the disks hold.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn start(&mut self, moment: Moment) -> Result<(), Ended> {
        self.boot += 1;
        self.booted = moment;
        self.paused_since_boot_ms = 0;
        let forgotten = (self.mutant == Mutant::ForgottenAppliedIndex).then_some(self.flushed_before.0);
        let state = SimState::new(MemoryState::open(&self.state_disk), forgotten, self.mutant);
        let (log, bodies) = self.deafness();
        let log_disk = SimDisk { inner: self.log_disk.clone(), deaf: log };
        let body_disk = SimDisk { inner: self.body_disk.clone(), deaf: bodies };
        self.process = Some(Process::open(log_disk, body_disk, state, &self.limits, self.mutant)?);
        Ok(())
    }

    /// Which syncs of the log's disk and of the bodies' disk the mutant makes do nothing.
    fn deafness(&self) -> (Deaf, Deaf) {
        match self.mutant {
            Mutant::LogWithoutSync => (Deaf::ToFiles, Deaf::None),
            Mutant::BodiesWithoutSync => (Deaf::None, Deaf::ToFiles),
            Mutant::DirectoriesWithoutSync => (Deaf::ToDirectory, Deaf::ToDirectory),
            _ => (Deaf::None, Deaf::None),
        }
    }

    /// Prepares a crash in the middle of one of the next operations on a disk.
    pub fn crash_soon(&mut self, rng: &mut Rng) {
        let disk = if rng.one_in(2) { &self.log_disk } else { &self.body_disk };
        disk.crash_at(disk.operations() + rng.below(12));
    }

    /// Makes a disk fail: either one of its next operations fails, or it has space for only a little more.
    /// The process must then end, and must not acknowledge anything that it could not make durable.
    pub fn fail_soon(&mut self, rng: &mut Rng) {
        let disk = if rng.one_in(2) { &self.log_disk } else { &self.body_disk };
        self.ailing = true;
        if rng.one_in(2) {
            disk.fail_at(disk.operations() + rng.below(12), io::ErrorKind::Other);
        } else {
            disk.set_capacity(Some(disk.used_bytes() + rng.below(20_000)));
        }
    }

    /// Makes one of the next reads of a disk fail.
    pub fn fail_read_soon(&mut self, rng: &mut Rng) {
        let disk = if rng.one_in(2) { &self.log_disk } else { &self.body_disk };
        self.ailing = true;
        disk.fail_read_at(disk.reads() + rng.below(20), io::ErrorKind::Other);
    }

    /// Sets whether the state's disk work lags too far behind its commits.
    pub fn set_pressure(&mut self, pressure: Pressure) {
        self.state_disk.set_pressure(pressure);
    }

    /// Another machine with the same data, but with one bit flipped or the end of one file cut off, and the
    /// name of that file.
    pub fn damaged_copy(&self, rng: &mut Rng) -> Option<(Self, String)> {
        let mut copy = Self::new(self.mutant, self.limits);
        copy.log_disk = self.log_disk.restart();
        copy.body_disk = self.body_disk.restart();
        copy.state_disk = self.state_disk.duplicate();
        (copy.booted, copy.paused_ms, copy.wall_ms) = (self.booted, self.paused_ms, self.wall_ms);
        let log = rng.one_in(2);
        let disk = if log { &copy.log_disk } else { &copy.body_disk };
        let names = disk.list().ok()?;
        let name = names.get(rng.index(names.len()))?.clone();
        let len = disk.open(&name).and_then(|file| file.len()).ok().filter(|len| *len > 0)?;
        // Nothing but the end of the log says where it ends, so its last segment must not lose it.
        if !log && rng.one_in(4) {
            disk.open(&name).and_then(|file| file.set_len(rng.below(len))).ok()?;
        } else if !disk.flip_bit(&name, rng.below(len), rng.below(8) as u8) {
            return None;
        }
        Some((copy, name))
    }

    /// Another machine with these disks, whose clocks show the same time.
    #[must_use]
    pub fn with_disks(
        &self,
        log_disk: MemoryDisk,
        body_disk: MemoryDisk,
        state_disk: MemoryStateDisk,
    ) -> Self {
        Self {
            log_disk,
            body_disk,
            state_disk,
            paused_ms: self.paused_ms,
            wall_ms: self.wall_ms,
            ..Self::new(self.mutant, self.limits)
        }
    }

    /// The disk that holds everything fills up, or has space again.
    pub fn change_space(&mut self, rng: &mut Rng) {
        if self.full {
            return self.heal();
        }
        self.full = true;
        self.state_disk.set_space(if rng.one_in(2) { Space::Full } else { Space::Free });
        for disk in [&self.log_disk, &self.body_disk] {
            disk.set_capacity(Some(disk.used_bytes() + rng.below(LEFT_BYTES_MAX)));
        }
    }

    /// A full disk has space again.
    pub fn heal(&mut self) {
        if std::mem::take(&mut self.full) {
            self.state_disk.set_space(Space::Free);
            self.log_disk.set_capacity(None);
            self.body_disk.set_capacity(None);
        }
    }

    /// What a look at the free space would say.
    #[must_use]
    pub fn space(&self) -> DiskSpace {
        if self.full {
            DiskSpace::Low { why: "the simulated disk is full".into() }
        } else {
            DiskSpace::Enough
        }
    }

    /// Whether a disk is failing, or has failed, under this process.
    #[must_use]
    pub fn is_ailing(&self) -> bool {
        self.ailing || self.full
    }

    /// The power fails: each unsynced write is kept, lost or torn.
    pub fn crash(&mut self, rng: &mut Rng) {
        let state_flush = self.process.as_ref().is_some_and(Process::is_flushing_state);
        let begun = if state_flush && rng.one_in(2) { BegunFlush::Completed } else { BegunFlush::Lost };
        self.process = None;
        self.ailing = false;
        self.full = false;
        self.state_disk.set_space(Space::Free);
        self.state_disk.crash(begun);
        self.log_disk = self.log_disk.crash(&mut || rng.next_u64());
        self.body_disk = self.body_disk.crash(&mut || rng.next_u64());
    }

    /// The process has stopped gracefully, or was killed, and the machine stays up: nothing is lost that was
    /// written.
    pub fn stopped(&mut self) {
        self.process = None;
        self.ailing = false;
        self.full = false;
        self.state_disk.set_space(Space::Free);
        self.state_disk.crash(BegunFlush::Lost);
        self.log_disk = self.log_disk.restart();
        self.body_disk = self.body_disk.restart();
    }

    /// A flush has completed.
    pub fn flushed(&mut self) {
        let now = self.state_disk.progress();
        if now != self.flushed_before.1 {
            self.flushed_before = (self.flushed_before.1, now);
        }
    }
}
