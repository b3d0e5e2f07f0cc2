use std::ops::RangeInclusive;

use serde_json::Value;

use crate::aws_error::AwsError;
use crate::fault::Fault;
use crate::operation::Operation;

/// The requested page, as received.
#[derive(Default)]
pub(crate) struct PageRequest {
    pub(crate) max_results: Option<String>,
    pub(crate) token: Option<String>,
}

/// Items of a list, and where it goes on.
pub(crate) struct Page {
    pub(crate) items: Vec<Value>,
    pub(crate) next_token: Option<String>,
}

/// How an operation cuts its list into pages.
struct Limits {
    allowed: RangeInclusive<usize>,
    default: usize,
}

fn limits(operation: Operation) -> Option<Limits> {
    match operation {
        Operation::ListFoundationModels
        | Operation::AssumeRole
        | Operation::AssumeRoleWithWebIdentity
        | Operation::ContainerCredentials => None,
        Operation::ListInferenceProfiles => Some(Limits {
            allowed: 1..=1000,
            default: 100,
        }),
        Operation::ListRegions => Some(Limits {
            allowed: 1..=50,
            default: 50,
        }),
    }
}

impl PageRequest {
    pub(crate) fn cut(
        &self,
        operation: Operation,
        items: Vec<Value>,
        faults: &[Fault],
    ) -> Result<Page, AwsError> {
        let Some(limits) = limits(operation) else {
            return Ok(Page {
                items,
                next_token: None,
            });
        };
        let position = Position::read(self.token.as_deref())?;
        let size = self.size(&limits)?;
        Ok(PageFaults::of(faults).cut(items, position, size))
    }

    fn size(&self, limits: &Limits) -> Result<usize, AwsError> {
        let Some(text) = &self.max_results else {
            return Ok(limits.default);
        };
        let number = text
            .parse()
            .ok()
            .filter(|number| limits.allowed.contains(number));
        number.ok_or_else(|| {
            let (first, last) = (limits.allowed.start(), limits.allowed.end());
            AwsError::validation(format!(
                "1 validation error detected: Value '{text}' at 'maxResults' failed to satisfy constraint: Member must \
                 have value between {first} and {last}"
            ))
        })
    }
}

/// What a token says: where the next page begins, and how many empty pages came since the last item.
#[derive(Clone, Copy, Default)]
struct Position {
    offset: usize,
    empty_pages: usize,
}

impl Position {
    fn read(token: Option<&str>) -> Result<Self, AwsError> {
        let Some(token) = token else {
            return Ok(Self::default());
        };
        Self::parse(token).ok_or_else(|| AwsError::validation("The provided nextToken is invalid."))
    }

    fn parse(token: &str) -> Option<Self> {
        let numbers = token.strip_prefix("offset=")?.strip_suffix("==")?;
        let (offset, empty_pages) = numbers.split_once("/+")?;
        Some(Self {
            offset: offset.parse().ok()?,
            empty_pages: empty_pages.parse().ok()?,
        })
    }

    /// Full of characters that do not survive in a query unless they are escaped, as base64 of the real service is.
    fn token(self) -> String {
        format!("offset={}/+{}==", self.offset, self.empty_pages)
    }

    fn after_empty_page(self) -> Self {
        Self {
            empty_pages: self.empty_pages + 1,
            ..self
        }
    }
}

#[derive(Default)]
struct PageFaults {
    size: Option<usize>,
    empty_pages: usize,
    repeated: bool,
    endless: bool,
}

impl PageFaults {
    fn of(faults: &[Fault]) -> Self {
        let mut found = Self::default();
        for fault in faults {
            match fault {
                Fault::ShortPages { size } => found.size = Some(*size),
                Fault::EmptyPages { count } => found.empty_pages = *count,
                Fault::RepeatedToken => found.repeated = true,
                Fault::EndlessTokens => found.endless = true,
                _ => {}
            }
        }
        found
    }

    fn cut(&self, mut items: Vec<Value>, position: Position, size: usize) -> Page {
        if self.repeated {
            items.truncate(self.page_size(size));
            let next_token = Some(Position::default().token());
            return Page { items, next_token };
        }
        let past_the_end = self.endless && position.offset >= items.len();
        if past_the_end || position.empty_pages < self.empty_pages {
            return Page {
                items: Vec::new(),
                next_token: Some(position.after_empty_page().token()),
            };
        }
        let total = items.len();
        let begin = position.offset.min(total);
        let end = begin.saturating_add(self.page_size(size)).min(total);
        let more = end < total || self.endless;
        Page {
            items: items.drain(begin..end).collect(),
            next_token: more.then(|| {
                Position {
                    offset: end,
                    empty_pages: 0,
                }
                .token()
            }),
        }
    }

    /// At least one item a page, or the listing would never end, for which there are faults of their own.
    fn page_size(&self, requested: usize) -> usize {
        self.size.map_or(requested, |size| size.clamp(1, requested))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn cut(token: Option<String>, faults: &[Fault]) -> Page {
        let items = (0..5).map(|number| json!(number)).collect();
        let max_results = Some("2".to_owned());
        let request = PageRequest { max_results, token };
        request
            .cut(Operation::ListInferenceProfiles, items, faults)
            .unwrap()
    }

    /// The sizes of up to `limit` pages, and all items on them.
    fn follow(faults: &[Fault], limit: usize) -> (Vec<usize>, Vec<Value>) {
        let (mut sizes, mut items, mut token) = (Vec::new(), Vec::new(), None);
        while sizes.len() < limit {
            let page = cut(token, faults);
            sizes.push(page.items.len());
            items.extend(page.items);
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        (sizes, items)
    }

    #[test]
    fn every_item_is_on_exactly_one_page() {
        let all: Vec<Value> = (0..5).map(|number| json!(number)).collect();
        let cases = [
            (vec![], vec![2, 2, 1]),
            (vec![Fault::ShortPages { size: 1 }], vec![1, 1, 1, 1, 1]),
            (vec![Fault::ShortPages { size: 9 }], vec![2, 2, 1]),
            (vec![Fault::EmptyPages { count: 1 }], vec![0, 2, 0, 2, 0, 1]),
            (
                vec![Fault::EmptyPages { count: 2 }],
                vec![0, 0, 2, 0, 0, 2, 0, 0, 1],
            ),
        ];
        for (faults, sizes) in cases {
            assert_eq!(follow(&faults, 100), (sizes, all.clone()), "{faults:?}");
        }
    }

    #[test]
    fn endless_tokens_are_unique() {
        assert_eq!(follow(&[Fault::EndlessTokens], 6).0, [2, 2, 1, 0, 0, 0]);
        let mut tokens = Vec::new();
        for _ in 0..20 {
            let token = cut(tokens.last().cloned(), &[Fault::EndlessTokens])
                .next_token
                .unwrap();
            assert!(!tokens.contains(&token), "{token}");
            tokens.push(token);
        }
    }

    #[test]
    fn repeated_token_returns_same_page() {
        let first = cut(None, &[Fault::RepeatedToken]);
        let second = cut(first.next_token.clone(), &[Fault::RepeatedToken]);
        assert!(first.next_token.is_some());
        assert_eq!(first.next_token, second.next_token);
        assert_eq!(first.items, second.items);
    }
}
