//! Globs: `*` matches any characters, `?` exactly one. Every other character matches itself, so that no
//! glob is invalid.

use wildmatch::WildMatch;

/// One glob.
#[derive(Clone, Debug)]
pub struct Glob(WildMatch);

impl Glob {
    /// Compiles a glob.
    pub fn new(glob: &str) -> Self {
        Self(WildMatch::new(glob))
    }

    /// Whether the glob matches the whole text.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.matches(text)
    }
}

/// A list of globs that matches if any of them does.
#[derive(Clone, Debug, Default)]
pub struct Globs(Vec<Glob>);

impl Globs {
    /// Compiles the globs.
    pub fn new(globs: &[String]) -> Self {
        Self(globs.iter().map(|glob| Glob::new(glob)).collect())
    }

    /// Whether any of them matches the whole text.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.iter().any(|glob| glob.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_star_and_question_mark_are_special() {
        let cases = [
            ("a*", "a", true),
            ("a*", "abc", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?", "é", true),
            ("a**b", "ab", true),
            ("**/x", "x", false),
            ("**/x", "a/x", true),
            ("a*b", "a/c/b", true),
            ("[ab]", "a", false),
            ("[ab]", "[ab]", true),
            ("{a,b}", "{a,b}", true),
            (r"a\*", r"a\b", true),
            ("A", "a", false),
        ];
        for (glob, text, expected) in cases {
            assert_eq!(Glob::new(glob).is_match(text), expected, "{glob} {text}");
        }
    }

    /// 64 globs of 256 characters with as many stars as fit, on an ID that none of them matches: the
    /// number of steps must not grow with the number of ways to place the stars.
    #[test]
    fn hostile_globs_match_in_bounded_time() {
        let globs: Vec<String> = (0..64)
            .map(|n| format!("{}{}", "*a".repeat(127), char::from(b'b' + n % 20)))
            .collect();
        assert!(!Globs::new(&globs).is_match(&"a".repeat(256)));
    }
}
