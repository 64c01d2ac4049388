//! Tables of cases for reactions. A script is a list of lines:
//!
//! ```text
//! append cart a          as in the tables of streams; the script calls the event by its stream and name: cart/a
//! put r                  a reaction to all events, whose tasks go to the queue of its name
//! put r from cart/a      also: from start, from beyond; paused; to q
//! drop r
//! react r cart/a order/b until cart/c        the node has read up to an event, and has found these
//! react old r ... | react behind r ...       as it knew the reaction before its last change; or before its last step
//! backlog q 2            the queue takes this many tasks
//! ```

use crate::query;
use crate::testing::{Store, name, play};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use format::row::ReactionRow;
use model::{
    Command, Cursor, DeleteReaction, Elapsed, Namespace, Outcome, Position, PutQueue, PutReaction, QueueName,
    QueueSettings, React, ReactedEvent, ReactionKey, ReactionName, ReactionPayload, ReactionSettings,
    Refusal, Slot, limits,
};
use std::collections::BTreeMap;

#[derive(Default)]
struct Script {
    store: Store,
    events: BTreeMap<String, Cursor>,
    /// The version and cursor that each reaction had at first, and before its last step.
    first: BTreeMap<String, (Position, Cursor)>,
    last: BTreeMap<String, (Position, Cursor)>,
}

impl Script {
    fn run(&mut self, script: &str) -> String {
        play(script, |line| self.line(line))
    }

    fn line(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "put" => self.put(words[1], &words[2..]),
            "drop" => self.apply(Command::DeleteReaction(DeleteReaction { reaction: reaction(words[1]) })),
            "react" => self.react(&words[1..]),
            "backlog" => {
                let settings =
                    QueueSettings { backlog_max: words[2].parse().unwrap(), ..QueueSettings::default() };
                self.apply(Command::PutQueue(PutQueue { queue: queue(words[1]), settings }))
            }
            "append" => {
                let said = self.store.run(line);
                if let Outcome::Appended(appended) = &self.store.applied.outcomes[0] {
                    for (event, at) in words[2..].iter().zip(&appended.events) {
                        self.events.insert(format!("{}/{event}", words[1]), appended.cursor(*at));
                    }
                }
                said
            }
            _ => self.store.run(line),
        }
    }

    fn put(&mut self, named: &str, options: &[&str]) -> String {
        let mut settings = settings(named);
        let mut from = None;
        let mut words = options.iter();
        while let Some(word) = words.next() {
            match *word {
                "paused" => settings.paused = true,
                "to" => settings.queue = queue(words.next().unwrap()),
                "from" => {
                    from = Some(match *words.next().unwrap() {
                        "start" => Cursor::START,
                        "beyond" => Cursor::new(Position(u64::MAX), Slot(0)),
                        event => self.events[event],
                    });
                }
                other => panic!("{other} is not an option"),
            }
        }
        let said =
            self.apply(Command::PutReaction(PutReaction { reaction: reaction(named), settings, from }));
        let known = self.known(named);
        self.first.entry(named.to_string()).or_insert(known);
        said
    }

    fn known(&self, named: &str) -> (Position, Cursor) {
        let found = query::reaction(&self.store.rows, Slot(0), &reaction(named)).unwrap();
        found.map_or((Position::ZERO, Cursor::START), |found| (found.version, found.cursor))
    }

    fn react(&mut self, words: &[&str]) -> String {
        let (named, words, (version, after)) = match words {
            ["old", named, rest @ ..] => (named, rest, self.first[*named]),
            ["behind", named, rest @ ..] => (named, rest, self.last[*named]),
            [named, rest @ ..] => (named, rest, self.known(named)),
            [] => panic!("a reaction has a name"),
        };
        let until = words.iter().position(|word| *word == "until").unwrap();
        let event = |event: &&str| ReactedEvent {
            cursor: self.events[*event],
            stream: event.split('/').next().unwrap().to_string().into(),
            envelope: event.as_bytes().to_vec().into(),
        };
        let events: Vec<_> = words[..until].iter().map(event).collect();
        let until = self.events[words[until + 1]];
        self.last.insert((*named).to_string(), (version, after));
        self.apply(Command::React(React { reaction: reaction(named), version, after, until, events }))
    }

    fn apply(&mut self, command: Command<'static>) -> String {
        self.store.apply(command);
        let name_of = |cursor: &Cursor| {
            let found = self.events.iter().find(|(_, at)| *at == cursor);
            found.map_or("nothing that was appended", |(name, _)| name).to_string()
        };
        match &self.store.applied.outcomes[0] {
            Outcome::ReactionPut { cursor } => format!("after {}", name_of(cursor)),
            Outcome::ReactionDeleted { existed } => format!("existed {existed}"),
            Outcome::Reacted { tasks, cursor } => format!("{tasks} up to {}", name_of(cursor)),
            Outcome::QueuePut => String::new(),
            Outcome::Refused(Refusal::ReactionMoved) => "moved".to_string(),
            Outcome::Refused(Refusal::CursorBeyondEnd { .. }) => "beyond the end".to_string(),
            other => format!("{other:?}"),
        }
    }

    /// The events of the tasks in a queue, in order.
    fn tasks(&self, of: &str) -> String {
        let request = query::TasksRequest::default();
        let page = query::tasks(&self.store.rows, &queue(of), request, Elapsed(0)).unwrap();
        let task = |task: &query::TaskView| {
            let event = String::from_utf8(task.envelope.clone()).unwrap();
            let id = task.id.clone().unwrap();
            assert!(id.ends_with(&format!("@{}", self.events[&event])), "{id} of {event}");
            event
        };
        page.tasks.iter().map(task).collect::<Vec<_>>().join(" ")
    }
}

fn settings(named: &str) -> ReactionSettings<'static> {
    ReactionSettings {
        prefix: "".into(),
        types: Vec::new(),
        queue: queue(named),
        task_type: "t".into(),
        key: ReactionKey::Stream,
        priority: 5,
        payload: ReactionPayload::Event,
        paused: false,
    }
}

fn reaction(name: &str) -> ReactionName<'static> {
    ReactionName::new(name.to_string()).unwrap()
}

fn queue(name: &str) -> QueueName<'static> {
    QueueName::new(name.to_string()).unwrap()
}

/// Before, command, outcome, the events of the tasks in queue `r`.
#[track_caller]
fn check(cases: &[(&str, &str, &str, &str)]) {
    for (before, command, outcome, tasks) in cases {
        let mut script = Script::default();
        script.run(before);
        assert_eq!(script.run(command), *outcome, "the outcome of {command:?} after {before:?}");
        assert_eq!(script.tasks("r"), *tasks, "the tasks after {command:?} after {before:?}");
    }
}

#[test]
fn a_reaction_begins_where_it_is_told_and_goes_on_from_there() {
    check(&[
        ("append a x", "put r", "after nothing that was appended", ""),
        ("append a x", "put r from start", "after nothing that was appended", ""),
        ("append a x y", "put r from a/x", "after a/x", ""),
        ("append a x", "put r from beyond", "beyond the end", ""),
        ("append a x y; put r from a/x", "put r from start", "after a/x", ""),
        ("append a x y; put r from a/x", "put r from beyond", "after a/x", ""),
        ("append a x y; put r from a/x; drop r", "put r from a/y", "after a/y", ""),
        ("", "drop r", "existed false", ""),
        ("put r", "drop r", "existed true", ""),
    ]);
}

#[test]
fn each_event_that_was_found_makes_one_task_in_order() {
    check(&[
        ("put r; append a x y; append b z", "react r a/x a/y b/z until b/z", "3 up to b/z", "a/x a/y b/z"),
        ("put r; append a x y; append b z", "react r a/x b/z until b/z", "2 up to b/z", "a/x b/z"),
        ("put r; append a x y", "react r until a/y", "0 up to a/y", ""),
        ("put r; append a x y; react r a/x until a/x", "react r a/y until a/y", "1 up to a/y", "a/x a/y"),
        // What was enqueued for an earlier reaction with this name is still there.
        (
            "append a x y; put r from start; react r a/x until a/x; drop r; put r from start",
            "react r a/x a/y until a/y",
            "1 up to a/y",
            "a/x a/y",
        ),
    ]);
}

#[test]
fn a_reaction_that_is_not_as_it_was_known_does_nothing() {
    let one = "append a x y; put r from start";
    check(&[
        ("append a x", "react r a/x until a/x", "moved", ""),
        (one, "react r a/x until a/x; react behind r a/x until a/x", "moved", "a/x"),
        (&format!("{one}; put r to q"), "react old r a/x until a/x", "moved", ""),
        (&format!("{one}; put r"), "react old r a/x until a/x", "1 up to a/x", "a/x"),
        (&format!("{one}; drop r; put r from start"), "react old r a/x until a/x", "moved", ""),
        (&format!("{one}; put r paused"), "react r a/x until a/x", "moved", ""),
        // Backwards, out of order, and nowhere.
        (&format!("{one}; react r until a/y"), "react r until a/x", "moved", ""),
        (&format!("{one}; react r until a/y"), "react r until a/y", "moved", ""),
        (one, "react r a/y a/x until a/y", "moved", ""),
        (one, "react r a/x a/x until a/y", "moved", ""),
        (one, "react r a/y until a/x", "moved", ""),
    ]);
}

#[test]
fn a_full_queue_stops_the_reaction_before_the_event_that_it_does_not_take() {
    let three = "put r; append a x y z; backlog r 2";
    check(&[
        (three, "react r a/x a/y a/z until a/z", "2 up to a/y", "a/x a/y"),
        (
            &format!("{three}; react r a/x a/y a/z until a/z; backlog r 3"),
            "react r a/z until a/z",
            "1 up to a/z",
            "a/x a/y a/z",
        ),
    ]);
    let mut script = Script::default();
    script.run(&format!("{three}; react r a/x a/y until a/y"));
    let before = script.known("r");
    assert_eq!(script.run("react r a/z until a/z"), "0 up to a/y");
    assert_eq!(script.known("r"), before);
    assert!(script.store.applied.writes.0.iter().all(|(key, _)| key[6] != 147), "it has not moved");
    let found = query::reactions(&script.store.rows, Slot(0)).unwrap();
    assert_eq!(found[0].obstacle, Some(query::Obstacle::QueueFull));
    assert_eq!(found[0].tasks, 2);
}

#[test]
fn a_queue_with_as_many_types_as_it_may_have_stops_the_reaction_before_a_task_of_another_type() {
    let react = |types: usize| {
        let mut script = Script::default();
        for number in 0..types {
            let settings = ReactionSettings { task_type: format!("t{number}").into(), ..settings("r") };
            let reaction = reaction("r");
            script.run("append a x");
            script.apply(Command::PutReaction(PutReaction { reaction, settings, from: None }));
            script.run(&format!("append a e{number}"));
            script.run(&format!("react r a/e{number} until a/e{number}"));
        }
        script.run("put r; append a last");
        script
    };
    // `t` is the last type that the queue takes; then it takes it again.
    let mut script = react(limits::QUEUE_TYPES_MAX - 1);
    assert_eq!(script.run("react r a/last until a/last"), "1 up to a/last");
    script.run("append a again");
    assert_eq!(script.run("react r a/again until a/again"), "1 up to a/again");
    let mut script = react(limits::QUEUE_TYPES_MAX);
    assert!(script.run("react r a/last until a/last").starts_with("0 up to"));
}

#[test]
fn no_reaction_passes_what_is_not_recorded_yet() {
    let mut script = Script::default();
    script.run("append a x; put r from start");
    let (version, after) = script.known("r");
    let end = Position(script.store.rows.len() as u64);
    let last = query::clock(&script.store.rows, Slot(0)).unwrap().last_position;
    for (until, said) in [(last.0 + 1, "moved"), (last.0, "0 up to nothing that was appended")] {
        let until = Cursor::new(Position(until), Slot(u16::MAX));
        let react = React { reaction: reaction("r"), version, after, until, events: Vec::new() };
        assert_eq!(script.apply(Command::React(react)), said, "{end}");
    }
}

#[test]
fn a_shard_has_a_bounded_number_of_reactions() {
    let mut script = Script::default();
    for at in 0..limits::REACTIONS_MAX {
        script.run(&format!("put r{at}"));
    }
    assert_eq!(script.run("put one-more"), "Refused(TooManyReactions)");
    assert_eq!(script.run("put r7 paused"), "after nothing that was appended", "it exists");
    assert_eq!(script.run("drop r7; drop r7; put one-more"), "after nothing that was appended");
    assert_eq!(script.run("put yet-one-more"), "Refused(TooManyReactions)");
    let found = query::reactions(&script.store.rows, Slot(0)).unwrap();
    assert_eq!(found.len() as u64, limits::REACTIONS_MAX);
}

#[test]
fn whoever_waits_for_changes_of_reactions_hears_of_each() {
    let mut script = Script::default();
    for (line, changes) in
        [("put r", true), ("put r", false), ("put r paused", true), ("drop r", true), ("drop r", false)]
    {
        script.run(line);
        let key = format::row::reactions_key(Slot(0)).to_vec();
        let notified = script.store.applied.effects.contains(&model::Effect::Notify { key });
        assert_eq!(notified, changes, "{line}");
    }
}

#[test]
fn the_key_and_priority_of_a_task_are_those_of_its_reaction() {
    let mut script = Script::default();
    script.run("put r; append cart x; append order y; react r cart/x order/y until order/y");
    let rows = script.store.rows.iter().filter(|(key, _)| key[6] == 10);
    let keys: Vec<_> = rows.map(|(_, value)| format::row::TaskRow::decode(value).unwrap().key).collect();
    assert_eq!(keys, [Some("cart".into()), Some("order".into())]);
    let row = script.store.rows.get(&format::row::reaction_key(Slot(0), "r")).unwrap();
    assert_eq!(ReactionRow::decode(row).unwrap().tasks, 2);
    assert_eq!(name("cart").slot(Namespace::ROOT), script.events["cart/x"].slot);
}
