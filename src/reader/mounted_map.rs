//! A mounted map, followed while it changes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use super::ModelMap;
use super::mount::{self, MountError, Stamp};

/// How often a folder is looked at for a change. A kubelet brings one within a minute or so.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// What is published in a folder: a mounted `ConfigMap` of a region, the merged one, or folders with
/// one of them each. What `discover --output-dir` wrote reads the same.
///
/// A kubelet changes a mount as a whole; a reader that opens its files one by one can get some from
/// before and some from after. This one never does. Mount the whole `ConfigMap`: a `subPath` is
/// never updated.
///
/// Share it in an `Arc`: one thread follows the changes, the others take what is [current](Self::current).
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
    to_k8s_time: Stamp,
    failed: bool,
}

impl MountedMap {
    /// Reads the folder.
    ///
    /// A file may have 64 MiB, and a compressed mapping expand to as much; a folder may hold 256
    /// folders.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, MountError> {
        let folder = folder.into();
        let (to_k8s_time, published) = mount::read(&folder);
        Ok(Self {
            folder,
            current: RwLock::new(Arc::new(published?)),
            last: Mutex::new(Last {
                to_k8s_time,
                failed: false,
            }),
        })
    }

    /// What was read last, all of one moment. Costs next to nothing, and touches no file.
    pub fn current(&self) -> Arc<ModelMap> {
        let current = self.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until something else is published, and gives it; None: nothing else within `timeout`.
    /// With no `timeout` it looks once.
    ///
    /// An error says why what is there now cannot be read. It is told once; what was good before
    /// stays [current](Self::current). Once it can be read again, that is given also if it is what
    /// was current all the time.
    ///
    /// Blocks the thread; under an async runtime give it a thread of its own. Of several that
    /// wait, one is told of a change.
    pub fn wait_for_change(&self, timeout: Duration) -> Result<Option<Arc<ModelMap>>, MountError> {
        let begun = Instant::now();
        loop {
            if let Some(published) = self.look()? {
                return Ok(Some(published));
            }
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            thread::sleep(left.min(LOOK_INTERVAL));
        }
    }

    /// Reads the folder anew if it does not look as it did.
    fn look(&self) -> Result<Option<Arc<ModelMap>>, MountError> {
        let mut last = self.last();
        if Stamp::of(&self.folder) == last.to_k8s_time {
            return Ok(None);
        }
        let (to_k8s_time, read) = mount::read(&self.folder);
        let failed_before = last.failed;
        *last = Last {
            to_k8s_time,
            failed: read.is_err(),
        };
        let published = Arc::new(read?);
        if published == self.current() && !failed_before {
            return Ok(None);
        }
        let current = self.current.write();
        *current.unwrap_or_else(PoisonError::into_inner) = Arc::clone(&published);
        Ok(Some(published))
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
