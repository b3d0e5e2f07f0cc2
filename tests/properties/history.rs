//! The schedule over random histories of a resource.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bedrock_model_map::api::{AccountRegionsStatus, BedrockModelMapStatus, ErrorCode};
use bedrock_model_map::core::plan::{Inputs, Plan, Reason, Refresh, plan, regions_to_ask};
use bedrock_model_map::core::region_state::{
    Answer, Asked, Others, answered, error, failed, stamp,
};
use bedrock_model_map::core::schedule::Rhythm;
use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use crate::answers::Lists;
use crate::config;

const REGIONS: [&str; 3] = ["ap-south-1", "eu-west-1", "us-east-1"];
/// Times are kept in whole seconds.
const A_SECOND: SignedDuration = SignedDuration::from_secs(1);

/// What happens between two looks.
#[derive(Clone, Debug)]
enum Event {
    /// Time passes, in parts of a thousand of the interval.
    Passes(u16),
    /// Time passes exactly as long as the operator means to wait.
    PassesUntilDue,
    /// The clock is set back, in parts of a thousand of the interval.
    SetBack(u16),
    SpecChanges,
    RefreshIsRequested,
    ContentIsLost(usize),
    /// The operator starts anew; all that it knows is the status.
    Restart,
}

/// What AWS would answer.
#[derive(Clone, Copy, Debug)]
enum World {
    Answers(usize),
    Fails(ErrorCode),
    AsksToWait(i64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0_u16..2500).prop_map(Event::Passes),
        4 => Just(Event::PassesUntilDue),
        1 => (0_u16..2500).prop_map(Event::SetBack),
        1 => Just(Event::SpecChanges),
        1 => Just(Event::RefreshIsRequested),
        1 => (0..REGIONS.len()).prop_map(Event::ContentIsLost),
        1 => Just(Event::Restart),
    ]
}

fn world() -> impl Strategy<Value = [World; 3]> {
    let code = prop_oneof![
        Just(ErrorCode::Timeout),
        Just(ErrorCode::NameNotResolved),
        Just(ErrorCode::RegionDisabled),
        Just(ErrorCode::TargetConflict),
    ];
    let one = || {
        prop_oneof![
            4 => (0_usize..9).prop_map(World::Answers),
            2 => code.clone().prop_map(World::Fails),
            1 => (-1_i64..1_000_000).prop_map(World::AsksToWait),
        ]
    };
    [one(), one(), one()]
}

struct Resource {
    rhythm: Rhythm,
    named: Option<Vec<String>>,
    generation: i64,
    token: Option<String>,
    status: BedrockModelMapStatus,
    lost: BTreeSet<String>,
    now: Timestamp,
}

impl Resource {
    fn new(interval: Duration, uid: &str, named: bool) -> Self {
        Self {
            rhythm: Rhythm::new(interval, uid),
            named: named.then(|| REGIONS.map(str::to_owned).to_vec()),
            generation: 1,
            token: None,
            status: BedrockModelMapStatus::default(),
            lost: BTreeSet::new(),
            now: Timestamp::from_millisecond(1_800_000_000_123).unwrap(),
        }
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            generation: Some(self.generation),
            named_regions: self.named.as_deref(),
            requested_at: self.token.as_deref(),
            status: &self.status,
            lost: &self.lost,
            mapping_is_lost: false,
            rhythm: self.rhythm,
            now: self.now,
        }
    }

    fn parts(&self, thousandths: f64) -> SignedDuration {
        let duration = self.rhythm.interval().mul_f64(thousandths / 1000.0);
        SignedDuration::try_from(duration).unwrap()
    }

    fn happens(&mut self, event: &Event) {
        match event {
            Event::Passes(parts) => self.now += self.parts(f64::from(*parts)),
            Event::PassesUntilDue => {
                if let Plan::Wait { until } = plan(&self.inputs()) {
                    self.now = until;
                }
            }
            Event::SetBack(parts) => self.now -= self.parts(f64::from(*parts)),
            Event::SpecChanges => self.generation += 1,
            Event::RefreshIsRequested => self.token = Some(self.now.to_string()),
            Event::ContentIsLost(index) => {
                let region = REGIONS[*index];
                let published = self.status.regions.get(region);
                if published.is_some_and(|status| status.config_map.is_some()) {
                    self.lost.insert(region.to_owned());
                }
            }
            Event::Restart => {
                let kept = serde_json::to_string(&self.status).unwrap();
                self.status = serde_json::from_str(&kept).unwrap();
            }
        }
    }

    /// Carries a refresh out as the operator does; returns whom it asked.
    fn carry_out(&mut self, refresh: &Refresh, world: [World; 3]) -> Vec<String> {
        let mut known = self
            .named
            .clone()
            .unwrap_or_else(|| self.status.regions.keys().cloned().collect());
        let mut account = self.status.account_regions.clone();
        if refresh.ask_account {
            // The account answers whenever the first region does.
            let before = account.map_or(0, |account| account.consecutive_failures);
            let answers = matches!(world[0], World::Answers(_));
            if answers {
                known = REGIONS.map(str::to_owned).to_vec();
            }
            account = Some(AccountRegionsStatus {
                last_attempt_time: Some(stamp(self.now)),
                consecutive_failures: if answers { 0 } else { before + 1 },
                error: (!answers).then(|| error(ErrorCode::Timeout, "account")),
                ..AccountRegionsStatus::default()
            });
        }
        let asked: Vec<String> = regions_to_ask(refresh, &self.inputs(), &known)
            .into_iter()
            .map(str::to_owned)
            .collect();
        let mut regions: BTreeMap<_, _> = known
            .iter()
            .filter_map(|r| Some((r.clone(), self.status.regions.get(r)?.clone())))
            .collect();
        for region in &asked {
            let index = REGIONS.iter().position(|r| r == region).unwrap();
            let before = self.status.regions.get(region);
            let (status, _) = match world[index] {
                World::Answers(models) => {
                    let models = (0..models).map(|n| json!({"modelId": n.to_string()}));
                    let lists = Lists {
                        models: models.collect(),
                        profiles: Vec::new(),
                    };
                    let answer = Answer::of(lists.catalog(), self.now).unwrap();
                    let asked = Asked {
                        generation: Some(self.generation),
                        guard_shrinking: refresh.reason.guards_against_shrinking(),
                        at: self.now,
                    };
                    answered(before, &answer, region, asked)
                }
                World::Fails(code) => failed(before, error(code, "why"), Others::ANSWER, self.now),
                World::AsksToWait(seconds) => {
                    let mut throttled = error(ErrorCode::Throttled, "why");
                    throttled.retry_after_seconds = Some(seconds);
                    failed(before, throttled, Others::ANSWER, self.now)
                }
            };
            // What answered is published again, lost or not.
            self.lost.remove(region);
            regions.insert(region.clone(), status);
        }
        if let Reason::Requested(token) = &refresh.reason {
            self.status.last_handled_refresh_request = Some(token.clone());
        }
        self.status.regions = regions;
        self.status.account_regions = account;
        self.status.observed_generation = Some(self.generation);
        asked
    }

    /// Looks until there is nothing to do.
    fn looks(&mut self, world: [World; 3]) -> Result<(), TestCaseError> {
        for _ in 0..3 {
            match plan(&self.inputs()) {
                Plan::Wait { until } => return self.waits_until(until),
                Plan::Refresh(refresh) => {
                    let (before, missing) = (self.status.regions.clone(), self.lost.clone());
                    let asked = self.carry_out(&refresh, world);
                    if refresh.reason != Reason::Due {
                        prop_assert_eq!(asked.len(), self.status.regions.len());
                        continue;
                    }
                    let early = self.parts(950.0) - A_SECOND;
                    for region in asked.iter().filter(|region| !missing.contains(*region)) {
                        let Some(before) = before.get(region) else {
                            continue;
                        };
                        let last = before.last_attempt_time.as_ref().unwrap().0;
                        let age = self.now.duration_since(last);
                        let may_be_asked =
                            before.consecutive_failures > 0 || age.is_negative() || age >= early;
                        prop_assert!(may_be_asked, "{} asked after {:?}", region, age);
                    }
                }
            }
        }
        // A changed spec, a token, and no third reason.
        Err(TestCaseError::fail("there is always more to do"))
    }

    fn waits_until(&self, until: Timestamp) -> Result<(), TestCaseError> {
        let wait = until.duration_since(self.now);
        prop_assert!(wait.is_positive(), "{:?}", wait);
        prop_assert!(wait <= self.parts(1050.0), "{:?}", wait);
        prop_assert_eq!(self.status.observed_generation, Some(self.generation));
        prop_assert_eq!(&self.status.last_handled_refresh_request, &self.token);
        for (region, status) in &self.status.regions {
            let age = self
                .now
                .duration_since(status.last_attempt_time.as_ref().unwrap().0);
            prop_assert!(
                age <= self.parts(1050.0) + A_SECOND,
                "{}: {:?}",
                region,
                age
            );
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_the_schedule_holds(
        seconds in 60_u64..2_592_000,
        uid in "[0-9a-f]{8}",
        named in any::<bool>(),
        history in vec((event(), world()), 1..30),
    ) {
        let mut resource = Resource::new(Duration::from_secs(seconds), &uid, named);
        for (event, world) in history {
            resource.happens(&event);
            resource.looks(world)?;
        }
    }
}
