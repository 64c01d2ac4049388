//! The checkers and followers that read.

use super::{ASKING_MICROS, Event, World};
use crate::backup::Backup;
use crate::checkers::shown::Shown;
use crate::checkers::{acknowledged, matching, reactions, schedules, tasks, whole};
use crate::damage::{self, Found};
use crate::unread::Unread;
use driver::Input;
use model::Wall;

/// A timer by wall fires at most this late in a quiet node: it rounds up to a second, and looks once a minute.
const EXPIRY_LATE_MS: u64 = 62_000;

/// More pages than a follower needs to read everything.
const PAGES_MAX: usize = 100_000;

/// How many damaged copies of its data are tried at the end of a run.
const DAMAGES: usize = 6;

/// After this number of checks, every reaction must have caught up.
const REACTION_CHECKS_MAX: usize = 200;

impl World {
    /// Everything that readers see. `None`: the disk failed, and the process started again.
    pub(super) fn read_all(&mut self) -> Result<Option<Shown>, String> {
        let Some(process) = &self.machine.process else { return Ok(None) };
        match Shown::read(process) {
            Ok(shown) => Ok(Some(shown)),
            Err(unread) => self.unread(unread).map(|()| None),
        }
    }

    /// A reader has no result. If the disk fails, the node must stop.
    fn unread(&mut self, unread: Unread) -> Result<(), String> {
        match unread {
            Unread::Disk(_) if self.machine.is_ailing() => self.crash(),
            Unread::Disk(error) => Err(error.to_string()),
            Unread::Broken(what) => Err(what),
        }
    }

    /// Checks every promise over everything that readers see now.
    pub(super) fn look(&mut self) -> Result<(), String> {
        let Some(shown) = self.read_all()? else { return Ok(()) };
        let Some(process) = &self.machine.process else { return Ok(()) };
        self.clocks.check(process, self.schedule.now().0 / 1_000)?;
        matching::check(&shown, &process.reader(), &self.reference)?;
        self.tasks.check(&process.reader(), &self.reference)?;
        schedules::check(&process.reader(), &self.reference)?;
        acknowledged::check(&shown, &self.ledger)?;
        whole::check(&shown, &self.ledger)?;
        self.reader.check(&shown, &self.ledger)?;
        self.closed.check(&shown, &self.ledger)?;
        for event in &shown.events {
            self.trace.bytes(&event.cursor.to_hex());
        }
        Ok(())
    }

    /// A follower looks, or reads what it saw when it last looked.
    pub(super) fn follow(&mut self, number: usize) -> Result<(), String> {
        let boot = self.machine.boot;
        let pause = if self.schedule.now().0 > ASKING_MICROS { None } else { Some(self.rng.below(60_000)) };
        let follower = &mut self.followers[number];
        if let Some(process) = self.machine.process.as_ref().filter(|_| self.ready) {
            if follower.holds_snapshot() {
                if let Err(unread) = follower.read(boot, process, &self.reference) {
                    self.unread(unread)?;
                }
            } else {
                if self.rng.one_in(30) {
                    follower.restart(&mut self.rng, process.visible());
                }
                follower.look(boot, process, &self.reference);
                // Most read at once. A slow one holds its snapshot.
                if self.rng.one_in(3) {
                    self.schedule.after(self.rng.below(60_000), Event::Follower(number));
                    return Ok(());
                }
                if let Err(unread) = follower.read(boot, process, &self.reference) {
                    self.unread(unread)?;
                }
            }
        }
        if let Some(pause) = pause {
            self.schedule.after(pause, Event::Follower(number));
        }
        Ok(())
    }

    /// Takes a backup, or restores the one that was taken while this process ran.
    pub(super) fn back_up(&mut self) -> Result<(), String> {
        let (boot, moment) = (self.machine.boot, self.schedule.now());
        let Some(process) = self.machine.process.as_ref().filter(|_| self.ready) else { return Ok(()) };
        let held = self.backup.take().filter(|backup| backup.boot == boot);
        let mut has = None;
        let done = match &held {
            Some(backup) => {
                let restored = backup.restore(&self.machine, moment, &mut self.rng);
                restored.map(|replayed| self.report.replayed += replayed)
            }
            None => {
                let taken = Backup::take(boot, process, self.machine.now(moment).wall);
                taken.map(|taken| {
                    has = Some(taken.index());
                    self.backup = Some(taken);
                    self.schedule.after(self.rng.below(400_000), Event::Backup);
                })
            }
        };
        if held.is_some() && done.is_ok() {
            self.report.restores += 1;
        }
        done.or_else(|unread| self.unread(unread))?;
        // From now on the log is kept for an archive that begins where the backup ends, or no longer.
        self.step(Input::Archived(has))
    }

    /// Reactions whose queues were full until now go on with the next check.
    pub(super) fn reactions_catch_up(&mut self) -> Result<(), String> {
        for _ in 0..REACTION_CHECKS_MAX {
            if reactions::late(&self.reference).next().is_none() {
                return Ok(());
            }
            self.active = self.schedule.now().0;
            self.look_at_disk()?;
            self.until_quiet()?;
        }
        let late = reactions::late(&self.reference).next();
        Err(format!("{late:?} does not catch up"))
    }

    /// The end of a run, after a quiet time.
    pub(super) fn end(&mut self) -> Result<(), String> {
        self.look()?;
        self.all_caught_up()?;
        self.nothing_outlived_its_age()?;
        tasks::nothing_is_overdue(&self.reference)?;
        schedules::nothing_is_overdue(&self.reference)?;
        self.damage()
    }

    /// The process is killed, and its disk damages some of what it has stored.
    fn damage(&mut self) -> Result<(), String> {
        // With the log's durable end on disk, a damaged end of the log is no torn one.
        self.idle()?;
        self.machine.stopped();
        for _ in 0..DAMAGES {
            let Some((mut copy, file)) = self.machine.damaged_copy(&mut self.rng) else { continue };
            let found = damage::check(&mut copy, &file, self.schedule.now(), &self.reference);
            let found = found.map_err(|what| format!("with damage to {file}: {what}"))?;
            self.trace.step(format_args!("{file} {found:?}"));
            self.report.damage_reported += u64::from(found == Found::Reported);
        }
        Ok(())
    }

    /// Every follower receives all that is left.
    fn all_caught_up(&mut self) -> Result<(), String> {
        let boot = self.machine.boot;
        let Some(process) = &self.machine.process else { return Ok(()) };
        for follower in &mut self.followers {
            for page in 0.. {
                follower.look(boot, process, &self.reference);
                let read = follower.read(boot, process, &self.reference);
                read.map_err(|unread| format!("at the end: {unread:?}"))?;
                if follower.has_caught_up(process, &self.reference) {
                    break;
                }
                if page > PAGES_MAX {
                    return Err(format!("{follower:?} does not catch up"));
                }
            }
        }
        Ok(())
    }

    /// A node with nothing else to do has removed whatever is older than its stream's `max_age`.
    fn nothing_outlived_its_age(&self) -> Result<(), String> {
        let Wall(now) = self.machine.now(self.schedule.now()).wall;
        let model = self.reference.model();
        for stream in &model.streams {
            let (Some(age_ms), Some((revision, oldest))) = (stream.keep.age_ms, stream.kept().next()) else {
                continue;
            };
            let due = (oldest.position >> 16).saturating_add(age_ms);
            if due.saturating_add(EXPIRY_LATE_MS) < now {
                return Err(format!(
                    "revision {revision} of {} should have been removed {} ms ago",
                    stream.name,
                    now - due
                ));
            }
        }
        Ok(())
    }
}
