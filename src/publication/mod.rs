//! The bytes of a published ConfigMap, and whose it is.

pub mod content;
#[cfg(feature = "operator")]
pub mod ownership;
#[cfg(feature = "operator")]
pub mod render;
