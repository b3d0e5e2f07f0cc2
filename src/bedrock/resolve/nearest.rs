//! Suggestions for a model that is not found.

use super::plain;

/// The number of suggestions.
const MAX_SUGGESTIONS: usize = 5;
/// The longest text that is compared: the effort grows with its length, and no ID is longer.
const MAX_CHARS: usize = 200;

/// The IDs of the models whose ID or name contains a text similar to `wanted`, the most similar first.
/// `models` has the ID and the name of each. A text that differs in a third of the characters or more
/// is not similar.
pub(crate) fn nearest<'m>(
    models: impl Iterator<Item = (&'m str, &'m str)>,
    wanted: &str,
) -> Vec<String> {
    let wanted: Vec<char> = plain(wanted).chars().collect();
    if wanted.is_empty() || wanted.len() > MAX_CHARS {
        return Vec::new();
    }
    let limit = wanted.len().div_ceil(3);
    let mut ranked: Vec<(usize, &str)> = models
        .filter_map(|(id, name)| {
            let distance = [id, name]
                .into_iter()
                .map(|text| distance_to_part(&wanted, &plain(text)))
                .min()?;
            (distance < limit).then_some((distance, id))
        })
        .collect();
    ranked.sort_by_key(|&(distance, id)| (distance, id.len(), id));
    ranked.truncate(MAX_SUGGESTIONS);
    ranked.into_iter().map(|(_, id)| id.to_owned()).collect()
}

/// The edit distance between `wanted` and that part of `text` which is nearest to it (Sellers'
/// algorithm): a misspelt `claude-sonet` is one letter away from any id of Claude Sonnet.
fn distance_to_part(wanted: &[char], text: &str) -> usize {
    // column[i]: the distance of the first i characters to a part that ends here.
    let mut column: Vec<usize> = (0..=wanted.len()).collect();
    let mut best = wanted.len();
    for c in text.chars() {
        let mut diagonal = 0;
        let mut above = 0;
        for (cell, &w) in column.iter_mut().skip(1).zip(wanted) {
            let replaced = diagonal + usize::from(c != w);
            diagonal = *cell;
            above = replaced.min(*cell + 1).min(above + 1);
            *cell = above;
        }
        best = best.min(above);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_to_nearest_part_of_text() {
        let cases = [
            ("abc", "xxabcxx", 0),
            ("abc", "xxabxx", 1),
            ("abc", "xxacxx", 1),
            ("abc", "xxabzcxx", 1),
            ("abc", "", 3),
            ("abc", "zzz", 3),
            ("", "abc", 0),
        ];
        for (wanted, text, expected) in cases {
            let wanted: Vec<char> = wanted.chars().collect();
            assert_eq!(
                distance_to_part(&wanted, text),
                expected,
                "{wanted:?} in {text}"
            );
        }
    }
}
