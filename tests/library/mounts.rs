//! Mounted maps, read while they change.

use std::error::Error;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bedrock_model_map::api::RegionState;
use bedrock_model_map::reader::{ModelMap, MountError, MountedMap};

use crate::kubelet::{ConfigMapFiles, Mount};

/// Longer than any change takes to be seen.
const LONG: Duration = Duration::from_mins(1);
const SWAPS: u32 = 400;

/// Files of a region. Each contains the generation, and none shows it by its size or a count.
fn region(name: &str, generation: u32) -> ConfigMapFiles {
    let filler = "x".repeat(100_000);
    let models = format!(
        r#"{{"g.{generation:04}":{{"inferenceTypesSupported":["ON_DEMAND"],"x":"{filler}"}}}}"#
    );
    let invocation = format!(
        r#"{{"g.{generation:04}":{{"onDemand":true,"requiresInferenceProfile":false,"invokeWith":"g.{generation:04}","profiles":[]}}}}"#
    );
    let time = jiff::Timestamp::from_second(generation.into()).unwrap();
    let metadata = format!(
        r#"{{"schemaVersion":1,"region":"{name}","state":"Stale","discoveredAt":"{time}","staleSince":"{time}","models":1,"profiles":0,"associations":0}}"#
    );
    vec![
        ("models.json".to_owned(), models),
        ("invocation.json".to_owned(), invocation),
        ("metadata.json".to_owned(), metadata),
    ]
}

/// Two regions in one mount, as a projected volume of two ConfigMaps has them.
fn two_regions(generation: u32) -> ConfigMapFiles {
    let regions = ["eu-central-1", "us-east-1"].into_iter();
    regions
        .flat_map(|name| {
            let files = region(name, generation).into_iter();
            files.map(move |(file, content)| (format!("{name}/{file}"), content))
        })
        .collect()
}

/// The one generation that everything in it is of.
#[track_caller]
fn generation(published: &ModelMap) -> u32 {
    let mut generations = published.regions().flat_map(|(_, region)| {
        let model = region.models().keys().next().unwrap();
        let second = region.stale_since().unwrap().as_second();
        [model[2..].parse().unwrap(), u32::try_from(second).unwrap()]
    });
    let first = generations.next().unwrap();
    assert!(generations.all(|g| g == first), "a mix");
    first
}

/// The error and its causes.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let chain: Vec<String> = std::iter::successors(Some(error), |error| (*error).source())
        .map(ToString::to_string)
        .collect();
    chain.join(": ")
}

/// Turned to true also if the test fails, so that no reader goes on for ever.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The generation of a map with that many regions.
#[track_caller]
fn whole_generation(published: &ModelMap, regions: usize) -> u32 {
    assert_eq!(published.regions().count(), regions, "a part");
    generation(published)
}

#[track_caller]
fn read_while_it_is_swapped(regions: usize, files: impl Fn(u32) -> ConfigMapFiles) {
    let generation = |map: &ModelMap| whole_generation(map, regions);
    let mount = Mount::of(&files(0));
    let map = MountedMap::open(mount.path()).unwrap();
    let done = AtomicBool::new(false);
    let read_in_a_loop = || {
        let mut last = 0;
        while !done.load(Ordering::Relaxed) {
            let now = generation(&MountedMap::open(mount.path()).unwrap().current());
            assert!(now >= last, "{now} after {last}");
            last = now;
        }
    };
    let follow_to_the_last = || {
        let mut last = 0;
        while last < SWAPS {
            let changed = map.wait_for_change(LONG).unwrap();
            let now = generation(&changed.expect("a change is seen"));
            assert!(now > last, "{now} after {last}");
            assert!(generation(&map.current()) >= now);
            last = now;
        }
    };
    thread::scope(|scope| {
        let _done = Done(&done);
        for _ in 0..4 {
            scope.spawn(read_in_a_loop);
        }
        let follower = scope.spawn(follow_to_the_last);
        for generation in 1..=SWAPS {
            mount.write(&files(generation));
        }
        follower.join().unwrap();
    });
    assert_eq!(generation(&map.current()), SWAPS);
}

#[test]
fn region_is_read_in_one_version() {
    read_while_it_is_swapped(1, |generation| region("us-east-1", generation));
}

#[test]
fn regions_of_one_mount_are_read_in_one_version() {
    read_while_it_is_swapped(2, two_regions);
}

#[test]
fn last_good_map_stays_current_while_the_mount_is_invalid() {
    let good = region("us-east-1", 1);
    let mount = Mount::of(&good);
    let map = MountedMap::open(mount.path()).unwrap();
    let mut half = region("us-east-1", 2);
    half.retain(|(name, _)| name != "models.json");
    let mut future = region("us-east-1", 3);
    future[2].1 = future[2]
        .1
        .replace("\"schemaVersion\":1", "\"schemaVersion\":2");
    for (bad, why) in [
        (half, "models.json is missing"),
        (future, "schemaVersion 2, and this version reads 1"),
        (vec![], "the folder is empty"),
    ] {
        mount.write(&bad);
        let error = map.wait_for_change(LONG).unwrap_err();
        let text = with_causes(&error);
        assert!(text.contains(why), "{text}");
        assert_eq!(generation(&map.current()), 1);
        let again = map.wait_for_change(Duration::ZERO).unwrap();
        assert!(again.is_none(), "a change is reported once");
    }
    mount.write(&good);
    let back = map.wait_for_change(LONG).unwrap();
    assert_eq!(generation(&back.expect("it is readable again")), 1);
    mount.write(&good);
    let same = map.wait_for_change(Duration::ZERO).unwrap();
    assert!(same.is_none(), "nothing has changed");
}

#[test]
fn plain_folder_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let write = |generation: u32| {
        for (name, content) in two_regions(generation) {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    };
    write(1);
    let map = MountedMap::open(folder.path()).unwrap();
    assert!(map.wait_for_change(Duration::ZERO).unwrap().is_none());
    fs::remove_dir_all(folder.path().join("us-east-1")).unwrap();
    let changed = map.wait_for_change(LONG).unwrap().expect("one is gone");
    assert_eq!(changed.regions().len(), 1);
    fs::remove_dir_all(folder.path()).unwrap();
    let gone = map.wait_for_change(LONG).unwrap_err();
    assert!(matches!(gone, MountError::Io { .. }), "{gone}");
    write(2);
    let changed = map.wait_for_change(LONG).unwrap().expect("it is back");
    assert_eq!((changed.regions().len(), generation(&changed)), (2, 2));
}

#[test]
fn map_is_queried_by_region_and_model() {
    let mount = Mount::of(&region("us-east-1", 7));
    let map = MountedMap::open(mount.path()).unwrap().current();
    assert_eq!(map.invoke_with("us-east-1", "g.0007").unwrap(), "g.0007");
    assert!(map.invocation("us-east-1", "g.0007").unwrap().on_demand);
    assert_eq!(
        map.resolve("us-east-1", "g.*").unwrap()[0].model_id,
        "g.0007"
    );
    let region = map.region("us-east-1").unwrap();
    assert_eq!(region.state(), RegionState::Stale);
    assert_eq!(region.models().len(), 1);
    let unknown = map.invoke_with("us-east-1", "g.0008").unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "no model of us-east-1 matches \"g.0008\"; nearest: g.0007"
    );
    let elsewhere = map.invoke_with("eu-west-1", "g.0007").unwrap_err();
    assert_eq!(
        elsewhere.to_string(),
        "region eu-west-1 is not available; available regions: us-east-1"
    );
}

#[test]
fn mount_with_state_of_a_later_version_is_readable() {
    let files: ConfigMapFiles = region("us-east-1", 7)
        .into_iter()
        .map(|(name, content)| (name, content.replace(r#""Stale""#, r#""Paused""#)))
        .collect();
    assert!(files.iter().any(|(_, content)| content.contains("Paused")));
    let mount = Mount::of(&files);
    let map = MountedMap::open(mount.path()).unwrap().current();
    let region = map.region("us-east-1").unwrap();
    assert_eq!(region.state(), RegionState::Stale);
    assert_eq!(region.models().len(), 1);
}
