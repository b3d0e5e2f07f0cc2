//! Text for people.

use std::error::Error;
#[cfg(feature = "operator")]
use std::fmt;

/// The error and its causes, joined by colons. A cause that the text contains already is left out.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(error.source(), |cause| (*cause).source())
        .map(ToString::to_string)
        .fold(error.to_string(), |text, cause| {
            if text.contains(&cause) {
                text
            } else {
                format!("{text}: {cause}")
            }
        })
}

/// Names in one line, such as `a, b, c and 2 more`.
#[cfg(feature = "operator")]
pub struct Listed<'a, N> {
    /// The names.
    pub names: &'a [N],
    /// How many of them to spell out.
    pub max: usize,
}

#[cfg(feature = "operator")]
impl<N: AsRef<str>> fmt::Display for Listed<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, rest) = self.names.split_at(self.max.min(self.names.len()));
        for (index, name) in shown.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}", name.as_ref())?;
        }
        match rest.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The text without control characters that a terminal or a browser obeys: names and messages come
/// from AWS, or from a folder.
#[cfg(feature = "aws")]
pub fn printable(text: &str) -> String {
    let is_unsafe = |c: char| (c.is_control() && c != '\n') || is_bidi_control(c);
    text.chars()
        .map(|c| {
            if is_unsafe(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

/// A control of the Unicode bidirectional algorithm makes one name resemble another.
#[cfg(feature = "aws")]
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One printable line of at most `max_bytes`, an ellipsis excluded: text from outside must not flood
/// the status or the log.
#[cfg(feature = "aws")]
pub fn one_line(text: &str, max_bytes: usize) -> String {
    let line = printable(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    match line
        .char_indices()
        .find(|(start, c)| start + c.len_utf8() > max_bytes)
    {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(all(test, feature = "aws"))]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    #[test]
    fn error_chain_omits_repeated_causes() {
        let chain = |texts: &[&'static str]| {
            texts
                .iter()
                .rev()
                .fold(None, |source, text| Some(Box::new(Link { text, source })))
        };
        let error = chain(&[
            "service error",
            "connection error",
            "connection error",
            "refused",
        ]);
        assert_eq!(
            error_chain(&*error.unwrap()),
            "service error: connection error: refused"
        );
    }

    #[test]
    fn printable_replaces_control_characters() {
        assert_eq!(
            printable("a\x1b[31mb\r\u{9b}c\nd é\u{202e}"),
            "a\u{fffd}[31mb\u{fffd}\u{fffd}c\nd é\u{fffd}"
        );
    }

    #[test]
    fn one_line_cuts_at_a_character() {
        let cut = one_line(&"ä".repeat(1000), 301);
        assert_eq!(cut, format!("{}…", "ä".repeat(150)));
        assert_eq!(one_line(" no\n  way\x1b[2J ", 300), "no way\u{fffd}[2J");
    }
}
