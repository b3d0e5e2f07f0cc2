//! Prometheus' text format 0.0.4, from the `OpenMetrics` text format.
//!
//! Both have the same samples. In the text format the metadata of a counter and of an info carry the
//! name of their samples, an info is a gauge, and no line ends the text.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::Write as _;

/// The text in the format 0.0.4.
pub(super) fn from_openmetrics(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match *words {
            ["#", "HELP", name, of_name] => help = Some((name, of_name)),
            ["#", "TYPE", name, of_type] => {
                let (suffix, of_type) = in_text_format(of_type);
                if let Some((_, help)) = help.take().filter(|(of, _)| *of == name) {
                    // Only OpenMetrics escapes quotes in the help.
                    let help = help.replace("\\\"", "\"");
                    push_line(&mut text, format_args!("# HELP {name}{suffix} {help}"));
                }
                push_line(&mut text, format_args!("# TYPE {name}{suffix} {of_type}"));
            }
            ["#", ..] => {}
            _ => push_line(&mut text, format_args!("{line}")),
        }
    }
    text
}

/// Suffix of the name and type, of a type in `OpenMetrics`.
fn in_text_format(of_type: &str) -> (&'static str, &str) {
    match of_type {
        "counter" => ("_total", "counter"),
        "info" => ("_info", "gauge"),
        "unknown" => ("", "untyped"),
        of_type => ("", of_type),
    }
}

fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_has_names_and_types_of_the_text_format() {
        let openmetrics = "# HELP a Requests \\\"sent\\\" \\\\ here.\n\
             # TYPE a counter\n\
             a_total{name=\"# TYPE b info\"} 1\n\
             # HELP b Seconds.\n\
             # TYPE b histogram\n\
             # UNIT b seconds\n\
             b_sum 1.5\n\
             b_count 1\n\
             b_bucket{le=\"+Inf\"} 1\n\
             # HELP c Version.\n\
             # TYPE c info\n\
             c_info{version=\"1\"} 1\n\
             # TYPE d unknown\n\
             d 1\n\
             # EOF\n";
        let expected = "# HELP a_total Requests \"sent\" \\\\ here.\n\
             # TYPE a_total counter\n\
             a_total{name=\"# TYPE b info\"} 1\n\
             # HELP b Seconds.\n\
             # TYPE b histogram\n\
             b_sum 1.5\n\
             b_count 1\n\
             b_bucket{le=\"+Inf\"} 1\n\
             # HELP c_info Version.\n\
             # TYPE c_info gauge\n\
             c_info{version=\"1\"} 1\n\
             # TYPE d untyped\n\
             d 1\n";
        assert_eq!(from_openmetrics(openmetrics), expected);
    }
}
