//! One command, one outcome and one row of every shape of fair shares, of keys that run several tasks, and of events
//! about finished tasks.

use crate::golden::check;
use crate::limit::cohort;
use crate::queue::{KEY, queue_row, task_row};
use crate::samples::{CLOCK, Sample};
use format::row::{
    CohortRow, FairLane, FairRow, FairTypeRow, KeyRow, Pass, QueueKeys, QueueRow, ShareId, ShareRow, TaskRow,
    TenantList, TenantListId, TenantRow,
};
use model::{
    Behaviour, Command, DeleteTenant, Enqueue, Fingerprint, NewTask, Outcome, PutQueue, PutTenant, QueueName,
    QueueOptions, QueueSettings, Slot, StreamName, TaskOptions, TenantName,
};

const TENANT: u128 = u128::MAX / 5;
const PASS: Pass = Pass { pass: 1 << 40, turn: 300 };

fn queue() -> QueueName<'static> {
    QueueName::new("żółw").unwrap()
}

fn tenant() -> TenantName<'static> {
    TenantName::new("żuk").unwrap()
}

fn task_options() -> TaskOptions<'static> {
    TaskOptions { fair: Some(tenant()), ..TaskOptions::default() }
}

fn commands() -> Vec<(&'static str, Command<'static>)> {
    let put = |options| {
        let settings = QueueSettings { options, ..queue_row().settings };
        Command::PutQueue(PutQueue { queue: queue(), settings })
    };
    let key_concurrency = QueueOptions { key_concurrency: Some(300), ..QueueOptions::NONE };
    let task = NewTask {
        id: None,
        fingerprint: Fingerprint(7),
        task_type: "send-mail".into(),
        run_after: None,
        priority: 5,
        key: None,
        claim_ms: None,
        retry: None,
        envelope: b"\"type\":\"send-mail\"".into(),
        options: task_options(),
    };
    let enqueue = Enqueue { keyed: None, queue: queue(), tasks: vec![task] };
    vec![
        ("put-queue-with-key-concurrency", put(key_concurrency)),
        ("put-queue-with-events", put(events())),
        ("enqueue-for-tenant", Command::Enqueue(enqueue)),
        ("put-tenant", Command::PutTenant(PutTenant { queue: queue(), tenant: tenant(), weight: 100 })),
        ("delete-tenant", Command::DeleteTenant(DeleteTenant { queue: queue(), tenant: tenant() })),
    ]
}

fn events() -> QueueOptions {
    QueueOptions { events: Some(StreamName::new("koniec").unwrap()), ..QueueOptions::NONE }
}

fn outcomes() -> Vec<(&'static str, Outcome)> {
    vec![
        ("tenant-put", Outcome::TenantPut),
        ("tenant-deleted", Outcome::TenantDeleted { existed: true }),
        ("tenant-unknown", Outcome::TenantDeleted { existed: false }),
    ]
}

const OPEN_KEY: KeyRow = KeyRow { open: 300, ..KEY };
const FAIR: FairRow = FairRow { weights: 300, running: 7 };
const SHARE: ShareRow = ShareRow { weight: 100, at: PASS, cohorts: 300, first: 5, next: 400 };

fn tenant_row() -> TenantRow {
    TenantRow { name: "żuk".to_owned(), weight: Some(100), unfinished: 300, running: 2, lanes: 3 }
}

fn fair_type() -> FairTypeRow {
    let list = |weight, tenants| TenantList { weight, tenants, first: PASS };
    let lanes = vec![
        FairLane { lane: 0, now: 7, lists: Vec::new() },
        FairLane { lane: 10, now: 1 << 39, lists: vec![list(1, 300), list(100, 1)] },
    ];
    FairTypeRow { next_turn: 301, lanes }
}

fn fair_queue() -> QueueRow {
    let mut row = QueueRow { is_fair: true, ..queue_row() };
    row.settings.options = events();
    row
}

fn task_of_tenant() -> TaskRow {
    TaskRow { options: task_options(), ..task_row() }
}

fn cohort_of_tenant() -> CohortRow {
    CohortRow { tenant: Some(TENANT), ..cohort() }
}

pub(crate) fn samples() -> Vec<Sample> {
    let entry = |command: Command<'_>| {
        let mut out = Vec::new();
        format::entry::encode(Behaviour(1), CLOCK, &[command], &mut out);
        out
    };
    let encoded = |outcome: Outcome| {
        let mut out = Vec::new();
        format::outcome::encode(&outcome, &mut out);
        out
    };
    let mut all: Vec<Sample> = commands().into_iter().map(|(name, command)| (name, entry(command))).collect();
    // What came first stays where it was.
    all.insert(1, ("key-with-open-tasks", OPEN_KEY.encode()));
    all.extend(outcomes().into_iter().map(|(name, outcome)| (name, encoded(outcome))));
    let keys = QueueKeys { slot: Slot(51_197), id: 1 << 48 };
    let share = ShareId { type_number: 7, tenant: TENANT, lane: 5 };
    let list = TenantListId { type_number: 7, lane: 5, weight: 100 };
    all.extend([
        ("tenant-key", keys.tenant(TENANT).to_vec()),
        ("tenant", tenant_row().encode()),
        ("tenant-bare", TenantRow { weight: None, ..tenant_row() }.encode()),
        ("fair-key", keys.fair().to_vec()),
        ("fair", FAIR.encode()),
        ("fair-type-key", keys.fair_type(7).to_vec()),
        ("fair-type", fair_type().encode()),
        ("share-key", keys.share(share).to_vec()),
        ("share", SHARE.encode()),
        ("tenant-turn-key", keys.tenant_turn(list, PASS).to_vec()),
        ("share-cohort-key", keys.share_cohort(share, 5).to_vec()),
        ("queue-with-tenants", fair_queue().encode()),
        ("task-of-tenant", task_of_tenant().encode()),
        ("cohort-of-tenant", cohort_of_tenant().encode()),
    ]);
    all
}

#[test]
fn the_bytes_of_fair_shares_never_change() {
    check("fair.hex", &samples());
}

#[test]
fn fair_shares_read_back_as_they_were() {
    let samples = samples();
    let bytes_of = |name: &str| &samples.iter().find(|(of, _)| *of == name).unwrap().1[..];
    for (name, command) in commands() {
        assert_eq!(format::entry::decode(bytes_of(name)).unwrap().commands, [command], "{name}");
    }
    for (name, outcome) in outcomes() {
        assert_eq!(format::outcome::decode(bytes_of(name)), Ok(outcome), "{name}");
    }
    assert_eq!(KeyRow::decode(&OPEN_KEY.encode()), Ok(OPEN_KEY));
    assert_eq!(TenantRow::decode(&tenant_row().encode()), Ok(tenant_row()));
    assert_eq!(FairRow::decode(&FAIR.encode()), Ok(FAIR));
    assert_eq!(FairTypeRow::decode(&fair_type().encode()), Ok(fair_type()));
    assert_eq!(ShareRow::decode(&SHARE.encode()), Ok(SHARE));
    assert_eq!(QueueRow::decode(&fair_queue().encode()), Ok(fair_queue()));
    assert_eq!(TaskRow::decode(&task_of_tenant().encode()), Ok(task_of_tenant()));
    assert_eq!(CohortRow::decode(&cohort_of_tenant().encode()), Ok(cohort_of_tenant()));
    assert_eq!(QueueKeys::parse_tenant(bytes_of("tenant-key")), Ok(TENANT));
    assert_eq!(QueueKeys::parse_tenant_turn(bytes_of("tenant-turn-key")), Ok(PASS));
    assert_eq!(QueueKeys::parse_share_cohort(bytes_of("share-cohort-key")), Ok(5));
}
