//! The commands and outcomes of breakers. `entry` and `outcome` hold their tags.

use crate::queue::{get_option, get_u32, put_option};
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::{Cow, ToOwned};
use alloc::vec::Vec;
use model::{
    AskBreaker, BreakerCircuit, BreakerDecision, BreakerForced, BreakerName, BreakerPermit, BreakerReason,
    BreakerRecord, BreakerRecorded, BreakerSettings, BreakerWindow, CallOutcome, ControlBreaker,
    DeleteBreaker, KeyExpression, PutBreaker, QueueBreaker, RecordBreaker, SlowCalls,
};

/// Numbers that never change.
mod tag {
    pub(super) const WINDOW_CALLS: u8 = 1;
    pub(super) const WINDOW_TIME: u8 = 2;
    /// Before the window, if calls can be slow.
    pub(super) const SLOW: u8 = 3;

    pub(super) const FORCED_NO: u8 = 0;
    pub(super) const FORCED_OPEN: u8 = 1;
    pub(super) const FORCED_CLOSED: u8 = 2;

    pub(super) const CIRCUIT_CLOSED: u8 = 0;
    pub(super) const CIRCUIT_OPEN: u8 = 1;
    pub(super) const CIRCUIT_HALF_OPEN: u8 = 2;

    pub(super) const CALL_OK: u8 = 1;
    pub(super) const CALL_FAILED: u8 = 2;
    pub(super) const CALL_IGNORED: u8 = 3;
    pub(super) const CALL_OK_IN: u8 = 4;

    pub(super) const ADMITTED: u8 = 0;
    pub(super) const REJECTED_OPEN: u8 = 1;
    pub(super) const REJECTED_PROBING: u8 = 2;
    pub(super) const REJECTED_RAMP: u8 = 3;
    pub(super) const REJECTED_FORCED: u8 = 4;
}

/// The smallest encoding of a record and of a class.
const RECORD_BYTES_MIN: usize = 16;
const CLASS_BYTES_MIN: usize = 1;
const TYPE_BYTES_MIN: usize = 1;

pub(crate) fn put_put(writer: &mut Writer<'_>, put: &PutBreaker<'_>) {
    put_name(writer, &put.breaker);
    put_settings(writer, &put.settings);
}

pub(crate) fn get_put<'a>(reader: &mut Reader<'a>) -> Result<PutBreaker<'a>, FormatError> {
    Ok(PutBreaker { breaker: get_name(reader)?, settings: get_settings(reader)? })
}

pub(crate) fn put_delete(writer: &mut Writer<'_>, delete: &DeleteBreaker<'_>) {
    put_name(writer, &delete.breaker);
}

pub(crate) fn get_delete<'a>(reader: &mut Reader<'a>) -> Result<DeleteBreaker<'a>, FormatError> {
    Ok(DeleteBreaker { breaker: get_name(reader)? })
}

pub(crate) fn put_control(writer: &mut Writer<'_>, control: &ControlBreaker<'_>) {
    put_name(writer, &control.breaker);
    put_forced(writer, control.forced);
}

pub(crate) fn get_control<'a>(reader: &mut Reader<'a>) -> Result<ControlBreaker<'a>, FormatError> {
    Ok(ControlBreaker { breaker: get_name(reader)?, forced: get_forced(reader)? })
}

pub(crate) fn put_ask(writer: &mut Writer<'_>, ask: &AskBreaker<'_>) {
    put_name(writer, &ask.breaker);
    writer.u64(ask.random);
}

pub(crate) fn get_ask<'a>(reader: &mut Reader<'a>) -> Result<AskBreaker<'a>, FormatError> {
    Ok(AskBreaker { breaker: get_name(reader)?, random: reader.u64()? })
}

pub(crate) fn put_record(writer: &mut Writer<'_>, record: &RecordBreaker<'_>) {
    put_name(writer, &record.breaker);
    writer.varint(record.records.len() as u64);
    for BreakerRecord { permit, worker, outcome } in &record.records {
        writer.u32(permit.name_hash);
        writer.varint(u64::from(permit.generation));
        writer.varint(u64::from(permit.probe));
        writer.u64(permit.nonce);
        writer.prefixed(worker.as_bytes());
        match outcome {
            CallOutcome::Ok => writer.u8(tag::CALL_OK),
            CallOutcome::OkIn { took_ms } => {
                writer.u8(tag::CALL_OK_IN);
                writer.varint(*took_ms);
            }
            CallOutcome::Failed { class } => {
                writer.u8(tag::CALL_FAILED);
                writer.prefixed(class.as_bytes());
            }
            CallOutcome::Ignored => writer.u8(tag::CALL_IGNORED),
        }
    }
}

pub(crate) fn get_record<'a>(reader: &mut Reader<'a>) -> Result<RecordBreaker<'a>, FormatError> {
    let breaker = get_name(reader)?;
    let count = reader.count(RECORD_BYTES_MIN)?;
    let mut records = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        let permit = BreakerPermit {
            name_hash: reader.u32()?,
            generation: get_u32(reader)?,
            probe: get_u32(reader)?,
            nonce: reader.u64()?,
        };
        let worker = Cow::Borrowed(reader.text("worker")?);
        let outcome = match reader.u8()? {
            tag::CALL_OK => CallOutcome::Ok,
            tag::CALL_OK_IN => CallOutcome::OkIn { took_ms: reader.varint()? },
            tag::CALL_FAILED => {
                CallOutcome::Failed { class: Cow::Borrowed(reader.text("class of a failure")?) }
            }
            tag::CALL_IGNORED => CallOutcome::Ignored,
            other => return Err(FormatError::invalid("outcome of a call", u64::from(other))),
        };
        records.push(BreakerRecord { permit, worker, outcome });
    }
    Ok(RecordBreaker { breaker, records })
}

pub(crate) fn put_settings(writer: &mut Writer<'_>, settings: &BreakerSettings) {
    if let Some(SlowCalls { after_ms, percent }) = settings.slow {
        writer.u8(tag::SLOW);
        writer.varint(after_ms);
        writer.u8(percent);
    }
    match settings.window {
        BreakerWindow::Calls(calls) => {
            writer.u8(tag::WINDOW_CALLS);
            writer.varint(u64::from(calls));
        }
        BreakerWindow::Time(ms) => {
            writer.u8(tag::WINDOW_TIME);
            writer.varint(ms);
        }
    }
    writer.varint(u64::from(settings.calls_min));
    put_option(writer, settings.failure_percent, Writer::u8);
    put_option(writer, settings.consecutive_failures, |writer, most| writer.varint(u64::from(most)));
    writer.varint(u64::from(settings.workers_min));
    writer.varint(settings.workers_within_ms);
    writer.varint(settings.open_ms);
    writer.varint(settings.open_ms_max);
    writer.varint(settings.forget_after_ms);
    writer.varint(u64::from(settings.probes));
    writer.varint(u64::from(settings.probes_at_once));
    writer.u8(settings.probe_success_percent);
    writer.varint(settings.probe_ms);
    writer.varint(settings.ramp_ms);
    writer.u8(settings.ramp_from_percent);
    writer.varint(settings.ignore.len() as u64);
    for class in &settings.ignore {
        writer.prefixed(class.as_bytes());
    }
}

pub(crate) fn get_settings(reader: &mut Reader<'_>) -> Result<BreakerSettings, FormatError> {
    let mut kind = reader.u8()?;
    let mut slow = None;
    if kind == tag::SLOW {
        slow = Some(SlowCalls { after_ms: reader.varint()?, percent: reader.u8()? });
        kind = reader.u8()?;
    }
    let mut settings = BreakerSettings {
        slow,
        window: match kind {
            tag::WINDOW_CALLS => BreakerWindow::Calls(get_u32(reader)?),
            tag::WINDOW_TIME => BreakerWindow::Time(reader.varint()?),
            other => return Err(FormatError::invalid("window of a breaker", u64::from(other))),
        },
        calls_min: get_u32(reader)?,
        failure_percent: get_option(reader, Reader::u8)?,
        consecutive_failures: get_option(reader, get_u32)?,
        workers_min: get_u32(reader)?,
        workers_within_ms: reader.varint()?,
        open_ms: reader.varint()?,
        open_ms_max: reader.varint()?,
        forget_after_ms: reader.varint()?,
        probes: get_u32(reader)?,
        probes_at_once: get_u32(reader)?,
        probe_success_percent: reader.u8()?,
        probe_ms: reader.varint()?,
        ramp_ms: reader.varint()?,
        ramp_from_percent: reader.u8()?,
        ignore: Vec::new(),
    };
    for _ in 0..reader.count(CLASS_BYTES_MIN)? {
        settings.ignore.push(reader.text("class of a failure")?.to_owned());
    }
    Ok(settings)
}

pub(crate) fn put_forced(writer: &mut Writer<'_>, forced: BreakerForced) {
    writer.u8(match forced {
        BreakerForced::No => tag::FORCED_NO,
        BreakerForced::Open => tag::FORCED_OPEN,
        BreakerForced::Closed => tag::FORCED_CLOSED,
    });
}

pub(crate) fn get_forced(reader: &mut Reader<'_>) -> Result<BreakerForced, FormatError> {
    Ok(match reader.u8()? {
        tag::FORCED_NO => BreakerForced::No,
        tag::FORCED_OPEN => BreakerForced::Open,
        tag::FORCED_CLOSED => BreakerForced::Closed,
        other => return Err(FormatError::invalid("hold of a breaker", u64::from(other))),
    })
}

pub(crate) fn put_decision(writer: &mut Writer<'_>, decision: BreakerDecision) {
    let (reason, retry_ms) = match decision {
        BreakerDecision::Admitted { generation, probe } => {
            writer.u8(tag::ADMITTED);
            writer.varint(u64::from(generation));
            writer.varint(u64::from(probe));
            return;
        }
        BreakerDecision::Rejected { reason, retry_ms } => (reason, retry_ms),
    };
    writer.u8(match reason {
        BreakerReason::Open => tag::REJECTED_OPEN,
        BreakerReason::Probing => tag::REJECTED_PROBING,
        BreakerReason::Ramp => tag::REJECTED_RAMP,
        BreakerReason::Forced => tag::REJECTED_FORCED,
    });
    writer.varint(retry_ms);
}

pub(crate) fn get_decision(reader: &mut Reader<'_>) -> Result<BreakerDecision, FormatError> {
    let reason = match reader.u8()? {
        tag::ADMITTED => {
            return Ok(BreakerDecision::Admitted { generation: get_u32(reader)?, probe: get_u32(reader)? });
        }
        tag::REJECTED_OPEN => BreakerReason::Open,
        tag::REJECTED_PROBING => BreakerReason::Probing,
        tag::REJECTED_RAMP => BreakerReason::Ramp,
        tag::REJECTED_FORCED => BreakerReason::Forced,
        other => return Err(FormatError::invalid("decision of a breaker", u64::from(other))),
    };
    Ok(BreakerDecision::Rejected { reason, retry_ms: reader.varint()? })
}

pub(crate) fn put_recorded(writer: &mut Writer<'_>, recorded: BreakerRecorded) {
    writer.varint(u64::from(recorded.counted));
    writer.varint(u64::from(recorded.replayed));
    writer.varint(u64::from(recorded.stale));
    writer.u8(match recorded.circuit {
        BreakerCircuit::Closed => tag::CIRCUIT_CLOSED,
        BreakerCircuit::Open => tag::CIRCUIT_OPEN,
        BreakerCircuit::HalfOpen => tag::CIRCUIT_HALF_OPEN,
    });
}

pub(crate) fn get_recorded(reader: &mut Reader<'_>) -> Result<BreakerRecorded, FormatError> {
    Ok(BreakerRecorded {
        counted: get_u32(reader)?,
        replayed: get_u32(reader)?,
        stale: get_u32(reader)?,
        circuit: match reader.u8()? {
            tag::CIRCUIT_CLOSED => BreakerCircuit::Closed,
            tag::CIRCUIT_OPEN => BreakerCircuit::Open,
            tag::CIRCUIT_HALF_OPEN => BreakerCircuit::HalfOpen,
            other => return Err(FormatError::invalid("state of a breaker", u64::from(other))),
        },
    })
}

pub(crate) fn put_queue_breaker(writer: &mut Writer<'_>, breaker: &QueueBreaker) {
    writer.prefixed(breaker.prefix.as_bytes());
    writer.prefixed(breaker.key.as_str().as_bytes());
    writer.varint(breaker.types.len() as u64);
    for task_type in &breaker.types {
        writer.prefixed(task_type.as_bytes());
    }
}

pub(crate) fn get_queue_breaker(reader: &mut Reader<'_>) -> Result<QueueBreaker, FormatError> {
    let prefix = reader.text("breaker name")?.to_owned();
    let what = "key of a breaker";
    let key = KeyExpression::new(reader.text(what)?).map_err(|_| FormatError::Text { what })?;
    let count = reader.count(TYPE_BYTES_MIN)?;
    let mut types = Vec::with_capacity(count.min(16));
    for _ in 0..count {
        types.push(reader.text("task type")?.to_owned());
    }
    Ok(QueueBreaker { prefix, key, types })
}

fn put_name(writer: &mut Writer<'_>, name: &BreakerName<'_>) {
    writer.prefixed(name.as_str().as_bytes());
}

fn get_name<'a>(reader: &mut Reader<'a>) -> Result<BreakerName<'a>, FormatError> {
    let what = "breaker name";
    BreakerName::new(reader.text(what)?).map_err(|_| FormatError::Text { what })
}
