//! Variables of the AWS SDK with an effect that many do not expect.

const ENDPOINT: &str = "AWS_ENDPOINT_URL_BEDROCK sends the requests of every region to one URL: a VPC \
                        endpoint there answers for its own region alone";
const FIPS: &str = "AWS_USE_FIPS_ENDPOINT calls bedrock-fips, which exists in the US, Canada and GovCloud: \
                    other regions fail with NameNotResolved";
const DUAL_STACK: &str = "AWS_USE_DUALSTACK_ENDPOINT calls names that exist in some regions: others fail with \
                          NameNotResolved";
const CA_BUNDLE: &str =
    "AWS_CA_BUNDLE has no effect: name the certificates in SSL_CERT_FILE or SSL_CERT_DIR";

/// What to know about the variables that are set.
pub fn warnings(variable: impl Fn(&str) -> Option<String>) -> Vec<&'static str> {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    let is_true =
        |name: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    [
        (is_set("AWS_ENDPOINT_URL_BEDROCK"), ENDPOINT),
        (is_true("AWS_USE_FIPS_ENDPOINT"), FIPS),
        (is_true("AWS_USE_DUALSTACK_ENDPOINT"), DUAL_STACK),
        (is_set("AWS_CA_BUNDLE"), CA_BUNDLE),
    ]
    .into_iter()
    .filter_map(|(applies, warning)| applies.then_some(warning))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_with_unexpected_effects_are_named() {
        for (name, value, expected) in [
            (
                "AWS_ENDPOINT_URL_BEDROCK",
                "https://vpce.example",
                vec![ENDPOINT],
            ),
            ("AWS_ENDPOINT_URL_BEDROCK", "", vec![]),
            ("AWS_ENDPOINT_URL", "https://proxy.example", vec![]),
            ("AWS_USE_FIPS_ENDPOINT", "true", vec![FIPS]),
            ("AWS_USE_FIPS_ENDPOINT", "false", vec![]),
            ("AWS_USE_DUALSTACK_ENDPOINT", "True", vec![DUAL_STACK]),
            ("AWS_CA_BUNDLE", "/ca.pem", vec![CA_BUNDLE]),
        ] {
            let found = warnings(|other| (other == name).then(|| value.to_owned()));
            assert_eq!(found, expected, "{name}={value}");
        }
    }
}
