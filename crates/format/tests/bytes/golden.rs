//! Every version reads what earlier versions wrote: `golden/` holds the bytes of one value of every shape.
//! They are frozen. `BLESS=1` appends new shapes at the end of a file and changes no line.

use crate::limit;
use crate::samples::{self, Sample};
use crate::{execution, queue};
use format::row::{
    ClaimRequestRow, CohortRow, DedupRow, ExecutionRow, ExecutionTimerKey, FailureRow, IdempotencyRow,
    KeyRow, LeaseRow, LeaseWaiterRow, LimitKeyRow, LimitListRow, LimitRow, LimitTimerKey, QueueRow,
    RevisionRow, ShardRow, StreamRow, TaskIdRow, TaskRow, TaskTimerKey, TypeRow, ValueRow,
    decode_cohort_hash, encode_cohort_hash,
};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Compares with one golden file, or extends it. Each line is a name and hex digits.
pub(crate) fn check(file: &str, samples: &[Sample]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
    let mut text = String::new();
    for (name, bytes) in samples {
        write!(text, "{name} ").unwrap();
        bytes.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        text.push('\n');
    }
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    if std::env::var_os("BLESS").is_some() && text.starts_with(&before) {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (ours, theirs) in text.lines().zip(golden.lines()) {
        assert_eq!(ours, theirs, "{file}: these bytes differ from what earlier versions wrote");
    }
    assert_eq!(text.lines().count(), golden.lines().count(), "{file} has a different number of lines");
}

#[test]
fn the_bytes_of_entries_never_change() {
    check("entry.hex", &samples::entries());
}

#[test]
fn the_bytes_of_outcomes_never_change() {
    check("outcome.hex", &samples::outcomes());
}

#[test]
fn the_bytes_of_rows_never_change() {
    check("row.hex", &samples::rows());
}

#[test]
fn the_bytes_of_bodies_never_change() {
    check("body.hex", &samples::bodies());
}

#[test]
fn an_entry_reads_back_as_it_was() {
    let entries = samples::entries();
    for (name, command) in samples::commands().into_iter().chain(queue::commands()) {
        let (_, bytes) = entries.iter().find(|(of, _)| *of == name).unwrap();
        let entry = format::entry::decode(bytes).unwrap();
        assert_eq!((entry.wall, entry.elapsed), (samples::CLOCK.wall, samples::CLOCK.elapsed));
        assert_eq!(entry.commands, [command], "{name}");
    }
    let later = samples::later_commands().into_iter().chain(queue::transactions());
    for (name, command) in later.chain(execution::commands()).chain(limit::commands()) {
        let bytes = samples::entries().into_iter().find(|(sample, _)| *sample == name).unwrap().1;
        assert_eq!(format::entry::decode(&bytes).unwrap().commands, [command], "{name}");
    }
}

#[test]
fn an_outcome_reads_back_as_it_was() {
    let later = queue::outcomes().into_iter().chain(samples::later_outcomes()).chain(queue::transacted());
    let later = later.chain(execution::outcomes());
    let later = later.chain(limit::outcomes());
    let values = samples::outcome_values().into_iter().chain(later);
    for ((name, outcome), (_, bytes)) in values.zip(samples::outcomes()) {
        assert_eq!(format::outcome::decode(&bytes), Ok(outcome), "{name}");
    }
}

#[test]
fn rows_read_back_as_they_were() {
    assert_eq!(ShardRow::decode(&samples::SHARD.encode()), Ok(samples::SHARD));
    assert_eq!(StreamRow::decode(&samples::STREAM.encode()), Ok(samples::STREAM));
    for row in samples::REVISIONS {
        assert_eq!(RevisionRow::decode(&row.encode()), Ok(row));
    }
    assert_eq!(DedupRow::decode(&samples::DEDUP.encode()), Ok(samples::DEDUP));
    assert_eq!(IdempotencyRow::decode(&samples::IDEMPOTENCY.encode()), Ok(samples::IDEMPOTENCY));
    assert_eq!(LeaseRow::decode(&samples::held_lease().encode()), Ok(samples::held_lease()));
    assert_eq!(LeaseWaiterRow::decode(&samples::lease_waiter().encode()), Ok(samples::lease_waiter()));
    assert_eq!(ValueRow::decode(&samples::VALUE.encode()), Ok(samples::VALUE));
    for row in execution::ROWS {
        assert_eq!(ExecutionRow::decode(&row.encode()), Ok(row));
    }
    assert_eq!(ExecutionTimerKey::decode(&execution::timer().encode()), Ok(execution::timer()));
}

#[test]
fn rows_of_queues_read_back_as_they_were() {
    assert_eq!(QueueRow::decode(&queue::queue_row().encode()), Ok(queue::queue_row()));
    assert_eq!(TypeRow::decode(&queue::type_row().encode()), Ok(queue::type_row()));
    for row in [queue::task_row(), queue::bare_task_row()] {
        assert_eq!(TaskRow::decode(&row.encode()), Ok(row));
    }
    assert_eq!(TaskIdRow::decode(&queue::TASK_ID.encode()), Ok(queue::TASK_ID));
    assert_eq!(KeyRow::decode(&queue::KEY.encode()), Ok(queue::KEY));
    assert_eq!(ClaimRequestRow::decode(&queue::claim_request().encode()), Ok(queue::claim_request()));
    assert_eq!(FailureRow::decode_all(&FailureRow::encode_all(&queue::failures())), Ok(queue::failures()));
    for timer in queue::timers() {
        assert_eq!(TaskTimerKey::decode(&timer.encode()), Ok(timer));
    }
}

#[test]
fn rows_of_limits_read_back_as_they_were() {
    assert_eq!(LimitRow::decode(&limit::LIMIT.encode()), Ok(limit::LIMIT));
    assert_eq!(LimitKeyRow::decode(&limit::limit_key().encode()), Ok(limit::limit_key()));
    assert_eq!(LimitListRow::decode(&limit::limit_list().encode()), Ok(limit::limit_list()));
    assert_eq!(CohortRow::decode(&limit::cohort().encode()), Ok(limit::cohort()));
    assert_eq!(QueueRow::decode(&limit::queue_with_limits().encode()), Ok(limit::queue_with_limits()));
    assert_eq!(TypeRow::decode(&limit::type_with_cohorts().encode()), Ok(limit::type_with_cohorts()));
    assert_eq!(TaskRow::decode(&limit::task_with_gates().encode()), Ok(limit::task_with_gates()));
    assert_eq!(decode_cohort_hash(&encode_cohort_hash(7)), Ok(7));
    for timer in limit::timers() {
        assert_eq!(LimitTimerKey::decode(&timer.encode()), Ok(timer));
    }
}

#[test]
fn a_body_reads_back_as_it_was_and_says_where_the_next_begins() {
    let mut bytes = samples::bodies().remove(0).1;
    let len = bytes.len();
    bytes.extend_from_slice(b"the next");
    assert_eq!(format::body::decode(&bytes), Ok((samples::BODY, len)));
    let peek = format::body::peek(&bytes[..format::body::PEEK_BYTES]).unwrap();
    assert_eq!((peek.position, peek.len), (samples::BODY.position, len));
}
