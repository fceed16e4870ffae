//! Which address families work, per host: a dead IPv6 costs its delay once and not on every connection.
//!
//! A family that lost where the other one won is broken, and tried last. Now and then it is tried again, beside a
//! connection that was made over the other one, so that nobody waits for it ([`Families::take_turn`]). At a host that is
//! not known yet, what was found at others counts. Promises: pure but for the time; bounded; only a comparison counts:
//! when both fail, the line is down, and that says nothing about a family. Must not know: sockets, names.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::race::{Won, in_turn};

/// A broken family is tried again after this: it may have been one lost packet.
const SOON: Duration = Duration::from_secs(60);

/// And then each time after this.
const SELDOM: Duration = Duration::from_secs(600);

/// Hosts that are remembered.
const HOSTS: usize = 256;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const fn of(address: &SocketAddr) -> Self {
        match address {
            SocketAddr::V4(_) => Self::V4,
            SocketAddr::V6(_) => Self::V6,
        }
    }

    pub const fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }
}

/// What is known of one family at one host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FamilyHealth {
    /// Not tried yet, or not needed.
    #[default]
    Unknown,
    Working,
    /// It failed where the other family worked, and goes last; it is tried again with the first connection after
    /// `retry_in`.
    Broken {
        retry_in: Duration,
    },
}

#[derive(Debug, Default)]
pub struct Families(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    hosts: HashMap<String, [Memory; 2]>,
    /// When IPv6 was last found broken, at any host; nothing once it has worked at one.
    v6_broken: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Memory {
    #[default]
    Unknown,
    Working,
    Broken {
        due: Instant,
    },
}

impl Memory {
    fn health(self, now: Instant) -> FamilyHealth {
        match self {
            Self::Working => FamilyHealth::Working,
            Self::Broken { due } => FamilyHealth::Broken {
                retry_in: due.saturating_duration_since(now),
            },
            Self::Unknown => FamilyHealth::Unknown,
        }
    }

    const fn is_broken(self) -> bool {
        matches!(self, Self::Broken { .. })
    }
}

impl Book {
    fn of(&self, host: &str, family: Family) -> Memory {
        self.hosts
            .get(host)
            .map_or(Memory::Unknown, |memory| memory[family as usize])
    }

    fn entry(&mut self, host: &str) -> &mut [Memory; 2] {
        if self.hosts.len() >= HOSTS && !self.hosts.contains_key(host) {
            // So many hosts are an open mirror's; to forget costs each a quarter of a second at most.
            self.hosts.clear();
        }
        self.hosts.entry(host.to_owned()).or_default()
    }

    fn note(&mut self, host: &str, family: Family, memory: Memory, now: Instant) {
        self.entry(host)[family as usize] = memory;
        if family == Family::V6 {
            self.v6_broken = memory.is_broken().then_some(now);
        }
    }

    fn is_due(&self, host: &str, family: Family, now: Instant) -> bool {
        match self.of(host, family) {
            Memory::Broken { due } => due <= now,
            Memory::Unknown => family == Family::V6 && self.is_broken_elsewhere(now),
            Memory::Working => false,
        }
    }

    fn is_broken_elsewhere(&self, now: Instant) -> bool {
        self.v6_broken
            .is_some_and(|since| now.saturating_duration_since(since) < 2 * SELDOM)
    }
}

impl Families {
    /// The family to begin with: IPv6, unless it is broken.
    pub fn first(&self, host: &str, now: Instant) -> Family {
        let book = self.0.lock();
        match book.of(host, Family::V6) {
            Memory::Working => Family::V6,
            Memory::Broken { .. } => Family::V4,
            Memory::Unknown if book.is_broken_elsewhere(now) => Family::V4,
            Memory::Unknown => Family::V6,
        }
    }

    /// Puts addresses into the order in which to try them: families in turn.
    pub fn order(&self, host: &str, addresses: Vec<SocketAddr>, now: Instant) -> Vec<SocketAddr> {
        in_turn(addresses, self.first(host, now))
    }

    pub fn health(&self, host: &str, family: Family, now: Instant) -> FamilyHealth {
        self.0.lock().of(host, family).health(now)
    }

    /// Learns from a race.
    pub fn learn<T>(&self, host: &str, won: &Won<T>, now: Instant) {
        let winner = Family::of(&won.address);
        let mut book = self.0.lock();
        book.note(host, winner, Memory::Working, now);
        let loser = winner.other();
        if won.beaten.iter().any(|beaten| Family::of(beaten) == loser) {
            book.note(host, loser, Memory::Broken { due: now + SOON }, now);
        }
    }

    /// Whether a family that goes last at a host is to be tried again now, if the host has addresses of it.
    pub fn is_due(&self, host: &str, family: Family, now: Instant) -> bool {
        self.0.lock().is_due(host, family, now)
    }

    /// The same, for who has such an address: says so once, and to one asker.
    pub fn take_turn(&self, host: &str, family: Family, now: Instant) -> bool {
        let mut book = self.0.lock();
        let is_due = book.is_due(host, family, now);
        if is_due {
            book.entry(host)[family as usize] = Memory::Broken { due: now + SELDOM };
        }
        is_due
    }

    /// Learns that a family works that was tried for its own sake.
    pub fn restore(&self, host: &str, family: Family, now: Instant) {
        self.0.lock().note(host, family, Memory::Working, now);
    }

    /// Learns that a family that was tried for its own sake does not work yet: at a host that is not known it goes last
    /// for as long as that is looked at.
    pub fn still_broken(&self, family: Family, now: Instant) {
        if family == Family::V6 {
            self.0.lock().v6_broken = Some(now);
        }
    }

    /// Learns that a connection was made and then nothing came through it, as where a tunnel loses large
    /// packets: the other family goes first from now on.
    pub fn demote(&self, host: &str, family: Family, now: Instant) {
        let mut book = self.0.lock();
        book.note(host, family, Memory::Broken { due: now + SOON }, now);
        if book.of(host, family.other()).is_broken() {
            *book.entry(host) = Default::default();
        }
    }
}

#[cfg(test)]
#[path = "tests/families.rs"]
mod tests;
