//! The simulator as clients see it, over HTTP.
#![allow(clippy::unwrap_used)]

mod client;
mod converse;
mod faults;
mod operations;
