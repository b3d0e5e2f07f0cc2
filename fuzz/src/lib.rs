//! What holds for any input from outside. The fuzz targets call this, and the project's own tests
//! do with a few inputs, so that it cannot rot.

// A property is broken by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

pub mod answers;
#[cfg(feature = "durations")]
pub mod durations;
pub mod files;
pub mod names;
