//! Shared by the tests: the cluster, an operator for each test, and readers of its output.

mod cluster;
mod cluster_map;
mod fixture;
mod operator;
mod proxy;
mod published;
mod status_check;

pub use cluster::{Cluster, Namespace, apply, eventually, eventually_within, kubectl};
pub use cluster_map::{CLUSTER_MAPS, ClusterMap, MAP_REGION, SLOW, state, template};
pub use fixture::{
    Fixture, FixtureBuilder, OperatorOptions, Replica, catalog_of, catalog_without_first_model,
    condition, whole_catalog,
};
pub use operator::{Credentials, KEYS, Launch, Operator, http_get};
pub use proxy::Proxy;
pub use published::{data, file, mapping_json, mapping_value};
pub use status_check::{check_status, sha256};
