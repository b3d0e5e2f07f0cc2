//! The fuzz targets' properties, with the seeds of their corpus and a few mutations of them. `make fuzz`
//! tries millions.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::config;

#[path = "../../fuzz/src/answers.rs"]
mod answers;
#[path = "../../fuzz/src/durations.rs"]
mod durations;
#[path = "../../fuzz/src/files.rs"]
mod files;
#[path = "../../fuzz/src/names.rs"]
mod names;
#[path = "../../fuzz/src/services.rs"]
mod services;

/// A change to a seed.
#[derive(Clone, Debug)]
enum Mutation {
    Sets(Index, u8),
    Inserts(Index, Vec<u8>),
    Cuts(Index, Index),
    /// Copies one part to another position.
    Copies(Index, Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = || any::<Index>();
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Sets(at, byte)),
        (at(), vec(any::<u8>(), 1..4)).prop_map(|(at, bytes)| Mutation::Inserts(at, bytes)),
        (at(), "[\\[\\]{},:\"0\\x00-]{1,3}").prop_map(|(at, s)| Mutation::Inserts(at, s.into())),
        (at(), at()).prop_map(|(from, to)| Mutation::Cuts(from, to)),
        (at(), at(), at()).prop_map(|(from, to, into)| Mutation::Copies(from, to, into)),
    ]
}

fn mutated(mut bytes: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        let positions = bytes.len() + 1;
        let range = |one: &Index, other: &Index| {
            let (one, other) = (one.index(positions), other.index(positions));
            one.min(other)..one.max(other)
        };
        match mutation {
            Mutation::Sets(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Mutation::Sets(..) => {}
            Mutation::Inserts(at, more) => {
                let at = at.index(positions);
                bytes.splice(at..at, more.iter().copied());
            }
            Mutation::Cuts(from, to) => drop(bytes.drain(range(from, to))),
            Mutation::Copies(from, to, into) => {
                let part = bytes[range(from, to)].to_vec();
                let into = into.index(positions);
                bytes.splice(into..into, part);
            }
        }
        // Copies of copies grow without a limit.
        bytes.truncate(100_000);
    }
    bytes
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn holds(target: &str, property: fn(&[u8])) {
    let seeds = seeds(target);
    for seed in &seeds {
        property(seed);
    }
    let input = (any::<Index>(), vec(mutation(), 1..8));
    proptest!(config(), |((seed, mutations) in input)| {
        property(&mutated(seed.get(&seeds).clone(), &mutations));
    });
}

#[test]
fn answers_hold() {
    holds("answers", answers::holds);
}

#[test]
fn files_hold() {
    holds("files", files::holds);
}

#[test]
fn names_hold() {
    holds("names", names::holds);
}

#[test]
fn durations_hold() {
    holds("durations", durations::holds);
}

#[test]
fn services_hold() {
    holds("services", services::holds);
}
