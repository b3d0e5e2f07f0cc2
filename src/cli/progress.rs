//! How far a command has come: on stderr, where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::discovery;

const WAITING: &str = "{spinner} {wide_msg} {elapsed}";
const REGIONS: &str = "{bar:20} {pos}/{len} regions  {wide_msg}";
const TICK: Duration = Duration::from_millis(120);
/// How many regions are named that have not answered.
const NAMED: usize = 3;

/// Shown until dropped; then the line is gone.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Something that takes its time.
    pub(super) fn waiting(for_what: String) -> Self {
        let bar = ProgressBar::new_spinner().with_message(for_what);
        styled(&bar, WAITING);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// As far as a discovery has come, in place of what it waited for.
    pub(super) fn discovered(&self, progress: &discovery::Progress) {
        let waiting = progress.waiting.len();
        if self.0.length().is_none() {
            styled(&self.0, REGIONS);
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

/// A template that cannot be read leaves the style as it was.
fn styled(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

fn waiting_for(regions: &[&str]) -> String {
    match regions {
        [] => String::new(),
        some if some.len() <= NAMED => format!("waiting for {}", some.join(", ")),
        many => {
            let (named, others) = many.split_at(NAMED);
            format!("waiting for {} and {} more", named.join(", "), others.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_of_those_that_are_waited_for_are_named() {
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
    fn the_templates_can_be_read() {
        for template in [WAITING, REGIONS] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
