//! Ports for servers that must keep them over a restart.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Below those that the system gives to outgoing connections (from 32768 on Linux, from 49152 on macOS) and to any program that
/// binds port 0: such a port could be taken while its server is stopped, even by a client that tries to reach it.
const CHOICE: Range<u16> = 20_000..32_000;

/// Enough to find free ones on a machine where most are taken.
const ATTEMPTS: usize = 1000;

/// Different ports of 127.0.0.1 on which nothing listens now; another process may take one before it is used.
pub(crate) fn free<const N: usize>() -> io::Result<[u16; N]> {
    // All are held until the last is found, so that they differ.
    let listeners: Vec<_> = (0..ATTEMPTS)
        .filter_map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, random())).ok())
        .take(N)
        .collect();
    let ports = listeners
        .iter()
        .map(|listener| Ok(listener.local_addr()?.port()));
    let ports: Vec<u16> = ports.collect::<io::Result<_>>()?;
    ports
        .try_into()
        .map_err(|_| io::ErrorKind::AddrInUse.into())
}

fn random() -> u16 {
    // Each `RandomState` has keys of its own.
    let span = u64::from(CHOICE.end - CHOICE.start);
    let offset = RandomState::new().hash_one(()) % span;
    CHOICE.start + u16::try_from(offset).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ports_are_distinct_and_in_range() {
        let mut ports = free::<20>().unwrap();
        ports.sort_unstable();
        assert!(ports.is_sorted_by(|a, b| a < b), "{ports:?}");
        assert!(ports.iter().all(|port| CHOICE.contains(port)), "{ports:?}");
    }
}
