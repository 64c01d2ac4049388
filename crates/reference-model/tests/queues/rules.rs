//! One test for each rule.

use crate::one_queue::{BEGIN, QUICK, fail, keyed, new, start};
use model::limits::{CLAIM_BYTES_MAX, TASK_AGEING_MS, TASK_DEFERS_MAX};
use model::{
    Action, ClaimedTask, DeadLetterEnd, EnqueuedTask, Fingerprint, IdHash, NewTask, QueueSettings,
    RetryPolicy, Settled, TaskDue, TaskState, Wall,
};
use reference_model::queue::{check, draw};
use reference_model::{Simple, SimpleOutcome};
use seeded_rng::Rng;
use std::collections::BTreeMap;

#[test]
fn random_commands_keep_every_invariant_and_reach_every_outcome() {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..70 {
        let mut rng = Rng::new(seed);
        let mut model = Simple::to_draw_from();
        for _ in 0..800 {
            let (wall, elapsed) = draw::clocks(&mut rng, &model);
            model.begin_entry(wall, elapsed);
            for _ in 0..1 + rng.below(3) {
                let command = match rng.below(5) {
                    0 => draw::own_command(&mut rng, &model),
                    _ => draw::command(&mut rng, &model),
                };
                let ask = model.ask_of(&command);
                let outcome = model.ask(&ask);
                check::all(&model).unwrap_or_else(|what| panic!("seed {seed}, {command:?}: {what}"));
                for kind in kinds(&outcome) {
                    *seen.entry(kind).or_default() += 1;
                }
            }
        }
    }
    for kind in [
        "Added",
        "Replayed",
        "Conflict",
        "Existing",
        "TasksChanged",
        "QueueFull",
        "Claimed",
        "ClaimedNone",
        "Extended",
        "Completed",
        "Waiting",
        "Dead",
        "Cancelled",
        "ClaimLost",
        "NoTask",
        "TaskCancelled",
        "WrongTaskState",
        "DeadLetterSettled",
        "Refused",
        "QueuePut",
        "Advanced",
        "KeyConflict",
    ] {
        assert!(seen.get(kind).is_some_and(|count| *count >= 100), "{kind} is too rare");
    }
}

/// The kinds of results in an outcome.
fn kinds(outcome: &SimpleOutcome) -> Vec<String> {
    let kind = |debug: String| debug.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
    match outcome {
        SimpleOutcome::Enqueued(_, tasks) => tasks.iter().map(|task| kind(format!("{task:?}"))).collect(),
        SimpleOutcome::Settled(settled) => settled.iter().map(|one| kind(format!("{one:?}"))).collect(),
        SimpleOutcome::Claimed(claimed) if claimed.tasks.is_empty() => vec!["ClaimedNone".to_owned()],
        SimpleOutcome::NoTask => vec!["NoTask".to_owned(), "Refused".to_owned()],
        other => vec![kind(format!("{other:?}"))],
    }
}

#[test]
fn tasks_are_claimed_by_priority_until_one_has_waited_for_too_long() {
    let mut q = start(QueueSettings { backlog_max: 9, ..QUICK });
    q.enqueue(vec![new("low"), NewTask { priority: 9, ..new("high") }]);
    assert_eq!(q.claimed_ids(1), ["high"]);
    q.at(TASK_AGEING_MS - 1);
    q.enqueue(vec![NewTask { priority: 9, ..new("higher") }]);
    assert_eq!(q.claimed_ids(1), ["higher"], "the other has not waited for long enough");
    q.at(TASK_AGEING_MS);
    q.enqueue(vec![NewTask { priority: 9, ..new("highest") }]);
    assert_eq!(q.claimed_ids(1), ["low"]);
}

#[test]
fn a_returned_task_goes_first_and_costs_no_attempt() {
    let mut q = start(QUICK);
    q.enqueue(vec![new("a"), NewTask { priority: 9, ..new("b") }]);
    let b = q.claim(1).remove(0);
    q.enqueue(vec![NewTask { priority: 9, ..new("c") }]);
    assert_eq!(q.settle("b", b.token, Action::Return), Settled::Waiting { delay_ms: 0 });
    assert_eq!(q.settle("b", b.token, Action::Return), Settled::Waiting { delay_ms: 0 }, "sent again");
    assert_eq!(q.settle("b", b.token, Action::Complete { result: None }), Settled::ClaimLost);
    let again = q.claim(3);
    assert_eq!(again.iter().filter_map(|task| task.id.as_deref()).collect::<Vec<_>>(), ["b", "c", "a"]);
    assert_eq!((again[0].attempt, again[0].token > b.token), (1, true));
}

#[test]
fn a_claim_that_is_sent_again_gets_its_own_tasks_as_long_as_they_run() {
    let mut q = start(QUICK);
    q.enqueue(vec![new("a"), new("b"), new("c"), new("d")]);
    let request = Some(IdHash(7));
    let first = q.claim_as(2, request);
    q.at(20);
    let again = q.claim_as(1, request);
    let left: Vec<_> = first.iter().map(|task| ClaimedTask { claim_ms: 30, ..task.clone() }).collect();
    assert_eq!(again, left, "all of them, although fewer are asked for");
    q.settle("a", first[0].token, Action::Complete { result: None });
    assert_eq!(q.claim_as(2, request), left[1..], "only what still runs");
    q.settle("b", first[1].token, Action::Complete { result: None });
    let next = q.claim_as(2, request);
    assert_eq!(next.iter().filter_map(|task| task.id.as_deref()).collect::<Vec<_>>(), ["c", "d"]);
}

#[test]
fn a_claim_stops_after_the_task_with_which_it_is_large_enough() {
    let mut q = start(QUICK);
    let large = |id| NewTask { envelope: vec![b'x'; CLAIM_BYTES_MAX / 2].into(), ..new(id) };
    q.enqueue(vec![large("a"), large("b"), new("c")]);
    assert_eq!(q.claimed_ids(100), ["a", "b"]);
    assert_eq!(q.claimed_ids(100), ["c"]);
}

#[test]
fn the_tasks_of_a_key_run_one_at_a_time_in_their_order() {
    let mut q = start(QUICK);
    let later = NewTask { run_after: Some(Wall(BEGIN + 500)), ..keyed("c", "k") };
    q.enqueue(vec![keyed("a", "k"), keyed("b", "k"), later, keyed("d", "l")]);
    let first = q.claim(9);
    assert_eq!(first.iter().filter_map(|task| task.id.as_deref()).collect::<Vec<_>>(), ["a", "d"]);
    q.settle("a", first[0].token, fail(true, Some(100)));
    assert_eq!(q.claimed_ids(9), [""; 0], "the head waits for its next attempt, and its key with it");
    assert_eq!(q.cancel("a"), SimpleOutcome::TaskCancelled(TaskState::Cancelled));
    let second = q.claim(9);
    assert_eq!(second[0].id.as_deref(), Some("b"));
    q.settle("b", second[0].token, Action::Complete { result: None });
    assert_eq!(q.task("c").state.name(), TaskState::Delayed, "the next one has a time of its own");
    q.at(500);
    assert!(!q.advance(TaskDue::Wall(Wall(0)), 1));
    assert_eq!(q.claimed_ids(9), ["c"]);
}

#[test]
fn a_dead_letter_that_is_put_back_waits_for_its_key_and_starts_from_zero() {
    let mut q = start(QUICK);
    q.enqueue(vec![keyed("a", "k"), keyed("b", "k"), keyed("c", "k")]);
    let a = q.claim(1).remove(0);
    assert_eq!(q.settle("a", a.token, fail(false, None)), Settled::Dead);
    assert_eq!(q.settle("a", a.token, fail(false, None)), Settled::Dead, "sent again");
    assert_eq!(q.dead_letter("b", DeadLetterEnd::Replay), SimpleOutcome::WrongTaskState(TaskState::Ready));
    assert_eq!(q.dead_letter("a", DeadLetterEnd::Replay), SimpleOutcome::DeadLetterSettled);
    assert_eq!(q.states(), [TaskState::Blocked, TaskState::Ready, TaskState::Blocked]);
    let b = q.claim(9).remove(0);
    q.settle("b", b.token, Action::Complete { result: None });
    let a = q.claim(9).remove(0);
    assert_eq!((a.id.as_deref(), a.attempt), (Some("a"), 1), "before the one that was enqueued later");
    assert_eq!(q.task("a").failures.len(), 1);
}

#[test]
fn a_full_queue_takes_no_dead_letter_back() {
    let mut q = start(QUICK);
    q.enqueue(vec![new("a"), new("b"), new("c"), new("d")]);
    let a = q.claim(1).remove(0);
    q.settle("a", a.token, fail(false, None));
    q.enqueue(vec![new("e")]);
    assert_eq!(q.enqueue(vec![new("f")]), SimpleOutcome::QueueFull(4));
    assert!(matches!(q.enqueue(vec![new("e")]), SimpleOutcome::Enqueued(..)), "nothing is new");
    assert_eq!(q.dead_letter("a", DeadLetterEnd::Replay), SimpleOutcome::QueueFull(4));
    assert_eq!(q.dead_letter("a", DeadLetterEnd::Drop), SimpleOutcome::DeadLetterSettled);
    assert_eq!(q.dead_letter("a", DeadLetterEnd::Drop), SimpleOutcome::NoTask);
}

#[test]
fn a_worker_that_is_lost_too_often_makes_a_dead_letter() {
    let mut q = start(QUICK);
    q.enqueue(vec![NewTask { retry: Some(RetryPolicy { attempts_max: 99, ..QUICK.retry }), ..new("a") }]);
    q.claim(1);
    q.at(49);
    q.advance_elapsed();
    assert_eq!(q.states(), [TaskState::Running]);
    q.at(50);
    q.advance_elapsed();
    assert_eq!(q.states(), [TaskState::Ready]);
    q.claim(1);
    q.at(100);
    q.advance_elapsed();
    assert_eq!(q.states(), [TaskState::Dead]);
    let classes: Vec<_> = q.task("a").failures.iter().map(|failed| &failed.class[..]).collect();
    assert_eq!(classes, ["worker_lost", "worker_lost"]);
    q.at(2_100);
    q.advance_elapsed();
    assert_eq!(q.states(), [], "kept for two seconds");
}

#[test]
fn a_heartbeat_extends_a_claim_and_tells_of_a_cancel() {
    let mut q = start(QUICK);
    q.enqueue(vec![new("a")]);
    let token = q.claim(1)[0].token;
    q.at(40);
    let progress = || Action::Heartbeat { progress: Some(b"half".to_vec().into()) };
    assert_eq!(q.settle("a", token, progress()), Settled::Extended { claim_ms: 50, cancelled: false });
    q.at(50);
    q.advance_elapsed();
    assert_eq!(q.states(), [TaskState::Running], "the timer is set again");
    assert_eq!(q.cancel("a"), SimpleOutcome::TaskCancelled(TaskState::Running));
    let beat = Action::Heartbeat { progress: None };
    assert_eq!(q.settle("a", token, beat), Settled::Extended { claim_ms: 50, cancelled: true });
    assert_eq!(q.settle("a", token, fail(true, None)), Settled::Cancelled);
    assert_eq!((q.task("a").progress.as_deref(), q.task("a").failures.len()), (Some(&b"half"[..]), 1));
    assert_eq!(q.cancel("a"), SimpleOutcome::TaskCancelled(TaskState::Cancelled));
}

#[test]
fn a_task_that_is_deferred_too_often_is_a_dead_letter() {
    let mut q = start(QUICK);
    q.enqueue(vec![new("a")]);
    for defers in 1..=TASK_DEFERS_MAX + 1 {
        let a = q.claim(1).remove(0);
        assert_eq!(a.attempt, 1);
        let settled = q.settle("a", a.token, Action::Defer { delay_ms: 0 });
        let is_last = defers > TASK_DEFERS_MAX;
        assert_eq!(settled, if is_last { Settled::Dead } else { Settled::Waiting { delay_ms: 0 } });
    }
    assert_eq!(q.task("a").failures[0].class, "too_many_defers");
}

#[test]
fn due_tasks_advance_in_the_order_of_their_deadlines_a_few_at_a_time() {
    let mut q = start(QUICK);
    let at = |ms| Some(Wall(BEGIN + ms));
    q.enqueue(vec![
        NewTask { run_after: at(30), ..new("a") },
        NewTask { run_after: at(10), ..new("b") },
        NewTask { run_after: at(30), ..new("c") },
        NewTask { run_after: at(31), ..new("d") },
    ]);
    q.at(30);
    assert!(q.advance(TaskDue::Wall(Wall(BEGIN + 10)), 2));
    assert_eq!(q.claimed_ids(9), ["b", "a"]);
    assert!(!q.advance(TaskDue::Wall(Wall(BEGIN + 10)), 2));
    assert_eq!(q.claimed_ids(9), ["c"]);
}

#[test]
fn the_delays_of_a_token_never_change() {
    let mut q = start(QueueSettings {
        retry: RetryPolicy { attempts_max: 9, first_ms: 1_000, delay_ms_max: 3_000 },
        ..QUICK
    });
    q.enqueue(vec![new("a")]);
    let mut ms = 0;
    // Computed by another program.
    for delay in [333, 912, 672, 2_518] {
        let token = q.claim(1)[0].token;
        assert_eq!(q.settle("a", token, fail(true, None)), Settled::Waiting { delay_ms: delay });
        ms += delay;
        q.at(ms);
        q.advance_elapsed();
    }
}

#[test]
fn an_id_twice_in_a_batch_is_one_task() {
    let mut q = start(QUICK);
    let other = NewTask { fingerprint: Fingerprint(2), ..new("a") };
    let SimpleOutcome::Enqueued(_, tasks) = q.enqueue(vec![new("a"), new("a"), other]) else { panic!() };
    let EnqueuedTask::Added(position) = tasks[0] else { panic!("{tasks:?}") };
    assert_eq!(tasks[1..], [EnqueuedTask::Replayed(position), EnqueuedTask::Conflict(position)]);
    assert_eq!(q.states(), [TaskState::Ready]);
}
