//! The facts without which a figure says nothing: the machine, its load, the date and the commit.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use jiff::Zoned;

/// The machine, from what Linux says of itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
}

impl Machine {
    pub fn read() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::parse(
            &read("/proc/cpuinfo"),
            &read("/proc/meminfo"),
            &read("/proc/sys/kernel/osrelease"),
        )
    }

    fn parse(cpuinfo: &str, meminfo: &str, kernel: &str) -> Self {
        let field = |line: &str| line.split_once(':').map(|(_, v)| v.trim().to_owned());
        let models = cpuinfo.lines().filter(|l| l.starts_with("model name"));
        let total = meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:"));
        let kib = total.and_then(|t| t.split_whitespace().next()?.parse::<u64>().ok());
        Self {
            cpu: models
                .clone()
                .next()
                .and_then(field)
                .unwrap_or_else(|| "unknown CPU".to_owned()),
            cores: models.count(),
            memory_gib: (kib.unwrap_or_default() + 512 * 1024) / (1024 * 1024),
            kernel: kernel.trim().to_owned(),
        }
    }

    /// One sentence.
    pub fn describe(&self) -> String {
        let Self {
            cpu,
            cores,
            memory_gib,
            kernel,
        } = self;
        format!("{cores} cores ({cpu}), {memory_gib} GiB of memory, Linux {kernel}")
    }
}

/// The load averages of 1, 5 and 15 minutes.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Today's date.
pub fn date() -> String {
    Zoned::now().date().to_string()
}

/// The commit of the folder, with a mark if files differ from it.
pub fn commit(folder: &Path) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(arguments)
            .output();
        output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
    };
    let Ok(mut commit) = git(&["rev-parse", "--short=10", "HEAD"]) else {
        return "unknown".to_owned();
    };
    if git(&["status", "--porcelain"]).is_ok_and(|changes| !changes.is_empty()) {
        let _ = write!(commit, " with changes");
    }
    commit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_from_the_texts_of_linux() {
        let cpuinfo =
            "processor\t: 0\nmodel name\t: EPYC 9\n\nprocessor\t: 1\nmodel name\t: EPYC 9\n";
        let machine = Machine::parse(cpuinfo, "MemTotal:       24576000 kB\n", "6.1.0\n");
        let expected = "2 cores (EPYC 9), 23 GiB of memory, Linux 6.1.0";
        assert_eq!(machine.describe(), expected);
    }

    #[test]
    fn unknown_machine_is_described_too() {
        let machine = Machine::parse("", "", "");
        assert!(machine.describe().contains("unknown CPU"));
    }
}
