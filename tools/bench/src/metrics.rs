//! The operator's counters of requests, from the text that it serves to Prometheus.

use std::collections::BTreeMap;

/// Requests to the Kubernetes API by verb and resource; not those of the watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests(BTreeMap<(String, String), u64>);

const REQUESTS: &str = "bedrock_model_map_kubernetes_requests_total";
const REFRESHES: &str = "bedrock_model_map_refresh_duration_seconds_count";

impl Requests {
    pub fn parse(text: &str) -> Self {
        let mut requests = BTreeMap::new();
        for (labels, count) in samples(text, REQUESTS) {
            let [Some(verb), Some(resource)] = ["verb", "resource"].map(|name| label(labels, name))
            else {
                continue;
            };
            if !["list", "watch"].contains(&verb) {
                *requests
                    .entry((verb.to_owned(), resource.to_owned()))
                    .or_default() += count;
            }
        }
        Self(requests)
    }

    /// Those that came after.
    pub fn since(&self, before: &Self) -> Self {
        let later = self.0.iter().map(|(key, count)| {
            let earlier = before.0.get(key).copied().unwrap_or_default();
            (key.clone(), count.saturating_sub(earlier))
        });
        Self(later.filter(|(_, count)| *count > 0).collect())
    }

    fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The requests of each of so many resources: the sum, and its parts.
    pub fn per(&self, resources: usize) -> String {
        let each = |count: u64| number(ratio(count, resources));
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|((verb, resource), count)| format!("{} {verb} {resource}", each(*count)))
            .collect();
        match parts.as_slice() {
            [] => "0".to_owned(),
            parts => format!("{} ({})", each(self.total()), parts.join(", ")),
        }
    }
}

/// How many refreshes for this reason have ended.
pub fn refreshes(text: &str, reason: &str) -> u64 {
    samples(text, REFRESHES)
        .filter(|(labels, _)| label(labels, "reason") == Some(reason))
        .map(|(_, count)| count)
        .sum()
}

/// The labels and values of a counter.
fn samples<'t>(text: &'t str, name: &str) -> impl Iterator<Item = (&'t str, u64)> {
    text.lines().filter_map(move |line| {
        let (labels, value) = line
            .strip_prefix(name)?
            .strip_prefix('{')?
            .split_once('}')?;
        Some((labels, value.split_whitespace().next()?.parse().ok()?))
    })
}

fn label<'t>(labels: &'t str, name: &str) -> Option<&'t str> {
    labels.split(',').find_map(|pair| {
        let value = pair.strip_prefix(name)?.strip_prefix("=\"")?;
        value.strip_suffix('"')
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of requests are far below 2^52"
)]
pub fn ratio(count: u64, of: usize) -> f64 {
    count as f64 / of as f64
}

/// With as many digits as mean something: a whole number as it is, another one with one or two digits.
pub fn number(value: f64) -> String {
    let text = if value < 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.1}")
    };
    text.strip_suffix(".0")
        .or(text.strip_suffix(".00"))
        .map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# TYPE bedrock_model_map_kubernetes_requests counter
bedrock_model_map_kubernetes_requests_total{verb="create",resource="configmaps",code="201"} 64
bedrock_model_map_kubernetes_requests_total{verb="create",resource="configmaps",code="409"} 1
bedrock_model_map_kubernetes_requests_total{verb="update",resource="bedrockmodelmaps",code="200"} 4
bedrock_model_map_kubernetes_requests_total{verb="watch",resource="configmaps",code="200"} 9
bedrock_model_map_refresh_duration_seconds_count{reason="First"} 2
bedrock_model_map_refresh_duration_seconds_count{reason="Due"} 3
"#;

    #[test]
    fn requests_are_summed_over_codes_and_leave_watches_out() {
        let requests = Requests::parse(TEXT);
        assert_eq!(requests.total(), 69);
        let expected = "34.5 (32.5 create configmaps, 2 update bedrockmodelmaps)";
        assert_eq!(requests.per(2), expected);
    }

    #[test]
    fn difference_leaves_out_what_did_not_change() {
        let before = Requests::parse(TEXT);
        let after = Requests::parse(&TEXT.replace("} 4", "} 6"));
        assert_eq!(after.since(&before).per(2), "1 (1 update bedrockmodelmaps)");
        assert_eq!(before.since(&before).per(2), "0");
    }

    #[test]
    fn refreshes_are_those_of_the_reason() {
        assert_eq!(refreshes(TEXT, "Due"), 3);
        assert_eq!(refreshes(TEXT, "Requested"), 0);
    }

    #[test]
    fn numbers_have_no_idle_digits() {
        let cases = [
            (0.0, "0"),
            (0.05, "0.05"),
            (2.0, "2"),
            (2.25, "2.2"),
            (31.04, "31"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected, "{value}");
        }
    }
}
