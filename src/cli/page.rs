//! A mapping as one HTML file: nothing is loaded from elsewhere, and names in it stay text.

mod data;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use crate::reader::ModelMap;

pub(super) use data::About;

const TEMPLATE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The page. A browser carries out the script whose hash it names, and no other.
pub(super) fn html(published: &ModelMap, about: &About) -> Result<String, serde_json::Error> {
    let data = data::json(published, about)?;
    // What comes from outside last: it must not be taken for a place to fill.
    Ok(TEMPLATE
        .replace("{{style-hash}}", &hash(STYLE))
        .replace("{{script-hash}}", &hash(SCRIPT))
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT)
        .replace("{{data}}", &data))
}

/// As a Content-Security-Policy names an inline script or style.
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
    fn the_policy_names_the_hashes_of_what_is_in_the_file() {
        let page = html(&ModelMap::default(), &About::default()).unwrap();
        for (element, text) in [("style", STYLE), ("script", SCRIPT)] {
            let whole = format!("<{element}>{text}</{element}>");
            assert_eq!(page.matches(&whole).count(), 1, "{element}");
            let policy = format!("{element}-src '{}';", hash(text));
            assert_eq!(page.matches(&policy).count(), 1, "{element}");
        }
        assert!(page.contains("default-src 'none'"));
        assert!(!page.contains("{{"), "a place is not filled");
        assert!(!page.contains("unsafe"));
        assert!(!page.contains("http://") && !page.contains("https://"));
    }

    #[test]
    fn a_hash_is_in_the_form_that_browsers_expect() {
        // `printf %s abc | openssl dgst -sha256 -binary | base64`
        assert_eq!(
            hash("abc"),
            "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
        );
    }

    #[test]
    fn what_comes_from_outside_is_no_place_to_fill() {
        let about = About {
            title: "{{script}}{{data}}".to_owned(),
            ..About::default()
        };
        let page = html(&ModelMap::default(), &about).unwrap();
        assert!(page.contains(r#""title":"{{script}}{{data}}""#));
    }
}
