//! The token of a forced refresh.

use std::borrow::Cow;

use crate::digest::sha256_hex;

/// The longest token that a status holds as it is.
const MAX_CHARS: usize = 253;

/// A token as `status.lastHandledRefreshRequest` acknowledges it: a longer one than 253 characters
/// as `sha256:<hex>`, because a status that repeats an annotation of any length may exceed the limit
/// of etcd.
pub fn acknowledged_form(token: &str) -> Cow<'_, str> {
    if token.chars().nth(MAX_CHARS).is_none() {
        return Cow::Borrowed(token);
    }
    Cow::Owned(format!("sha256:{}", sha256_hex(token.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_token_is_acknowledged_by_its_hash() {
        let longest = "é".repeat(MAX_CHARS);
        assert_eq!(acknowledged_form(&longest), longest);
        let long = "<".repeat(200_000);
        let hashed = acknowledged_form(&long);
        assert_eq!(hashed, format!("sha256:{}", sha256_hex(long.as_bytes())));
        assert_eq!(acknowledged_form(&hashed), hashed);
    }
}
