//! Discovery without a cluster: the operator's own stages, carried out once.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;

use crate::api::{AttemptError, ErrorCode, RegionState, RegionStatus};
use crate::aws::SnapshotCache;
use crate::aws::identity::Caller;
use crate::aws::priority::Priority;
use crate::bedrock::association::associate;
use crate::bedrock::selection::Selection;
use crate::reader::{ModelMap, RegionModels};
use crate::reconcile::status::peers::PeerEvidence;
use crate::reconcile::status::region::{
    DiscoveredRegion, QueryContext, answered, disabled_or_invalid_credentials, failed,
};

/// What the regions answered.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// What an operator would publish now.
    pub published: ModelMap,
    /// What it would say of each region, those without models included.
    pub regions: BTreeMap<String, RegionStatus>,
    /// Whether the regions were named, rather than those of the account.
    pub named: bool,
    /// When they were asked.
    pub asked_at: Timestamp,
}

/// How far a discovery has come.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// Regions asked.
    pub regions: usize,
    /// Those that have neither answered nor failed, sorted.
    pub waiting: Vec<&'a str>,
}

impl Discovery {
    /// The regions that failed. One that Bedrock or the account does not have is no failure unless
    /// it was named.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &AttemptError)> {
        let absent_is_failure = self.named;
        let regions = self.regions.iter().filter(move |(_, r)| match r.state {
            RegionState::Failed | RegionState::Stale => true,
            RegionState::Unsupported | RegionState::Disabled => absent_is_failure,
            RegionState::Fresh | RegionState::Empty => false,
        });
        regions.filter_map(|(region, status)| Some((region.as_str(), status.error.as_ref()?)))
    }

    /// How many regions answered.
    pub fn answered(&self) -> usize {
        let answered = |r: &&RegionStatus| r.last_success_time.is_some();
        self.regions.values().filter(answered).count()
    }
}

/// Asks the regions, all at once: those named, or all that are enabled for the account.
pub async fn discover(
    snapshots: &SnapshotCache,
    caller: &Caller,
    named: Option<&[String]>,
    selection: &Selection,
    mut progress: impl FnMut(&Progress<'_>),
) -> Result<Discovery, AttemptError> {
    let regions: BTreeSet<String> = match named {
        Some(named) => named.iter().cloned().collect(),
        None => snapshots
            .account_regions(caller)
            .await?
            .into_iter()
            .collect(),
    };
    let now = Timestamp::now();
    let mut under_way: FuturesUnordered<_> = regions
        .iter()
        .map(|region| async move { (region, ask(snapshots, caller, region, selection, now).await) })
        .collect();
    let mut attempts = BTreeMap::new();
    let mut come = Progress {
        regions: regions.len(),
        waiting: regions.iter().map(String::as_str).collect(),
    };
    progress(&come);
    while let Some((region, attempt)) = under_way.next().await {
        attempts.insert(region.clone(), attempt);
        come.waiting.retain(|waiting| waiting != region);
        progress(&come);
    }
    Ok(told(attempts, named.is_some(), now))
}

async fn ask(
    snapshots: &SnapshotCache,
    caller: &Caller,
    region: &str,
    selection: &Selection,
    now: Timestamp,
) -> Result<DiscoveredRegion, AttemptError> {
    let snapshot = snapshots
        .get(caller, region, now, Priority::Requested)
        .await?;
    DiscoveredRegion::of(associate(&snapshot, selection), snapshot.taken_at)
        .map_err(|cause| AttemptError::new(ErrorCode::PayloadTooLarge, cause.to_string()))
}

fn told(
    attempts: BTreeMap<String, Result<DiscoveredRegion, AttemptError>>,
    named: bool,
    now: Timestamp,
) -> Discovery {
    let error_codes: BTreeMap<String, Result<(), ErrorCode>> = attempts
        .iter()
        .map(|(region, attempt)| {
            (
                region.clone(),
                attempt.as_ref().map(drop).map_err(|e| e.code),
            )
        })
        .collect();
    let mut discovery = Discovery {
        published: ModelMap::default(),
        regions: BTreeMap::new(),
        named,
        asked_at: now,
    };
    for (region, attempt) in attempts {
        let status = match attempt {
            Ok(answer) => {
                let asked = QueryContext {
                    generation: None,
                    guard_shrinking: false,
                    at: now,
                };
                let (status, _) = answered(None, &answer, &region, asked);
                if status.state == RegionState::Fresh {
                    let published = RegionModels {
                        content: answer.content,
                        state: status.state,
                        stale_since: None,
                    };
                    discovery
                        .published
                        .regions
                        .insert(region.clone(), published);
                }
                status
            }
            Err(error) => {
                let others = PeerEvidence::of(&region, error.code, &error_codes, &BTreeMap::new());
                failed(
                    None,
                    disabled_or_invalid_credentials(error, others),
                    others,
                    now,
                )
                .0
            }
        };
        discovery.regions.insert(region, status);
    }
    discovery
}
