//! A model map as one HTML file that loads nothing and renders names as text.

mod data;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use crate::reader::ModelMap;

pub(super) use data::PageInfo;

const TEMPLATE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = concat!(include_str!("page/policy.js"), include_str!("page/page.js"));

/// Renders the page. Its policy allows the script with this hash and no other.
pub(super) fn html(map: &ModelMap, info: &PageInfo) -> Result<String, serde_json::Error> {
    let data = data::json(map, info)?;
    // Untrusted text comes last: a placeholder in it must stay text.
    Ok(TEMPLATE
        .replace("{{style-hash}}", &hash(STYLE))
        .replace("{{script-hash}}", &hash(SCRIPT))
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT)
        .replace("{{data}}", &data))
}

/// The source expression of an inline script or style in a Content-Security-Policy.
fn hash(text: &str) -> String {
    format!(
        "sha256-{}",
        BASE64_STANDARD.encode(Sha256::digest(text.as_bytes()))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_has_the_hashes_of_script_and_style() {
        let page = html(&ModelMap::default(), &PageInfo::default()).unwrap();
        for (element, text) in [("style", STYLE), ("script", SCRIPT)] {
            let whole = format!("<{element}>{text}</{element}>");
            assert_eq!(page.matches(&whole).count(), 1, "{element}");
            let policy = format!("{element}-src '{}';", hash(text));
            assert_eq!(page.matches(&policy).count(), 1, "{element}");
        }
        assert!(page.contains("default-src 'none'"));
        assert!(!page.contains("{{"), "a placeholder is left");
        assert!(!page.contains("unsafe"));
        assert!(!page.contains("http://") && !page.contains("https://"));
    }

    #[test]
    fn hash_has_the_form_of_a_source_expression() {
        // `printf %s abc | openssl dgst -sha256 -binary | base64`
        assert_eq!(
            hash("abc"),
            "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
        );
    }

    #[test]
    fn placeholder_in_untrusted_text_stays_text() {
        let info = PageInfo {
            title: "{{script}}{{data}}".to_owned(),
            ..PageInfo::default()
        };
        let page = html(&ModelMap::default(), &info).unwrap();
        assert!(page.contains(r#""title":"{{script}}{{data}}""#));
    }
}
