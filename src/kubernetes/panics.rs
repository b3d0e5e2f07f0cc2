//! A panic of one reconciliation, which must not end the others.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

/// Runs a future to its end, or to the message of its panic. The state that reconciliations share
/// holds no lock across their steps, so a panic leaves it consistent.
pub(super) async fn catch_panic<T>(future: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(future)
        .catch_unwind()
        .await
        .map_err(|payload| match payload.downcast::<String>() {
            Ok(message) => *message,
            Err(payload) => payload
                .downcast_ref::<&str>()
                .map_or("no message", |message| message)
                .to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panic_becomes_its_message() {
        let number = 7;
        let panics = async { assert!(number == 8, "poisoned {number}") };
        assert_eq!(catch_panic(panics).await, Err("poisoned 7".to_owned()));
        assert_eq!(catch_panic(async { number }).await, Ok(7));
    }
}
