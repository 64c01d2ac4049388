//! The kernel's figures for a process and a disk: CPU, memory, bytes written to the device.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Clock ticks per second in /proc, fixed at 100 on every Linux that Rust's tier 1 runs on.
const TICKS_PER_SECOND: f64 = 100.0;
const SECTOR_BYTES: u64 = 512;

/// A process id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pid(pub(crate) u32);

/// CPU that a process has used, in µs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) user_us: f64,
    pub(crate) system_us: f64,
}

impl Cpu {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { user_us: self.user_us - earlier.user_us, system_us: self.system_us - earlier.system_us }
    }

    pub(crate) fn total_us(self) -> f64 {
        self.user_us + self.system_us
    }
}

impl Pid {
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    pub(crate) fn cpu(self) -> Option<Cpu> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        // The command's name, in parentheses, may contain anything: fields are counted after it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let us = |field: usize| Some(fields.get(field)?.parse::<f64>().ok()? / TICKS_PER_SECOND * 1e6);
        Some(Cpu { user_us: us(11)?, system_us: us(12)? })
    }

    /// Memory in bytes, with each shared page divided among the processes that share it.
    pub(crate) fn pss_bytes(self) -> Option<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0)).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
    }

    /// The process on this machine that listens at `address`.
    pub(crate) fn listening_at(address: SocketAddr) -> Option<Self> {
        let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|table| fs::read_to_string(table).ok())
            .flat_map(|table| listening_inodes(&table, address.port()))
            .map(|inode| format!("socket:[{inode}]"))
            .collect();
        let pids = fs::read_dir("/proc")
            .ok()?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.map(Self).find(|pid| pid.holds_any(&inodes))
    }

    fn holds_any(self, inodes: &[String]) -> bool {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{}/fd", self.0)) else { return false };
        descriptors.flatten().any(|descriptor| {
            fs::read_link(descriptor.path())
                .is_ok_and(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str()))
        })
    }
}

/// Inodes of the sockets that listen at `port`, from /proc/net/tcp (proc_pid_net(5)).
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let end = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > 9 && row[1].ends_with(&end) && row[3] == LISTEN)
        .map(|row| row[9].to_owned())
        .collect()
}

/// A block device's count of the bytes written to it.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    stat: PathBuf,
}

impl Device {
    /// The device that holds `path`; `None` if the file system has no device.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let device = fs::metadata(path).ok()?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let stat = PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat"));
        stat.exists().then_some(Self { stat })
    }

    pub(crate) fn written_bytes(&self) -> Option<u64> {
        let stat = fs::read_to_string(&self.stat).ok()?;
        Some(stat.split_whitespace().nth(6)?.parse::<u64>().ok()? * SECTOR_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listening_process_is_found_by_its_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(Pid::listening_at(listener.local_addr().unwrap()), Some(Pid::own()));
    }

    #[test]
    fn the_own_process_has_used_cpu_and_memory() {
        assert!(Pid::own().cpu().is_some());
        assert!(Pid::own().pss_bytes().unwrap() > 10_000);
        assert!(Pid(u32::MAX).cpu().is_none());
    }
}
