//! Limits failed attempts by address. A token cannot be guessed anyway; this bounds what an attacker makes the node do and
//! say. Requests with a valid token are never limited, so that no one can lock out others behind the same proxy.

use model::limits;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

/// The address that a request came from; one for all whose address is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Peer(IpAddr);

impl Peer {
    /// An address of IPv6 counts as its network of 64 bits, because one client has all of its addresses.
    pub(crate) fn new(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        })
    }
}

impl Default for Peer {
    fn default() -> Self {
        Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

/// The time that one attempt uses up.
const EACH: Duration = Duration::from_millis(1_000 / limits::ATTEMPTS_PER_SECOND as u64);

/// What addresses have left.
#[derive(Debug)]
pub(super) struct Attempts {
    /// The moment from which each address has all of its attempts again. An address that is not here has all of them.
    until: HashMap<Peer, Instant>,
    /// What all attempts of an address use up.
    burst: Duration,
}

impl Attempts {
    /// An address may have this many failed attempts at once.
    pub(super) fn new(burst: u32) -> Self {
        Self { until: HashMap::new(), burst: EACH.saturating_mul(burst) }
    }

    /// Counts a failed attempt.
    ///
    /// # Errors
    /// How long the address must wait, if it has had too many.
    pub(super) fn failed(&mut self, peer: Peer, now: Instant) -> Result<(), Duration> {
        if !self.until.contains_key(&peer) && self.until.len() >= limits::ATTEMPTS_ADDRESSES_MAX {
            self.until.retain(|_, until| *until > now);
            if self.until.len() >= limits::ATTEMPTS_ADDRESSES_MAX {
                return Err(EACH);
            }
        }
        let until = self.until.entry(peer).or_insert(now);
        let used = until.saturating_duration_since(now) + EACH;
        if used > self.burst {
            return Err(used - self.burst);
        }
        *until = now + used;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    fn peer(number: u32) -> Peer {
        Peer::new(IpAddr::V4(number.into()))
    }

    #[test]
    fn an_address_has_a_burst_of_attempts_and_then_one_a_second() {
        let (mut attempts, now) = (Attempts::new(limits::ATTEMPTS_BURST), Instant::now());
        for _ in 0..limits::ATTEMPTS_BURST {
            assert_eq!(attempts.failed(peer(1), now), Ok(()));
        }
        assert_eq!(attempts.failed(peer(1), now), Err(EACH));
        assert_eq!(attempts.failed(peer(2), now), Ok(()), "another address is not affected");
        let later = now + EACH;
        assert_eq!((attempts.failed(peer(1), later), attempts.failed(peer(1), later)), (Ok(()), Err(EACH)));
    }

    #[test]
    fn the_number_of_addresses_is_bounded_and_old_ones_are_forgotten() {
        let (mut attempts, now) = (Attempts::new(limits::ATTEMPTS_BURST), Instant::now());
        for number in 0..limits::ATTEMPTS_ADDRESSES_MAX as u32 {
            assert_eq!(attempts.failed(peer(number), now), Ok(()));
        }
        assert_eq!(attempts.failed(peer(u32::MAX), now), Err(EACH));
        assert_eq!(attempts.failed(peer(0), now), Ok(()), "known addresses go on");
        assert_eq!(attempts.failed(peer(u32::MAX), now + 2 * EACH), Ok(()));
        assert!(attempts.until.len() < 3);
    }

    #[test]
    fn addresses_of_one_network_count_as_one() {
        let v6 = |low: u16| Peer::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, low)));
        assert_eq!(v6(1), v6(2));
        assert_ne!(v6(1), Peer::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 8, 0, 0, 0, 1))));
        let mapped = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped();
        assert_eq!(Peer::new(IpAddr::V6(mapped)), Peer::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
    }
}
