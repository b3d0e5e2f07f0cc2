//! Prometheus' text format 0.0.4, from the `OpenMetrics` text format.
//!
//! Both have the same samples. In the text format the metadata of a counter and of an info carry the
//! name of their samples, an info is a gauge, and no line ends the text.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::{self, Write};

/// Translates what is written to it, line by line.
#[derive(Debug)]
pub(super) struct TextFormat<W> {
    out: W,
    /// The line that has not ended.
    line: String,
    /// Name and text of the last help, until the type of the metric is known.
    help: Option<(String, String)>,
}

impl<W: Write> TextFormat<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            line: String::new(),
            help: None,
        }
    }

    fn end_line(&mut self) -> fmt::Result {
        if self.line.starts_with('#') {
            self.end_comment()?;
        } else {
            self.line.push('\n');
            self.out.write_str(&self.line)?;
        }
        self.line.clear();
        Ok(())
    }

    fn end_comment(&mut self) -> fmt::Result {
        let words: Vec<&str> = self.line.splitn(4, ' ').collect();
        match *words {
            ["#", "HELP", name, of_name] => {
                self.help = Some((name.to_owned(), of_name.to_owned()));
            }
            ["#", "TYPE", name, of_type] => {
                let (suffix, of_type) = in_text_format(of_type);
                if let Some((_, help)) = self.help.take().filter(|(of, _)| of == name) {
                    // Only OpenMetrics escapes quotes in the help.
                    let help = help.replace("\\\"", "\"");
                    writeln!(self.out, "# HELP {name}{suffix} {help}")?;
                }
                writeln!(self.out, "# TYPE {name}{suffix} {of_type}")?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl<W: Write> Write for TextFormat<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((line, after)) = rest.split_once('\n') {
            self.line.push_str(line);
            self.end_line()?;
            rest = after;
        }
        self.line.push_str(rest);
        Ok(())
    }
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
        let mut whole = String::new();
        TextFormat::new(&mut whole).write_str(openmetrics).unwrap();
        assert_eq!(whole, expected);
        let (mut pieces, mut text) = (openmetrics.chars(), String::new());
        let mut format = TextFormat::new(&mut text);
        pieces
            .try_for_each(|piece| format.write_char(piece))
            .unwrap();
        assert_eq!(text, expected);
    }
}
