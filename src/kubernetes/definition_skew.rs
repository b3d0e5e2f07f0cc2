//! Log lines about an installed definition that is older than this operator.

use std::collections::BTreeSet;

use parking_lot::Mutex;

/// What the installed definition lacks, logged once.
#[derive(Debug, Default)]
pub(super) struct DefinitionSkew {
    logged: Mutex<BTreeSet<String>>,
}

impl DefinitionSkew {
    /// Logs values that the API server rejected, and that the status shows otherwise.
    pub(super) fn log_rejected(&self, values: BTreeSet<String>) {
        self.log(values, "rejects values of the status");
    }

    /// Logs fields that the API server did not store.
    pub(super) fn log_dropped(&self, fields: BTreeSet<String>) {
        self.log(fields, "drops fields of the status");
    }

    fn log(&self, lacking: BTreeSet<String>, what: &str) {
        let new = self.first_seen(lacking);
        if !new.is_empty() {
            tracing::warn!(
                "the API server {what} ({}): the installed CustomResourceDefinition bedrockmodelmaps.bedrock.modelmap.dev is older than this operator; install the one of this version (bedrock-model-map crd | kubectl apply --server-side --force-conflicts -f -)",
                new.join(", ")
            );
        }
    }

    fn first_seen(&self, lacking: BTreeSet<String>) -> Vec<String> {
        let mut logged = self.logged.lock();
        let mut new = Vec::new();
        for name in lacking {
            if logged.insert(name.clone()) {
                new.push(name);
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lack_is_seen_first_once() {
        let skew = DefinitionSkew::default();
        let first_seen =
            |names: &[&str]| skew.first_seen(names.iter().map(ToString::to_string).collect());
        assert_eq!(first_seen(&["a", "b"]), ["a", "b"]);
        assert_eq!(first_seen(&["b", "c"]), ["c"]);
        assert_eq!(first_seen(&["a", "b", "c"]), [""; 0]);
    }
}
