//! How the mirror does, for the monitor.
//!
//! Promises: nothing here waits for a network. It may wait for the disk, which is asked for its room. Must not know: what
//! is made of it.

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{facts::Facts, line};
use crate::{
    cache::{State, eviction::Amount},
    collector::Ending,
    monitor::figures::{
        Buffers, CacheFigures, CollectorFigures, Figures, House, Room, Storing, Traffic, Work, WorkerFigures,
    },
};

/// What is asked, and what has to be remembered from one time to the next.
pub(super) struct Figured {
    facts: Arc<Facts>,
    memory: Mutex<Memory>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    asked: Option<Instant>,
    connections: u64,
    /// When a connection was made last, at the earliest.
    connected: Option<Instant>,
    /// Since when there has been something to give.
    above: Option<Instant>,
}

impl Memory {
    /// How long ago at least a connection was made.
    fn connected(&mut self, connections: u64, now: Instant) -> Option<Duration> {
        let asked = self.asked.replace(now);
        if connections > std::mem::replace(&mut self.connections, connections) {
            // It was some time since the last look: later than it was would make a failure in between look healed.
            self.connected = asked.or(self.connected);
        }
        self.connected.map(|at| now - at)
    }

    /// How long there has been something to give above the high mark.
    fn above(&mut self, to_give: Amount, now: Instant) -> Duration {
        self.above = (to_give != Amount::NOTHING).then(|| self.above.unwrap_or(now));
        self.above.map_or(Duration::ZERO, |since| now - since)
    }
}

impl Figured {
    pub(super) fn new(facts: Arc<Facts>) -> Self {
        Self {
            facts,
            memory: Mutex::default(),
        }
    }

    fn traffic(&self) -> Traffic {
        let totals = self.facts.metrics.totals();
        Traffic {
            requests: totals.requests,
            failures: totals.failures,
            hits: totals.hits,
            misses: totals.misses,
            served: totals.bytes_served,
            fetched: self.facts.client.usage().wan_bytes,
            filling: totals.fills_in_flight,
            answering: totals.answering,
        }
    }

    fn cache(&self) -> CacheFigures {
        let cache = self.facts.mirror.cache();
        let (state, counters) = (cache.state(), cache.counters());
        let found = self.facts.inspector.tally();
        let damaged = found
            .iter()
            .map(|outcomes| outcomes.sums)
            .map(|sums| sums.lost + sums.mismatched + sums.unreadable)
            .sum::<u64>();
        CacheFigures {
            storing: match state {
                State::Healthy => Storing::Kept,
                State::PassThrough { .. } => Storing::PassedThrough,
            },
            index_errors: counters.errors,
            damaged: damaged + counters.damaged_rows,
        }
    }

    fn collector(&self, memory: &mut Memory, now: Instant) -> CollectorFigures {
        let pressure = self.facts.mirror.cache().pressure().ok();
        let high = self.facts.site.load().config.cache.high.get();
        let last = self.facts.collector.history().pop();
        let has_failed = last
            .as_ref()
            .is_some_and(|last| matches!(last.ending, Ending::Short(_) | Ending::Failed(_)));
        CollectorFigures {
            room: pressure.as_ref().map(|pressure| {
                // Others may have made room since.
                if has_failed && pressure.worst() >= high {
                    Room::Short
                } else {
                    Room::Enough
                }
            }),
            took: last.map(|last| Duration::from_millis(last.took)),
            lag: pressure
                .as_ref()
                .map(|pressure| memory.above(pressure.to_give(high), now)),
        }
    }

    fn delivery_lag(&self) -> Duration {
        let now = self.facts.clock.now();
        self.facts.book.look(now, |_, _, head| {
            let failing = head
                .reached
                .values()
                .filter_map(|reached| reached.failing.as_ref());
            let lags = failing.map(|failing| failing.since.age(now).unwrap_or_default());
            lags.max().unwrap_or_default()
        })
    }

    fn worker(&self) -> WorkerFigures {
        let janitor = self.facts.janitor.state();
        let is_resting = janitor
            .resting
            .is_some_and(|resting| Instant::now() < resting.until);
        WorkerFigures {
            process: janitor.worker.and_then(|worker| worker.process),
            work: if is_resting { Work::Withheld } else { Work::Given },
            failures: janitor.counts.died + janitor.counts.killed + janitor.counts.not_started,
        }
    }
}

impl House for Figured {
    fn figures(&self) -> Figures {
        let now = Instant::now();
        let mut memory = *self.memory.lock();
        let endpoints = self.facts.endpoints();
        let connected = memory.connected(self.facts.client.usage().connections, now);
        let pool = self.facts.mirror.budget().usage();
        let figures = Figures {
            buffers: Buffers {
                capacity: pool.capacity,
                in_use: pool.in_use,
            },
            traffic: self.traffic(),
            cache: self.cache(),
            collector: self.collector(&mut memory, now),
            worker: self.worker(),
            line: line::line(&endpoints, self.facts.client.ways(), connected),
            upstreams: line::upstreams(&endpoints),
            restarts: self.facts.watched.restarts(self.facts.clock.now()),
            duty: self.facts.watched.duty(),
            delivery_lag: self.delivery_lag(),
        };
        *self.memory.lock() = memory;
        figures
    }
}

impl fmt::Debug for Figured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Figured({:?})", self.facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_connection_is_not_taken_for_a_later_one() {
        let start = Instant::now();
        let mut memory = Memory::default();
        let mut ago = |connections, seconds| {
            let ago = memory.connected(connections, at(start, seconds));
            ago.map(|ago| ago.as_secs())
        };
        assert_eq!(ago(3, 0), None, "nobody knows when those were");
        assert_eq!(ago(3, 10), None);
        assert_eq!(ago(4, 20), Some(10));
        assert_eq!(ago(4, 30), Some(20));
        assert_eq!(ago(9, 40), Some(10));
    }

    #[test]
    fn the_collector_lags_since_there_has_been_something_to_give() {
        let start = Instant::now();
        let mut memory = Memory::default();
        let mut lag = |bytes, inodes, seconds| {
            let to_give = Amount { bytes, inodes };
            memory.above(to_give, at(start, seconds)).as_secs()
        };
        assert_eq!(lag(0, 0, 0), 0);
        assert_eq!(lag(9, 0, 10), 0);
        assert_eq!(lag(0, 1, 50), 40);
        assert_eq!(lag(0, 0, 60), 0);
        assert_eq!(lag(9, 9, 70), 0);
    }
}
