//! The rows of task queues. Rows that change often are small: what a task carries with it, and what workers have said
//! about it, is in rows of its own.

mod cohorts;
mod fair;
mod history;
mod keys;
mod values;

pub use cohorts::{
    CohortId, CohortLane, CohortRow, CohortWait, Gate, Gates, RankRow, Turn, TypeCohorts, decode_cohort_hash,
    encode_cohort_hash,
};
pub use fair::{
    FairLane, FairRow, FairTypeRow, Pass, ShareId, ShareRow, TenantList, TenantListId, TenantRow,
};
pub use history::{AttemptEnd, AttemptRow, DeadClassRow, FailureRow};
pub use keys::{QueueKeys, QueueRange, TaskPart, TaskTimerKey, TextHash};
pub use values::{
    ClaimPart, ClaimRequestRow, CompletedPart, KeyRow, Lane, QueueRow, SettledBy, SettledPart, TaskIdRow,
    TaskRow, TypeRow, UniqueRow, decode_number, decode_part, encode_number, encode_part,
};
