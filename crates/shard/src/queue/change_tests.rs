//! Changes of many tasks, and replays with other content or into another queue.

use super::tests::{Script, queue};
use crate::query;
use alloc::string::ToString;
use alloc::vec::Vec;
use model::{
    ChangeTasks, Command, Outcome, Position, QueueName, QueueSettings, Refusal, ReplayTask, TaskChange,
    TaskRef, TaskState, TasksChanged,
};

fn other() -> QueueName<'static> {
    QueueName::new("r").unwrap()
}

impl Script {
    /// The same change of the tasks with these names.
    fn change(&mut self, names: &[&str], change: TaskChange<'static>, more: Filter) -> Outcome {
        let tasks: Vec<Position> = names.iter().map(|name| self.position(name)).collect();
        self.store.apply(Command::ChangeTasks(ChangeTasks {
            queue: queue(),
            tasks,
            state: more.state,
            task_type: more.task_type.map(Into::into),
            class: more.class.map(Into::into),
            change,
        }));
        self.store.applied.outcomes[0].clone()
    }

    fn position(&self, name: &str) -> Position {
        match self.task(name) {
            TaskRef::Server(position) => position,
            TaskRef::Client(_) => Position::ZERO,
        }
    }

    fn replay(
        &mut self,
        name: &str,
        to: Option<QueueName<'static>>,
        envelope: Option<&'static [u8]>,
    ) -> Outcome {
        let (queue, task) = (queue(), self.task(name));
        let envelope = envelope.map(Into::into);
        self.store.apply(Command::ReplayTask(ReplayTask { queue, task, to, envelope }));
        self.store.applied.outcomes[0].clone()
    }

    fn classes(&self) -> Vec<(alloc::string::String, u64)> {
        let found = query::dead_classes(&self.store.rows, &queue()).unwrap().classes;
        found.into_iter().map(|class| (class.class, class.tasks)).collect()
    }
}

#[derive(Clone, Copy, Default)]
struct Filter {
    state: Option<TaskState>,
    task_type: Option<&'static str>,
    class: Option<&'static str>,
}

fn changed(changed: u32) -> Outcome {
    Outcome::TasksChanged(TasksChanged { changed, ..TasksChanged::default() })
}

#[test]
fn many_tasks_are_changed_if_they_still_match() {
    let mut script = Script::default();
    script.run("add a; add b type u; add c; add d; add e; claim 5; bug a; bug b; bug c; done d");
    assert_eq!(script.classes(), [("E".to_string(), 3)]);
    let all = ["a", "b", "c", "d", "e", "nothing"];
    let drop = TaskChange::Drop;
    let of = |class| Filter { class: Some(class), ..Filter::default() };
    assert_eq!(script.change(&all, drop.clone(), of("other")), changed(0));
    let of_type = Filter { task_type: Some("u"), ..Filter::default() };
    assert_eq!(script.change(&all, drop.clone(), of_type), changed(1));
    assert_eq!(script.change(&all[..1], TaskChange::Replay { to: None }, of("E")), changed(1));
    assert_eq!(script.classes(), [("E".to_string(), 1)]);
    let running = Filter { state: Some(TaskState::Running), ..Filter::default() };
    assert_eq!(script.change(&all, TaskChange::Cancel, running), changed(1));
    assert_eq!(script.run("beat e"), "extended, but cancelled");
    assert_eq!(script.change(&all, TaskChange::Cancel, Filter::default()), changed(2));
    assert_eq!(script.state(), "a cancelled, c dead, d done, e running");
    assert_eq!(script.change(&all, drop, Filter::default()), changed(1));
    assert_eq!(script.classes(), []);
}

#[test]
fn a_full_queue_ends_a_change_and_the_outcome_says_where() {
    let mut script = Script::default();
    script.run("add a; add b; add c; claim 3; bug a; bug b; bug c; set backlog 1");
    let replay = TaskChange::Replay { to: None };
    let outcome = script.change(&["a", "b", "c"], replay.clone(), Filter::default());
    let full_after = Some(1);
    assert_eq!(outcome, Outcome::TasksChanged(TasksChanged { changed: 1, kept: 0, full_after }));
    let outcome = script.change(&["b", "c"], replay, Filter::default());
    assert_eq!(outcome, Outcome::Refused(Refusal::QueueFull { backlog_max: 1 }));
    assert_eq!(script.state(), "a ready, b dead, c dead");
}

#[test]
fn a_dead_letter_goes_into_another_queue_with_what_it_remembers() {
    let mut script = Script::default();
    script.run("add a id x; add b id y; claim 2; return a; claim 1; bug a; bug b");
    assert_eq!(script.replay("a", Some(other()), Some(b"new")), Outcome::DeadLetterSettled);
    assert_eq!(script.state(), "b dead");
    let named = TaskRef::Client("x".into());
    let view = query::task(&script.store.rows, &other(), &named, script.store.elapsed).unwrap().unwrap();
    assert_eq!((view.state, view.attempts, &view.envelope[..]), (TaskState::Ready, 0, &b"new"[..]));
    assert_eq!((view.failures.len(), view.history.len()), (1, 2));
    // The other queue has this id now, and this queue does not.
    assert_eq!(script.run("add a id x; claim 1; bug a"), "Dead");
    let conflict = Outcome::Refused(Refusal::TaskConflict { part: 0, task: 0 });
    assert_eq!(script.replay("a", Some(other()), None), conflict);
    let to = TaskChange::Replay { to: Some(other()) };
    let outcome = script.change(&["a", "b"], to.clone(), Filter::default());
    assert_eq!(outcome, Outcome::TasksChanged(TasksChanged { changed: 1, kept: 1, full_after: None }));
    let settings = QueueSettings { backlog_max: 1, ..QueueSettings::default() };
    let put = model::PutQueue { queue: other(), settings };
    script.store.apply(Command::PutQueue(put));
    let full = Outcome::Refused(Refusal::QueueFull { backlog_max: 1 });
    assert_eq!(script.replay("a", Some(other()), None), full);
    assert_eq!(script.change(&["a"], to, Filter::default()), full);
    assert_eq!(script.replay("a", Some(queue()), Some(b"own")), Outcome::DeadLetterSettled);
    // The name of a task is its content here.
    assert_eq!(script.state(), "own ready");
    let named = script.task("a");
    let view = query::task(&script.store.rows, &queue(), &named, script.store.elapsed).unwrap().unwrap();
    assert_eq!(&view.envelope[..], b"own");
}

#[test]
fn a_replay_of_what_is_no_dead_letter_is_refused() {
    let mut script = Script::default();
    assert_eq!(script.replay("z", None, None), Outcome::Refused(Refusal::NoTask));
    script.run("add a");
    let state = TaskState::Ready;
    assert_eq!(script.replay("a", Some(other()), None), Outcome::Refused(Refusal::WrongTaskState { state }));
    // The other queue was not made for it.
    assert_eq!(query::queue(&script.store.rows, &other()).unwrap(), None);
    assert_eq!(
        script.change(&["a"], TaskChange::Replay { to: Some(other()) }, Filter::default()),
        changed(0)
    );
    assert_eq!(query::queue(&script.store.rows, &other()).unwrap(), None);
}
