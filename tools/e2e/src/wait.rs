//! Until something is as it should be.

use std::time::Duration;

use control_plane::kubectl;
use tokio::time::{Instant, sleep};

use crate::error::Error;

/// Far more than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_mins(2);

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(200);

/// Looks again and again until what is seen is right; an error of kubectl is but another sight. Returns what was seen.
pub async fn until(
    awaited: &str,
    look: impl AsyncFn() -> Result<String, kubectl::Error>,
    is_right: impl Fn(&str) -> bool,
) -> Result<String, Error> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let seen = look().await;
        if let Ok(seen) = &seen
            && is_right(seen)
        {
            return Ok(seen.clone());
        }
        if Instant::now() > deadline {
            return Err(Error::Late {
                awaited: awaited.to_owned(),
                limit: LIMIT,
                seen: seen.unwrap_or_else(|error| error.to_string()),
            });
        }
        sleep(INTERVAL).await;
    }
}
