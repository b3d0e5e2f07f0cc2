//! The invariants after every reconciliation, stated without code of the product.

use std::collections::{BTreeMap, BTreeSet};

use bedrock_model_map::api::{
    BedrockModelMapStatus, ErrorCode, LABEL_MANAGED_BY, LABEL_REGION, RegionState, RegionStatus,
    StatusDetail,
};
use bedrock_model_map::digest::sha256_hex;
use bedrock_model_map::reconcile::plan::Reason;
use bedrock_model_map::reconcile::{Next, Outcome};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::aliases;
use super::cluster::{Cluster, Ended, Trace};
use super::environment::{Api, Environment, foreign};
use crate::answers::Lists;
use crate::reference;

/// Times are kept in whole seconds.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

/// The state before a reconciliation.
pub struct Before {
    status: BedrockModelMapStatus,
    config_maps: BTreeMap<String, ConfigMap>,
    /// Time from which a forced refresh may begin.
    forced_refresh_from: Timestamp,
}

impl Before {
    pub fn new(cluster: &Cluster) -> Self {
        Self {
            status: cluster.status(),
            config_maps: cluster.config_maps(),
            forced_refresh_from: cluster.forced_refresh_from(),
        }
    }
}

/// State of the invariants across reconciliations.
#[derive(Debug, Default)]
pub struct Invariants {
    /// ConfigMaps of others.
    pub foreign: BTreeSet<String>,
    /// Ours that others changed, or that an interrupted reconciliation changed and did not record, until
    /// they are seen to be right again.
    pub touched: BTreeSet<String>,
    /// The model ids of answers that are held.
    held: BTreeMap<String, BTreeSet<String>>,
}

fn models_json(config_map: &ConfigMap) -> Option<&String> {
    config_map.data.as_ref()?.get("models.json")
}

fn metadata(config_map: &ConfigMap) -> Option<Value> {
    serde_json::from_str(config_map.data.as_ref()?.get("metadata.json")?).ok()
}

fn hash(config_map: &ConfigMap) -> Option<&String> {
    let annotations = config_map.metadata.annotations.as_ref()?;
    annotations.get("bedrock.modelmap.dev/content-sha256")
}

fn region_of(config_map: &ConfigMap) -> Option<&String> {
    config_map.metadata.labels.as_ref()?.get(LABEL_REGION)
}

/// `mapping.json`, compressed or not.
fn mapping_json(config_map: &ConfigMap) -> Option<String> {
    use std::io::Read as _;
    let Some(gzip) = config_map
        .binary_data
        .as_ref()
        .and_then(|b| b.get("mapping.json.gz"))
    else {
        return config_map.data.as_ref()?.get("mapping.json").cloned();
    };
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(gzip.0.as_slice());
    decoder.read_to_string(&mut text).ok()?;
    Some(text)
}

/// The pairs of a listed model and a profile that references it.
fn associations(lists: &Lists) -> BTreeSet<(String, String)> {
    let listed: BTreeSet<&str> = lists
        .models
        .iter()
        .map(|m| m["modelId"].as_str().unwrap())
        .collect();
    let mut pairs = BTreeSet::new();
    for profile in &lists.profiles {
        for model in profile["models"].as_array().unwrap() {
            let arn = model["modelArn"].as_str().unwrap();
            let id = arn.rsplit('/').next().unwrap();
            if listed.contains(id) {
                let profile = profile["inferenceProfileId"].as_str().unwrap();
                pairs.insert((id.to_owned(), profile.to_owned()));
            }
        }
    }
    pairs
}

/// The models, and the profiles of each.
fn ids(lists: &Lists) -> BTreeSet<String> {
    let ids = lists.models.iter().map(|m| m["modelId"].as_str().unwrap());
    let pairs = associations(lists).into_iter();
    let pairs = pairs.map(|(model, profile)| format!("{model} {profile}"));
    ids.map(str::to_owned).chain(pairs).collect()
}

/// Whether a response lost so much of what the status says that it needs confirmation.
fn has_shrunk(lists: &Lists, published: &RegionStatus) -> bool {
    let pairs = associations(lists);
    let models: BTreeSet<&String> = pairs.iter().map(|(model, _)| model).collect();
    let profiles: BTreeSet<&String> = pairs.iter().map(|(_, profile)| profile).collect();
    let less = |now: usize, before: i64| i64::try_from(now).unwrap() * 2 < before;
    less(lists.models.len(), published.models)
        || less(profiles.len(), published.profiles)
        || published
            .invocable
            .is_some_and(|before| less(models.len(), before))
}

fn has_code(status: &RegionStatus, code: ErrorCode) -> bool {
    status
        .error
        .as_ref()
        .is_some_and(|error| error.code == code)
}

impl Invariants {
    /// Checks the invariants after a reconciliation.
    pub fn check(&mut self, cluster: &mut Cluster, before: &Before, ended: &Ended, trace: &Trace) {
        self.foreign.extend(trace.raced.iter().cloned());
        let environment = cluster.environment().clone();
        let after = Before::new(cluster);
        let check = Check {
            invariants: self,
            cluster,
            environment: &environment,
            before,
            after: &after,
            trace,
        };
        check.foreign_is_untouched();
        check.last_good_data_survives();
        check.other_regions_are_untouched();
        match ended {
            Ended::Completed(outcome) => {
                check.completed(outcome);
                let held = check.held();
                let right = check.repaired();
                self.held = held;
                self.touched.retain(|name| !right.contains(name));
            }
            Ended::ApiDown | Ended::Killed => {
                let unrecorded = check.unrecorded();
                self.touched.extend(unrecorded);
            }
        }
    }

    /// Checks that what is published is what AWS answers now.
    pub fn check_converged(&self, cluster: &mut Cluster) {
        let environment = cluster.environment().clone();
        let (status, there) = (cluster.status(), cluster.config_maps());
        let mut expected: BTreeMap<String, String> = BTreeMap::new();
        for region in environment.wanted() {
            let lists = environment.selected(environment.region(region).lists());
            if lists.models.is_empty() {
                assert_eq!(status.regions[region].state, RegionState::Empty);
                continue;
            }
            assert_eq!(status.regions[region].state, RegionState::Fresh, "{region}");
            expected.insert(region.to_owned(), reference::models_json(&lists));
        }
        for (region, models) in &expected {
            let published = &there[&environment.config_map(region)];
            assert_eq!(models_json(published), Some(models), "{region}");
            assert_eq!(metadata(published).unwrap()["state"], "Fresh");
        }
        let mut names: BTreeSet<String> =
            expected.keys().map(|r| environment.config_map(r)).collect();
        if environment.spec.aliases > 0 {
            let aliases = expected.keys().map(|r| environment.alias_config_maps(r));
            names.extend(aliases.flatten());
        }
        for region in expected.keys().filter(|_| environment.spec.aliases > 0) {
            let status = status.regions[region].aliases.as_ref().unwrap();
            assert_eq!(
                (&status.error, &status.held_loss),
                (&None, &None),
                "{region}"
            );
            let resolved = aliases::resolved(&environment, &there[&environment.config_map(region)]);
            let [formats, env] = environment
                .alias_config_maps(region)
                .map(|name| &there[&name]);
            assert_eq!(
                aliases::published(formats),
                Some(resolved.clone()),
                "{region}"
            );
            assert_eq!(
                env.data.clone().unwrap_or_default(),
                aliases::variables(&resolved),
                "{region}"
            );
        }
        if !environment.wanted().is_empty() {
            names.insert(environment.mapping());
            let regions = expected
                .iter()
                .map(|(r, models)| format!("{}:{models}", json!(r)));
            let regions = regions.collect::<Vec<_>>().join(",");
            let merged = mapping_json(&there[&environment.mapping()]);
            assert_eq!(merged, Some(format!(r#"{{"models":{{{regions}}}}}"#)));
        }
        assert_eq!(there.into_keys().collect::<BTreeSet<_>>(), names);
        let condition = |kind: &str| {
            let found = status.conditions.iter().find(|c| c.type_ == kind);
            found.map(|c| c.status.clone()).unwrap_or_default()
        };
        assert_eq!(condition("Ready"), "True", "{:#?}", status.conditions);
        assert_eq!(condition("Degraded"), "False");
        assert_eq!([condition("Stalled"), condition("Reconciling")], ["", ""]);
        assert!(self.foreign.is_empty());
    }
}

/// One reconciliation, with all that is known of it.
struct Check<'a> {
    invariants: &'a Invariants,
    cluster: &'a Cluster,
    environment: &'a Environment,
    before: &'a Before,
    after: &'a Before,
    trace: &'a Trace,
}

impl Check<'_> {
    fn is_ours(&self, config_map: &ConfigMap) -> bool {
        self.cluster.owner().owns(&config_map.metadata)
    }

    /// Ours, and as it says itself.
    fn is_sound(&self, config_map: &ConfigMap) -> bool {
        let models = models_json(config_map).map(|m| sha256_hex(m.as_bytes()));
        self.is_ours(config_map) && models.is_some() && models.as_ref() == hash(config_map)
    }

    /// What is published of each region, also under several names.
    fn good(
        &self,
        config_maps: &BTreeMap<String, ConfigMap>,
    ) -> BTreeMap<String, BTreeSet<String>> {
        let mut good: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for config_map in config_maps.values().filter(|c| self.is_sound(c)) {
            if let (Some(region), Some(models)) = (region_of(config_map), models_json(config_map)) {
                good.entry(region.clone())
                    .or_default()
                    .insert(models.clone());
            }
        }
        good
    }

    fn response(&self, region: &str) -> Option<Lists> {
        let lists = self.trace.got.get(region)?.as_ref().ok()?;
        Some(self.environment.selected(lists.clone()))
    }

    fn is_wanted(&self, region: &str) -> bool {
        if self.environment.spec.regions.is_some() {
            return self.environment.wanted().contains(&region);
        }
        // As long as the account does not tell otherwise.
        let responded = self.trace.account_queried && self.environment.account_fails.is_none();
        if responded {
            return self.environment.wanted().contains(&region);
        }
        let status = &self.before.status;
        let region_status = status.regions.get(region);
        if region_status.is_some_and(|r| has_code(r, ErrorCode::NotInSpec)) {
            return false;
        }
        let account_before = status.account_regions.as_ref();
        account_before.is_none_or(|a| a.observed_generation.is_none())
            || status.regions.contains_key(region)
    }

    fn foreign_is_untouched(&self) {
        for name in &self.invariants.foreign {
            let after = self.after.config_maps.get(name);
            if self.trace.raced.contains(name) {
                let data = after.and_then(|c| c.data.clone());
                assert_eq!(data, foreign(name).data, "{name} is foreign");
            } else {
                assert_eq!(
                    after,
                    self.before.config_maps.get(name),
                    "{name} is foreign"
                );
            }
        }
    }

    /// Of a region that is queried for and was published something is, at any time: what it was, or
    /// what it response.
    fn last_good_data_survives(&self) {
        let after = self.good(&self.after.config_maps);
        for (region, before) in self.good(&self.before.config_maps) {
            let status = self.before.status.regions.get(&region);
            let was_empty = status.is_some_and(|s| s.state == RegionState::Empty);
            let response = self.response(&region);
            let is_empty = response
                .as_ref()
                .is_some_and(|lists| lists.models.is_empty());
            if !self.is_wanted(&region) || was_empty || is_empty {
                continue;
            }
            let now = after.get(&region);
            let now = now.unwrap_or_else(|| panic!("the last good data of {region} is lost"));
            let response = response.map(|lists| reference::models_json(&lists));
            for models in now {
                let known = before.contains(models)
                    || response.as_ref() == Some(models)
                    || status.and_then(|s| s.sha256.clone()) == Some(sha256_hex(models.as_bytes()));
                assert!(known, "{region}: {models} comes from nowhere");
            }
        }
    }

    /// What was right and not queried for stays as it is, whatever becomes of the others.
    fn other_regions_are_untouched(&self) {
        // A refusal marks what is published.
        if self.environment.spec.refused {
            return;
        }
        if self.before.status.observed_generation != Some(self.environment.generation) {
            return;
        }
        for (region, status) in &self.before.status.regions {
            let Some(name) = &status.config_map else {
                continue;
            };
            let was_right = self
                .before
                .config_maps
                .get(name)
                .is_some_and(|c| matches_status(c, status));
            let queried = self.trace.queried.contains_key(region);
            if queried
                || !was_right
                || self.invariants.touched.contains(name)
                || !self.is_wanted(region)
            {
                continue;
            }
            let version = |config_maps: &BTreeMap<String, ConfigMap>| {
                config_maps.get(name)?.metadata.resource_version.clone()
            };
            let (before, after) = (
                version(&self.before.config_maps),
                version(&self.after.config_maps),
            );
            assert_eq!(before, after, "{region} was not queried and has changed");
        }
    }

    fn completed(&self, outcome: &Outcome) {
        let status = &self.after.status;
        if self.environment.spec.suspend {
            assert!(self.trace.is_quiet(), "{:#?}", self.trace);
            assert_eq!(outcome.next, Next::Change);
            return;
        }
        if self.environment.spec.refused {
            self.refusal_changes_only_freshness();
            assert!(self.trace.queried.is_empty() && !self.trace.account_queried);
            assert!(status.conditions.iter().any(|c| c.type_ == "Stalled"));
            return;
        }
        self.status_names_only_published_content();
        self.merged_mapping_matches_regions();
        self.merged_mapping_survives();
        self.spec_change_takes_nothing_away_too_early();
        self.aliases_follow_published_models();
        self.requeues_in_time(outcome);
        self.queries_only_due_regions(outcome);
        self.acknowledges_request(outcome);
        for region in self.trace.queried.keys() {
            self.state_follows_contract(region, outcome);
        }
    }

    /// What is published stays, and says that it is Stale.
    fn refusal_changes_only_freshness(&self) {
        let unmarked = |regions: &BTreeMap<String, RegionStatus>| {
            let mut regions = without_mappings(regions);
            for status in regions.values_mut() {
                if status.config_map.is_some() {
                    status.state = RegionState::Stale;
                    status.stale_since = None;
                    status.last_attempt_time = None;
                    status.consecutive_failures = 0;
                    status.error = None;
                }
            }
            regions
        };
        let (before, after) = (&self.before, &self.after);
        assert_eq!(
            unmarked(&after.status.regions),
            unmarked(&before.status.regions)
        );
        let unmarked = |config_maps: &BTreeMap<String, ConfigMap>| {
            let content = |config_map: &ConfigMap| {
                let mut data = config_map.data.clone();
                data.as_mut().and_then(|data| data.remove("metadata.json"));
                (data, config_map.binary_data.clone())
            };
            let maps = config_maps.iter();
            let maps = maps.map(|(name, config_map)| (name.clone(), content(config_map)));
            maps.collect::<BTreeMap<_, _>>()
        };
        assert_eq!(unmarked(&after.config_maps), unmarked(&before.config_maps));
        if self.environment.api == Api::RefusesWrites {
            return;
        }
        for (region, status) in &after.status.regions {
            let Some(name) = &status.config_map else {
                continue;
            };
            assert!(status.stale_since.is_some(), "{region}: {status:#?}");
            let untouched =
                !self.invariants.touched.contains(name) && !self.invariants.foreign.contains(name);
            if untouched && let Some(metadata) = after.config_maps.get(name).and_then(metadata) {
                assert_eq!(metadata["state"], "Stale", "{region}: {metadata}");
            }
        }
    }

    /// ConfigMaps whose content is not what the status records.
    fn unrecorded(&self) -> Vec<String> {
        let regions = self.after.status.regions.values();
        let named = regions.filter_map(|status| Some((status.config_map.clone()?, status)));
        named
            .filter(|(name, status)| {
                let models = self.after.config_maps.get(name).and_then(models_json);
                models.is_some_and(|m| Some(sha256_hex(m.as_bytes())) != status.sha256)
            })
            .map(|(name, _)| name)
            .collect()
    }

    fn status_names_only_published_content(&self) {
        let mut recorded = BTreeSet::new();
        for (region, status) in &self.after.status.regions {
            let detail = self.environment.spec.detail() == StatusDetail::Mapping;
            assert_eq!(
                status.mapping.is_some(),
                detail && status.config_map.is_some(),
                "{region}"
            );
            let Some(name) = &status.config_map else {
                continue;
            };
            recorded.insert(name.clone());
            if let Some(aliases) = &status.aliases {
                recorded.extend([aliases.config_map.clone(), aliases.env_config_map.clone()]);
            }
            if self.invariants.touched.contains(name) || self.invariants.foreign.contains(name) {
                // It may be lost for good until the region answers.
                continue;
            }
            let published = self.after.config_maps.get(name);
            let published = published.unwrap_or_else(|| panic!("{name} is not there"));
            let refused = self.environment.api == Api::RefusesWrites;
            assert!(
                refused || matches_status(published, status),
                "{region}: {status:#?}\n{published:#?}"
            );
        }
        recorded.extend(
            self.after
                .status
                .mapping
                .iter()
                .map(|m| m.config_map.clone()),
        );
        for (name, config_map) in &self.after.config_maps {
            let find_unrecorded = self.is_ours(config_map) && !recorded.contains(name);
            // Without the label no watch shows it.
            let hidden = self.invariants.touched.contains(name);
            assert!(
                !find_unrecorded || hidden,
                "{name} is there and not in the status"
            );
        }
    }

    /// Each alias is what the published models give, or keeps its last ID while its loss waits for
    /// confirmation.
    fn aliases_follow_published_models(&self) {
        for (region, status) in &self.after.status.regions {
            let Some(name) = &status.config_map else {
                assert_eq!(status.aliases, None, "{region}");
                continue;
            };
            let Some(aliases) = &status.aliases else {
                assert!(self.environment.spec.aliases == 0, "{region}: {status:#?}");
                continue;
            };
            let [formats, env] = [&aliases.config_map, &aliases.env_config_map];
            let damaged = |name: &String| {
                self.invariants.touched.contains(name) || self.invariants.foreign.contains(name)
            };
            let refused = self.environment.api == Api::RefusesWrites;
            if let Some(error) = &aliases.error {
                let foreign = self.environment.alias_config_maps(region);
                let foreign = foreign.iter().any(|n| self.invariants.foreign.contains(n));
                // Deleted content waits for the region's next attempt, and the aliases for the content.
                let damaged = [name, formats, env].into_iter().any(damaged);
                assert!(refused || foreign || damaged, "{region}: {error:?}");
                continue;
            }
            if refused || [name, formats, env].into_iter().any(damaged) {
                continue;
            }
            let there = &self.after.config_maps;
            let published = aliases::published(&there[formats]).unwrap();
            assert_eq!(Some(&aliases.sha256), hash(&there[formats]), "{region}");
            assert_eq!(Some(&aliases.env_sha256), hash(&there[env]), "{region}");
            assert_eq!(
                there[env].data.clone().unwrap_or_default(),
                aliases::variables(&published),
                "{region}"
            );
            for (alias, resolved) in aliases::resolved(self.environment, &there[name]) {
                let is_held = resolved.is_none() && aliases.held_loss.is_some();
                let kept = is_held && published[&alias].is_some();
                assert!(kept || published[&alias] == resolved, "{region}: {alias}");
            }
        }
    }

    fn merged_mapping_matches_regions(&self) {
        let status = &self.after.status;
        let Some(mapping) = status.mapping.as_ref().filter(|m| m.error.is_none()) else {
            return;
        };
        let names = status
            .regions
            .values()
            .filter_map(|r| r.config_map.as_ref());
        let mut names = names.chain([&mapping.config_map]);
        let damaged = |name: &&String| {
            self.invariants.touched.contains(*name) || self.invariants.foreign.contains(*name)
        };
        if names.any(|name| damaged(&name)) || self.environment.api == Api::RefusesWrites {
            return;
        }
        let regions = status.regions.iter().filter_map(|(region, status)| {
            let published = &self.after.config_maps[status.config_map.as_ref()?];
            Some(format!(
                "{}:{}",
                json!(region),
                models_json(published).unwrap()
            ))
        });
        let expected = format!(
            r#"{{"models":{{{}}}}}"#,
            regions.collect::<Vec<_>>().join(",")
        );
        let published = &self.after.config_maps[&mapping.config_map];
        assert_eq!(mapping_json(published).as_ref(), Some(&expected));
        assert_eq!(mapping.sha256, sha256_hex(expected.as_bytes()));
        assert_eq!(mapping.compressed, self.environment.spec.compressed);
        let merged = metadata(published).unwrap();
        for (region, status) in &status.regions {
            if status.config_map.is_some() {
                assert_eq!(
                    merged["regions"][region]["state"] == "Fresh",
                    status.state == RegionState::Fresh,
                    "{region}"
                );
            }
        }
    }

    fn requeues_in_time(&self, outcome: &Outcome) {
        let Next::After(wait) = outcome.next else {
            panic!("it never comes back: {outcome:#?}");
        };
        let wait = SignedDuration::try_from(wait).unwrap();
        let longest = self.environment.interval().mul_f64(1.05) + SLACK;
        assert!(wait.is_positive() && wait <= longest, "{wait:?}");
        let regions = self.after.status.regions.iter();
        for (region, status) in regions.filter(|(_, r)| !has_code(r, ErrorCode::NotInSpec)) {
            let last = status.last_attempt_time.as_ref().unwrap().0;
            let age = self.environment.now.duration_since(last);
            assert!(!age.is_negative(), "{region} was queried in the future");
            let due = self.wait(status).mul_f64(1.05) + SLACK;
            assert!(age <= due, "{region} is overdue: {age:?}, {due:?}");
            assert!(
                wait <= due - age + SLACK,
                "{region} is due before the next reconciliation"
            );
        }
    }

    /// How long a region is left alone, the spread aside.
    fn wait(&self, status: &RegionStatus) -> SignedDuration {
        let interval = self.environment.interval();
        if status.consecutive_failures == 0 {
            return interval;
        }
        let mut wait = SignedDuration::from_secs(30);
        for _ in 1..status.consecutive_failures.min(30) {
            wait = (wait + wait).min(interval);
        }
        let error = status.error.as_ref().unwrap();
        let publication = [ErrorCode::TargetConflict, ErrorCode::WriteFailed];
        if publication.contains(&error.code) {
            wait = wait.min(SignedDuration::from_mins(1));
        }
        let retry_after = error.retry_after_seconds.filter(|s| *s > 0).unwrap_or(0);
        wait.max(SignedDuration::from_secs(retry_after))
            .min(interval)
    }

    fn queries_only_due_regions(&self, outcome: &Outcome) {
        let reason = outcome.refreshed.as_ref().map(|r| &r.reason);
        let Some(Reason::Due) = reason else {
            assert!(reason.is_some() || self.trace.queried.is_empty());
            return;
        };
        for region in self.trace.queried.keys() {
            let Some(status) = self.before.status.regions.get(region) else {
                continue;
            };
            let last = status.last_attempt_time.as_ref().unwrap().0;
            let age = self.environment.now.duration_since(last);
            let due = self.wait(status).mul_f64(0.95) - SLACK;
            let name = status.config_map.as_ref();
            if age.is_negative() || age >= due {
                continue;
            }
            let aliases = status
                .aliases
                .iter()
                .filter(|aliases| aliases.error.is_none());
            let mut aliases = aliases.flat_map(|a| [&a.config_map, &a.env_config_map]);
            let aliases_touched = aliases.any(|name| {
                self.invariants.touched.contains(name)
                    || !self.before.config_maps.contains_key(name)
            });
            if status.consecutive_failures == 0 && aliases_touched {
                continue;
            }
            let is_lost = status.consecutive_failures == 0
                && name.is_some_and(|name| {
                    let there = self.before.config_maps.get(name);
                    self.invariants.touched.contains(name)
                        || !there.is_some_and(|c| matches_status(c, status))
                });
            assert!(is_lost, "{region} is queried after {age:?}");
        }
    }

    fn acknowledges_request(&self, outcome: &Outcome) {
        let reason = outcome.refreshed.as_ref().map(|r| &r.reason);
        if let Some(Reason::First | Reason::NewGeneration) = reason {
            // The next reconciliation handles the request.
            return;
        }
        let token = self.environment.token.map(|token| token.to_string());
        let handled_before = &self.before.status.last_handled_refresh_request;
        let may_begin = self.before.forced_refresh_from <= self.environment.now;
        if *handled_before != token && !may_begin {
            assert!(!matches!(reason, Some(Reason::Requested(_))));
            let Next::After(wait) = outcome.next else {
                panic!("the request is forgotten: {outcome:#?}");
            };
            let begins = self.environment.now + SignedDuration::try_from(wait).unwrap();
            assert!(begins <= self.before.forced_refresh_from + SLACK);
            return;
        }
        assert_eq!(self.after.status.last_handled_refresh_request, token);
        assert_eq!(
            self.after.status.observed_generation,
            Some(self.environment.generation)
        );
        let Some(Reason::Requested(_)) = outcome.refreshed.as_ref().map(|r| &r.reason) else {
            return;
        };
        assert_ne!(self.before.status.last_handled_refresh_request, token);
        let regions = self.after.status.regions.iter();
        for (region, _) in regions.filter(|(_, r)| !has_code(r, ErrorCode::NotInSpec)) {
            let live = self
                .trace
                .queried
                .get(region)
                .is_some_and(|from| *from >= self.environment.now);
            assert!(live, "{region} is not queried live");
        }
    }

    fn state_follows_contract(&self, region: &str, outcome: &Outcome) {
        let after = &self.after.status.regions[region];
        let previous = self.before.status.regions.get(region);
        let published = previous.filter(|p| p.config_map.is_some());
        let code = after.error.as_ref().map(|e| e.code);
        let could_not_write = [ErrorCode::TargetConflict, ErrorCode::WriteFailed];
        match &self.trace.got[region] {
            Ok(_) if code.is_some_and(|c| could_not_write.contains(&c)) => {
                let name = self.environment.config_map(region);
                let foreign = self.invariants.foreign.contains(&name);
                assert!(
                    foreign || self.environment.api != Api::Up,
                    "{region}: {code:?}"
                );
                assert!(matches!(
                    after.state,
                    RegionState::Stale | RegionState::Failed
                ));
            }
            Ok(lists) => {
                let lists = self.environment.selected(lists.clone());
                let ids = ids(&lists);
                let guarded = outcome.refreshed.as_ref().unwrap().reason == Reason::Due;
                let same_spec =
                    |p: &&RegionStatus| p.observed_generation == Some(self.environment.generation);
                let shrank = published
                    .filter(same_spec)
                    .filter(|_| guarded)
                    .is_some_and(|p| has_shrunk(&lists, p));
                if shrank && self.invariants.held.get(region) != Some(&ids) {
                    assert_eq!(
                        (after.state, code),
                        (RegionState::Stale, Some(ErrorCode::ShrinkHeld)),
                        "{region}"
                    );
                } else if ids.is_empty() {
                    let expected = if published.is_some() && !self.has_spec_taken_effect() {
                        (RegionState::Stale, Some(ErrorCode::ShrinkHeld))
                    } else {
                        (RegionState::Empty, None)
                    };
                    assert_eq!((after.state, code), expected, "{region}");
                } else {
                    assert_eq!((after.state, code), (RegionState::Fresh, None), "{region}");
                    let expected = sha256_hex(reference::models_json(&lists).as_bytes());
                    assert_eq!(after.sha256.as_ref(), Some(&expected), "{region}");
                }
            }
            Err(failure) => {
                let others = self.others(region, *failure);
                let disabled = *failure == ErrorCode::RegionDisabled;
                let expected = if disabled && !others.accept {
                    ErrorCode::InvalidCredentials
                } else {
                    *failure
                };
                assert_eq!(code, Some(expected), "{region}");
                // A refresh that was cut short may have published it, too.
                let find_unrecorded = self.good(&self.before.config_maps).contains_key(region);
                let denies = [ErrorCode::AccessDenied, ErrorCode::DeniedByPolicy];
                let denied = match self.environment.spec.regions {
                    Some(_) => *failure == ErrorCode::DeniedByPolicy,
                    None => denies.contains(failure) && others.grant,
                };
                let state = match failure {
                    _ if denied => RegionState::Denied,
                    _ if published.is_some() => RegionState::Stale,
                    _ if find_unrecorded && after.state == RegionState::Stale => RegionState::Stale,
                    ErrorCode::NameNotResolved if others.resolve => RegionState::Unsupported,
                    ErrorCode::RegionDisabled if others.accept => RegionState::Disabled,
                    _ => RegionState::Failed,
                };
                assert_eq!(after.state, state, "{region}: {failure:?}");
            }
        }
    }

    /// Whether a region of this generation is published, or all have said that they have no model.
    fn has_spec_taken_effect(&self) -> bool {
        let generation = Some(self.environment.generation);
        let (before, after) = (&self.before.status.regions, &self.after.status.regions);
        let is_published =
            |r: &RegionStatus| r.config_map.is_some() && r.observed_generation == generation;
        let says_nothing = |r: &RegionStatus| match r.state {
            RegionState::Empty => true,
            RegionState::Stale => {
                has_code(r, ErrorCode::ShrinkHeld) && r.observed_generation != generation
            }
            _ => false,
        };
        let is_absent =
            |r: &RegionStatus| matches!(r.state, RegionState::Unsupported | RegionState::Disabled);
        let mut in_scope = after
            .values()
            .filter(|r| !has_code(r, ErrorCode::NotInSpec));
        before.values().chain(after.values()).any(is_published)
            || in_scope.clone().all(|r| says_nothing(r) || is_absent(r))
                && in_scope.any(says_nothing)
    }

    /// What a spec no longer asks for is taken away once the spec has taken effect.
    fn spec_change_takes_nothing_away_too_early(&self) {
        let after = &self.after.status.regions;
        if after.is_empty() || self.has_spec_taken_effect() {
            return;
        }
        for (region, before) in &self.before.status.regions {
            if before.config_map.is_some() {
                let now = after.get(region).and_then(|r| r.config_map.as_ref());
                assert!(now.is_some(), "{region} is taken away too early");
            }
        }
    }

    /// A failure never removes the merged mapping.
    fn merged_mapping_survives(&self) {
        let status = &self.after.status;
        if self.before.status.mapping.is_some() && !status.regions.is_empty() {
            assert!(status.mapping.is_some(), "the merged mapping is gone");
        }
    }

    fn others(&self, region: &str, failure: ErrorCode) -> PeerEvidence {
        let mut others = PeerEvidence::default();
        let regions = [&self.before.status.regions, &self.after.status.regions];
        let regions: BTreeSet<&String> = regions.into_iter().flat_map(BTreeMap::keys).collect();
        for other in regions.into_iter().filter(|o| *o != region) {
            match self.trace.got.get(other) {
                Some(Ok(_)) => {
                    others = PeerEvidence {
                        resolve: true,
                        accept: true,
                        grant: true,
                    }
                }
                Some(Err(code)) => {
                    let accepts = [
                        ErrorCode::AccessDenied,
                        ErrorCode::DeniedByPolicy,
                        ErrorCode::Throttled,
                        ErrorCode::InvalidRequest,
                        ErrorCode::EndlessPagination,
                    ];
                    let answers = [
                        ErrorCode::RegionDisabled,
                        ErrorCode::InvalidCredentials,
                        ErrorCode::ServiceError,
                    ];
                    others.accept |= accepts.contains(code);
                    others.grant |= *code == ErrorCode::EndlessPagination;
                    others.resolve |= accepts.contains(code) || answers.contains(code);
                }
                None => {
                    if self.answered_since_it_failed_so(other, region, failure) {
                        others = PeerEvidence {
                            resolve: true,
                            accept: true,
                            grant: true,
                        };
                    }
                }
            }
        }
        others
    }

    /// Network and credentials were well after the region had failed like this, or the error was
    /// no fault of theirs.
    fn answered_since_it_failed_so(&self, other: &str, region: &str, failure: ErrorCode) -> bool {
        let regions = &self.before.status.regions;
        let (Some(before), Some(other)) = (regions.get(region), regions.get(other)) else {
            return false;
        };
        let code = before.error.as_ref().map(|e| e.code);
        let other_cause = match failure {
            ErrorCode::NameNotResolved => before.state == RegionState::Unsupported,
            ErrorCode::AccessDenied | ErrorCode::DeniedByPolicy => {
                before.state == RegionState::Denied
            }
            _ => code == Some(ErrorCode::RegionDisabled),
        };
        let failed_so = match failure {
            ErrorCode::NameNotResolved => code == Some(failure),
            ErrorCode::AccessDenied | ErrorCode::DeniedByPolicy => matches!(
                code,
                Some(ErrorCode::AccessDenied | ErrorCode::DeniedByPolicy)
            ),
            _ => code == Some(ErrorCode::InvalidCredentials),
        };
        let time = |time: &Option<Time>| time.as_ref().map(|t| t.0);
        let responded_since = time(&other.last_success_time) > time(&before.last_attempt_time);
        matches!(other.state, RegionState::Fresh | RegionState::Empty)
            && (other_cause || failed_so && responded_since)
    }

    fn held(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut held = self.invariants.held.clone();
        let regions = &self.after.status.regions;
        held.retain(|region, _| regions.get(region).is_some_and(|r| r.held_answer.is_some()));
        for (region, status) in regions {
            let is_held = status
                .error
                .as_ref()
                .is_some_and(|e| e.code == ErrorCode::ShrinkHeld);
            if let Some(lists) = self.response(region).filter(|_| is_held) {
                held.insert(region.clone(), ids(&lists));
            }
        }
        held
    }

    /// ConfigMaps that are as the status says, and marked as ours.
    fn repaired(&self) -> BTreeSet<String> {
        let regions = self.after.status.regions.values();
        let aliases = self.after.status.regions.values().flat_map(|status| {
            let aliases = status
                .aliases
                .iter()
                .filter(|aliases| aliases.error.is_none());
            aliases.flat_map(|a| {
                [
                    (&a.config_map, &a.sha256),
                    (&a.env_config_map, &a.env_sha256),
                ]
            })
        });
        let aliases = aliases.filter_map(|(name, sha256)| {
            let there = self.after.config_maps.get(name)?;
            let right = hash(there) == Some(sha256) && aliases::is_sound(there);
            right.then(|| name.clone())
        });
        let regions = regions.filter_map(|status| {
            let name = status.config_map.as_ref()?;
            let right = matches_status(self.after.config_maps.get(name)?, status);
            right.then(|| name.clone())
        });
        let mapping = self.after.status.mapping.iter().filter_map(|mapping| {
            let json = mapping_json(self.after.config_maps.get(&mapping.config_map)?)?;
            (sha256_hex(json.as_bytes()) == mapping.sha256).then(|| mapping.config_map.clone())
        });
        let marked = |name: &String| is_marked(&self.after.config_maps[name]);
        regions
            .chain(mapping)
            .chain(aliases)
            .filter(marked)
            .collect()
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct PeerEvidence {
    resolve: bool,
    accept: bool,
    grant: bool,
}

/// Without the compact mapping, which comes and goes with `statusDetail`.
fn without_mappings(regions: &BTreeMap<String, RegionStatus>) -> BTreeMap<String, RegionStatus> {
    let mut regions = regions.clone();
    for region in regions.values_mut() {
        region.mapping = None;
    }
    regions
}

/// Whether it has what a hand may have taken off it: label and owner.
fn is_marked(config_map: &ConfigMap) -> bool {
    let metadata = &config_map.metadata;
    let labels = metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.contains_key(LABEL_MANAGED_BY))
        && metadata.owner_references.is_some()
}

/// Whether a region's ConfigMap is what the status says.
fn matches_status(config_map: &ConfigMap, status: &RegionStatus) -> bool {
    let models = models_json(config_map);
    let Some(models) = models.filter(|m| Some(sha256_hex(m.as_bytes())) == status.sha256) else {
        return false;
    };
    let counted: BTreeMap<String, Value> = serde_json::from_str(models).unwrap();
    let metadata = metadata(config_map).unwrap_or_default();
    hash(config_map) == status.sha256.as_ref()
        && i64::try_from(counted.len()).unwrap() == status.models
        && (metadata["state"] == "Fresh") == (status.state == RegionState::Fresh)
        && metadata["staleSince"] == json!(status.stale_since)
        && metadata["discoveredAt"] == json!(status.discovered_at)
}
