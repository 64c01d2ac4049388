//! A queue that is asked command by command. After each, every invariant is checked.

use model::{
    Action, AdvanceTasks, CancelTask, Claim, ClaimedTask, Command, DeadLetterEnd, Elapsed, Enqueue, Failure,
    Fingerprint, IdHash, NewTask, Position, PutQueue, QueueName, QueueOptions, QueueSettings, RetryPolicy,
    Settle, SettleDeadLetter, Settled, Settlement, Slot, TaskDue, TaskOptions, TaskRef, TaskState,
};
use reference_model::queue::{Task, check};
use reference_model::{Simple, SimpleOutcome};

pub(crate) fn queue() -> QueueName<'static> {
    QueueName::new("q").unwrap()
}

pub(crate) struct Queue(pub(crate) Simple);

/// One queue, on the first millisecond of 2026.
pub(crate) fn start(settings: QueueSettings) -> Queue {
    let mut queue_ = Queue(Simple::default());
    queue_.at(0);
    queue_.ask(Command::PutQueue(PutQueue { queue: queue(), settings }));
    queue_
}

pub(crate) const BEGIN: u64 = 1_767_225_600_000;

pub(crate) fn new(id: &'static str) -> NewTask<'static> {
    NewTask {
        id: Some(id.into()),
        fingerprint: Fingerprint(1),
        task_type: "t".into(),
        run_after: None,
        priority: 5,
        key: None,
        claim_ms: None,
        retry: None,
        envelope: b"..".to_vec().into(),
        options: TaskOptions::default(),
    }
}

pub(crate) fn keyed(id: &'static str, key: &'static str) -> NewTask<'static> {
    NewTask { key: Some(key.into()), ..new(id) }
}

pub(crate) fn named(id: &'static str) -> TaskRef<'static> {
    TaskRef::Client(id.into())
}

pub(crate) fn fail(retryable: bool, delay_ms: Option<u64>) -> Action<'static> {
    Action::Fail(Failure { class: "E".into(), detail: Vec::new().into(), retryable, delay_ms })
}

impl Queue {
    /// An entry this many milliseconds after the beginning, by both clocks.
    pub(crate) fn at(&mut self, ms: u64) {
        self.0.begin_entry(BEGIN + ms, 1_000 + ms);
    }

    pub(crate) fn ask(&mut self, command: Command<'_>) -> SimpleOutcome {
        let ask = self.0.ask_of(&command);
        let outcome = self.0.ask(&ask);
        check::all(&self.0).unwrap();
        outcome
    }

    pub(crate) fn enqueue(&mut self, tasks: Vec<NewTask<'static>>) -> SimpleOutcome {
        self.ask(Command::Enqueue(Enqueue { keyed: None, queue: queue(), tasks }))
    }

    pub(crate) fn claim(&mut self, tasks_max: u32) -> Vec<ClaimedTask> {
        self.claim_as(tasks_max, None)
    }

    pub(crate) fn claim_as(&mut self, tasks_max: u32, request: Option<IdHash>) -> Vec<ClaimedTask> {
        let claim = Claim {
            queue: queue(),
            worker: "w".into(),
            types: Vec::new(),
            tasks_max,
            claim_ms: None,
            request,
        };
        match self.ask(Command::Claim(claim)) {
            SimpleOutcome::Claimed(claimed) => claimed.tasks,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn claimed_ids(&mut self, tasks_max: u32) -> Vec<String> {
        self.claim(tasks_max).into_iter().filter_map(|task| task.id).collect()
    }

    pub(crate) fn settle(&mut self, id: &'static str, token: Position, action: Action<'static>) -> Settled {
        let settlements = vec![Settlement { task: named(id), token, action }];
        match self.ask(Command::Settle(Settle { queue: queue(), settlements })) {
            SimpleOutcome::Settled(settled) => settled[0],
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn cancel(&mut self, id: &'static str) -> SimpleOutcome {
        self.ask(Command::CancelTask(CancelTask { queue: queue(), task: named(id) }))
    }

    pub(crate) fn dead_letter(&mut self, id: &'static str, end: DeadLetterEnd) -> SimpleOutcome {
        self.ask(Command::SettleDeadLetter(SettleDeadLetter { queue: queue(), task: named(id), end }))
    }

    /// Does what is due by one clock, and returns whether more is.
    pub(crate) fn advance(&mut self, from: TaskDue, tasks_max: u32) -> bool {
        let slot = Slot(self.0.queues.all[0].slot);
        match self.ask(Command::AdvanceTasks(AdvanceTasks { slot, from, tasks_max })) {
            SimpleOutcome::Advanced { more } => more,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn advance_elapsed(&mut self) {
        assert!(!self.advance(TaskDue::Elapsed(Elapsed(0)), 256));
    }

    pub(crate) fn task(&self, id: &str) -> &Task {
        self.0.queues.all[0].tasks.iter().find(|task| task.sent.id.as_deref() == Some(id)).unwrap()
    }

    pub(crate) fn states(&self) -> Vec<TaskState> {
        self.0.queues.all[0].tasks.iter().map(|task| task.state.name()).collect()
    }
}

pub(crate) const QUICK: QueueSettings = QueueSettings {
    retry: RetryPolicy { attempts_max: 3, first_ms: 0, delay_ms_max: 0 },
    claim_ms: 50,
    lost_max: 2,
    keep_done_ms: 1_000,
    keep_dead_ms: 2_000,
    backlog_max: 4,
    paused: false,
    options: QueueOptions::NONE,
};
