//! The CPU time and the memory of a process, as Linux counts them.

use std::fs;
use std::time::Duration;

use crate::error::Error;

/// The unit of `/proc/PID/stat`, the same on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// In user and kernel mode.
    pub cpu: Duration,
    /// The most memory since the start or the last reset (`VmHWM`), in KiB.
    pub peak_kib: u64,
    /// The memory now (`VmRSS`), in KiB.
    pub resident_kib: u64,
}

impl Usage {
    pub fn of(pid: u32) -> Result<Self, Error> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).map_err(Error::io(format!("cannot read {path}")))
        };
        Self::parse(&read("stat")?, &read("status")?)
            .ok_or_else(|| Error::Failed(format!("/proc/{pid} is not as Linux writes it")))
    }

    fn parse(stat: &str, status: &str) -> Option<Self> {
        // The name of the program, in parentheses, may have spaces.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut times = fields.split_whitespace().skip(11);
        let mut ticks = || times.next()?.parse::<u32>().ok();
        let cpu = TICK * (ticks()? + ticks()?);
        let kib = |key: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(key))?;
            value.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            cpu,
            peak_kib: kib("VmHWM:")?,
            resident_kib: kib("VmRSS:")?,
        })
    }
}

/// Lets the peak begin at the memory of now.
pub fn reset_peak(pid: u32) -> Result<(), Error> {
    let path = format!("/proc/{pid}/clear_refs");
    fs::write(&path, "5").map_err(Error::io(format!("cannot write {path}")))
}

/// In whole MiB.
pub fn mib(kib: u64) -> String {
    format!("{} MiB", (kib + 512) / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "7 (a (b) c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 1 2 3";
    const STATUS: &str = "Name:\ta\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n";

    #[test]
    fn usage_is_read_beside_a_name_with_parentheses() {
        let expected = Usage {
            cpu: Duration::from_secs(2),
            peak_kib: 204_800,
            resident_kib: 102_400,
        };
        assert_eq!(Usage::parse(STAT, STATUS), Some(expected));
    }

    #[test]
    fn truncated_files_are_no_usage() {
        for (stat, status) in [("", STATUS), ("7 (a) S 1", STATUS), (STAT, "VmHWM: 1 kB")] {
            assert_eq!(Usage::parse(stat, status), None, "{stat:?} {status:?}");
        }
    }

    #[test]
    fn own_process_is_measured() {
        assert!(Usage::of(std::process::id()).is_ok_and(|usage| usage.peak_kib > 0));
    }
}
