//! Histories that were once wrong, or that chance finds too seldom.

use super::*;
use bedrock_model_map::api::RegionState;

/// Two regions with all models, named, and nothing published yet.
fn calm() -> Operated {
    let region = || Region {
        models: (1 << MODELS) - 1,
        profiles: 7,
        fails: None,
    };
    let outside = Outside {
        spec: Spec {
            regions: Some([true, true, false, false]),
            minutes: 60,
            suspend: false,
            only_even: false,
            prefix: "claude",
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
        cluster: Cluster::new(outside),
        next: None,
        book: Book::default(),
    }
}

fn published() -> Operated {
    let mut operated = calm();
    operated.looks(None, 1);
    operated
}

impl Operated {
    fn fail(&mut self, index: usize) {
        self.cluster.outside().regions[index].fails = Some((ErrorCode::Timeout, None));
    }

    fn state(&self, index: usize) -> RegionState {
        self.cluster.status().regions[REGIONS[index]].state
    }

    fn names(&self) -> Vec<String> {
        self.cluster.config_maps().into_keys().collect()
    }

    fn passes_until_due(&mut self) {
        self.happens(&Happening::PassesUntilDue);
    }
}

#[test]
fn a_merged_mapping_that_was_never_published_is_not_looked_for() {
    let mut operated = calm();
    operated.happens(&Happening::Foreign(4));
    operated.looks(None, 1);
    let mapping = operated.cluster.status().mapping.unwrap();
    assert_eq!(mapping.config_map, "");
    assert_eq!(mapping.error.unwrap().code, ErrorCode::TargetConflict);
    // Its region's content could be in the merged mapping only.
    operated.cluster.touch("claude-ap-south-1", |_| None);
    operated.book.touched.insert("claude-ap-south-1".to_owned());
    operated.cluster.forget();
    assert!(matches!(operated.looks(None, 1), Ended::Whole(_)));
    assert_eq!(operated.state(0), RegionState::Fresh);
}

#[test]
fn what_a_killed_first_refresh_published_outlives_a_failure() {
    // Before the merged mapping is read, which is after the regions' own.
    let published = (0..20).find_map(|effects| {
        let mut operated = calm();
        operated.looks(Some(effects), 1);
        (operated.names().len() == 2).then_some(operated)
    });
    let mut operated = published.unwrap();
    assert!(operated.cluster.status().regions.is_empty());
    (0..2).for_each(|index| operated.fail(index));
    operated.looks(None, 1);
    assert_eq!(operated.state(0), RegionState::Stale);
    let names = ["claude-ap-south-1", "claude-eu-west-1", "claude-mapping"];
    assert_eq!(operated.names(), names);
}

#[test]
fn regions_of_the_account_outlive_a_kill_and_a_silent_account() {
    for effects in 0..20 {
        let mut operated = calm();
        operated.cluster.outside().spec.regions = None;
        operated.looks(Some(effects), 1);
        let before = operated.names();
        operated.cluster.outside().account_fails = Some(ErrorCode::AccessDenied);
        operated.looks(None, 1);
        let after = operated.names();
        assert!(
            before.iter().all(|name| after.contains(name)),
            "{before:?} {after:?}"
        );
    }
}

#[test]
fn a_changed_prefix_loses_no_failing_region_wherever_it_is_killed() {
    for effects in 0..30 {
        let mut operated = published();
        operated.cluster.outside().edit(&Edit::Prefix("other"));
        operated.fail(0);
        operated.looks(Some(effects), effects.into());
        operated.fail(1);
        operated.looks(None, 1);
        let names = ["other-ap-south-1", "other-eu-west-1", "other-mapping"];
        assert_eq!(operated.names(), names, "killed before effect {effects}");
    }
}

#[test]
fn a_shrunk_answer_is_not_held_against_another_spec() {
    let mut operated = published();
    operated.cluster.outside().edit(&Edit::OnlyEven(true));
    // What was answered before does not serve for the new spec.
    operated.cluster.forget();
    operated.fail(0);
    operated.looks(None, 1);
    assert_eq!(operated.state(0), RegionState::Stale);
    // One of nine models: by the new spec that is all that is known of it.
    operated.cluster.outside().regions[0] = Region {
        models: 1,
        profiles: 0,
        fails: None,
    };
    operated.passes_until_due();
    operated.looks(None, 1);
    assert_eq!(operated.state(0), RegionState::Fresh);
}

#[test]
fn a_merged_mapping_that_cannot_be_put_back_is_reported() {
    let mut operated = published();
    operated.cluster.touch("claude-mapping", |_| None);
    operated.book.touched.insert("claude-mapping".to_owned());
    operated.happens(&Happening::Foreign(4));
    operated.looks(None, 1);
    let mapping = operated.cluster.status().mapping.unwrap();
    assert_eq!(mapping.error.unwrap().code, ErrorCode::TargetConflict);
    operated.happens(&Happening::ForeignGoes(4));
    operated.looks(None, 1);
    assert_eq!(operated.cluster.status().mapping.unwrap().error, None);
}

#[test]
fn only_the_same_shrunk_answer_is_believed() {
    let mut operated = published();
    // (models that are there, what becomes of the region)
    let answers = [
        (0b001, RegionState::Stale),
        (0b010, RegionState::Stale),
        (0b010, RegionState::Fresh),
    ];
    for (models, state) in answers {
        operated.cluster.outside().regions[0].models = models;
        operated.passes_until_due();
        operated.looks(None, 1);
        assert_eq!(operated.state(0), state, "{models:b}");
    }
}

#[test]
fn without_names_a_region_that_is_asked_alone_is_not_unsupported() {
    let mut operated = calm();
    operated.fail(1);
    operated.looks(None, 1);
    let (first, now) = (operated.state(0), operated.state(1));
    assert_eq!([first, now], [RegionState::Fresh, RegionState::Failed]);
    // Its time comes long before that of the other, which answered when there were names.
    for region in &mut operated.cluster.outside().regions {
        region.fails = Some((ErrorCode::NameNotResolved, None));
    }
    for _ in 0..3 {
        operated.passes_until_due();
        operated.looks(None, 1);
        assert_eq!(operated.state(1), RegionState::Failed);
    }
}
