//! One test for each attack, named for its row in the catalogue of `src/threats.rs`.
