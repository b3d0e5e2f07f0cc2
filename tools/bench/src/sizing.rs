//! Which memory and CPU to request, from what was measured.

use crate::metrics::number;
use crate::process::{Usage, mib};
use crate::report::table;

/// One row for each number of resources of 31 regions.
pub fn markdown(sizes: &[(String, Usage)]) -> String {
    let columns = [
        "resources of 31 regions",
        "at rest",
        "peak",
        "CPU until all are Ready",
        "memory request",
        "memory limit",
    ];
    let rows: Vec<Vec<String>> = sizes
        .iter()
        .map(|(resources, usage)| {
            vec![
                resources.clone(),
                mib(usage.resident_kib),
                mib(usage.peak_kib),
                format!("{} s", number(usage.cpu.as_secs_f64())),
                format!("{}Mi", request(usage)),
                format!("{}Mi", limit(usage)),
            ]
        })
        .collect();
    table(columns, &rows)
}

/// What the operator has at rest, and a quarter more, in steps of 32 MiB.
fn request(usage: &Usage) -> u64 {
    (usage.resident_kib * 5 / 4).div_ceil(32 * 1024) * 32
}

/// The peak, and half of it more, in steps of 64 MiB.
fn limit(usage: &Usage) -> u64 {
    (usage.peak_kib * 3 / 2).div_ceil(64 * 1024) * 64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn request_and_limit_leave_headroom() {
        let usage = Usage {
            cpu: Duration::from_millis(2_500),
            resident_kib: 60 * 1024,
            peak_kib: 100 * 1024,
        };
        let text = markdown(&[("25 with all models".to_owned(), usage)]);
        let row = "| 25 with all models | 60 MiB | 100 MiB | 2.5 s | 96Mi | 192Mi |";
        assert!(text.ends_with(row), "{text}");
    }
}
