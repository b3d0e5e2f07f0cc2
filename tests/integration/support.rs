//! What the tests share: the cluster, an operator of one's own, and what it published.

mod cluster;
mod operator;
mod proxy;
mod published;
mod stage;
mod status_check;

pub use cluster::{Cluster, Namespace, eventually, eventually_within, kubectl};
pub use operator::{Credentials, KEYS, Launch, Operator, http_get};
pub use proxy::Proxy;
pub use published::{data, file, mapping_json, mapping_value};
pub use stage::{Cast, Scene, Stage, catalog_of, condition, whole_catalog};
pub use status_check::check_status;
