//! The bytes of a published ConfigMap, and its ownership.

#[cfg(feature = "operator")]
pub mod aliases;
pub mod content;
#[cfg(feature = "operator")]
pub mod formats;
#[cfg(feature = "operator")]
pub mod kept_metadata;
#[cfg(feature = "operator")]
pub mod ownership;
#[cfg(feature = "operator")]
pub mod render;
#[cfg(feature = "operator")]
pub mod staleness;
