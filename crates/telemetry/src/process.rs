//! What the kernel knows about this process, read from `/proc` for each scrape. A value that cannot be read (on
//! another system, or with a restricted `/proc`) is left out.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The unit of CPU time in `/proc`. It is 100 on every Linux architecture that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_KIB: u64 = 1_024;

/// The process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    pub cpu_seconds: Option<f64>,
    pub resident_bytes: Option<u64>,
    /// All private pages, and a proportional share of shared ones.
    pub proportional_bytes: Option<u64>,
    pub open_fds: Option<u64>,
    pub threads: Option<u64>,
}

impl Process {
    /// Reads the values. It takes about a millisecond with a gigabyte mapped, so it is for scrapes only.
    #[must_use]
    pub fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).ok();
        let status = text("/proc/self/status");
        Self {
            cpu_seconds: text("/proc/self/stat").and_then(|stat| cpu_seconds(&stat)),
            resident_bytes: status.as_deref().and_then(|s| kib(s, "VmRSS:")),
            proportional_bytes: text("/proc/self/smaps_rollup").and_then(|s| kib(&s, "Pss:")),
            // The handle used for listing is one of them.
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|dir| dir.count().saturating_sub(1) as u64),
            threads: status.as_deref().and_then(|s| number(s, "Threads:")),
        }
    }
}

/// Seconds since 1970.
#[must_use]
pub fn seconds_since_1970(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

/// Fields 14 and 15 of proc_pid_stat(5): `utime` and `stime`. The second field is the command in parentheses. It
/// may contain anything, so counting starts after the last closing parenthesis.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) as f64 / TICKS_PER_SECOND)
}

fn kib(text: &str, member: &str) -> Option<u64> {
    number(text, member).map(|kib| kib * PAGE_KIB)
}

fn number(text: &str, member: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(member))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_after_any_command_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 1 0 1 2 3";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (a"), None);
    }

    #[test]
    fn sizes_are_read_in_kib() {
        assert_eq!(kib("VmPeak:\t 9 kB\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12 * 1_024));
        assert_eq!(kib("VmRSS:\t x kB\n", "VmRSS:"), None);
    }

    #[test]
    fn this_process_is_readable() {
        let process = Process::read();
        assert!(process.resident_bytes > Some(100_000), "{process:?}");
        assert!(process.proportional_bytes > Some(100_000), "{process:?}");
        assert!(process.cpu_seconds.is_some() && process.open_fds > Some(0) && process.threads > Some(0));
    }
}
