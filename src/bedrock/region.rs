//! The names of AWS regions.

/// Whether the text has the form of a region name: it becomes part of host and object names.
pub fn is_region(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let letters = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    match parts.as_slice() {
        [partition, middle @ .., number] => {
            letters(partition)
                && (2..=4).contains(&partition.len())
                && !middle.is_empty()
                && middle.iter().all(letters)
                && (1..=2).contains(&number.len())
                && number.bytes().all(|b| b.is_ascii_digit())
                && name.len() <= 32
        }
        _ => false,
    }
}

/// The commercial partition, and the domain of its endpoints.
const COMMERCIAL: (&str, &str) = ("aws", "amazonaws.com");
/// The prefix of region names, the partition, and the domain of its endpoints.
const PARTITIONS: [(&str, (&str, &str)); 7] = [
    ("cn-", ("aws-cn", "amazonaws.com.cn")),
    ("us-gov-", ("aws-us-gov", "amazonaws.com")),
    ("eusc-", ("aws-eusc", "amazonaws.eu")),
    ("us-iso-", ("aws-iso", "c2s.ic.gov")),
    ("us-isob-", ("aws-iso-b", "sc2s.sgov.gov")),
    ("eu-isoe-", ("aws-iso-e", "cloud.adc-e.uk")),
    ("us-isof-", ("aws-iso-f", "csp.hci.ic.gov")),
];

/// The partition of a region, by the region's name.
pub(crate) fn partition_of(region: &str) -> &'static str {
    let (partition, _) = partition_and_domain(region);
    partition
}

/// The host that serves `Converse` and `InvokeModel` in a region.
pub(crate) fn runtime_host(region: &str) -> String {
    let (_, domain) = partition_and_domain(region);
    format!("bedrock-runtime.{region}.{domain}")
}

fn partition_and_domain(region: &str) -> (&'static str, &'static str) {
    PARTITIONS
        .iter()
        .find(|(prefix, _)| region.starts_with(prefix))
        .map_or(COMMERCIAL, |(_, partition)| *partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtime_host_has_the_domain_of_the_partition() {
        for (region, host) in [
            ("eu-west-1", "bedrock-runtime.eu-west-1.amazonaws.com"),
            (
                "us-gov-west-1",
                "bedrock-runtime.us-gov-west-1.amazonaws.com",
            ),
            (
                "eusc-de-east-1",
                "bedrock-runtime.eusc-de-east-1.amazonaws.eu",
            ),
            ("cn-north-1", "bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ] {
            assert_eq!(runtime_host(region), host);
        }
    }

    #[test]
    fn region_names_are_recognized() {
        for good in [
            "us-east-1",
            "us-gov-west-1",
            "eusc-de-east-1",
            "ap-southeast-12",
        ] {
            assert!(is_region(good), "{good}");
        }
        for bad in [
            "",
            "us-east",
            "us-1",
            "US-east-1",
            "us-east-100",
            "u-east-1",
            "us--1",
            "us-east-1 ",
            "us-east-1/..",
        ] {
            assert!(!is_region(bad), "{bad}");
        }
    }
}
