//! Histories that were once wrong, or that chance finds too seldom.

use super::*;
use bedrock_model_map::api::RegionState;

/// Two regions with all models, named, and nothing published yet.
fn unpublished() -> Operated {
    let region = || Region {
        models: (1 << MODELS) - 1,
        profiles: 7,
        fails: None,
    };
    let environment = Environment {
        spec: Spec {
            regions: Some([true, true, false, false]),
            minutes: 60,
            suspend: false,
            only_even: false,
            prefix: "claude",
            aliases: 0,
            compressed: false,
            summary_only: false,
            refused: false,
        },
        generation: 1,
        token: None,
        regions: [region(), region(), region(), region()],
        account: [true, true, true, false],
        account_fails: None,
        api: Api::Up,
        now: Timestamp::from_millisecond(1_800_000_000_123).unwrap(),
    };
    Operated {
        cluster: Cluster::new(environment),
        next: None,
        invariants: Invariants::default(),
    }
}

fn published() -> Operated {
    let mut operated = unpublished();
    operated.reconcile(None, 1);
    operated
}

impl Operated {
    fn fail(&mut self, index: usize) {
        self.cluster.environment().regions[index].fails = Some((ErrorCode::Timeout, None));
    }

    fn state(&self, index: usize) -> RegionState {
        self.cluster.status().regions[REGIONS[index]].state
    }

    fn names(&self) -> Vec<String> {
        self.cluster.config_maps().into_keys().collect()
    }

    fn wait_until_due(&mut self) {
        self.event(&HistoryEvent::TimeUntilDue);
    }
}

#[test]
fn unpublished_merged_mapping_is_not_read() {
    let mut operated = unpublished();
    operated.event(&HistoryEvent::Foreign(4));
    operated.reconcile(None, 1);
    let mapping = operated.cluster.status().mapping.unwrap();
    assert_eq!(mapping.config_map, "");
    assert_eq!(mapping.error.unwrap().code, ErrorCode::TargetConflict);
    // Its region's content could be in the merged mapping only.
    operated.cluster.touch("claude-ap-south-1", |_| None);
    operated
        .invariants
        .touched
        .insert("claude-ap-south-1".to_owned());
    operated.cluster.forget();
    assert!(matches!(operated.reconcile(None, 1), Ended::Completed(_)));
    assert_eq!(operated.state(0), RegionState::Fresh);
}

#[test]
fn content_of_killed_first_refresh_survives_failure() {
    // Before the merged mapping is read, which is after the regions' own.
    let published = (0..20).find_map(|effects| {
        let mut operated = unpublished();
        operated.reconcile(Some(effects), 1);
        (operated.names().len() == 2).then_some(operated)
    });
    let mut operated = published.unwrap();
    assert!(operated.cluster.status().regions.is_empty());
    (0..2).for_each(|index| operated.fail(index));
    operated.reconcile(None, 1);
    assert_eq!(operated.state(0), RegionState::Stale);
    let names = ["claude-ap-south-1", "claude-eu-west-1", "claude-mapping"];
    assert_eq!(operated.names(), names);
}

#[test]
fn unrecorded_content_of_killed_refresh_is_confirmed_by_region_only() {
    let mut unrecorded = 0;
    for effects in 0..30 {
        let mut operated = unpublished();
        operated.cluster.environment().regions[0].models = 0b11;
        operated.reconcile(None, 1);
        let published = operated.cluster.config_maps();
        let recorded = operated.cluster.status().regions[REGIONS[0]].sha256.clone();
        operated.cluster.environment().regions[0].models = 0b111;
        operated.wait_until_due();
        operated.reconcile(Some(effects), 1);
        operated.cluster.forget();
        operated.fail(0);
        let before = operated.cluster.config_maps();
        let is_recorded = operated.cluster.status().regions[REGIONS[0]].sha256 != recorded;
        let name = "claude-ap-south-1";
        if is_recorded || before[name].data == published[name].data {
            continue;
        }
        unrecorded += 1;
        operated.reconcile(None, 1);
        let status = &operated.cluster.status().regions[REGIONS[0]];
        assert_eq!(status.state, RegionState::Stale, "{effects}");
        assert_eq!(status.sha256, recorded, "{effects}");
        // Nothing that is published is lost.
        assert_eq!(operated.names().len(), 3);
        operated.cluster.environment().recover();
        operated.wait_until_due();
        operated.reconcile(None, 1);
        assert_eq!(operated.state(0), RegionState::Fresh, "{effects}");
    }
    assert!(unrecorded > 0);
}

#[test]
fn account_regions_survive_kill_and_failed_account() {
    for effects in 0..20 {
        let mut operated = unpublished();
        operated.cluster.environment().spec.regions = None;
        operated.reconcile(Some(effects), 1);
        let before = operated.names();
        operated.cluster.environment().account_fails = Some(ErrorCode::AccessDenied);
        operated.reconcile(None, 1);
        let after = operated.names();
        assert!(
            before.iter().all(|name| after.contains(name)),
            "{before:?} {after:?}"
        );
    }
}

#[test]
fn changed_prefix_keeps_failing_regions_after_any_kill() {
    for effects in 0..30 {
        let mut operated = published();
        operated.cluster.environment().edit(&Edit::Prefix("other"));
        operated.fail(0);
        operated.reconcile(Some(effects), effects.into());
        operated.fail(1);
        operated.reconcile(None, 1);
        let names = ["other-ap-south-1", "other-eu-west-1", "other-mapping"];
        assert_eq!(operated.names(), names, "killed before effect {effects}");
    }
}

#[test]
fn last_id_of_an_alias_survives_any_kill_until_the_loss_is_confirmed() {
    let env = "claude-ap-south-1-env";
    let chat = |operated: &Operated| {
        let config_maps = operated.cluster.config_maps();
        let variables = config_maps[env].data.clone().unwrap_or_default();
        variables.get("BEDROCK_MODEL_CHAT").cloned()
    };
    for effects in 0..20 {
        let mut operated = published();
        operated.cluster.environment().edit(&Edit::Aliases(2));
        operated.reconcile(None, 1);
        let last = chat(&operated);
        assert!(last.is_some());
        // No profile references a candidate of the alias any more.
        operated.cluster.environment().regions[0].profiles = 4;
        // The first response is held by the shrink guard, the second loses the ID, the third confirms it.
        for (state, expected) in [
            (RegionState::Stale, &last),
            (RegionState::Fresh, &last),
            (RegionState::Fresh, &None),
        ] {
            let queried = |operated: &Operated| {
                let status = operated.cluster.status();
                status.regions["ap-south-1"].last_attempt_time.clone()
            };
            let before = queried(&operated);
            while queried(&operated) == before {
                operated.wait_until_due();
                operated.reconcile(Some(effects), effects.into());
                operated.reconcile(None, 1);
            }
            assert_eq!(operated.state(0), state, "killed before effect {effects}");
            assert_eq!(chat(&operated), *expected, "killed before effect {effects}");
        }
    }
}

/// The history of which chance finds one in 3,000.
#[test]
fn recovered_region_that_lost_an_alias_converges_within_bounds() {
    let mut operated = unpublished();
    let responds = |models, profiles| Region {
        models,
        profiles,
        fails: None,
    };
    let spec = &mut operated.cluster.environment().spec;
    (spec.regions, spec.aliases) = (Some([true; 4]), 2);
    operated.cluster.environment().regions = [
        responds(24, 3),
        responds(297, 4),
        responds(336, 6),
        responds(265, 3),
    ];
    operated.reconcile(None, 1);
    let environment = operated.cluster.environment();
    environment.edit(&Edit::Minutes(1));
    let mut environment = environment.clone();
    let steps = [
        (HistoryEvent::RegionResponds(2, 16, 0), None, 0),
        (HistoryEvent::AllFail(ErrorCode::DeniedByPolicy), None, 0),
        (HistoryEvent::RegionResponds(0, 0, 0), None, 29_138_613),
        (
            HistoryEvent::TimeUntilDue,
            Some(35),
            14_859_499_727_602_335_736,
        ),
    ];
    for (event, kill_before, order) in steps {
        let step = Step {
            event,
            kill_before,
            order,
        };
        environment = Reference::apply(environment, &step);
        operated = Histories::apply(operated, &environment, step);
    }
    Histories::teardown(operated, environment);
}

#[test]
fn shrunk_response_to_changed_spec_is_published() {
    let mut operated = published();
    operated.cluster.environment().edit(&Edit::OnlyEven(true));
    // What was response before does not serve for the new spec.
    operated.cluster.forget();
    operated.fail(0);
    operated.reconcile(None, 1);
    assert_eq!(operated.state(0), RegionState::Stale);
    // One of nine models: by the new spec that is all that is known of it.
    operated.cluster.environment().regions[0] = Region {
        models: 1,
        profiles: 0,
        fails: None,
    };
    operated.wait_until_due();
    operated.reconcile(None, 1);
    assert_eq!(operated.state(0), RegionState::Fresh);
}

#[test]
fn unrestorable_merged_mapping_is_reported() {
    let mut operated = published();
    operated.cluster.touch("claude-mapping", |_| None);
    operated
        .invariants
        .touched
        .insert("claude-mapping".to_owned());
    operated.event(&HistoryEvent::Foreign(4));
    operated.reconcile(None, 1);
    let mapping = operated.cluster.status().mapping.unwrap();
    assert_eq!(mapping.error.unwrap().code, ErrorCode::TargetConflict);
    operated.event(&HistoryEvent::ForeignDeleted(4));
    operated.reconcile(None, 1);
    assert_eq!(operated.cluster.status().mapping.unwrap().error, None);
}

#[test]
fn shrunk_response_is_confirmed_only_by_same_models() {
    let mut operated = published();
    // (models that are there, what becomes of the region)
    let answers = [
        (0b001, RegionState::Stale),
        (0b010, RegionState::Stale),
        (0b010, RegionState::Fresh),
    ];
    for (models, state) in answers {
        operated.cluster.environment().regions[0].models = models;
        operated.wait_until_due();
        operated.reconcile(None, 1);
        assert_eq!(operated.state(0), state, "{models:b}");
    }
}

#[test]
fn shrunk_profiles_are_held_until_confirmed() {
    let mut operated = published();
    operated.cluster.environment().regions[0].profiles = 0;
    for state in [RegionState::Stale, RegionState::Fresh] {
        operated.wait_until_due();
        operated.reconcile(None, 1);
        assert_eq!(operated.state(0), state);
    }
    let status = &operated.cluster.status().regions[REGIONS[0]];
    assert_eq!((status.profiles, status.invocable), (0, Some(0)));
}

#[test]
fn failure_of_all_regions_keeps_empty_merged_mapping() {
    let mut operated = unpublished();
    operated
        .cluster
        .environment()
        .regions
        .iter_mut()
        .for_each(|region| region.models = 0);
    operated.reconcile(None, 1);
    assert_eq!(operated.state(0), RegionState::Empty);
    assert_eq!(operated.names(), ["claude-mapping"]);
    (0..2).for_each(|index| operated.fail(index));
    operated.wait_until_due();
    operated.reconcile(None, 1);
    assert_eq!(operated.state(0), RegionState::Failed);
    assert_eq!(operated.names(), ["claude-mapping"]);
    let conditions = operated.cluster.status().conditions;
    let ready = conditions.iter().find(|c| c.type_ == "Ready").unwrap();
    assert_eq!(ready.status, "True");
}

#[test]
fn typo_in_regions_takes_nothing_away() {
    let mut operated = published();
    let [_, _, third, _] = &mut operated.cluster.environment().regions;
    third.fails = Some((ErrorCode::NameNotResolved, None));
    let typo = Edit::Regions(Some([false, false, true, false]));
    operated.cluster.environment().edit(&typo);
    operated.reconcile(None, 1);
    let before = ["claude-ap-south-1", "claude-eu-west-1", "claude-mapping"];
    assert_eq!(operated.names(), before);
    assert_eq!(operated.state(0), RegionState::Stale);
    // As soon as the new region is published the former ones go.
    operated.cluster.environment().recover();
    operated.wait_until_due();
    operated.reconcile(None, 1);
    assert_eq!(operated.names(), ["claude-mapping", "claude-us-east-1"]);
}

#[test]
fn selection_of_nothing_takes_effect_once_every_region_answered() {
    let mut operated = published();
    for region in &mut operated.cluster.environment().regions {
        region.models = 0b10;
    }
    operated.cluster.environment().edit(&Edit::OnlyEven(true));
    operated.cluster.forget();
    operated.fail(1);
    operated.reconcile(None, 1);
    let before = ["claude-ap-south-1", "claude-eu-west-1", "claude-mapping"];
    assert_eq!(operated.names(), before);
    assert_eq!(operated.state(0), RegionState::Stale);
    operated.cluster.environment().recover();
    for _ in 0..2 {
        operated.wait_until_due();
        operated.reconcile(None, 1);
    }
    assert_eq!(operated.names(), ["claude-mapping"]);
}

#[test]
fn unresolved_region_queried_alone_is_not_unsupported() {
    let mut operated = unpublished();
    operated.fail(1);
    operated.reconcile(None, 1);
    let (first, now) = (operated.state(0), operated.state(1));
    assert_eq!([first, now], [RegionState::Fresh, RegionState::Failed]);
    // Its time comes long before that of the other, which response when there were names.
    for region in &mut operated.cluster.environment().regions {
        region.fails = Some((ErrorCode::NameNotResolved, None));
    }
    for _ in 0..3 {
        operated.wait_until_due();
        operated.reconcile(None, 1);
        assert_eq!(operated.state(1), RegionState::Failed);
    }
}
