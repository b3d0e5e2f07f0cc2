//! Progress of a command, on stderr if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::discovery;
use crate::text::Listed;

const SPINNER: &str = "{spinner} {wide_msg} {elapsed}";
const REGIONS: &str = "{bar:20} {pos}/{len} regions  {wide_msg}";
const TICK: Duration = Duration::from_millis(120);
/// The most pending regions named.
const NAMED: usize = 3;

/// A progress line, removed on drop.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Shows a spinner.
    pub(super) fn spinner(message: String) -> Self {
        let bar = ProgressBar::new_spinner().with_message(message);
        set_template(&bar, SPINNER);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// Shows the progress of a discovery.
    pub(super) fn show(&self, progress: &discovery::Progress) {
        let waiting = progress.waiting.len();
        if self.0.length().is_none() {
            set_template(&self.0, REGIONS);
        }
        self.0.set_length(progress.regions as u64);
        self.0.set_position((progress.regions - waiting) as u64);
        self.0.set_message(waiting_for(&progress.waiting));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// An invalid template leaves the style unchanged.
fn set_template(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

fn waiting_for(regions: &[&str]) -> String {
    if regions.is_empty() {
        return String::new();
    }
    let listed = Listed {
        names: regions,
        max: NAMED,
    };
    format!("waiting for {listed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_three_pending_regions_are_named() {
        let cases: [(&[&str], &str); 3] = [
            (&[], ""),
            (&["a", "b"], "waiting for a, b"),
            (&["a", "b", "c", "d", "e"], "waiting for a, b, c and 2 more"),
        ];
        for (regions, expected) in cases {
            assert_eq!(waiting_for(regions), expected);
        }
    }

    #[test]
    fn templates_are_valid() {
        for template in [SPINNER, REGIONS] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
