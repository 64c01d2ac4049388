//! One command, one outcome and one row of every shape of reactions, by name. Their bytes are in a golden file of their
//! own.

use crate::golden;
use crate::samples::{CLOCK, Sample};
use format::row::{ReactionRow, parse_reaction_key, reaction_key, reactions_key};
use format::{FormatError, entry, outcome};
use model::{
    Behaviour, Command, Cursor, DeleteReaction, Outcome, Position, PutReaction, QueueName, React,
    ReactedEvent, ReactionKey, ReactionName, ReactionPayload, ReactionSettings, Refusal, Slot,
};

const AFTER: Cursor = Cursor::new(Position(1 << 50), Slot(51_197));
const UNTIL: Cursor = Cursor::new(Position((1 << 50) + 700), Slot(u16::MAX));

fn name() -> ReactionName<'static> {
    ReactionName::new("żółw").unwrap()
}

fn settings() -> ReactionSettings<'static> {
    ReactionSettings {
        prefix: "order-".into(),
        types: vec!["order.placed".into(), "order.paid".into()],
        queue: QueueName::new("mails").unwrap(),
        task_type: "send-mail".into(),
        key: ReactionKey::Fixed("customer-3".into()),
        priority: 9,
        payload: ReactionPayload::Reference,
        paused: true,
    }
}

fn bare(key: ReactionKey<'static>) -> ReactionSettings<'static> {
    let payload = ReactionPayload::Event;
    ReactionSettings { prefix: "".into(), types: Vec::new(), key, payload, paused: false, ..settings() }
}

fn commands() -> Vec<(&'static str, Command<'static>)> {
    let put = |settings, from| Command::PutReaction(PutReaction { reaction: name(), settings, from });
    let react = |events| {
        let version = Position(1 << 49);
        Command::React(React { reaction: name(), version, after: AFTER, until: UNTIL, events })
    };
    let event = |position: u64, envelope: &'static str| ReactedEvent {
        cursor: Cursor::new(Position(position), Slot(51_197)),
        stream: "order-7".into(),
        envelope: envelope.as_bytes().into(),
    };
    vec![
        ("put-reaction", put(settings(), Some(AFTER))),
        ("put-reaction-bare", put(bare(ReactionKey::None), None)),
        ("put-reaction-by-stream", put(bare(ReactionKey::Stream), None)),
        ("delete-reaction", Command::DeleteReaction(DeleteReaction { reaction: name() })),
        ("react", react(vec![event((1 << 50) + 1, r#""type":"send-mail""#), event((1 << 50) + 2, "")])),
        ("react-without-events", react(Vec::new())),
    ]
}

fn outcomes() -> Vec<(&'static str, Outcome)> {
    vec![
        ("reaction-put", Outcome::ReactionPut { cursor: AFTER }),
        ("reaction-deleted", Outcome::ReactionDeleted { existed: true }),
        ("reacted", Outcome::Reacted { tasks: 300, cursor: UNTIL }),
        ("cursor-beyond-end", Outcome::Refused(Refusal::CursorBeyondEnd { end: Position(1 << 50) })),
        ("too-many-reactions", Outcome::Refused(Refusal::TooManyReactions)),
        ("reaction-moved", Outcome::Refused(Refusal::ReactionMoved)),
    ]
}

fn rows() -> [ReactionRow<'static>; 2] {
    let row = ReactionRow { settings: settings(), version: Position(1 << 49), cursor: AFTER, tasks: 300 };
    [row.clone(), ReactionRow { settings: bare(ReactionKey::Stream), tasks: 0, ..row }]
}

fn encode(command: &Command<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    entry::encode(Behaviour(1), CLOCK, std::slice::from_ref(command), &mut out);
    out
}

fn encode_outcome(value: &Outcome) -> Vec<u8> {
    let mut out = Vec::new();
    outcome::encode(value, &mut out);
    out
}

pub(crate) fn samples() -> Vec<Sample> {
    let [full, bare] = rows().map(|row| row.encode());
    let commands = commands().into_iter().map(|(name, command)| (name, encode(&command)));
    let outcomes = outcomes().into_iter().map(|(name, outcome)| (name, encode_outcome(&outcome)));
    let rows = [
        ("reaction-key", reaction_key(Slot(0), "żółw")),
        ("reaction", full),
        ("reaction-bare", bare),
        ("reactions-key", reactions_key(Slot(0)).to_vec()),
    ];
    commands.chain(outcomes).chain(rows).collect()
}

#[test]
fn the_bytes_of_reactions_never_change() {
    golden::check("reaction.hex", &samples());
}

#[test]
fn reactions_read_back_as_they_were() {
    for (name, command) in commands() {
        let bytes = encode(&command);
        assert_eq!(entry::decode(&bytes).unwrap().commands, [command], "{name}");
    }
    for (name, value) in outcomes() {
        assert_eq!(outcome::decode(&encode_outcome(&value)), Ok(value), "{name}");
    }
    for row in rows() {
        assert_eq!(ReactionRow::decode(&row.encode()), Ok(row));
    }
    assert_eq!(parse_reaction_key(&reaction_key(Slot(0), "żółw")), Ok(name()));
    assert!(parse_reaction_key(&reactions_key(Slot(0))).is_err());
}

#[test]
fn what_ends_early_or_late_is_an_error() {
    for (name, command) in commands() {
        let bytes = encode(&command);
        for len in 0..bytes.len() {
            assert!(entry::decode(&bytes[..len]).is_err(), "{name} cut to {len} bytes");
        }
        assert_eq!(entry::decode(&[&bytes[..], &[0]].concat()), Err(FormatError::Trailing), "{name}");
    }
    for row in rows() {
        let bytes = row.encode();
        for len in 0..bytes.len() {
            assert!(ReactionRow::decode(&bytes[..len]).is_err(), "cut to {len} bytes");
        }
        assert!(ReactionRow::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}
