//! Rendered content of regions, kept for the resources that select the same of the same response.

use moka::sync::Cache;

use crate::publication::content::{PackedContent, RegionContent};

/// Content kept in memory: all models of 35 regions have 2 MB, and resources of a team differ in few
/// selections.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Content by a hash of the response and of the selection. What is seldom used goes first.
#[derive(Debug)]
pub(super) struct ContentCache(Cache<String, PackedContent>);

impl Default for ContentCache {
    fn default() -> Self {
        let weigher = |key: &String, content: &PackedContent| {
            u32::try_from(key.len() + content.bytes()).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().weigher(weigher);
        Self(cache.max_capacity(MAX_BYTES).build())
    }
}

impl ContentCache {
    /// The content of this key as it was rendered before, or else as rendered now.
    pub(super) fn get_or_render<E>(
        &self,
        key: String,
        render: impl FnOnce() -> Result<RegionContent, E>,
    ) -> Result<RegionContent, E> {
        let packed = self.0.get(&key);
        if let Some(content) = packed.and_then(|packed| packed.unpack().ok()) {
            return Ok(content);
        }
        let content = render()?;
        self.0.insert(key, PackedContent::new(&content));
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> RegionContent {
        let models = serde_json::from_str(text).unwrap();
        RegionContent {
            orphan_profiles: Some(3),
            ..RegionContent::new(text.to_owned(), models)
        }
    }

    const MODELS: &str = r#"{"a.b":{"inferenceProfiles":[],"modelId":"a.b"}}"#;

    #[test]
    fn equal_selections_of_a_response_render_once() {
        let cache = ContentCache::default();
        let rendered = |key: &str, text: Option<&str>| {
            let render = || text.map(content).ok_or("is not rendered again");
            cache.get_or_render(key.to_owned(), render)
        };
        let first = rendered("key", Some(MODELS));
        assert!(first.is_ok());
        assert_eq!(rendered("key", None), first);
        assert!(rendered("other", None).is_err());
    }

    #[test]
    fn content_that_cannot_be_rendered_is_not_kept() {
        let cache = ContentCache::default();
        let failed = cache.get_or_render("key".to_owned(), || Err("too large"));
        assert_eq!(failed, Err("too large"));
        let rendered = cache.get_or_render("key".to_owned(), || Ok::<_, &str>(content(MODELS)));
        assert_eq!(rendered.unwrap().models.len(), 1);
    }
}
