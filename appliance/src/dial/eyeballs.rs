//! Happy eyeballs (RFC 8305): connecting to a host that has several addresses, some of them dead.
//!
//! Addresses are tried in turn, a new one every [`STAGGER`] or as soon as one fails; the first to connect
//! wins and the others are dropped. [`Families`] remembers which family lost, so that a dead IPv6 costs its
//! delay once and not on every connection. Promises: pure but for the time; bounded. Must not know: sockets,
//! names.

use std::{collections::HashMap, io, net::SocketAddr, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until, timeout};

/// The delay before the next address is tried (RFC 8305, section 8).
pub(super) const STAGGER: Duration = Duration::from_millis(250);

/// How many addresses of a host are tried at most.
const MOST: usize = 8;

/// How long a family that failed where the other one worked is tried last.
const DEMOTION: Duration = Duration::from_secs(600);

/// Hosts that are remembered.
const HOSTS: usize = 256;

/// A race that was won.
#[derive(Debug)]
pub struct Won<T> {
    pub connection: T,
    pub address: SocketAddr,
    /// Addresses that had been tried before the winner and failed, or hung.
    pub beaten: Vec<SocketAddr>,
}

/// A race that nobody won: each address that was tried, and why not.
#[derive(Debug)]
pub(super) struct Lost(pub(super) Vec<(SocketAddr, io::Error)>);

/// Connects to the first of `addresses` that lets itself be connected to. One attempt takes at most
/// `patience`.
pub(super) async fn race<T, F, C>(
    addresses: &[SocketAddr],
    patience: Duration,
    connect: C,
) -> Result<Won<T>, Lost>
where
    C: Fn(SocketAddr) -> F,
    F: Future<Output = io::Result<T>>,
{
    let mut waiting = addresses.iter().copied().take(MOST).peekable();
    let mut started: Vec<SocketAddr> = Vec::new();
    let mut running = FuturesUnordered::new();
    let mut failed = Vec::new();
    let mut next_start = Instant::now();
    loop {
        let is_running = !running.is_empty();
        let may_start = waiting.peek().is_some();
        if !is_running && !may_start {
            return Err(Lost(failed));
        }
        // Nobody runs: there is nothing to wait for.
        let start = if is_running { next_start } else { Instant::now() };
        tokio::select! {
            biased;
            Some((address, result)) = running.next(), if is_running => match result {
                Ok(connection) => {
                    // Only those that had their head start were beaten.
                    let beaten = started.into_iter().take_while(|other| *other != address).collect();
                    return Ok(Won { connection, address, beaten });
                }
                Err(error) => {
                    failed.push((address, error));
                    next_start = Instant::now();
                }
            },
            () = sleep_until(start), if may_start => {
                if let Some(address) = waiting.next() {
                    started.push(address);
                    next_start = Instant::now() + STAGGER;
                    let attempt = timeout(patience, connect(address));
                    running.push(async move {
                        let result = attempt.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                        (address, result)
                    });
                }
            }
        }
    }
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

/// What is known of one family at one host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FamilyHealth {
    /// Not tried yet, or not needed.
    #[default]
    Unknown,
    Working,
    /// It failed where the other family worked; it is tried last for `retry_in` still.
    Broken {
        retry_in: Duration,
    },
}

/// Which families work, per host. Only a comparison counts: when both fail, the line is down, and that says
/// nothing about a family.
#[derive(Debug, Default)]
pub struct Families(Mutex<HashMap<String, [Memory; 2]>>);

#[derive(Clone, Copy, Debug, Default)]
enum Memory {
    #[default]
    Unknown,
    Working,
    Broken {
        until: Instant,
    },
}

impl Memory {
    fn health(self, now: Instant) -> FamilyHealth {
        match self {
            Self::Working => FamilyHealth::Working,
            Self::Broken { until } if until > now => FamilyHealth::Broken {
                retry_in: until - now,
            },
            Self::Broken { .. } | Self::Unknown => FamilyHealth::Unknown,
        }
    }
}

impl Families {
    /// Puts addresses into the order in which to try them: families in turn, IPv6 first unless it is broken.
    pub fn order(&self, host: &str, addresses: Vec<SocketAddr>, now: Instant) -> Vec<SocketAddr> {
        let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv6);
        let v6_is_broken = matches!(self.health(host, Family::V6, now), FamilyHealth::Broken { .. });
        let (first, second) = if v6_is_broken { (v4, v6) } else { (v6, v4) };
        let mut ordered = Vec::with_capacity(first.len() + second.len());
        let (mut first, mut second) = (first.into_iter(), second.into_iter());
        loop {
            let before = ordered.len();
            ordered.extend(first.next());
            ordered.extend(second.next());
            if ordered.len() == before {
                return ordered;
            }
        }
    }

    pub fn health(&self, host: &str, family: Family, now: Instant) -> FamilyHealth {
        let hosts = self.0.lock();
        hosts.get(host).map_or(FamilyHealth::Unknown, |memory| {
            memory[family as usize].health(now)
        })
    }

    /// Learns from a race.
    pub fn learn<T>(&self, host: &str, won: &Won<T>, now: Instant) {
        let winner = Family::of(&won.address);
        let mut hosts = self.0.lock();
        if hosts.len() >= HOSTS && !hosts.contains_key(host) {
            // So many hosts are an open mirror's; to forget costs each a quarter of a second.
            hosts.clear();
        }
        let memory = hosts.entry(host.to_owned()).or_default();
        memory[winner as usize] = Memory::Working;
        if let Some(loser) = won.beaten.iter().map(Family::of).find(|family| *family != winner) {
            memory[loser as usize] = Memory::Broken {
                until: now + DEMOTION,
            };
        }
    }

    /// Learns that a connection was made and then nothing came through it, as where a tunnel loses large
    /// packets: the other family goes first from now on.
    pub fn demote(&self, host: &str, family: Family, now: Instant) {
        let mut hosts = self.0.lock();
        let Some(memory) = hosts.get_mut(host) else {
            return;
        };
        memory[family as usize] = Memory::Broken {
            until: now + DEMOTION,
        };
        if memory.iter().all(|m| matches!(m, Memory::Broken { .. })) {
            *memory = Default::default();
        }
    }
}

#[cfg(test)]
#[path = "tests/eyeballs.rs"]
mod tests;
