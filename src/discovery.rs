//! Discovery without a cluster: the operator's own stages, run once.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;

use crate::api::{AttemptError, ErrorCode, RegionSource, RegionState, RegionStatus};
use crate::aws::identity::Caller;
use crate::aws::priority::Priority;
use crate::aws::{Audience, AwsError, SnapshotCache};
use crate::bedrock::association::associate;
use crate::bedrock::policy::InvocationPolicy;
use crate::bedrock::selection::Selection;
use crate::publication::content::{ContentError, RegionContent};
use crate::reader::{ModelMap, RegionModels};
use crate::reconcile::status::peers::PeerEvidence;
use crate::reconcile::status::region::{
    QueryContext, after_response, failed, is_rejected_by_all_regions,
};

/// The result of a discovery.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Discovery {
    /// What an operator would publish now.
    pub published: ModelMap,
    /// The status of each region, those without models included.
    pub regions: BTreeMap<String, RegionStatus>,
    /// Where the regions come from.
    pub source: RegionSource,
    /// When the discovery began.
    pub taken_at: Timestamp,
}

/// The progress of a discovery.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Regions queried.
    pub regions: usize,
    /// Regions without a result yet, sorted.
    pub waiting: Vec<&'a str>,
}

/// A region that responded.
struct Discovered {
    content: RegionContent,
    taken_at: Timestamp,
}

/// Why a region has no content.
enum RegionError {
    Aws(AwsError),
    Snapshot(serde_json::Error),
    Content(ContentError),
}

impl RegionError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Aws(error) => error.code(),
            Self::Snapshot(_) => ErrorCode::MalformedAnswer,
            Self::Content(_) => ErrorCode::PayloadTooLarge,
        }
    }

    fn into_attempt_error(self, peers: PeerEvidence) -> AttemptError {
        let rejected_by_all = is_rejected_by_all_regions(self.code(), peers);
        match self {
            Self::Aws(error) if rejected_by_all => error
                .rejected_by_all_regions()
                .to_attempt_error(Audience::Command),
            Self::Aws(error) => error.to_attempt_error(Audience::Command),
            Self::Snapshot(error) => {
                AttemptError::new(ErrorCode::MalformedAnswer, error.to_string())
            }
            Self::Content(error) => {
                AttemptError::new(ErrorCode::PayloadTooLarge, error.to_string())
            }
        }
    }
}

impl Discovery {
    /// The regions that failed. A region that Bedrock or the account does not have counts only if it
    /// was named.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &AttemptError)> {
        self.regions
            .iter()
            .filter(|(_, r)| r.state.is_failure(self.source))
            .filter_map(|(region, status)| Some((region.as_str(), status.error.as_ref()?)))
    }

    /// How many regions responded.
    pub fn answered(&self) -> usize {
        let answered = |r: &&RegionStatus| r.last_success_time.is_some();
        self.regions.values().filter(answered).count()
    }
}

/// Discovers all regions at once: those named, or all that are enabled for the account. `policy`
/// chooses the ID to pass for each model.
pub async fn discover(
    snapshots: &SnapshotCache,
    caller: &Caller,
    named: Option<&[String]>,
    selection: &Selection,
    policy: &InvocationPolicy,
    mut progress: impl FnMut(&Progress<'_>),
) -> Result<Discovery, AwsError> {
    let regions: BTreeSet<String> = match named {
        Some(named) => named.iter().cloned().collect(),
        None => snapshots
            .account_regions(caller)
            .await?
            .into_iter()
            .collect(),
    };
    let now = Timestamp::now();
    let mut in_flight: FuturesUnordered<_> = regions
        .iter()
        .map(|region| async move {
            let result = discover_region(snapshots, caller, region, selection, now).await;
            (region, result)
        })
        .collect();
    let mut results = BTreeMap::new();
    let mut state = Progress {
        regions: regions.len(),
        waiting: regions.iter().map(String::as_str).collect(),
    };
    progress(&state);
    while let Some((region, result)) = in_flight.next().await {
        results.insert(region.clone(), result);
        state.waiting.retain(|waiting| waiting != region);
        progress(&state);
    }
    Ok(summarize(results, RegionSource::from(named), policy, now))
}

async fn discover_region(
    snapshots: &SnapshotCache,
    caller: &Caller,
    region: &str,
    selection: &Selection,
    now: Timestamp,
) -> Result<Discovered, RegionError> {
    let snapshot = snapshots
        .get(caller, region, now, Priority::Requested)
        .await
        .map_err(RegionError::Aws)?
        .unpack()
        .map_err(RegionError::Snapshot)?;
    let content = RegionContent::from_catalog(associate(&snapshot, selection))
        .map_err(RegionError::Content)?;
    Ok(Discovered {
        content,
        taken_at: snapshot.taken_at,
    })
}

fn summarize(
    results: BTreeMap<String, Result<Discovered, RegionError>>,
    source: RegionSource,
    policy: &InvocationPolicy,
    now: Timestamp,
) -> Discovery {
    let codes: BTreeMap<String, Result<(), ErrorCode>> = results
        .iter()
        .map(|(region, result)| {
            let code = result.as_ref().map(drop).map_err(RegionError::code);
            (region.clone(), code)
        })
        .collect();
    let mut discovery = Discovery {
        published: ModelMap::default(),
        regions: BTreeMap::new(),
        source,
        taken_at: now,
    };
    for (region, result) in results {
        let status = match result {
            Ok(Discovered { content, taken_at }) => {
                let context = QueryContext {
                    generation: None,
                    guard_shrinking: false,
                    at: now,
                };
                let facts = content.facts(&region, policy);
                let (status, _) =
                    after_response(None, &content, &facts, taken_at, &region, context);
                if status.state == RegionState::Fresh {
                    let models = RegionModels {
                        facts,
                        content,
                        state: status.state,
                        stale_since: None,
                    };
                    discovery.published.regions.insert(region.clone(), models);
                }
                status
            }
            Err(error) => {
                let peers = PeerEvidence::of(&region, error.code(), &codes, &BTreeMap::new());
                failed(None, error.into_attempt_error(peers), peers, source, now).0
            }
        };
        discovery.regions.insert(region, status);
    }
    discovery
}
