//! What the last check has found: kept in the data directory for the next start, and shown to clients, in metrics and in the log.

use api::response::check::{Finding as ShownFinding, LastCheck};
use model::Wall;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use telemetry::CheckMetrics;
use upkeep::Finding;
use upkeep::check::Checked;

/// The file holds this as JSON. A file that cannot be read, also one of a later version, counts as none.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    ended_ms: u64,
    took_ms: u64,
    events: u64,
    rows: u64,
    bytes: u64,
    findings: Vec<Finding>,
}

/// What the time of the next check depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    pub(super) ended: Wall,
    pub(super) has_found_damage: bool,
}

impl Record {
    pub(super) fn new(checked: Checked, bytes: u64, took: Duration, ended: Wall) -> Self {
        let Checked { events, rows, findings } = checked;
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self { ended_ms: ended.0, took_ms, events, rows, bytes, findings }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn text(&self) -> String {
        // Nothing in it can fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn summary(&self) -> Summary {
        Summary { ended: Wall(self.ended_ms), has_found_damage: !self.findings.is_empty() }
    }

    pub(super) fn shown(&self) -> LastCheck {
        let shown = |finding: &Finding| {
            let Finding { what, affected, remedy } = finding.clone();
            ShownFinding { what, affected, remedy }
        };
        LastCheck {
            ended: Wall(self.ended_ms),
            took_ms: self.took_ms,
            events: self.events,
            rows: self.rows,
            bytes: self.bytes,
            findings: self.findings.iter().map(shown).collect(),
        }
    }

    pub(super) fn measure(&self, metrics: &CheckMetrics) {
        let ms = Duration::from_millis;
        metrics.ended(ms(self.ended_ms), ms(self.took_ms), self.findings.len());
    }

    pub(super) fn log(&self) {
        let Self { events, rows, bytes, took_ms, .. } = self;
        if self.findings.is_empty() {
            tracing::info!(
                events,
                rows,
                bytes,
                took_ms,
                "the last check of the data has found nothing wrong"
            );
        }
        for Finding { what, affected, remedy } in &self.findings {
            tracing::error!(what, affected, remedy, "the last check of the data has found damage");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_anything_else_is_none() {
        let finding = Finding {
            what: "bodies/\"1\" is damaged".to_owned(),
            affected: "é".to_owned(),
            remedy: "restore".to_owned(),
        };
        let checked = Checked { events: 1, rows: 2, findings: vec![finding] };
        let record = Record::new(checked, 3, Duration::from_millis(4), Wall(5));
        let read = Record::parse(&record.text()).unwrap();
        assert_eq!(read.shown(), record.shown());
        assert!(read.summary().has_found_damage && read.summary().ended == Wall(5));
        let cut = &record.text()[..20];
        for text in ["", "{}", "null", cut] {
            assert!(Record::parse(text).is_none(), "{text}");
        }
    }
}
