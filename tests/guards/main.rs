//! Guards against regressions in cost, by counts that do not depend on the speed of the machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod instructions;
