//! Tables of cases for schedules. A script is a list of lines:
//!
//! ```text
//! put n every 1000 overlap skip runs 3 jitter 500 late 100 pausing 1   also: queue p, catch skip
//! put n broken                      its next tick cannot be computed
//! set a n,m | set a                 put the whole set of an owner, each schedule every 1000 ms
//! delete n | pause n | resume n
//! fire n                            also: key k fire n
//! fill n wait 1000 2000             a backfill of these ticks, with an overlap rule
//! pass 1000                         time passes, and the node does what is due
//! jump 1000                         time passes, and the node does not notice
//! claim | done | bug | cancel       the oldest task that is ready or running: claim, complete, fail for good, cancel
//! backlog 1                         how many unfinished tasks the queue takes
//! ```
//!
//! Times are milliseconds since the beginning. A state is the schedule, then the tasks of the queue by their ticks.

use crate::testing::{Store, play};
use crate::{Agenda, query};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use format::row::ScheduleRow;
use model::{
    Action, AdvanceSchedule, BackfillOverlap, CancelTask, CatchUp, Claim, Command, ControlSchedule,
    DeleteSchedule, Enqueue, Failure, Fingerprint, HeldBy, KeyHash, Keyed, Missed, NewTask, NextTick,
    Outcome, Overlap, Position, PutQueue, PutSchedule, PutScheduleSet, QueueName, QueueSettings, RunCause,
    ScheduleAction, ScheduleDefinition, ScheduleName, ScheduleRules, ScheduleStep, Settle, Settlement, Slot,
    SlotRange, TaskOptions, TaskRef, TaskState, Timing, Wall, limits,
};

const BEGIN: u64 = 1_000_000;

fn queue(name: &str) -> QueueName<'static> {
    QueueName::new(name.to_string()).unwrap()
}

fn named(name: &str) -> ScheduleName<'static> {
    ScheduleName::new(name.to_string()).unwrap()
}

fn rules() -> ScheduleRules<'static> {
    ScheduleRules {
        timing: Timing::Every(1_000),
        start: None,
        end: None,
        exclusions: Vec::new(),
        runs_max: None,
        jitter_ms: 0,
        catch_up: CatchUp::One,
        late_ms: 100,
        overlap: Overlap::Allow,
        pause_on_failure: false,
    }
}

fn put_of(name: &str, rules: ScheduleRules<'static>, of: &str) -> PutSchedule<'static> {
    let task = NewTask {
        id: None,
        fingerprint: Fingerprint(1),
        task_type: Cow::Borrowed("t"),
        run_after: None,
        priority: limits::PRIORITY_DEFAULT,
        key: None,
        claim_ms: None,
        retry: None,
        envelope: Cow::Borrowed(b"\"type\":\"t\""),
        options: TaskOptions::default(),
    };
    let enqueue = Enqueue { keyed: None, queue: queue(of), tasks: [task].to_vec() };
    let definition = Box::new(ScheduleDefinition { rules, enqueue });
    PutSchedule { schedule: named(name), definition }
}

#[derive(Default)]
struct Script {
    store: Store,
    /// Advances that the node has proposed, in order.
    proposed: Vec<Command<'static>>,
    is_broken: bool,
}

impl Script {
    fn run(&mut self, script: &str) -> String {
        play(script, |line| self.line(line))
    }

    fn line(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "put" => self.put(words[1], &words[2..]),
            "set" => {
                let names = words.get(2).map_or(Vec::new(), |names| names.split(',').collect());
                let schedules = names.into_iter().map(|name| put_of(name, rules(), "q")).collect();
                self.apply(Command::PutScheduleSet(PutScheduleSet { owner: named(words[1]), schedules }))
            }
            "delete" => self.apply(Command::DeleteSchedule(DeleteSchedule { schedule: named(words[1]) })),
            "pause" => self.control(None, words[1], ScheduleAction::Pause),
            "resume" => self.control(None, words[1], ScheduleAction::Resume),
            "fire" => self.control(None, words[1], ScheduleAction::Fire),
            "key" => {
                let key = KeyHash(u128::from(words[1].as_bytes()[0]));
                let keyed = Keyed { key, fingerprint: Fingerprint::of_request(1, 1), slot: Slot(0) };
                self.control(Some(keyed), words[3], ScheduleAction::Fire)
            }
            "fill" => {
                let overlap = match words[2] {
                    "allow" => BackfillOverlap::Allow,
                    "skip" => BackfillOverlap::Skip,
                    _ => BackfillOverlap::Wait,
                };
                let ticks =
                    words[3..].iter().map(|tick| Wall(BEGIN + tick.parse::<u64>().unwrap())).collect();
                self.control(None, words[1], ScheduleAction::Backfill { ticks, overlap })
            }
            "pass" | "jump" => {
                self.store.run(&format!("wait {}", words[1]));
                if words[0] == "pass" {
                    self.node();
                }
                String::new()
            }
            "backlog" => {
                let backlog_max = words[1].parse().unwrap();
                let settings = QueueSettings { backlog_max, ..QueueSettings::default() };
                self.apply(Command::PutQueue(PutQueue { queue: queue("q"), settings }))
            }
            verb => self.work(verb),
        }
    }

    fn put(&mut self, name: &str, words: &[&str]) -> String {
        let mut rules = rules();
        let mut of = "q";
        self.is_broken = words == ["broken"];
        for pair in words.chunks(2).filter(|pair| pair.len() == 2) {
            let number = || pair[1].parse::<u64>().unwrap();
            match pair[0] {
                "every" => rules.timing = Timing::Every(number()),
                "runs" => rules.runs_max = Some(number()),
                "jitter" => rules.jitter_ms = number(),
                "late" => rules.late_ms = number(),
                "pausing" => rules.pause_on_failure = true,
                "catch" => rules.catch_up = CatchUp::Skip,
                "queue" => of = pair[1],
                "overlap" => {
                    rules.overlap = match pair[1] {
                        "skip" => Overlap::Skip,
                        "buffer" => Overlap::BufferOne,
                        "cancel" => Overlap::CancelOther,
                        _ => Overlap::Allow,
                    }
                }
                other => panic!("{other} is not a rule"),
            }
        }
        self.apply(Command::PutSchedule(put_of(name, rules, of)))
    }

    fn control(&mut self, keyed: Option<Keyed>, name: &str, action: ScheduleAction) -> String {
        self.apply(Command::ControlSchedule(ControlSchedule { keyed, schedule: named(name), action }))
    }

    fn apply(&mut self, command: Command<'static>) -> String {
        self.store.apply(command);
        match &self.store.applied.outcomes[0] {
            Outcome::SchedulePut { changed, .. } => if *changed { "begins" } else { "same" }.to_string(),
            Outcome::ScheduleSetPut { changed, deleted } => format!("{changed} begin, {deleted} deleted"),
            Outcome::ScheduleDeleted { existed } => if *existed { "deleted" } else { "none" }.to_string(),
            Outcome::ScheduleControlled(done) => {
                let again = if done.replayed { " again" } else { "" };
                format!("{} runs, {} wait, {} skipped{again}", done.runs.len(), done.waiting, done.skipped)
            }
            Outcome::ScheduleAdvanced { runs, skipped } => format!("{runs} runs, {skipped} skipped"),
            Outcome::Refused(refusal) => format!("{refusal:?}"),
            other => format!("{other:?}"),
        }
    }

    /// Does what the node would do, with a calendar of its own: a tick each second, or whatever the interval is.
    fn node(&mut self) {
        for _ in 0..100 {
            let (mut due, now) = (Vec::new(), self.store.wall);
            self.store.agenda.due_schedules(&self.store.rows, now, 8, &mut due).unwrap();
            for due in &due {
                let Some((row, stored)) = query::due_schedule(&self.store.rows, due).unwrap() else {
                    continue;
                };
                let definition = format::row::decode_definition(&stored).unwrap();
                let step = self.step(&row, &definition.rules);
                let (schedule, generation) = (due.schedule.clone(), due.generation);
                let command = Command::AdvanceSchedule(AdvanceSchedule { schedule, generation, step });
                self.proposed.push(command.clone());
                self.store.apply(command);
            }
            let own = self.store.due();
            if due.is_empty() && own.is_none() {
                return;
            }
            if let Some(own) = own {
                self.store.apply(own);
            }
        }
        panic!("what is due must come to an end");
    }

    fn step(&self, row: &ScheduleRow, rules: &ScheduleRules<'_>) -> Option<ScheduleStep<'static>> {
        let Timing::Every(ms) = rules.timing else { panic!() };
        let now = self.store.wall.0;
        let put = row.generation.wall().0;
        let next = |after: u64| NextTick::At(Wall(put + ((after - put) / ms + 1) * ms));
        let after = row.after;
        let first = match row.next {
            NextTick::Unknown if self.is_broken => {
                let next = NextTick::Broken("no such zone".into());
                return Some(ScheduleStep { after, missed: None, tick: None, next });
            }
            NextTick::Unknown => {
                return Some(ScheduleStep { after, missed: None, tick: None, next: next(after.0) });
            }
            NextTick::At(first) => first.0,
            NextTick::Never | NextTick::Broken(_) => return None,
        };
        if first + row.offset_ms > now {
            return None;
        }
        let late: Vec<u64> =
            (first..now).step_by(ms as usize).filter(|at| at + row.offset_ms + rules.late_ms < now).collect();
        let keep = usize::from(rules.catch_up == CatchUp::One);
        if late.len() <= keep || row.held.is_some() {
            let next = next(first);
            return Some(ScheduleStep { after, missed: None, tick: Some(Wall(first)), next });
        }
        let (skipped, kept) = late.split_at(late.len() - keep);
        let missed = Missed { ticks: skipped.len() as u64, last: Wall(skipped[skipped.len() - 1]) };
        let tick = kept.first().map(|tick| Wall(*tick));
        let next = next(tick.map_or(missed.last.0, |tick| tick.0));
        Some(ScheduleStep { after, missed: Some(missed), tick, next })
    }

    /// What workers do. Returns nothing.
    fn work(&mut self, verb: &str) -> String {
        let queue = queue("q");
        let request = query::TasksRequest::default();
        let page = query::tasks(&self.store.rows, &queue, request, self.store.elapsed).unwrap();
        let running = page.tasks.iter().find(|task| task.state == TaskState::Running);
        let settle = |action| {
            let task = running.unwrap();
            let token = task.claim.as_ref().unwrap().token;
            let settlements = [Settlement { task: TaskRef::Server(task.position), token, action }].to_vec();
            Command::Settle(Settle { queue: queue.clone(), settlements })
        };
        let command = match verb {
            "claim" => Command::Claim(Claim {
                queue: queue.clone(),
                worker: Cow::Borrowed("w"),
                types: Vec::new(),
                tasks_max: 1,
                claim_ms: None,
                request: None,
            }),
            "done" => settle(Action::Complete { result: None }),
            "bug" => settle(Action::Fail(Failure {
                class: Cow::Borrowed("E"),
                detail: Cow::Borrowed(b""),
                retryable: false,
                delay_ms: None,
            })),
            "cancel" => {
                let task = page.tasks.iter().find(|task| !task.state.is_final()).unwrap();
                Command::CancelTask(CancelTask { queue: queue.clone(), task: TaskRef::Server(task.position) })
            }
            other => panic!("{other} is not a line"),
        };
        self.store.apply(command);
        String::new()
    }

    fn state(&self) -> String {
        let mut parts = Vec::new();
        for (name, row) in query::schedules(&self.store.rows, None, 10).unwrap() {
            let mut text = name.to_string();
            match &row.next {
                NextTick::Unknown => text.push_str(" next unknown"),
                NextTick::At(tick) => text.push_str(&format!(" next {}", tick.0 - BEGIN)),
                NextTick::Never => text.push_str(" ended"),
                NextTick::Broken(_) => text.push_str(" broken"),
            }
            if let Some(paused) = row.paused {
                text.push_str(&format!(" paused {paused:?}"));
            }
            if row.held.is_some() {
                text.push_str(" held");
            }
            for (what, count) in [
                ("missed", row.totals.missed),
                ("overlapped", row.totals.overlapped),
                ("dropped", row.totals.dropped),
                ("wait", row.waiting.len() as u64),
            ] {
                if count > 0 {
                    text.push_str(&format!(" {what} {count}"));
                }
            }
            parts.push(text);
        }
        parts.sort();
        let request = query::TasksRequest::default();
        let page = query::tasks(&self.store.rows, &queue("q"), request, self.store.elapsed).unwrap();
        parts.extend(page.tasks.iter().map(|task| {
            let tick = task.id.as_deref().unwrap_or("?");
            let (_, tick) = tick.split_once('@').unwrap_or(("", tick));
            format!("{} {}", since(tick), format!("{:?}", task.state).to_lowercase())
        }));
        parts.join(", ")
    }
}

/// The milliseconds of a tick's text, which are all within one hour.
fn since(tick: &str) -> u64 {
    let part = |range: core::ops::Range<usize>| tick[range].parse::<u64>().unwrap();
    part(14..16) * 60_000 + part(17..19) * 1_000 + part(20..23) - BEGIN
}

/// Before, line, outcome, state after.
#[track_caller]
fn check(cases: &[(&str, &str, &str, &str)]) {
    for (before, line, outcome, after) in cases {
        let mut script = Script::default();
        script.run(before);
        assert_eq!(script.run(line), *outcome, "the outcome of {line:?} after {before:?}");
        assert_eq!(script.state(), *after, "the state after {line:?} after {before:?}");
    }
}

#[test]
fn each_tick_enqueues_a_task_once() {
    check(&[
        ("", "put n", "begins", "n next unknown"),
        ("put n", "pass 0", "", "n next 1000"),
        ("put n; pass 0", "pass 999", "", "n next 1000"),
        ("put n; pass 0", "pass 1000", "", "n next 2000, 1000 ready"),
        ("put n; pass 1000; pass 1000", "pass 50", "", "n next 3000, 1000 ready, 2000 ready"),
        ("put n; pass 0", "pass 1050", "", "n next 2000, 1000 ready"),
    ]);
}

#[test]
fn what_is_proposed_twice_or_late_changes_nothing() {
    let mut script = Script::default();
    script.run("put n; pass 0; pass 1000; pass 1000; pause n; resume n; pass 0; put n every 500; pass 0");
    let (rows, state) = (script.store.rows.clone(), script.state());
    for command in script.proposed.clone() {
        assert_eq!(script.apply(command.clone()), "0 runs, 0 skipped", "{command:?}");
        assert_eq!(script.state(), state, "{command:?}");
    }
    let differ = rows.iter().filter(|(key, value)| script.store.rows.get(*key) != Some(*value)).count();
    // The shard's own row counts entries.
    assert_eq!((differ, rows.len()), (1, script.store.rows.len()));
}

#[test]
fn a_step_that_does_not_follow_changes_nothing() {
    let at = |ms: u64| Wall(BEGIN + ms);
    let step = |after, missed, tick, next| ScheduleStep {
        after: at(after),
        missed,
        tick: Option::map(tick, at),
        next: NextTick::At(at(next)),
    };
    let missed = |ticks, last| Some(Missed { ticks, last: at(last) });
    let mut script = Script::default();
    script.run("put n; pass 0; pass 1000; jump 2500");
    let row = query::schedules(&script.store.rows, None, 1).unwrap().remove(0).1;
    let state = script.state();
    let advance = |step| {
        let (schedule, generation) = (named("n"), row.generation);
        Command::AdvanceSchedule(AdvanceSchedule { schedule, generation, step: Some(step) })
    };
    for bad in [
        // Where it does not stand.
        step(0, None, Some(2_000), 3_000),
        step(2_000, None, Some(3_000), 4_000),
        // Not the tick that is next, and none at all.
        step(1_000, None, Some(3_000), 4_000),
        step(1_000, None, Some(1_500), 4_000),
        step(1_000, None, None, 3_000),
        // What follows is not later.
        step(1_000, None, Some(2_000), 2_000),
        step(1_000, None, Some(2_000), 1_000),
        // Misses what is not late, or nothing, or not the tick that is next.
        step(1_000, missed(2, 3_450), Some(3_500), 4_000),
        step(1_000, missed(0, 2_000), Some(3_000), 4_000),
        step(1_000, missed(1, 1_500), Some(3_000), 4_000),
        step(1_000, missed(1, 3_000), Some(3_000), 4_000),
        // Early.
        step(1_000, missed(2, 3_000), Some(4_000), 5_000),
    ] {
        assert_eq!(script.apply(advance(bad.clone())), "0 runs, 0 skipped", "{bad:?}");
        assert_eq!(script.state(), state, "{bad:?}");
    }
    let unknown = ScheduleStep { next: NextTick::Unknown, ..step(1_000, None, Some(2_000), 3_000) };
    assert_eq!(script.apply(advance(unknown)), "0 runs, 0 skipped");
    let good = step(1_000, missed(1, 2_000), Some(3_000), 4_000);
    assert_eq!(script.apply(advance(good)), "1 runs, 1 skipped");
}

#[test]
fn missed_ticks_are_counted_and_made_up_for_by_the_rule() {
    check(&[
        ("put n; pass 0", "pass 5500", "", "n next 6000 missed 4, 5000 ready"),
        ("put n catch skip; pass 0", "pass 5500", "", "n next 6000 missed 5"),
        // The last one is in time.
        ("put n catch skip; pass 0", "pass 5050", "", "n next 6000 missed 4, 5000 ready"),
    ]);
}

#[test]
fn a_shard_counts_the_runs_of_all_its_schedules_and_the_ticks_that_were_skipped() {
    let mut script = Script::default();
    for (lines, want) in
        [("put n catch skip; pass 0; pass 5500", (0, 5)), ("put m; pass 0; pass 4500", (2, 12))]
    {
        script.run(lines);
        let tally = query::schedule_tally(&script.store.rows, SlotRange::ALL.first).unwrap();
        let rows = query::schedules(&script.store.rows, None, 10).unwrap();
        let missed: u64 = rows.iter().map(|(_, row)| row.totals.missed).sum();
        assert_eq!((tally.runs, tally.skipped, missed), (want.0, want.1, want.1), "{lines}");
    }
}

#[test]
fn a_tick_meets_an_unfinished_run_by_the_rule() {
    check(&[
        ("put n overlap skip; pass 0; pass 1000", "pass 1000", "", "n next 3000 overlapped 1, 1000 ready"),
        (
            "put n overlap skip; pass 0; pass 1000; claim; done",
            "pass 1000",
            "",
            "n next 3000, 1000 done, 2000 ready",
        ),
        ("put n overlap buffer; pass 0; pass 1000", "pass 1000", "", "n next 3000 wait 1, 1000 ready"),
        (
            "put n overlap buffer; pass 0; pass 1000; pass 1000",
            "pass 1000",
            "",
            "n next 4000 overlapped 1 wait 1, 1000 ready",
        ),
        (
            "put n overlap buffer; pass 0; pass 1000; pass 1000; claim; done",
            "pass 0",
            "",
            "n next 3000, 1000 done, 2000 ready",
        ),
        (
            "put n overlap buffer; pass 0; pass 1000; pass 1000; cancel",
            "pass 0",
            "",
            "n next 3000, 1000 cancelled, 2000 ready",
        ),
        (
            "put n overlap cancel; pass 0; pass 1000",
            "pass 1000",
            "",
            "n next 3000, 1000 cancelled, 2000 ready",
        ),
        // A worker learns of it from its next heartbeat.
        (
            "put n overlap cancel; pass 0; pass 1000; claim",
            "pass 1000",
            "",
            "n next 3000, 1000 running, 2000 ready",
        ),
    ]);
}

#[test]
fn a_full_queue_keeps_a_tick_due() {
    check(&[
        ("backlog 1; put n; pass 0; pass 1000", "pass 1000", "", "n next 2000 held, 1000 ready"),
        ("backlog 1; put n; pass 0; pass 1000; pass 1000", "pass 1000", "", "n next 2000 held, 1000 ready"),
        // However late it is, it happens; only those after it may be missed.
        (
            "backlog 1; put n; pass 0; pass 1000; pass 1000; pass 3500; claim; done",
            "pass 1000",
            "",
            "n next 6000 held missed 3, 1000 done, 2000 ready",
        ),
        (
            "backlog 1; put n overlap buffer; pass 0; pass 1000; pass 1000; fire n",
            "claim; done; pass 0",
            "",
            "n next 3000, 1000 done, 2000 ready",
        ),
        ("backlog 1; put n; fire n", "fire n", "QueueFull { backlog_max: 1 }", "n next unknown, 0 ready"),
    ]);
}

#[test]
fn a_queue_with_as_many_types_as_it_may_have_keeps_a_tick_of_another_type_due() {
    for (types, runs, by) in
        [(limits::QUEUE_TYPES_MAX - 1, 1, None), (limits::QUEUE_TYPES_MAX, 0, Some(HeldBy::TooManyTypes))]
    {
        let mut script = Script::default();
        for number in 0..types {
            let mut enqueue = put_of("n", rules(), "q").definition.enqueue;
            enqueue.tasks[0].task_type = Cow::Owned(format!("other-{number}"));
            script.store.apply(Command::Enqueue(enqueue));
        }
        script.run("put n; pass 0; pass 1000");
        let (_, row) = query::schedules(&script.store.rows, None, 1).unwrap().remove(0);
        assert_eq!((row.totals.runs, row.held.map(|held| held.by)), (runs, by), "{types} other types");
    }
}

#[test]
fn a_number_of_runs_ends_a_schedule() {
    check(&[
        ("put n runs 2; pass 0; pass 1000", "pass 1000", "", "n ended, 1000 ready, 2000 ready"),
        ("put n runs 2; pass 0; pass 1000; pass 1000", "pass 5000", "", "n ended, 1000 ready, 2000 ready"),
        // A skipped tick does not count.
        (
            "put n runs 2 overlap skip; pass 0; pass 1000",
            "pass 1000",
            "",
            "n next 3000 overlapped 1, 1000 ready",
        ),
        (
            "put n runs 2 overlap buffer; pass 0; pass 1000; pass 1000; claim; done",
            "pass 0",
            "",
            "n ended, 1000 done, 2000 ready",
        ),
    ]);
}

#[test]
fn a_changed_schedule_begins_now_and_an_equal_one_goes_on() {
    check(&[
        ("put n; pass 0; jump 5500", "put n", "same", "n next 1000"),
        ("put n; pass 0; jump 5500", "put n every 2000", "begins", "n next unknown"),
        ("put n; pass 0; jump 5500; put n every 2000", "pass 0", "", "n next 7500"),
        (
            "put n overlap buffer; pass 0; pass 1000; pass 1000",
            "put n",
            "begins",
            "n next unknown dropped 1, 1000 ready",
        ),
        ("put n; pause n", "put n every 2000", "begins", "n next unknown paused ByRequest"),
        ("put n runs 1; pass 0; pass 1000", "put n runs 1", "same", "n ended, 1000 ready"),
        ("put n broken; pass 0", "put n", "begins", "n next unknown"),
        // The runs of another queue do not matter any more.
        (
            "put n overlap skip; pass 0; pass 1000; put n overlap skip queue p",
            "pass 1000",
            "",
            "n next 3000, 1000 ready",
        ),
    ]);
}

#[test]
fn a_paused_schedule_has_no_ticks_and_a_resumed_one_goes_on_from_now() {
    check(&[
        ("put n; pass 0", "pause n", "0 runs, 0 wait, 0 skipped", "n next 1000 paused ByRequest"),
        ("put n; pass 0; pause n", "pass 5500", "", "n next 1000 paused ByRequest"),
        ("put n; pass 0; pause n; pass 5500; resume n", "pass 0", "", "n next 6000"),
        ("put n; pass 0", "resume n", "0 runs, 0 wait, 0 skipped", "n next 1000"),
        ("put n runs 1; pass 0; pass 1000; pause n; resume n", "pass 5000", "", "n ended, 1000 ready"),
        ("", "pause n", "NoSchedule", ""),
        (
            "put n pausing 1; pass 0; pass 1000; claim; bug",
            "pass 1000",
            "",
            "n next 2000 paused ByFailure, 1000 dead",
        ),
        ("put n; pass 0; pass 1000; claim; bug", "pass 1000", "", "n next 3000, 1000 dead, 2000 ready"),
    ]);
}

#[test]
fn a_request_to_fire_enqueues_at_once_whatever_the_schedule_says() {
    check(&[
        ("put n", "fire n", "1 runs, 0 wait, 0 skipped", "n next unknown, 0 ready"),
        (
            "put n; pass 0; pass 500; pause n",
            "fire n",
            "1 runs, 0 wait, 0 skipped",
            "n next 1000 paused ByRequest, 500 ready",
        ),
        ("put n; fire n", "fire n", "1 runs, 0 wait, 0 skipped", "n next unknown, 0 ready, 0 ready"),
        ("put n; key k fire n", "key k fire n", "1 runs, 0 wait, 0 skipped again", "n next unknown, 0 ready"),
        ("put n runs 1; fire n; pass 0", "pass 1000", "", "n ended, 0 ready, 1000 ready"),
        // A later tick sees the run.
        ("put n overlap skip; pass 0; fire n", "pass 1000", "", "n next 2000 overlapped 1, 0 ready"),
        ("", "fire n", "NoSchedule", ""),
    ]);
}

#[test]
fn a_backfill_has_an_overlap_rule_of_its_own() {
    let begun = "put n overlap skip; pass 0; jump 5000; pause n";
    let paused = "n next 1000 paused ByRequest";
    check(&[
        (
            begun,
            "fill n allow 1000 2000",
            "2 runs, 0 wait, 0 skipped",
            &format!("{paused}, 1000 ready, 2000 ready"),
        ),
        (
            begun,
            "fill n skip 1000 2000",
            "1 runs, 0 wait, 1 skipped",
            &format!("{paused} overlapped 1, 1000 ready"),
        ),
        (
            begun,
            "fill n wait 1000 2000 3000",
            "1 runs, 2 wait, 0 skipped",
            &format!("{paused} wait 2, 1000 ready"),
        ),
        (
            "put n every 60000; jump 5000; fill n wait 1000 2000 3000; claim; done; pass 0; claim; done",
            "pass 0",
            "",
            "n next 60000, 1000 done, 2000 done, 3000 ready",
        ),
        // The same ticks again are new tasks.
        (
            "put n; jump 5000; fill n allow 1000",
            "fill n allow 1000",
            "1 runs, 0 wait, 0 skipped",
            "n next unknown, 1000 ready, 1000 ready",
        ),
        // None after this millisecond.
        ("put n; jump 1000", "fill n allow 1000", "1 runs, 0 wait, 0 skipped", "n next unknown, 1000 ready"),
        ("put n; jump 1000", "fill n allow 1001", "TickInFuture", "n next unknown"),
        (
            "backlog 1; put n; jump 5000",
            "fill n allow 1000 2000",
            "QueueFull { backlog_max: 1 }",
            "n next unknown",
        ),
        ("", "fill n allow 1000", "NoSchedule", ""),
    ]);
}

#[test]
fn a_backfill_with_more_ticks_than_may_wait_changes_nothing() {
    let ticks = |from: usize, count: usize| {
        let ticks: Vec<_> = (from..from + count).map(|tick| tick.to_string()).collect();
        format!("fill n wait {}", ticks.join(" "))
    };
    let mut script = Script::default();
    script.run("put n every 60000; jump 5000");
    // The first one does not wait.
    assert_eq!(script.run(&ticks(1, limits::SCHEDULE_WAITING_MAX)), "1 runs, 999 wait, 0 skipped");
    assert_eq!(script.run(&ticks(2_000, 2)), "ScheduleBusy");
    assert_eq!(script.run(&ticks(2_000, 1)), "0 runs, 1 wait, 0 skipped");
    assert_eq!(script.run(&ticks(2_001, 1)), "ScheduleBusy");
    let state = script.state();
    assert!(state.contains("wait 1000"), "{state}");
}

#[test]
fn a_broken_schedule_stops_alone() {
    let mut script = Script::default();
    script.run("put m; pass 0; put n broken; pass 0");
    assert_eq!(script.state(), "m next 1000, n broken");
    script.run("pass 1000");
    assert_eq!(script.state(), "m next 2000, n broken, 1000 ready");
    let tally = query::schedule_tally(&script.store.rows, Slot(0)).unwrap();
    assert_eq!((tally.schedules, tally.broken, tally.held, tally.runs), (2, 1, 0, 1));
}

#[test]
fn a_set_has_exactly_the_schedules_that_were_put() {
    check(&[
        ("", "set a m,n", "2 begin, 0 deleted", "m next unknown, n next unknown"),
        ("set a m,n", "set a m,n", "0 begin, 0 deleted", "m next unknown, n next unknown"),
        ("set a m,n", "set a n,o", "1 begin, 1 deleted", "n next unknown, o next unknown"),
        ("set a m,n", "set a", "0 begin, 2 deleted", ""),
        // Another owner's schedules are not touched, and one without an owner is taken over.
        ("set a m", "set b m,n", "ScheduleOwned { schedule: 0 }", "m next unknown"),
        ("set a m; set b n", "set a", "0 begin, 1 deleted", "n next unknown"),
        ("put m; set a m", "set a", "0 begin, 1 deleted", ""),
        ("set a m,n; delete n; put n", "set a m", "0 begin, 0 deleted", "m next unknown, n next unknown"),
    ]);
}

#[test]
fn a_deleted_schedule_leaves_its_tasks_and_nothing_else() {
    check(&[
        ("put n; pass 0; pass 1000", "delete n", "deleted", "1000 ready"),
        ("put n; pass 0; pass 1000; delete n; claim; done", "pass 5000", "", "1000 done"),
        ("", "delete n", "none", ""),
        ("put n; pass 0; pass 1000; delete n; put n", "pass 0", "", "n next 2000, 1000 ready"),
    ]);
    let mut script = Script::default();
    script.run("put n overlap buffer; pass 0; pass 1000; pass 1000; delete n");
    let left: Vec<u8> =
        script.store.rows.keys().map(|key| key[6]).filter(|kind| matches!(kind, 23..=25 | 137)).collect();
    assert_eq!(left, Vec::<u8>::new());
    assert_eq!(query::schedule_tally(&script.store.rows, Slot(0)).unwrap().schedules, 0);
}

#[test]
fn a_schedule_has_one_timer_where_something_is_due() {
    let mut script = Script::default();
    for line in [
        "put n overlap buffer",
        "pass 0",
        "pass 1000",
        "pass 1000",
        "claim",
        "done",
        "pass 0",
        "pause n",
        "resume n",
        "pass 500",
        "put n every 300 overlap cancel",
        "pass 0",
        "pass 300",
        "pass 300",
        "backlog 1",
        "pass 300",
        "pass 300",
        "fire n",
        "fill n wait 0",
        "pass 2000",
    ] {
        script.run(line);
        let row = query::schedules(&script.store.rows, None, 1).unwrap().remove(0).1;
        let timers = script.store.rows.keys().filter(|key| key[6] == 137).count();
        assert_eq!(timers, usize::from(row.due.is_some()), "after {line:?}: {row:?}");
        assert_eq!(row.due.is_some(), row.paused.is_none(), "after {line:?}: {row:?}");
    }
}

#[test]
fn a_jitter_puts_off_every_tick_by_the_same_time() {
    let mut script = Script::default();
    script.run("put n jitter 900; pass 0");
    let row = query::schedules(&script.store.rows, None, 1).unwrap().remove(0).1;
    assert!((1..=900).contains(&row.offset_ms), "{row:?}");
    script.run(&format!("pass {}", 1_000 + row.offset_ms - 1));
    assert_eq!(script.state(), "n next 1000");
    script.run("pass 1");
    assert_eq!(script.state(), "n next 2000, 1000 ready");
    assert_eq!(row.due, Some(Wall(BEGIN + 1_000 + row.offset_ms)));
}

#[test]
fn a_schedule_remembers_its_last_runs() {
    let mut script = Script::default();
    script.run("put n; pass 0");
    for _ in 0..limits::SCHEDULE_RUNS_KEPT + 3 {
        script.run("pass 1000");
    }
    let row = query::schedules(&script.store.rows, None, 1).unwrap().remove(0).1;
    let ticks: Vec<u64> = row.runs.iter().map(|run| run.tick.0 - BEGIN).collect();
    assert_eq!(ticks, (4..14).map(|tick| tick * 1_000).collect::<Vec<_>>());
    assert!(row.runs.iter().all(|run| run.cause == RunCause::Tick && run.task > Position::ZERO));
    assert_eq!((row.ticks, row.totals.runs), (13, 13));
}

#[test]
fn as_many_schedules_are_due_at_once_as_were_asked_for_and_one_that_is_taken_back_is_due_again() {
    let mut script = Script::default();
    for at in 0..10 {
        script.run(&format!("put n{at}; put m{at}{{t}}"));
    }
    let Store { rows, wall, agenda, .. } = &mut script.store;
    let next = |agenda: &mut Agenda| {
        let mut due = Vec::new();
        agenda.due_schedules(rows, *wall, 3, &mut due).unwrap();
        due
    };
    let first = next(agenda);
    assert_eq!(first.len(), 3);
    for due in &first {
        agenda.not_proposed(due);
    }
    let mut found = Vec::new();
    loop {
        let due = next(agenda);
        if due.is_empty() {
            break;
        }
        assert!(due.len() <= 3);
        found.extend(due.into_iter().map(|due| due.schedule.to_string()));
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 20);
}
