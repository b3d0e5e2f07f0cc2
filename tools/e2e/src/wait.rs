//! Until something is as it should be.

use std::time::Duration;

use control_plane::kubectl;
use tokio::time::{Instant, sleep};

use crate::error::Error;

/// Far more than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_mins(2);

/// Between two polls.
const INTERVAL: Duration = Duration::from_millis(200);

/// Polls until the output is as expected, and returns it; an error of kubectl is polled again.
pub async fn until(
    awaited: &str,
    poll: impl AsyncFn() -> Result<String, kubectl::Error>,
    is_right: impl Fn(&str) -> bool,
) -> Result<String, Error> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let seen = poll().await;
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
