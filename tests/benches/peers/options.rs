//! What the caller wants, from arguments and environment.

use std::{str::FromStr, time::Duration};

use crate::rows::Row;

/// Load for all figures together: leaves time within the limit for starting and warming.
const LOAD: Duration = Duration::from_secs(330);

pub(crate) struct Options {
    pub(crate) rows: Vec<Row>,
    pub(crate) rounds: u32,
    /// Of the big blob, in bytes.
    pub(crate) big: usize,
    seconds: u64,
}

impl Options {
    pub(crate) fn read() -> Self {
        // Cargo itself adds arguments such as `--bench`.
        let mut words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
        if let Ok(listed) = std::env::var("LARDER_BENCH_ROWS") {
            words.extend(listed.split(',').map(|word| word.trim().to_owned()));
        }
        let big: usize = number("LARDER_BENCH_BIG", 1024);
        Self {
            rows: Row::ALL
                .into_iter()
                .filter(|row| words.is_empty() || words.iter().any(|word| row.name.contains(word.as_str())))
                .collect(),
            rounds: number("LARDER_BENCH_ROUNDS", 3),
            big: big << 20,
            seconds: number("LARDER_BENCH_SECONDS", 4),
        }
    }

    /// How long each figure is measured: whole seconds, as `wrk` wants them.
    pub(crate) fn time(&self, servers: usize) -> Duration {
        let figures = self.rows.len() * servers * self.rounds as usize;
        let share = LOAD.as_secs() / figures.max(1) as u64;
        Duration::from_secs(self.seconds.min(share).max(1))
    }
}

fn number<T: FromStr>(variable: &str, default: T) -> T {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is {text:?}, which is no number")),
        Err(_) => default,
    }
}
