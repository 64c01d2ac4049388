//! The node's step machine over the built-in engine: what comes out, and in which order.

use crate::empty_log::EmptyLog;
use crate::numbers::Numbers;
use crate::samples::append;
use consensus::{Message, Ticket};
use format::frame::{EntryKind, decode_groups};
use model::{
    AcquireLease, Action, CatchUp, Claim, Command, Cursor, Enqueue, Failure, Fingerprint, Index, LeaseName,
    NewTask, Outcome, Overlap, Position, PutReaction, PutSchedule, PutSettings, QueueName, React,
    ReactionKey, ReactionName, ReactionPayload, ReactionSettings, ScheduleDefinition, ScheduleName,
    ScheduleRules, Settings, Settle, Settlement, Slot, StreamName, TaskOptions, TaskRef, Timing, Wall,
    limits,
};
use node::batch::SizedCommand;
use node::clock::Standstill;
use node::{
    AskedTime, ClosedTime, DiskSpace, Input, Mono, Node, NodeOptions, Now, Output, RaftCompletion,
    RaftEngine, RaftEngineOptions, RaftIo, Request, Unavailable,
};
use shard::{Shard, ShardOptions};
use std::borrow::Cow;
use storage::memory_state::{MemoryFlush, MemoryState, MemoryStateDisk, Space};
use storage::state::{FlushJob, Pressure, StateError};

type Out = Output<RaftIo<MemoryFlush>, Numbers>;

struct Bench {
    node: Node<RaftEngine<MemoryState, EmptyLog>, Numbers>,
    disk: MemoryStateDisk,
    now: Now,
}

impl Bench {
    fn new(options: NodeOptions) -> Self {
        Self::on(MemoryStateDisk::new(), options)
    }

    fn on(disk: MemoryStateDisk, options: NodeOptions) -> Self {
        let state = MemoryState::open(&disk);
        let shard = Shard::new(ShardOptions::default());
        let engine = RaftEngine::open(RaftEngineOptions::default(), EmptyLog, None, shard, state).unwrap();
        Self { node: Node::new(options, engine), disk, now: Now { wall: Wall(1_000_000), mono: Mono(0) } }
    }

    /// A node that leads.
    fn ready(options: NodeOptions) -> Self {
        let mut bench = Self::new(options);
        let ticket = ticket(&bench.step(Input::Start));
        let out = bench.synced(ticket);
        assert!(matches!(out[0], Output::Ready { replayed_entries: 0 }), "{out:?}");
        bench
    }

    fn step(&mut self, input: Input<RaftCompletion, Message, Numbers>) -> Vec<Out> {
        let mut out = Vec::new();
        self.node.step(self.now, input, &mut out);
        out
    }

    fn synced(&mut self, ticket: Ticket) -> Vec<Out> {
        self.step(Input::Completion(RaftCompletion::LogSynced(ticket)))
    }

    fn submit(&mut self, reply: u64, command: Command<'static>) -> Vec<Out> {
        self.step(Input::Requests(vec![Request::Command { command, reply }]))
    }

    fn close_time(&mut self, reply: u64, wall: Wall) -> Vec<Out> {
        self.close(reply, AskedTime::At(wall))
    }

    fn close(&mut self, reply: u64, time: AskedTime) -> Vec<Out> {
        self.step(Input::Requests(vec![Request::CloseTime { time, reply }]))
    }
}

/// The one log write among the outputs.
fn ticket(out: &[Out]) -> Ticket {
    let tickets: Vec<_> = out
        .iter()
        .filter_map(|output| match output {
            Output::Io(RaftIo::WriteLog { ticket, .. }) => Some(*ticket),
            _ => None,
        })
        .collect();
    assert_eq!(tickets.len(), 1, "{out:?}");
    tickets[0]
}

/// The outputs by kind, for scripts.
fn kinds(out: &[Out]) -> Vec<String> {
    out.iter()
        .map(|output| match output {
            Output::Io(RaftIo::WriteLog { .. }) => "write log".into(),
            Output::Io(RaftIo::AppendBodies { .. }) => "append bodies".into(),
            Output::Io(RaftIo::Flush { .. }) => "flush".into(),
            Output::Io(RaftIo::PurgeLog { .. }) => "purge log".into(),
            Output::Io(RaftIo::RemoveBodies { .. }) => "remove bodies".into(),
            Output::Io(RaftIo::Send { .. }) => "send".into(),
            Output::Outcome { reply, result: Ok(Outcome::Appended(_)) } => format!("{reply} appended"),
            Output::Outcome { reply, result: Ok(outcome) } => format!("{reply} {outcome:?}"),
            Output::TimeClosed { reply, result: Ok(ClosedTime::Through(_)) } => {
                format!("{reply} time closed")
            }
            Output::TimeClosed { reply, result: Ok(ClosedTime::TooFarAhead { ms }) } => {
                format!("{reply} {ms} ms too far ahead")
            }
            Output::Outcome { reply, result: Err(why) } | Output::TimeClosed { reply, result: Err(why) } => {
                format!("{reply} {why:?}")
            }
            Output::Woken { reply, result } => format!("{reply} woken {result:?}"),
            Output::Visible(_) => "visible".into(),
            Output::Ready { .. } => "ready".into(),
            Output::Reacted => "reacted".into(),
            Output::TasksDied(tasks) => format!("{tasks} dead"),
            Output::ReactionsChanged => "reactions changed".into(),
            Output::Wait(_) => "wait".into(),
            Output::Continue => "continue".into(),
            Output::Stopped => "stopped".into(),
            Output::Halt(_) => "halt".into(),
        })
        .collect()
}

#[test]
fn an_outcome_is_sent_after_the_sync_and_the_body_and_before_the_event_is_visible() {
    let mut bench = Bench::ready(NodeOptions::default());
    let out = bench.submit(1, append("a"));
    assert_eq!(kinds(&out), ["write log"]);
    let out = bench.synced(ticket(&out));
    assert_eq!(kinds(&out), ["append bodies", "1 appended", "visible"]);
    assert!(matches!(out[2], Output::Visible(cursor) if cursor > Cursor::START));
}

#[test]
fn events_from_before_a_start_are_visible_when_the_node_is_ready() {
    let mut bench = Bench::ready(NodeOptions::default());
    let out = bench.submit(1, append("a"));
    let out = bench.synced(ticket(&out));
    let Output::Visible(before) = out[2] else { panic!("{out:?}") };
    let mut out = bench.step(Input::FlushSoon);
    let Some(Output::Io(RaftIo::Flush { flush })) = out.pop() else { panic!("{out:?}") };
    flush.run().unwrap();

    // Nothing is left to replay.
    let mut bench = Bench::on(bench.disk, NodeOptions::default());
    let ticket = ticket(&bench.step(Input::Start));
    let out = bench.synced(ticket);
    assert_eq!(kinds(&out), ["visible", "ready"]);
    assert!(matches!(out[0], Output::Visible(c) if c >= before && c.position == before.position), "{out:?}");
}

#[test]
fn requests_that_arrive_during_a_sync_share_an_entry_that_is_written_before_the_first_is_applied() {
    let mut bench = Bench::ready(NodeOptions::default());
    let first = bench.submit(1, append("a"));
    assert_eq!(kinds(&bench.submit(2, append("bb"))), [""; 0]);
    assert_eq!(kinds(&bench.submit(3, append("ccc"))), [""; 0]);
    let out = bench.synced(ticket(&first));
    assert_eq!(kinds(&out), ["write log", "append bodies", "1 appended", "visible"]);
    let out = bench.synced(ticket(&out));
    assert_eq!(kinds(&out), ["append bodies", "2 appended", "3 appended", "visible"]);
}

#[test]
fn a_node_admits_nothing_before_it_leads() {
    let mut bench = Bench::new(NodeOptions::default());
    assert_eq!(kinds(&bench.step(Input::Start)), ["write log"]);
    assert_eq!(kinds(&bench.submit(1, append("a"))), ["1 NotReady"]);
    assert_eq!(kinds(&bench.close_time(2, Wall(1))), ["2 NotReady"]);
}

#[test]
fn requests_beyond_the_bound_of_waiting_bytes_are_busy_until_outcomes_free_some() {
    let mut bench = Bench::ready(NodeOptions { waiting_bytes_max: 500, ..NodeOptions::default() });
    let first = bench.submit(1, append("a"));
    assert_eq!(kinds(&bench.submit(2, append("bb"))), [""; 0]);
    assert_eq!(kinds(&bench.submit(3, append("ccc"))), ["3 Busy"]);
    let out = bench.synced(ticket(&first));
    bench.synced(ticket(&out));
    assert_eq!(kinds(&bench.submit(4, append("dddd"))), ["write log"]);
}

#[test]
fn a_request_that_just_fits_within_the_bound_of_waiting_bytes_is_admitted() {
    let bytes = SizedCommand::new(append("a")).bytes();
    for (waiting_bytes_max, then) in [(bytes, "write log"), (bytes - 1, "1 Busy")] {
        let mut bench = Bench::ready(NodeOptions { waiting_bytes_max, ..NodeOptions::default() });
        assert_eq!(kinds(&bench.submit(1, append("a"))), [then]);
    }
}

#[test]
fn nothing_is_proposed_while_the_states_disk_work_lags_too_far_behind() {
    let mut bench = Bench::ready(NodeOptions::default());
    bench.disk.set_pressure(Pressure::Stop);
    assert_eq!(kinds(&bench.submit(1, append("a"))), [""; 0]);
    assert_eq!(kinds(&bench.step(Input::Continue)), [""; 0]);
    bench.disk.set_pressure(Pressure::None);
    let out = bench.step(Input::Continue);
    assert_eq!(kinds(&bench.synced(ticket(&out))), ["append bodies", "1 appended", "visible"]);
}

#[test]
fn writes_are_rejected_on_a_full_disk_until_it_has_space_again() {
    let mut bench = Bench::ready(NodeOptions::default());
    bench.step(Input::DiskSpace(DiskSpace::Low { why: "full".into() }));
    let out = bench.submit(1, append("a"));
    let want = Unavailable::ReadOnly("full".into());
    assert!(matches!(&out[0], Output::Outcome { result: Err(why), .. } if *why == want), "{out:?}");
    let out = bench.close_time(2, bench.now.wall);
    assert!(matches!(&out[0], Output::TimeClosed { result: Err(why), .. } if *why == want), "{out:?}");
    bench.step(Input::DiskSpace(DiskSpace::Enough));
    assert_eq!(kinds(&bench.submit(3, append("a"))), ["write log"]);
}

#[test]
fn a_time_is_closed_by_an_entry_above_it_and_then_stays_closed() {
    let mut bench = Bench::ready(NodeOptions::default());
    let wall = bench.now.wall;
    let out = bench.close_time(1, wall);
    assert_eq!(kinds(&out), ["write log"]);
    assert_eq!(kinds(&bench.synced(ticket(&out))), ["1 time closed", "visible"]);
    assert_eq!(kinds(&bench.close_time(2, wall)), ["2 time closed"]);

    // The machine's clock steps back. Positions do not.
    bench.now.wall = Wall(wall.0 - 500);
    let out = bench.submit(3, append("a"));
    let out = bench.synced(ticket(&out));
    assert!(matches!(out[2], Output::Visible(cursor) if cursor.position.wall() > wall), "{out:?}");
    assert_eq!(bench.node.figures(bench.now).wall_ahead_ms, 501);
}

#[test]
fn the_millisecond_of_the_last_event_is_closed_only_by_another_entry() {
    let mut bench = Bench::ready(NodeOptions::default());
    let out = bench.submit(1, append("a"));
    bench.synced(ticket(&out));
    let out = bench.close_time(2, bench.now.wall);
    assert_eq!(kinds(&out), ["write log"], "the next event may be of the same millisecond");
    assert_eq!(kinds(&bench.synced(ticket(&out))), ["2 time closed", "visible"]);
}

#[test]
fn elapsed_passes_on_an_idle_node_and_stands_still_while_an_entry_waits_for_its_disk() {
    let standstill = Standstill { grace_ms: 0, stall_ms: 2_000 };
    let mut bench = Bench::ready(NodeOptions { standstill, ..NodeOptions::default() });
    let pass = |bench: &mut Bench| {
        for _ in 0..10 {
            bench.now.mono.0 += 1_000;
            bench.step(Input::Continue);
        }
        bench.node.figures(bench.now).elapsed.0
    };
    assert_eq!(pass(&mut bench), 10_000);
    let out = bench.submit(1, append("a"));
    assert_eq!(pass(&mut bench), 12_000);
    bench.synced(ticket(&out));
    assert_eq!(pass(&mut bench), 22_000);
}

#[test]
fn while_the_disk_does_not_respond_requests_are_rejected_at_once_and_the_entry_in_flight_waits_for_its_outcome()
 {
    let mut bench = Bench::ready(NodeOptions::default());
    let first = bench.submit(1, append("a"));
    assert_eq!(kinds(&bench.submit(2, append("bb"))), [""; 0]);
    let past = bench.now.wall;
    assert_eq!(kinds(&bench.close_time(3, past)), [""; 0]);
    let out = bench.step(Input::DiskStalled { why: "no write".into() });
    assert_eq!(kinds(&out), ["2 DiskStalled(\"no write\")", "3 DiskStalled(\"no write\")"]);
    assert_eq!(kinds(&bench.submit(4, append("cc"))), ["4 DiskStalled(\"no write\")"]);
    assert_eq!(bench.node.figures(bench.now).waiting_commands, 1, "memory is bounded by one entry");

    let mut out = bench.step(Input::DiskResponds);
    out.extend(bench.synced(ticket(&first)));
    assert_eq!(kinds(&out), ["append bodies", "1 appended", "visible"]);
    let out = bench.submit(5, append("cc"));
    assert_eq!(kinds(&bench.synced(ticket(&out))), ["append bodies", "5 appended", "visible"]);
}

/// The entries that are to be written: the wall of each, and the ticks of the schedules that it advances.
fn entries_to_write(out: &[Out]) -> Vec<(Wall, Vec<Option<Wall>>)> {
    let mut found = Vec::new();
    for output in out {
        let Output::Io(RaftIo::WriteLog { records, .. }) = output else { continue };
        for logged in decode_groups(records).flat_map(|group| group.unwrap().entries) {
            let logged = logged.unwrap();
            if logged.kind != EntryKind::Normal || logged.bytes.is_empty() {
                continue;
            }
            let entry = format::entry::decode(logged.bytes).unwrap();
            let ticks = entry.commands.iter().filter_map(|command| match command {
                Command::AdvanceSchedule(advance) => Some(advance.step.as_ref()?.tick),
                _ => None,
            });
            found.push((entry.wall, ticks.collect()));
        }
    }
    found
}

/// A task with this much in its envelope.
fn task(bytes: usize) -> NewTask<'static> {
    NewTask {
        id: None,
        fingerprint: Fingerprint(1),
        task_type: Cow::Borrowed("t"),
        run_after: None,
        priority: limits::PRIORITY_DEFAULT,
        key: None,
        claim_ms: None,
        retry: None,
        envelope: Cow::Owned(format!("\"type\":\"t\",\"data\":\"{}\"", "x".repeat(bytes)).into_bytes()),
        options: TaskOptions::default(),
    }
}

/// A schedule with a tick each second. One that is later than a second is missed, and the last missed one is made up for.
fn each_second(name: String, bytes: usize) -> Command<'static> {
    let rules = ScheduleRules {
        timing: Timing::Every(1_000),
        start: None,
        end: None,
        exclusions: Vec::new(),
        runs_max: None,
        jitter_ms: 0,
        catch_up: CatchUp::One,
        late_ms: 1_000,
        overlap: Overlap::Allow,
        pause_on_failure: false,
    };
    let enqueue = Enqueue { keyed: None, queue: QueueName::new("q").unwrap(), tasks: vec![task(bytes)] };
    let schedule = ScheduleName::new(name).unwrap();
    let definition = Box::new(ScheduleDefinition { rules, enqueue });
    Command::PutSchedule(PutSchedule { schedule, definition })
}

#[test]
fn a_tick_is_chosen_by_the_time_of_its_entry_also_when_the_clock_was_set_back_after_a_time_was_to_be_closed()
{
    let mut bench = Bench::ready(NodeOptions::default());
    let zero = bench.now.wall;
    let out = bench.submit(1, each_second("each-second".to_owned(), 10));
    bench.synced(ticket(&out));
    // An idle node proposes an entry of its own, with the first tick.
    bench.now.mono.0 += 1_000;
    let out = bench.step(Input::TimerDue);
    bench.synced(ticket(&out));
    let in_flight = bench.submit(2, append("a"));
    bench.now.wall = Wall(zero.0 + 60_500);
    bench.close(3, AskedTime::Now);
    bench.now.wall = Wall(zero.0 + 2_500);
    let out = bench.synced(ticket(&in_flight));
    // Of the ticks at 1 s to 60 s, the one at 59 s was the last to be late.
    assert_eq!(entries_to_write(&out), [(Wall(zero.0 + 60_501), vec![Some(Wall(zero.0 + 59_000))])]);
}

/// The time that the one request of a step had closed, in milliseconds after `zero`.
fn closed_after(out: &[Out], zero: Wall) -> i64 {
    let closed = out.iter().find_map(|output| match output {
        Output::TimeClosed { result: Ok(ClosedTime::Through(wall)), .. } => Some(*wall),
        _ => None,
    });
    closed.expect("a closed time").0.cast_signed() - zero.0.cast_signed()
}

#[test]
fn after_the_clock_was_set_back_a_time_that_was_closed_still_is() {
    let mut bench = Bench::ready(NodeOptions::default());
    let zero = bench.now.wall;
    let out = bench.close(1, AskedTime::Now);
    assert_eq!(closed_after(&bench.synced(ticket(&out)), zero), 0);
    for back_ms in [1, 60_000, 60_001, zero.0] {
        bench.now.wall = Wall(zero.0 - back_ms);
        let out = bench.close_time(2, zero);
        assert_eq!(closed_after(&out, zero), 0, "{back_ms} ms back");
        assert_eq!(out.len(), 1, "it is known without an entry: {out:?}");
    }
    // And the present is not before it. No event was ever recorded, so only the shard's clock knows.
    let out = bench.close(3, AskedTime::Now);
    assert_eq!(closed_after(&bench.synced(ticket(&out)), zero), 1);
}

#[test]
fn a_time_a_little_ahead_is_the_present_and_one_far_ahead_is_not_closed() {
    let mut bench = Bench::ready(NodeOptions::default());
    let zero = bench.now.wall;
    for ahead_ms in [1, 60_000] {
        bench.now.wall = Wall(bench.now.wall.0 + 1_000);
        let present = bench.now.wall;
        let out = bench.close_time(1, Wall(present.0 + ahead_ms));
        assert_eq!(closed_after(&bench.synced(ticket(&out)), present), 0);
    }
    // The entry that closed the last time has moved the present 1 ms ahead of the machine's clock.
    let out = bench.close_time(2, Wall(bench.now.wall.0 + 1 + 60_001));
    assert_eq!(kinds(&out), ["2 60001 ms too far ahead"]);
    // An event that was recorded ahead of the machine's clock has happened by now.
    bench.now.wall = Wall(zero.0 - 5_000);
    let out = bench.close_time(3, Wall(zero.0 + 2_000 + 60_000));
    assert_eq!(closed_after(&bench.synced(ticket(&out)), zero), 2_001);
}

#[test]
fn a_stop_sends_the_waiting_outcomes_then_flushes_then_reports_it() {
    let mut bench = Bench::ready(NodeOptions::default());
    let first = bench.submit(1, append("a"));
    bench.submit(2, append("bb"));
    assert_eq!(kinds(&bench.step(Input::Stop)), [""; 0]);
    assert_eq!(kinds(&bench.submit(3, append("ccc"))), ["3 Stopping"]);
    let out = bench.synced(ticket(&first));
    assert_eq!(kinds(&out), ["write log", "append bodies", "1 appended", "visible"]);
    let mut out = bench.synced(ticket(&out));
    assert_eq!(kinds(&out), ["append bodies", "2 appended", "visible", "flush"]);
    assert_eq!(kinds(&bench.step(Input::Stop)), [""; 0], "it is stopping already");
    let Some(Output::Io(RaftIo::Flush { flush, .. })) = out.pop() else { panic!("{out:?}") };
    let progress = flush.run().unwrap();
    let out = bench.step(Input::Completion(RaftCompletion::Flushed(progress)));
    assert_eq!(kinds(&out), ["purge log", "stopped"]);
    assert_eq!(kinds(&bench.step(Input::Stop)), [""; 0], "nothing follows");
}

#[test]
fn a_node_stopped_while_starting_flushes_after_it_has_applied_its_log() {
    let mut bench = Bench::new(NodeOptions::default());
    let ticket = ticket(&bench.step(Input::Start));
    assert_eq!(kinds(&bench.step(Input::Stop)), [""; 0], "a write is under way");
    assert_eq!(kinds(&bench.synced(ticket)), ["ready", "flush"]);
}

#[test]
fn a_retention_timer_wakes_the_node_which_removes_what_is_due() {
    let mut bench = Bench::ready(NodeOptions::default());
    let stream = StreamName::new("s-a").unwrap();
    let settings = Settings { max_age_ms: Some(5_000), ..Settings::default() };
    let out = bench.submit(1, Command::PutSettings(PutSettings { stream, settings }));
    let out = bench.synced(ticket(&out));
    assert_eq!(kinds(&out), ["1 SettingsPut", "visible"]);
    let out = bench.submit(2, append("a"));
    let out = bench.synced(ticket(&out));
    let Some(Output::Wait(Some(at))) = out.last() else { panic!("{out:?}") };
    assert!((5_000..6_010).contains(&at.0), "at most a second late, never early: {at:?}");

    bench.now = Now { wall: Wall(bench.now.wall.0 + at.0), mono: *at };
    let mut out = bench.step(Input::TimerDue);
    let mut removed = false;
    while kinds(&out).contains(&"write log".to_owned()) {
        out = bench.synced(ticket(&out));
        removed |= kinds(&out).contains(&"remove bodies".to_owned());
    }
    assert!(removed, "the event's rows are deleted, so its body may be removed");
}

#[test]
fn a_flush_that_finds_the_disk_full_starts_again_once_there_is_space() {
    let mut bench = Bench::ready(NodeOptions::default());
    let mut out = bench.step(Input::FlushSoon);
    let Some(Output::Io(RaftIo::Flush { flush })) = out.pop() else { panic!("{out:?}") };
    bench.disk.set_space(Space::Full);
    assert!(matches!(flush.run(), Err(StateError::NoSpace(_))));
    bench.step(Input::Completion(RaftCompletion::FlushOutOfSpace));
    bench.step(Input::DiskSpace(DiskSpace::Low { why: "full".into() }));
    assert_eq!(kinds(&bench.step(Input::FlushSoon)), [""; 0], "no flush on a full disk");
    assert_eq!(kinds(&bench.step(Input::DiskSpace(DiskSpace::Enough))), ["flush"]);
}

#[test]
fn low_disk_space_stops_writes_but_not_a_flush() {
    let mut bench = Bench::ready(NodeOptions::default());
    bench.step(Input::DiskSpace(DiskSpace::Low { why: "full".into() }));
    assert_eq!(kinds(&bench.step(Input::FlushSoon)), ["flush"]);
}

#[test]
fn a_node_stops_even_if_the_disk_has_no_space_for_its_last_flush() {
    let mut bench = Bench::ready(NodeOptions::default());
    assert_eq!(kinds(&bench.step(Input::Stop)), ["flush"]);
    let out = bench.step(Input::Completion(RaftCompletion::FlushOutOfSpace));
    assert_eq!(kinds(&out), ["stopped"], "the log still holds everything");
}

#[test]
fn a_stop_flushes_everything_even_if_a_flush_that_found_no_space_comes_first() {
    let mut bench = Bench::ready(NodeOptions::default());
    let mut out = bench.step(Input::FlushSoon);
    let Some(Output::Io(RaftIo::Flush { flush })) = out.pop() else { panic!("{out:?}") };
    bench.disk.set_space(Space::Full);
    assert!(matches!(flush.run(), Err(StateError::NoSpace(_))));
    let append = bench.submit(1, append("a"));
    bench.step(Input::Completion(RaftCompletion::FlushOutOfSpace));
    bench.step(Input::DiskSpace(DiskSpace::Low { why: "full".into() }));
    bench.step(Input::Stop);
    bench.disk.set_space(Space::Free);
    bench.step(Input::DiskSpace(DiskSpace::Enough));
    let mut out = bench.synced(ticket(&append));
    // The state gives out the flush that failed again, and then one that holds the event.
    for then in [&["purge log", "flush"][..], &["purge log", "stopped"]] {
        let Some(Output::Io(RaftIo::Flush { flush })) = out.pop() else { panic!("{out:?}") };
        out = bench.step(Input::Completion(RaftCompletion::Flushed(flush.run().unwrap())));
        assert_eq!(kinds(&out), then);
    }
}

/// What a reaction that does not exist has to do.
fn react(after: u64) -> Input<RaftCompletion, Message, Numbers> {
    let cursor = |position| Cursor::new(Position(position), Slot(0));
    Input::React(vec![React {
        reaction: ReactionName::new("r").unwrap(),
        version: Position(1),
        after: cursor(after),
        until: cursor(after + 1),
        events: Vec::new(),
    }])
}

#[test]
fn what_a_reaction_has_to_do_shares_entries_and_is_reported_once_it_is_applied() {
    let mut bench = Bench::ready(NodeOptions::default());
    let first = bench.submit(1, append("a"));
    assert_eq!(kinds(&bench.step(react(0))), [""; 0], "an entry is in flight");
    assert_eq!(kinds(&bench.submit(2, append("b"))), [""; 0]);
    let out = bench.synced(ticket(&first));
    assert_eq!(kinds(&out), ["write log", "append bodies", "1 appended", "visible"]);
    let out = bench.synced(ticket(&out));
    assert_eq!(kinds(&out), ["append bodies", "reacted", "2 appended", "visible"]);
}

#[test]
fn a_node_that_cannot_write_drops_what_reactions_have_to_do() {
    let mut bench = Bench::ready(NodeOptions::default());
    let first = bench.submit(1, append("a"));
    bench.step(react(0));
    assert_eq!(kinds(&bench.step(Input::DiskSpace(DiskSpace::Low { why: "full".into() }))), ["reacted"]);
    assert_eq!(kinds(&bench.step(react(0))), ["reacted"]);
    assert_eq!(kinds(&bench.synced(ticket(&first))), ["append bodies", "1 appended", "visible"]);
    bench.step(Input::DiskSpace(DiskSpace::Enough));
    assert_eq!(kinds(&bench.step(Input::DiskStalled { why: "it hangs".into() })), [""; 0]);
    assert_eq!(kinds(&bench.step(react(0))), ["reacted"]);
    assert_eq!(bench.node.figures(bench.now).waiting_bytes, 0);
}

#[test]
fn only_a_change_of_the_reactions_says_that_they_have_changed() {
    let mut bench = Bench::ready(NodeOptions::default());
    let settings = ReactionSettings {
        prefix: "s-".into(),
        types: Vec::new(),
        queue: QueueName::new("q").unwrap(),
        task_type: "t".into(),
        key: ReactionKey::None,
        priority: limits::PRIORITY_DEFAULT,
        payload: ReactionPayload::Event,
        paused: false,
    };
    let reaction = ReactionName::new("r").unwrap();
    let put = Command::PutReaction(PutReaction { reaction, settings, from: None });
    for (command, changed) in [(append("a"), 0), (acquire("l", 1_000), 0), (put, 1)] {
        let out = bench.submit(1, command);
        let out = kinds(&bench.synced(ticket(&out)));
        let said = out.iter().filter(|kind| *kind == "reactions changed").count();
        assert_eq!(said, changed, "{out:?}");
    }
}

#[test]
fn dead_letters_are_counted_in_the_entry_that_makes_them() {
    let mut bench = Bench::ready(NodeOptions::default());
    let queue = || QueueName::new("q").unwrap();
    let out =
        bench.submit(1, Command::Enqueue(Enqueue { keyed: None, queue: queue(), tasks: vec![task(10)] }));
    bench.synced(ticket(&out));
    let claim = Claim {
        queue: queue(),
        worker: "w".into(),
        types: Vec::new(),
        tasks_max: 1,
        claim_ms: None,
        request: None,
    };
    let out = bench.submit(2, Command::Claim(claim));
    let out = bench.synced(ticket(&out));
    let claimed = out.iter().find_map(|output| match output {
        Output::Outcome { result: Ok(Outcome::Claimed(claimed)), .. } => claimed.tasks.first(),
        _ => None,
    });
    let claimed = claimed.expect("a task");
    let failure = Failure { class: "E".into(), detail: b"".into(), retryable: false, delay_ms: None };
    let task = TaskRef::Server(claimed.position);
    let settlement = Settlement { task, token: claimed.token, action: Action::Fail(failure) };
    let out = bench.submit(3, Command::Settle(Settle { queue: queue(), settlements: vec![settlement] }));
    let out = kinds(&bench.synced(ticket(&out)));
    assert!(out.contains(&"1 dead".to_owned()), "{out:?}");
}

/// Up to where the log is to be purged.
fn purged(out: &[Out]) -> Option<Index> {
    out.iter().find_map(|output| match output {
        Output::Io(RaftIo::PurgeLog { through, .. }) => Some(*through),
        _ => None,
    })
}

#[test]
fn the_log_is_kept_until_an_archive_has_it() {
    let mut bench = Bench::ready(NodeOptions::default());
    // The first entry of the term is entry 2.
    for (reply, text) in [(3, "a"), (4, "bb"), (5, "ccc")] {
        let out = bench.submit(reply, append(text));
        bench.synced(ticket(&out));
    }
    assert_eq!(purged(&bench.step(Input::Archived(Some(Index(3))))), None, "nothing is flushed yet");
    let mut out = bench.step(Input::FlushSoon);
    let Some(Output::Io(RaftIo::Flush { flush })) = out.pop() else { panic!("{out:?}") };
    let out = bench.step(Input::Completion(RaftCompletion::Flushed(flush.run().unwrap())));
    assert_eq!(purged(&out), Some(Index(3)));
    for (archived, purges) in [(Some(4), None), (Some(5), Some(5)), (Some(6), None), (None, None)] {
        let out = bench.step(Input::Archived(archived.map(Index)));
        assert_eq!(purged(&out), purges.map(Index), "{archived:?}");
    }
}

fn acquire(lease: &'static str, ttl_ms: u64) -> Command<'static> {
    Command::AcquireLease(AcquireLease {
        lease: LeaseName::new(lease).unwrap(),
        holder: "h".into(),
        ttl_ms,
        hold_off_ms: 0,
        permits: 1,
        wait_ms: 0,
    })
}

#[test]
fn the_node_wakes_for_the_first_lease_that_ends_and_asks_for_that_only_once() {
    let mut bench = Bench::ready(NodeOptions::default());
    let grace_ms = Standstill::default().grace_ms;
    for (lease, ttl_ms, wake_ms) in
        [("a", 30_000, Some(30_000)), ("b", 10_000, Some(10_000)), ("c", 20_000, None)]
    {
        let out = bench.submit(1, acquire(lease, ttl_ms));
        let out = bench.synced(ticket(&out));
        let wait = out.iter().find_map(|output| match output {
            Output::Wait(at) => *at,
            _ => None,
        });
        // One more, so that the time has certainly passed.
        assert_eq!(wait, wake_ms.map(|ms: u64| Mono(grace_ms + ms + 1)), "{lease}");
        assert_eq!(kinds(&bench.step(Input::Continue)), [""; 0], "{lease}");
    }
}

#[test]
fn an_entry_advances_a_bounded_number_of_schedules() {
    let many = limits::ENTRY_OWN_SCHEDULES_MAX;
    let third = limits::ENTRY_OWN_SCHEDULES_BYTES_MAX / 3;
    for (schedules, bytes, entries) in [(2 * many + 1, 10, vec![many, many, 1]), (5, third, vec![3, 2])] {
        let mut bench = Bench::ready(NodeOptions::default());
        for number in 0..schedules {
            let out = bench.submit(1, each_second(format!("each-second-{number}"), bytes));
            bench.synced(ticket(&out));
        }
        bench.now = Now { wall: Wall(bench.now.wall.0 + 1_500), mono: Mono(1_500) };
        let mut out = bench.step(Input::TimerDue);
        let mut advanced = Vec::new();
        while kinds(&out).contains(&"write log".to_owned()) {
            advanced.extend(entries_to_write(&out).iter().map(|(_, ticks)| ticks.len()));
            out = bench.synced(ticket(&out));
        }
        // What is left of those that were put last may follow.
        assert_eq!(advanced[..entries.len()], entries, "{schedules} schedules with {bytes} bytes each");
    }
}
