//! Breakers, as bodies of 200 responses.

use super::page::write_list;
use crate::json;
use crate::request::breaker::write_members;
use crate::request::queue::tasks::write_duration;
use crate::time;
use model::{
    BreakerCircuit, BreakerDecision, BreakerForced, BreakerName, BreakerPermit, BreakerReason,
    BreakerRecorded, BreakerSettings, Wall,
};

/// A breaker as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Breaker<'a> {
    pub breaker: &'a str,
    pub settings: &'a BreakerSettings,
    pub circuit: BreakerCircuit,
    pub forced: BreakerForced,
    pub admitted_percent: u8,
    /// How long until a probe may start, while it is open.
    pub open_ms: Option<u64>,
    pub changed: Wall,
    pub opened: u64,
    pub calls: u64,
    pub failures: u64,
    pub slow: u64,
    pub consecutive_failures: u32,
    pub probes: u32,
    pub failure: Option<Failure<'a>>,
}

/// The last failure that counted.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    pub class: &'a str,
    pub worker: &'a str,
    pub at: Wall,
}

/// A worker that has recorded outcomes of late.
#[derive(Clone, Copy, Debug)]
pub struct Worker<'a> {
    pub worker: &'a str,
    pub calls: u32,
    pub failures: u32,
    /// It fails where others succeed.
    pub is_suspect: bool,
}

/// Writes `{"breaker":...,"settings":{...}}`
pub fn write_settings(out: &mut Vec<u8>, breaker: &str, settings: &BreakerSettings) {
    write_name(out, breaker);
    out.extend_from_slice(b",\"settings\":{");
    write_members(out, settings);
    out.extend_from_slice(b"}}");
}

/// Writes `{"breaker":...}`
pub fn write_deleted(out: &mut Vec<u8>, breaker: &str) {
    write_name(out, breaker);
    out.push(b'}');
}

/// Writes `{"breaker":...,"forced":...}`
pub fn write_controlled(out: &mut Vec<u8>, breaker: &str, forced: BreakerForced) {
    write_name(out, breaker);
    write_forced(out, forced);
    out.push(b'}');
}

/// Writes `{"admitted":true,"token":...,"probe":...}` or `{"admitted":false,"reason":...,"retry_in":...}`
pub fn write_decision(out: &mut Vec<u8>, breaker: &BreakerName<'_>, decision: BreakerDecision, nonce: u64) {
    match decision {
        BreakerDecision::Admitted { generation, probe } => {
            let token = BreakerPermit::new(breaker, generation, probe, nonce);
            let text = format!("{{\"admitted\":true,\"token\":\"{token}\",\"probe\":{}}}", probe != 0);
            out.extend_from_slice(text.as_bytes());
        }
        BreakerDecision::Rejected { reason, retry_ms } => {
            let reason = match reason {
                BreakerReason::Open => "open",
                BreakerReason::Probing => "probing",
                BreakerReason::Ramp => "ramp",
                BreakerReason::Forced => "forced",
            };
            out.extend_from_slice(
                format!("{{\"admitted\":false,\"reason\":\"{reason}\",\"retry_in\":").as_bytes(),
            );
            write_duration(out, retry_ms);
            out.push(b'}');
        }
    }
}

/// Writes `{"recorded":...,"replayed":...,"stale":...,"state":...}`
pub fn write_recorded(out: &mut Vec<u8>, recorded: BreakerRecorded) {
    let BreakerRecorded { counted, replayed, stale, circuit } = recorded;
    let counts = format!("{{\"recorded\":{counted},\"replayed\":{replayed},\"stale\":{stale}");
    out.extend_from_slice(counts.as_bytes());
    write_circuit(out, circuit);
    out.push(b'}');
}

/// Writes everything about a breaker, in one line.
pub fn write_breaker<'a>(
    out: &mut Vec<u8>,
    breaker: &Breaker<'_>,
    workers: impl Iterator<Item = Worker<'a>>,
) {
    write_name(out, breaker.breaker);
    write_circuit(out, breaker.circuit);
    write_forced(out, breaker.forced);
    write_number(out, "admitted_percent", breaker.admitted_percent.into());
    if let Some(open_ms) = breaker.open_ms {
        out.extend_from_slice(b",\"probe_in\":");
        write_duration(out, open_ms);
    }
    out.extend_from_slice(b",\"changed\":");
    match breaker.changed {
        Wall(0) => out.extend_from_slice(b"null"),
        changed => write_time(out, changed),
    }
    write_number(out, "opened", breaker.opened);
    write_number(out, "calls", breaker.calls);
    write_number(out, "failures", breaker.failures);
    if breaker.settings.slow.is_some() {
        write_number(out, "slow", breaker.slow);
    }
    write_number(out, "failures_in_a_row", breaker.consecutive_failures.into());
    write_number(out, "probing", breaker.probes.into());
    if let Some(failure) = breaker.failure {
        out.extend_from_slice(b",\"last_failure\":{\"class\":");
        json::write_text(out, failure.class);
        out.extend_from_slice(b",\"worker\":");
        json::write_text(out, failure.worker);
        out.extend_from_slice(b",\"at\":");
        write_time(out, failure.at);
        out.push(b'}');
    }
    out.extend_from_slice(b",\"workers\":[");
    for (at, worker) in workers.enumerate() {
        out.extend_from_slice(if at > 0 { b",{\"worker\":" } else { b"{\"worker\":" });
        json::write_text(out, worker.worker);
        write_number(out, "calls", worker.calls.into());
        write_number(out, "failures", worker.failures.into());
        out.extend_from_slice(if worker.is_suspect { b",\"suspect\":true}" } else { b",\"suspect\":false}" });
    }
    out.extend_from_slice(b"],\"settings\":{");
    write_members(out, breaker.settings);
    out.extend_from_slice(b"}}");
}

/// Writes `{"breakers":[{"breaker":...}],"next":...}`
pub fn write_breakers<'a>(out: &mut Vec<u8>, breakers: impl Iterator<Item = &'a str>, next: Option<&str>) {
    write_list(out, "breakers", breakers, next, write_deleted);
}

fn write_name(out: &mut Vec<u8>, breaker: &str) {
    out.extend_from_slice(b"{\"breaker\":");
    json::write_text(out, breaker);
}

fn write_circuit(out: &mut Vec<u8>, circuit: BreakerCircuit) {
    out.extend_from_slice(match circuit {
        BreakerCircuit::Closed => b",\"state\":\"closed\"".as_slice(),
        BreakerCircuit::Open => b",\"state\":\"open\"",
        BreakerCircuit::HalfOpen => b",\"state\":\"half_open\"",
    });
}

fn write_forced(out: &mut Vec<u8>, forced: BreakerForced) {
    out.extend_from_slice(match forced {
        BreakerForced::No => b",\"forced\":null".as_slice(),
        BreakerForced::Open => b",\"forced\":\"open\"",
        BreakerForced::Closed => b",\"forced\":\"closed\"",
    });
}

fn write_number(out: &mut Vec<u8>, name: &str, number: u64) {
    out.extend_from_slice(format!(",\"{name}\":").as_bytes());
    json::write_number(out, number);
}

fn write_time(out: &mut Vec<u8>, wall: Wall) {
    out.push(b'"');
    time::write_wall(out, wall);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_is_shown_with_its_state_and_settings() {
        let settings = BreakerSettings::default();
        let failure = Failure { class: "timeout", worker: "w-1", at: Wall(1_000) };
        let breaker = Breaker {
            breaker: "partner",
            settings: &settings,
            circuit: BreakerCircuit::Open,
            forced: BreakerForced::No,
            admitted_percent: 0,
            open_ms: Some(2_500),
            changed: Wall(1_000),
            opened: 1,
            calls: 0,
            failures: 0,
            slow: 0,
            consecutive_failures: 0,
            probes: 0,
            failure: Some(failure),
        };
        let worker = Worker { worker: "w-1", calls: 20, failures: 10, is_suspect: true };
        let mut out = Vec::new();
        write_breaker(&mut out, &breaker, [worker].into_iter());
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"breaker":"partner","state":"open","forced":null,"admitted_percent":0,"probe_in":"2500ms","changed":"1970-01-01T00:00:01.000Z","opened":1,"calls":0,"failures":0,"failures_in_a_row":0,"probing":0,"last_failure":{"class":"timeout","worker":"w-1","at":"1970-01-01T00:00:01.000Z"},"workers":[{"worker":"w-1","calls":20,"failures":10,"suspect":true}],"settings":{"window":{"calls":100},"calls_min":20,"failure_percent":50,"consecutive_failures":null,"workers_min":1,"workers_within":"1m","open_for":"5s","open_for_max":"1m","forget_after":"2m","probes":3,"probes_at_once":1,"probe_success_percent":100,"probe_for":"30s","ramp_for":"10s","ramp_from_percent":10,"ignore":[]}}"#
        );
    }

    #[test]
    fn a_decision_says_what_to_do_next() {
        let breaker = BreakerName::new("partner").unwrap();
        let written = |decision| {
            let mut out = Vec::new();
            write_decision(&mut out, &breaker, decision, 255);
            String::from_utf8(out).unwrap()
        };
        let admitted = written(BreakerDecision::Admitted { generation: 2, probe: 1 });
        assert!(admitted.starts_with("{\"admitted\":true,\"token\":\""), "{admitted}");
        assert!(admitted.ends_with("000000020000000100000000000000ff\",\"probe\":true}"), "{admitted}");
        let rejected = written(BreakerDecision::Rejected { reason: BreakerReason::Open, retry_ms: 1_500 });
        assert_eq!(rejected, r#"{"admitted":false,"reason":"open","retry_in":"1500ms"}"#);
    }
}
