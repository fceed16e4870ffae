//! The samples, and the tables made of them.

use std::collections::HashMap;

use tests::measure::{Table, median};

use crate::{rows::Row, servers::Server};

/// What one server did under one load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Requests, or GiB, a second.
    pub(crate) rate: f64,
    /// Seconds of the server's processor time for each request, or GiB.
    pub(crate) cpu: f64,
}

impl Sample {
    pub(crate) fn text(self, row: &Row) -> String {
        if row.is_bulk() {
            format!("{:.0} MiB/s ({:.3} s/GiB)", self.rate * 1024.0, self.cpu)
        } else {
            format!("{:.0}/s ({:.1} µs)", self.rate, self.cpu * 1e6)
        }
    }
}

#[derive(Default)]
pub(crate) struct Figures {
    samples: HashMap<(&'static str, &'static str), Vec<Sample>>,
}

impl Figures {
    pub(crate) fn add(&mut self, row: &Row, server: &'static str, sample: Sample) {
        self.samples.entry((row.name, server)).or_default().push(sample);
    }

    /// The medians of rate and processor time, each for itself.
    pub(crate) fn of(&self, row: &str, server: &str) -> Option<Sample> {
        let (_, samples) = self
            .samples
            .iter()
            .find(|((r, s), _)| *r == row && *s == server)?;
        Some(Sample {
            rate: median(samples.iter().map(|s| s.rate))?,
            cpu: median(samples.iter().map(|s| s.cpu))?,
        })
    }

    /// Larder's divided by the peer's.
    pub(crate) fn ratio(&self, row: &str, peer: &str) -> Option<Sample> {
        let (ours, theirs) = (self.of(row, crate::servers::LARDER)?, self.of(row, peer)?);
        Some(Sample {
            rate: ours.rate / theirs.rate,
            cpu: ours.cpu / theirs.cpu,
        })
    }

    /// How many samples there are.
    fn rounds(&self, row: &str, server: &str) -> usize {
        let mine = |key: &&(&'static str, &'static str)| key.0 == row && key.1 == server;
        self.samples
            .keys()
            .find(mine)
            .map_or(0, |key| self.samples[key].len())
    }

    pub(crate) fn absolute(&self, rows: &[Row], servers: &[Server]) -> Table {
        let names = servers.iter().map(|s| s.name);
        let mut table = Table::new(std::iter::once("row").chain(names));
        let most = |row: &Row| servers.iter().map(|s| self.rounds(row.name, s.name)).max();
        for row in rows {
            let cells = servers.iter().map(|server| {
                let Some(sample) = self.of(row.name, server.name) else {
                    return "–".to_owned();
                };
                match self.rounds(row.name, server.name) {
                    rounds if Some(rounds) == most(row) => sample.text(row),
                    rounds => format!("{}, {rounds} rounds", sample.text(row)),
                }
            });
            table.row(std::iter::once(row.name.to_owned()).chain(cells));
        }
        let memory = servers.iter().map(|server| {
            let now = server.family.rss() as f64;
            let mib = 1024.0 * 1024.0;
            format!("{:.1} → {:.1} MiB", server.idle_rss as f64 / mib, now / mib)
        });
        table.row(std::iter::once("memory (RSS), idle → after".to_owned()).chain(memory));
        table
    }

    pub(crate) fn ratios(&self, rows: &[Row], servers: &[Server]) -> Table {
        let peers: Vec<&str> = servers
            .iter()
            .map(|s| s.name)
            .filter(|n| *n != crate::servers::LARDER)
            .collect();
        let mut table = Table::new(std::iter::once("row").chain(peers.iter().copied()));
        for row in rows {
            let cells = peers.iter().map(|peer| {
                self.ratio(row.name, peer)
                    .map_or_else(|| "–".to_owned(), |s| format!("{:.2} ×, {:.2} ×", s.rate, s.cpu))
            });
            table.row(std::iter::once(row.name.to_owned()).chain(cells));
        }
        table
    }
}
