//! Larder beside its peers, warm, in one run on one machine.
//!
//! ```text
//! cargo build --release -p appliance && cargo bench -p tests --bench peers [-- ROW…]
//! ```
//!
//! Rounds are interleaved (A B C, A B C, …), figures are medians, processor time is the server's own from
//! `/proc`. Client and servers share the machine: believe the ratios and the processor time, not the rates.
//! Larder and docker-registry write their logs as they come; nginx writes no access log, for it stands for
//! the limit. Everything listens on loopback and ends with this process. Needs root (for nginx's
//! namespace), `docker-registry`, `nginx` and `wrk`.
//!
//! | variable | default | what |
//! |---|---|---|
//! | `LARDER_BIN` | the release binary | the binary under test |
//! | `LARDER_BENCH_ROWS` | all | rows, by words of their names, separated by commas |
//! | `LARDER_BENCH_ROUNDS` | 3 | rounds |
//! | `LARDER_BENCH_SECONDS` | 4, less if that would take too long | seconds of load for each figure |
//! | `LARDER_BENCH_BIG` | 1024 | size of the big blob in MiB |
//! | `LARDER_BENCH_DRAYAGE` | fetched once, as a Python wheel | the binary of drayage |

mod acceptance;
mod content;
mod drain;
mod figures;
mod options;
mod rows;
mod servers;
mod wrk;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use content::Fixture;
use figures::{Figures, Sample};
use options::Options;
use rows::Row;
use servers::{Cast, Server};
use tests::measure::load;

/// No figure is taken after this long.
const LIMIT: Duration = Duration::from_secs(7 * 60 + 15);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(compare(&Options::read(), Instant::now()));
}

async fn compare(options: &Options, started: Instant) {
    let mut fixture = Fixture::new(options.big);
    let mut cast = Cast::start(&fixture).await;
    for server in &mut cast.servers {
        server.warm(&fixture, &cast.origin).await;
    }
    fixture.forget_bytes();
    let time = options.time(cast.servers.len());
    let (rows, rounds) = (&options.rows, options.rounds);
    eprintln!(
        "warm after {:.0?}; {} rows, {rounds} rounds of {time:?}; {}",
        started.elapsed(),
        rows.len(),
        load()
    );
    let mut figures = Figures::default();
    'rows: for row in rows {
        let path = fixture.path(row.wanted);
        for round in 1..=rounds {
            for server in &cast.servers {
                if started.elapsed() > LIMIT {
                    tests::loudly("out of time: the rest is not measured");
                    break 'rows;
                }
                let sample = measure(row, &path, server, time, cast.folder.path()).await;
                eprintln!("{row}, round {round}: {}: {}", server.name, sample.text(row));
                figures.add(row, server.name, sample);
            }
        }
    }
    println!("# Larder beside its peers, warm\n");
    println!(
        "Medians of {rounds} rounds of {time:?} (where fewer, it says so); big blob {} MiB; {}.\n",
        options.big >> 20,
        load()
    );
    println!("{}", figures.absolute(rows, &cast.servers));
    println!("Larder ÷ peer: rate, processor time.\n");
    println!("{}", figures.ratios(rows, &cast.servers));
    for check in acceptance::checks(&figures, rows) {
        println!("{check}");
    }
    println!("\nRan for {:.0?}.", started.elapsed());
}

async fn measure(row: &Row, path: &str, server: &Server, time: Duration, folder: &Path) -> Sample {
    let before = server.family.cpu();
    let done = if row.is_bulk() {
        let (address, path, connections) = (server.address, path.to_owned(), row.connections);
        tokio::task::spawn_blocking(move || drain::load(address, &path, connections, time))
            .await
            .expect("the readers end by themselves")
    } else {
        wrk::load(server.address, path, row, time, folder).await
    };
    let cpu = server.family.cpu() - before;
    Sample {
        rate: done.units / done.took.as_secs_f64(),
        cpu: cpu.as_secs_f64() / done.units,
    }
}

/// What a load came to: requests, or GiB.
struct Done {
    units: f64,
    took: Duration,
}
