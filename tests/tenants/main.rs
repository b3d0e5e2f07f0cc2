//! One innocent resource beside tenants of the same operator that misbehave.
//!
//! A short form runs with the other tests; `make tenants` runs a long one.

// clippy.toml allows these in functions marked `#[test]` only, not in what these call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the integration tests, which use all of it"
)]
#[path = "../integration/support"]
mod support {
    mod cluster;
    mod fixture;
    mod operator;
    mod proxy;
    mod published;
    mod status_check;

    pub use cluster::{Cluster, Namespace, eventually, eventually_within, kubectl};
    pub use fixture::{
        Fixture, FixtureBuilder, OperatorOptions, catalog_of, condition, whole_catalog,
    };
    pub use operator::{Credentials, KEYS, Launch, Operator, http_get};
    pub use proxy::Proxy;
    pub use published::{data, file, mapping_json, mapping_value};
    pub use status_check::check_status;
}
mod neighbours;
mod tenants;
