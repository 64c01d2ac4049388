//! Retry policies: when a failed task runs again, and when it does not.

use super::write_duration;
use crate::json::{self, Reader};
use crate::problem::Result;
use crate::request::object::{Known, read_duration_in, read_labels, read_number_in, read_object};
use model::{GiveUp, QueueSettings, RetryPolicy, limits};
use std::ops::RangeInclusive;

const DELAYS: RangeInclusive<u64> = 0..=limits::TASK_DELAY_MS_MAX;
const AGES: RangeInclusive<u64> = 1..=limits::TASK_DELAY_MS_MAX;

/// A whole policy, as requests have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    pub(crate) policy: RetryPolicy,
    pub(crate) give_up: GiveUp<'static>,
}

/// Reads a retry policy, or null. Absent members have the default of a new queue.
pub(in crate::request::queue) fn read_retry(reader: &mut Reader<'_>) -> Result<Option<Retry>> {
    if reader.peek() == Some(b'n') {
        reader.value()?;
        return Ok(None);
    }
    let mut retry = Retry { policy: QueueSettings::default().retry, give_up: GiveUp::NEVER };
    let policy = &mut retry.policy;
    read_object(reader, "`attempts`, `first`, `max`, `max_age` and `never`", |name, reader| {
        match name {
            "attempts" => {
                if let Some(attempts) = read_number_in(reader, 1..=u32::MAX.into())? {
                    policy.attempts_max = u32::try_from(attempts).unwrap_or(u32::MAX);
                }
            }
            "first" => policy.first_ms = read_duration_in(reader, DELAYS)?.unwrap_or(policy.first_ms),
            "max" => policy.delay_ms_max = read_duration_in(reader, DELAYS)?.unwrap_or(policy.delay_ms_max),
            "max_age" => retry.give_up.age_ms_max = read_duration_in(reader, AGES)?,
            "never" => {
                let classes = read_labels(reader, limits::TASK_NEVER_CLASSES_MAX)?;
                retry.give_up.classes = classes.into_iter().map(|class| class.into_owned().into()).collect();
            }
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    Ok(Some(retry))
}

/// Writes a retry policy as it can be read.
pub(crate) fn write_retry(out: &mut Vec<u8>, policy: &RetryPolicy, give_up: &GiveUp<'_>) {
    out.extend_from_slice(b"{\"attempts\":");
    json::write_number(out, policy.attempts_max.into());
    out.extend_from_slice(b",\"first\":");
    write_duration(out, policy.first_ms);
    out.extend_from_slice(b",\"max\":");
    write_duration(out, policy.delay_ms_max);
    if let Some(ms) = give_up.age_ms_max {
        out.extend_from_slice(b",\"max_age\":");
        write_duration(out, ms);
    }
    for (at, class) in give_up.classes.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b",\"never\":[" } else { b"," });
        json::write_text(out, class);
    }
    if !give_up.classes.is_empty() {
        out.push(b']');
    }
    out.push(b'}');
}
