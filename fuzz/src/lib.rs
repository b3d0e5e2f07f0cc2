//! Properties of any input from outside. The fuzz targets check them, and so do the project's tests with
//! a few inputs, so that they stay correct.

// A panic reports a violated property.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

pub mod answers;
#[cfg(feature = "durations")]
pub mod durations;
pub mod files;
pub mod names;
#[cfg(feature = "durations")]
pub mod services;
