//! Tells systemd how the node is: that it is starting and how far, that it is ready, that its loop is alive, that it
//! stops. A process that systemd did not start, or with another `Type`, reports nothing.

use runtime::{Handle, Phase, Status};
use sd_notify::NotifyState;
use std::time::Duration;

/// How often the node reports, if its watchdog does not ask for more.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// While the node replays its log, each report asks systemd to wait for this much longer.
const STARTING_MICROS: u32 = 30_000_000;

/// Reports until it is dropped. It runs on the node's own loop, so that a loop that hangs misses its watchdog.
pub(crate) async fn report(handle: Handle) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let watchdog = sd_notify::watchdog_enabled();
    // systemd's manual: half of the watchdog's time. A third leaves time for a busy machine.
    let every = watchdog.map_or(REPORT_EVERY, |time| (time / 3).min(REPORT_EVERY));
    let mut turns = tokio::time::interval(every.max(Duration::from_millis(1)));
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        turns.tick().await;
        let status = handle.status();
        let text = text(&status);
        let mut states = Vec::new();
        if told.as_ref() != Some(&text) {
            states.push(NotifyState::Status(&text));
        }
        match status.phase {
            Phase::Starting => states.push(NotifyState::ExtendTimeoutUsec(STARTING_MICROS)),
            // Being ready twice changes nothing.
            Phase::Ready => states.push(NotifyState::Ready),
            Phase::Stopping | Phase::Stopped => states.push(NotifyState::Stopping),
        }
        if watchdog.is_some() {
            states.push(NotifyState::Watchdog);
        }
        if let Err(error) = sd_notify::notify(&states) {
            tracing::warn!(%error, "systemd cannot be told how the node is");
        }
        told = Some(text);
    }
}

/// Reports at once that the node was asked to stop: it may have stopped before the next report.
pub(crate) fn stopping() {
    // If it cannot be told, it sees the process end. Without systemd, nothing is told.
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`.
fn text(status: &Status) -> String {
    match status.phase {
        Phase::Starting => {
            let (applied, last) = status.replay;
            format!("starting: applied entry {} of {}", applied.0, last.0)
        }
        Phase::Ready => match (&status.read_only, &status.disk_stalled) {
            (Some(why), _) => format!("read-only: {why}"),
            (None, Some(why)) => format!("the disk does not respond: {why}"),
            (None, None) => "ready".into(),
        },
        Phase::Stopping | Phase::Stopped => "stopping".into(),
    }
}
