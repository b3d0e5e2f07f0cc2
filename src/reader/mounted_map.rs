//! A mounted model map, followed while it changes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use super::ModelMap;
use super::mount::{self, MountError, Stamp};

/// The time between two checks of a folder for a change. A kubelet brings one within about a minute.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The model map in a folder: a mounted `ConfigMap` of a region, the merged one, or folders with one
/// of them each. The output of `discover --output-dir` reads the same.
///
/// A kubelet replaces all files of a mount at once. A program that opens them one by one may mix
/// files of two versions; this reader never does. Mount the whole `ConfigMap`: a `subPath` is never
/// updated.
///
/// Share it in an `Arc`: one thread follows the changes, the others read the
/// [current](Self::current) map.
///
/// ```no_run
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use bedrock_model_map::reader::MountedMap;
///
/// let map = Arc::new(MountedMap::open("/etc/bedrock")?);
/// let follower = Arc::clone(&map);
/// std::thread::spawn(move || loop {
///     match follower.wait_for_change(Duration::from_secs(60)) {
///         Ok(Some(changed)) => println!("{} regions", changed.regions().count()),
///         Ok(None) => {}
///         Err(error) => eprintln!("the last good map stays in use: {error}"),
///     }
/// });
///
/// let id = map.current().invoke_with("eu-central-1", "anthropic.claude-sonnet-4-5-20250929-v1:0")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MountedMap {
    folder: PathBuf,
    current: RwLock<Arc<ModelMap>>,
    last: Mutex<Last>,
}

/// The last reading.
#[derive(Debug)]
struct Last {
    stamp: Stamp,
    failed: bool,
}

impl MountedMap {
    /// Reads the folder.
    ///
    /// Limits: 64 MiB for a file and for a decompressed mapping; 256 folders in the folder.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, MountError> {
        let folder = folder.into();
        let (stamp, read) = mount::read(&folder);
        Ok(Self {
            folder,
            current: RwLock::new(Arc::new(read?)),
            last: Mutex::new(Last {
                stamp,
                failed: false,
            }),
        })
    }

    /// The map read last: one version of all files. Cheap; reads no file.
    pub fn current(&self) -> Arc<ModelMap> {
        let current = self.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for a change and returns the new map; None: nothing changed within `timeout`. A zero
    /// `timeout` checks once.
    ///
    /// An error says why the folder cannot be read now. It is returned once; the last good map stays
    /// [current](Self::current). Once the folder is readable again, its map is returned even if
    /// unchanged.
    ///
    /// Blocks the thread; an async runtime needs a thread for it. If several threads wait, one of
    /// them gets the change.
    pub fn wait_for_change(&self, timeout: Duration) -> Result<Option<Arc<ModelMap>>, MountError> {
        let begun = Instant::now();
        loop {
            if let Some(map) = self.poll()? {
                return Ok(Some(map));
            }
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            thread::sleep(left.min(POLL_INTERVAL));
        }
    }

    /// Reads the folder if it changed since the last reading.
    fn poll(&self) -> Result<Option<Arc<ModelMap>>, MountError> {
        let mut last = self.last();
        if Stamp::new(&self.folder) == last.stamp {
            return Ok(None);
        }
        let (stamp, read) = mount::read(&self.folder);
        let failed_before = last.failed;
        *last = Last {
            stamp,
            failed: read.is_err(),
        };
        let map = Arc::new(read?);
        if map == self.current() && !failed_before {
            return Ok(None);
        }
        let current = self.current.write();
        *current.unwrap_or_else(PoisonError::into_inner) = Arc::clone(&map);
        Ok(Some(map))
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
