//! Groups, in a golden file of their own.

use crate::golden::check;
use crate::queue::bare_task_row;
use crate::samples::{CLOCK, Sample};
use format::row::{
    Follows, GroupKeys, GroupPlace, GroupRow, MemberRow, TaskRow, decode_follower, encode_follower,
};
use model::{
    Behaviour, Command, CreateGroup, Cursor, Fingerprint, GroupCreated, GroupName, GroupTask, NewGroup,
    NewMember, NewTask, Outcome, Position, QueueName, Refusal, Slot, TaskOptions, Transaction, Wall, Write,
    Written,
};

const KEYS: GroupKeys = GroupKeys { slot: Slot(51_197), id: Position(1 << 50) };
const PLACE: GroupPlace = GroupPlace { group: KEYS, member: 300 };

fn task(options: TaskOptions<'static>) -> GroupTask<'static> {
    let task = NewTask {
        id: Some("page-7".into()),
        fingerprint: Fingerprint(7),
        task_type: "t".into(),
        run_after: None,
        priority: 5,
        key: None,
        claim_ms: None,
        retry: None,
        envelope: b"\"type\":\"t\"".to_vec().into(),
        options,
    };
    GroupTask { queue: QueueName::new("żółw").unwrap(), task }
}

fn command(content: NewGroup<'static>) -> Command<'static> {
    let group = GroupName::new("group-{7}").unwrap();
    Command::CreateGroup(CreateGroup { group, fingerprint: Fingerprint(u128::MAX / 3), content })
}

fn in_transaction(create: Command<'static>) -> Command<'static> {
    let Command::CreateGroup(create) = create else { panic!("{create:?}") };
    let writes = vec![Write::CreateGroup(create)];
    Command::Transaction(Transaction { keyed: None, checks: Vec::new(), writes })
}

fn commands() -> Vec<(&'static str, Command<'static>)> {
    let plain = || task(TaskOptions::default());
    let with_deadline = TaskOptions { deadline: Some(Wall(1_286_004_042_000)), ..TaskOptions::default() };
    let inner = NewGroup { members: vec![NewMember::Task(plain())], then: None, on_dead: None };
    let full = NewGroup {
        members: vec![NewMember::Task(task(with_deadline)), NewMember::Group(inner.clone())],
        then: Some(Box::new(plain())),
        on_dead: Some(Box::new(plain())),
    };
    vec![
        ("create-group", command(full)),
        ("create-small-group", command(inner)),
        ("create-empty-group", command(NewGroup::default())),
    ]
}

/// Groups as writes of transactions, which came later.
fn later_commands() -> Vec<(&'static str, Command<'static>)> {
    let inner =
        NewGroup { members: vec![NewMember::Task(task(TaskOptions::default()))], then: None, on_dead: None };
    vec![("create-group-in-transaction", in_transaction(command(inner)))]
}

fn later_outcomes() -> Vec<(&'static str, Outcome)> {
    let created = GroupCreated { group: Cursor::new(KEYS.id, KEYS.slot), replayed: true };
    vec![
        ("group-conflict-in-part", Outcome::Refused(Refusal::GroupConflict { part: 700 })),
        (
            "transacted-group",
            Outcome::Transacted { replayed: false, writes: vec![Written::GroupCreated(created)] },
        ),
    ]
}

fn outcomes() -> Vec<(&'static str, Outcome)> {
    let created = GroupCreated { group: Cursor::new(KEYS.id, KEYS.slot), replayed: true };
    vec![
        ("group-created", Outcome::GroupCreated(created)),
        ("group-conflict", Outcome::Refused(Refusal::GroupConflict { part: 0 })),
    ]
}

fn rows() -> Vec<GroupRow> {
    let named = Some(("group-{7}".to_owned(), Fingerprint(u128::MAX / 3)));
    let outer = GroupRow {
        named,
        place: None,
        members: 400,
        done: 200,
        failed: 100,
        kept: 300,
        has_then: true,
        has_on_dead: true,
        then_at: None,
        on_dead_at: Some(Position((1 << 50) + 9)),
    };
    let inner = GroupRow {
        named: None,
        place: Some(PLACE),
        has_on_dead: false,
        then_at: Some(Position((1 << 50) + 8)),
        on_dead_at: None,
        ..outer.clone()
    };
    vec![outer, inner]
}

fn members() -> [MemberRow; 2] {
    [
        MemberRow::Task { queue: "żółw".to_owned(), task: Position(1 << 50) },
        MemberRow::Group(Position(1 << 50)),
    ]
}

fn entry(command: Command<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    format::entry::encode(Behaviour(1), CLOCK, &[command], &mut out);
    out
}

pub(crate) fn samples() -> Vec<Sample> {
    let command = |(name, command)| (name, entry(command));
    let outcome = |(name, outcome)| {
        let mut out = Vec::new();
        format::outcome::encode(&outcome, &mut out);
        (name, out)
    };
    let mut all: Vec<Sample> = commands().into_iter().map(command).collect();
    all.extend(outcomes().into_iter().map(outcome));
    let [outer, inner] = [&rows()[0], &rows()[1]].map(GroupRow::encode);
    let [task_member, group_member] = members().map(|member| member.encode());
    let in_group = TaskRow { group: Some(PLACE), ..bare_task_row() };
    all.extend([
        ("group-name-key", GroupKeys::name(KEYS.slot, "group-{7}")),
        ("group-key", KEYS.group().to_vec()),
        ("group", outer),
        ("inner-group", inner),
        ("then-key", KEYS.follows(Follows::Then).to_vec()),
        ("on-dead-key", KEYS.follows(Follows::OnDead).to_vec()),
        ("follower", encode_follower(&task(TaskOptions::default()))),
        ("member-key", KEYS.member(300).to_vec()),
        ("task-member", task_member),
        ("group-member", group_member),
        ("task-in-group", in_group.encode()),
    ]);
    all.extend(later_commands().into_iter().map(command));
    all.extend(later_outcomes().into_iter().map(outcome));
    all
}

#[test]
fn the_bytes_of_groups_never_change() {
    check("groups.hex", &samples());
}

#[test]
fn groups_read_back_as_they_were() {
    for (name, command) in commands().into_iter().chain(later_commands()) {
        let bytes = entry(command.clone());
        assert_eq!(format::entry::decode(&bytes).unwrap().commands, [command], "{name}");
    }
    for (name, outcome) in outcomes().into_iter().chain(later_outcomes()) {
        let mut out = Vec::new();
        format::outcome::encode(&outcome, &mut out);
        assert_eq!(format::outcome::decode(&out), Ok(outcome), "{name}");
    }
    for row in rows() {
        assert_eq!(GroupRow::decode(&row.encode()), Ok(row));
    }
    for member in members() {
        assert_eq!(MemberRow::decode(&member.encode()), Ok(member));
    }
    assert_eq!(GroupKeys::parse_member(&KEYS.member(300)), Ok(300));
    let follower = encode_follower(&task(TaskOptions::default()));
    assert_eq!(decode_follower(&follower), Ok(task(TaskOptions::default())));
    let in_group = TaskRow { group: Some(PLACE), ..bare_task_row() };
    assert_eq!(TaskRow::decode(&in_group.encode()), Ok(in_group));
}

#[test]
fn groups_that_lie_too_deep_are_an_error_and_do_not_exhaust_the_stack() {
    let mut content = NewGroup::default();
    for _ in 0..16 {
        content = NewGroup { members: vec![NewMember::Group(content)], ..NewGroup::default() };
    }
    assert!(format::entry::decode(&entry(command(content))).is_err());
}
