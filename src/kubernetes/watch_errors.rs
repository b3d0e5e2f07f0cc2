//! Log lines of watches that fail.

use kube::runtime::watcher;

use super::request::explained;

/// What a watch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The operator does nothing without it.
    Resources,
    /// An option switches it off.
    ClusterMaps,
}

impl Purpose {
    fn alternative(self) -> &'static str {
        match self {
            Self::Resources => "",
            Self::ClusterMaps => ", or set --cluster-maps=false",
        }
    }
}

/// Logs why a watch fails and what to do: once, and again after it has worked. The watch retries by
/// itself.
pub(super) fn report<K>(
    what: &'static str,
    purpose: Purpose,
) -> impl FnMut(&watcher::Result<watcher::Event<K>>) + use<K> {
    let mut reported = None;
    move |event| {
        let cause = match event {
            // It precedes each attempt.
            Ok(watcher::Event::Init) => return,
            Ok(_) => {
                reported = None;
                return;
            }
            Err(
                watcher::Error::InitialListFailed(cause)
                | watcher::Error::WatchStartFailed(cause)
                | watcher::Error::WatchFailed(cause),
            ) => cause,
            // An expired resource version: the watch relists.
            Err(error) => {
                tracing::debug!("watching {what}: {error}");
                return;
            }
        };
        let code = match cause {
            kube::Error::Api(status) => status.code,
            _ => 0,
        };
        if reported.replace(code) == Some(code) {
            return;
        }
        let (cause, or) = (explained(cause), purpose.alternative());
        match (code, purpose) {
            (404, Purpose::Resources) => tracing::error!(
                "cannot watch {what}: the CustomResourceDefinition is not installed; install it (bedrock-model-map crd | kubectl apply -f -); retrying"
            ),
            (404, Purpose::ClusterMaps) => tracing::warn!(
                "cannot watch {what}: the CustomResourceDefinition is not installed, so there are no cluster maps; install it (bedrock-model-map crd | kubectl apply -f -){or}; retrying"
            ),
            (401 | 403, _) => tracing::error!(
                "cannot watch {what}: {cause}; grant the operator's service account this right{or}; retrying"
            ),
            _ => tracing::warn!("cannot watch {what}: {cause}; retrying"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::core::Status;
    use parking_lot::Mutex;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Log {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn failed(code: u16) -> watcher::Result<watcher::Event<ConfigMap>> {
        let status = Status::failure("no", "Reason").with_code(code);
        Err(watcher::Error::WatchFailed(kube::Error::Api(
            status.boxed(),
        )))
    }

    #[test]
    fn failure_is_logged_once_until_the_watch_works() {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let mut report = report("ClusterBedrockModelMaps", Purpose::ClusterMaps);
            for code in [404, 404, 403, 403] {
                report(&Ok(watcher::Event::Init));
                report(&failed(code));
            }
            report(&Ok(watcher::Event::InitDone));
            report(&failed(403));
        });
        let log = String::from_utf8(log.0.lock().clone()).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines.len(), 3, "{log}");
        let parts = ["not installed", "grant", "grant"];
        for (line, part) in lines.iter().zip(parts) {
            assert!(
                line.contains(part) && line.contains("--cluster-maps=false"),
                "{line}"
            );
        }
    }
}
