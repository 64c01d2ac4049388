//! Shared circuit breakers: what all workers of all systems ask before they call something that may be down.
//!
//! A breaker is named after what trips together: a host, a type of report. While it is closed, a permit is a read.
//! Only outcomes and probes change it. The policy is that of the crate `mainstay-resilience`, on the shard's elapsed
//! time.

use crate::hex::parse_hex;
use crate::ids::{Namespace, Slot};
use crate::limit::KeyExpression;
use crate::limits;
use crate::name::{BreakerName, slot_of};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use xxhash_rust::xxh3::xxh3_64;

/// Replace a breaker's settings, or create the breaker. What it remembers stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutBreaker<'a> {
    pub breaker: BreakerName<'a>,
    pub settings: BreakerSettings,
}

/// Remove a breaker with its settings and all that it remembers. It begins again when it is next used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteBreaker<'a> {
    pub breaker: BreakerName<'a>,
}

/// Hold a breaker open or closed, or let it decide for itself again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlBreaker<'a> {
    pub breaker: BreakerName<'a>,
    pub forced: BreakerForced,
}

/// Ask for a permit. Only what may be a probe needs this command: other permits are reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskBreaker<'a> {
    pub breaker: BreakerName<'a>,
    /// Random: the share of calls that a recovering breaker admits is drawn with it.
    pub random: u64,
}

/// Record the outcomes of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordBreaker<'a> {
    pub breaker: BreakerName<'a>,
    pub records: Vec<BreakerRecord<'a>>,
}

/// The outcome of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerRecord<'a> {
    pub permit: BreakerPermit,
    /// Who made the call; empty if it does not say.
    pub worker: Cow<'a, str>,
    pub outcome: CallOutcome<'a>,
}

/// How a call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOutcome<'a> {
    Ok,
    /// It succeeded, in this time. The settings say after which time a call is slow.
    OkIn {
        took_ms: u64,
    },
    Failed {
        /// The kind of failure; may be empty. The settings can ignore classes.
        class: Cow<'a, str>,
    },
    /// It says nothing about what was called.
    Ignored,
}

/// Whether an operator holds a breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BreakerForced {
    #[default]
    No,
    Open,
    Closed,
}

/// Whether calls are admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BreakerCircuit {
    #[default]
    Closed,
    Open,
    HalfOpen,
}

/// When a breaker trips, how long it stays open, and how it closes. Times are of elapsed time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    pub window: BreakerWindow,
    /// Calls that the window must hold before a share of them can trip the breaker.
    pub calls_min: u32,
    /// The share of failed calls that trips it; `None` to ignore the share.
    pub failure_percent: Option<u8>,
    /// When slow calls trip it; `None`: no call is slow.
    pub slow: Option<SlowCalls>,
    /// Failures in a row that trip it whatever `calls_min` is.
    pub consecutive_failures: Option<u32>,
    /// Different workers that must have failed, or been slow, within `workers_within_ms` before it trips.
    pub workers_min: u32,
    pub workers_within_ms: u64,
    /// How long the first trip keeps it open. Each further trip doubles that.
    pub open_ms: u64,
    pub open_ms_max: u64,
    /// Closed for this long, it forgets earlier trips.
    pub forget_after_ms: u64,
    /// Probes that decide whether it closes, how many of them may run at once, and the share that must succeed.
    pub probes: u32,
    pub probes_at_once: u32,
    pub probe_success_percent: u8,
    /// A probe without an outcome for this long is given up.
    pub probe_ms: u64,
    /// The time after closing in which the share of admitted calls grows, from this share on.
    pub ramp_ms: u64,
    pub ramp_from_percent: u8,
    /// Failures of these classes say nothing about what was called.
    pub ignore: Vec<String>,
}

/// What slow calls do to a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowCalls {
    /// Successes that take at least this long count as slow.
    pub after_ms: u64,
    /// The share of slow calls that trips it.
    pub percent: u8,
}

/// The recent calls that a breaker judges by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerWindow {
    /// The last ones, however old.
    Calls(u32),
    /// Those of this many milliseconds, forgotten a tenth at a time.
    Time(u64),
}

impl Default for BreakerSettings {
    /// The defaults of `mainstay-resilience`.
    fn default() -> Self {
        Self {
            window: BreakerWindow::Calls(100),
            calls_min: 20,
            failure_percent: Some(50),
            slow: None,
            consecutive_failures: None,
            workers_min: 1,
            workers_within_ms: 60_000,
            open_ms: 5_000,
            open_ms_max: 60_000,
            forget_after_ms: 120_000,
            probes: 3,
            probes_at_once: 1,
            probe_success_percent: 100,
            probe_ms: 30_000,
            ramp_ms: 10_000,
            ramp_from_percent: 10,
            ignore: Vec::new(),
        }
    }
}

/// What an admitted call records its outcome with. It says under which state of the breaker the call was admitted: an
/// outcome from before a transition is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BreakerPermit {
    /// A hash of the breaker's name, so that a permit of another breaker is noticed.
    pub name_hash: u32,
    /// The number of the breaker's transitions before.
    pub generation: u32,
    /// The number of the probe; 0 for other calls.
    pub probe: u32,
    /// Random: it tells the permit from all others, so that its outcome counts once.
    pub nonce: u64,
}

impl BreakerPermit {
    #[must_use]
    pub fn new(breaker: &BreakerName<'_>, generation: u32, probe: u32, nonce: u64) -> Self {
        Self { name_hash: name_hash(breaker), generation, probe, nonce }
    }

    /// Whether it is a permit of this breaker.
    #[must_use]
    pub fn is_of(self, breaker: &BreakerName<'_>) -> bool {
        self.name_hash == name_hash(breaker)
    }
}

fn name_hash(breaker: &BreakerName<'_>) -> u32 {
    xxh3_64(breaker.as_str().as_bytes()) as u32
}

/// The number by which the workers of a breaker are told apart when it asks for failures of several.
#[must_use]
pub fn breaker_source(worker: &str) -> u32 {
    xxh3_64(worker.as_bytes()) as u32
}

/// As 40 hex digits: the token of the API.
impl fmt::Display for BreakerPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name_hash, generation, probe, nonce } = self;
        write!(f, "{name_hash:08x}{generation:08x}{probe:08x}{nonce:016x}")
    }
}

/// Why a text is not a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPermit;

impl fmt::Display for BadPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token is the 40 hex digits that the permit came with")
    }
}

impl core::error::Error for BadPermit {}

impl FromStr for BreakerPermit {
    type Err = BadPermit;

    fn from_str(text: &str) -> Result<Self, BadPermit> {
        if text.len() != 40 {
            return Err(BadPermit);
        }
        let part = |from: usize, to: usize| {
            text.get(from..to).and_then(|digits| parse_hex(digits, to - from)).ok_or(BadPermit)
        };
        Ok(Self {
            name_hash: part(0, 8)? as u32,
            generation: part(8, 16)? as u32,
            probe: part(16, 24)? as u32,
            nonce: part(24, 40)? as u64,
        })
    }
}

/// The breaker of a queue's tasks, as its settings name it: a text, and what follows it in the name of each task's
/// breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueBreaker {
    /// The beginning of the name; may be empty if there is a key.
    pub prefix: String,
    /// What follows.
    pub key: KeyExpression,
    /// Only tasks of these types; all if it is empty.
    pub types: Vec<String>,
}

impl QueueBreaker {
    /// The breaker of a task with this key; `None` if that is not a name.
    #[must_use]
    pub fn name(&self, key: &str) -> Option<BreakerName<'static>> {
        let mut name = format!("{}{key}", self.prefix);
        name.truncate(name.floor_char_boundary(limits::NAME_BYTES_MAX));
        BreakerName::new(name).ok()
    }
}

/// What comes before the name of a breaker where a limit's name is expected. No limit has such a name.
const GATE: char = '\0';

/// What stands for a breaker among the limits that hold for a task.
#[must_use]
pub fn breaker_gate(breaker: &str) -> String {
    format!("{GATE}{breaker}")
}

/// The breaker that this stands for; `None` if it is the name of a limit.
#[must_use]
pub fn gate_breaker(limit: &str) -> Option<&str> {
    limit.strip_prefix(GATE)
}

/// The slot of what a task waits for: that of the limit, or of the breaker.
#[must_use]
pub fn gate_slot(limit: &str) -> Slot {
    slot_of(Namespace::ROOT, gate_breaker(limit).unwrap_or(limit))
}

/// The reply to a call that asks for a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerDecision {
    /// The call is admitted, as a probe if the number is not 0.
    Admitted { generation: u32, probe: u32 },
    Rejected {
        reason: BreakerReason,
        /// When asking again may have another reply.
        retry_ms: u64,
    },
}

/// Why a call is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerReason {
    /// The breaker is open.
    Open,
    /// As many probes run as may.
    Probing,
    /// It has closed a while ago, and admits a share of the calls.
    Ramp,
    /// An operator holds it open.
    Forced,
}

/// What has become of recorded outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakerRecorded {
    /// Outcomes that count, including those that say nothing.
    pub counted: u32,
    /// Outcomes that were recorded before.
    pub replayed: u32,
    /// Outcomes of calls that were admitted before the breaker's last transition, or of probes that were given up.
    pub stale: u32,
    /// How the breaker is now.
    pub circuit: BreakerCircuit,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_permit_survives_its_text() {
        let breaker = BreakerName::new("partner").unwrap();
        let permit = BreakerPermit::new(&breaker, 7, 1, u64::MAX);
        let text = permit.to_string();
        assert_eq!((text.len(), text.parse()), (40, Ok(permit)));
        assert!(permit.is_of(&breaker) && !permit.is_of(&BreakerName::new("other").unwrap()));
        for bad in ["", &text[1..], &text.to_uppercase(), &alloc::format!("{text}0"), &text.replace('f', "g")]
        {
            assert_eq!(bad.parse::<BreakerPermit>(), Err(BadPermit), "{bad}");
        }
    }
}
