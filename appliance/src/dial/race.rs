//! Happy eyeballs (RFC 8305): connecting to a host that has several addresses, some of them dead.
//!
//! Addresses are tried in turn, a new one every [`STAGGER`] or as soon as one fails; the first to connect wins and the
//! others are dropped. Addresses that a name server tells later join in. Promises: pure but for the time; bounded; nobody
//! has lost as long as addresses may still come. Must not know: sockets, names, what was learned from earlier races.

use std::{collections::VecDeque, io, net::SocketAddr, pin::pin, time::Duration};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until, timeout};

use super::families::Family;

/// The delay before the next address is tried (RFC 8305, section 8).
pub(super) const STAGGER: Duration = Duration::from_millis(250);

/// How many addresses of a host are tried at most.
const MOST: usize = 8;

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

/// Connects to the first of `addresses`, and of those that come `late`, that lets itself be connected to. One attempt
/// takes at most `patience`.
pub(super) async fn race<T, F, C>(
    addresses: Vec<SocketAddr>,
    late: impl Future<Output = Vec<SocketAddr>>,
    patience: Duration,
    connect: C,
) -> Result<Won<T>, Lost>
where
    C: Fn(SocketAddr) -> F,
    F: Future<Output = io::Result<T>>,
{
    let mut late = pin!(late.fuse());
    let mut may_come = true;
    let mut waiting = VecDeque::from(addresses);
    let mut started: Vec<SocketAddr> = Vec::new();
    let mut running = FuturesUnordered::new();
    let mut failed = Vec::new();
    let mut next_start = Instant::now();
    loop {
        let is_running = !running.is_empty();
        let may_start = !waiting.is_empty() && started.len() < MOST;
        if !is_running && !may_start && !may_come {
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
            more = &mut late, if may_come => {
                may_come = false;
                let next = match (started.last(), waiting.front()) {
                    (Some(last), _) => Family::of(last).other(),
                    (None, Some(first)) => Family::of(first),
                    (None, None) => Family::V6,
                };
                waiting = in_turn(waiting.drain(..).chain(more).collect(), next).into();
            }
            () = sleep_until(start), if may_start => {
                if let Some(address) = waiting.pop_front() {
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

/// Families in turn, beginning with one of them; within a family, as they came.
pub(super) fn in_turn(addresses: Vec<SocketAddr>, first: Family) -> Vec<SocketAddr> {
    let mut ordered = Vec::with_capacity(addresses.len());
    let (ones, others): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| Family::of(address) == first);
    let (mut ones, mut others) = (ones.into_iter(), others.into_iter());
    loop {
        let before = ordered.len();
        ordered.extend(ones.next());
        ordered.extend(others.next());
        if ordered.len() == before {
            return ordered;
        }
    }
}

#[cfg(test)]
#[path = "tests/race.rs"]
mod tests;
