//! Published regions as the functions on them take them.

use std::collections::BTreeMap;

use crate::bedrock::invocation::InvocationFacts;
use crate::bedrock::model::{ModelSummary, Models};
use crate::bedrock::policy::InvocationPolicy;

/// The models of one region, and how they are invoked.
#[derive(Clone, Copy, Debug)]
pub struct RegionView<'a> {
    /// The models.
    pub models: &'a Models,
    /// The source of their facts.
    pub facts: FactsSource<'a>,
}

/// Where the facts of a region's models come from.
#[derive(Clone, Copy, Debug)]
pub enum FactsSource<'a> {
    /// The published `invocation.json`, which follows the policy of the resource.
    Published(&'a BTreeMap<String, InvocationFacts>),
    /// The models themselves, under this policy.
    Policy(&'a InvocationPolicy),
}

impl<'a> RegionView<'a> {
    /// A region whose facts follow the policy.
    pub fn with_policy(models: &'a Models, policy: &'a InvocationPolicy) -> Self {
        Self {
            models,
            facts: FactsSource::Policy(policy),
        }
    }

    /// How the model is invoked from the region. A model that the published facts lack follows the
    /// default policy.
    pub fn facts(&self, region: &str, id: &str, model: &ModelSummary) -> InvocationFacts {
        match self.facts {
            FactsSource::Published(facts) => facts.get(id).cloned().unwrap_or_else(|| {
                InvocationFacts::new(region, id, model, &InvocationPolicy::default())
            }),
            FactsSource::Policy(policy) => InvocationFacts::new(region, id, model, policy),
        }
    }
}

/// Regions by name.
pub type Regions<'a> = BTreeMap<&'a str, RegionView<'a>>;
