//! Properties of every response and every history, tested with random ones.
//!
//! Each run tests the same ones. `PROPTEST_RNG_SEED` and `PROPTEST_CASES` select others and more.

// clippy.toml allows these in functions marked `#[test]` only, not in what these call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod fuzzed;
mod mapping;
mod model;
mod reference;

use proptest::test_runner::{Config, RngSeed};

fn config() -> Config {
    let config = Config::default();
    let given = std::env::var_os("PROPTEST_CASES").is_some();
    Config {
        cases: if given { config.cases } else { 128 },
        rng_seed: match config.rng_seed {
            RngSeed::Random => RngSeed::Fixed(20_261_123),
            fixed @ RngSeed::Fixed(_) => fixed,
        },
        // A failure is fixed with a case of its own in the unit tests.
        failure_persistence: None,
        ..config
    }
}
