//! Eviction, measured: replays a registry's requests against the room that decides what goes.
//!
//! `cargo bench -p appliance --bench eviction -- TRACE` (or `LARDER_TRACE=TRACE`): request paths, one a line, as
//! text or zstd. Without one, it makes a small trace of its own.

mod planning;
mod replay;
mod trace;

use std::{env, path::PathBuf, time::Instant};

use larder::cache::eviction::{Amount, Kind};
use replay::{Algorithm, Grouping, Score, Setup, replay};
use trace::Trace;

/// Parts of all bytes, in percent.
const CAPACITIES: [u64; 4] = [1, 5, 10, 20];
/// Caps on files. 0: none.
const CAPS: [u64; 3] = [0, 30_000, 2_000];
/// Whether small blobs are files too, as in the figures of others, or inline, as in the product.
const INLINE: [u64; 2] = [0, 32 << 10];

fn main() {
    planning::measure();
    // Cargo adds `--bench`.
    let path = env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let trace = match path
        .map(PathBuf::from)
        .or_else(|| env::var_os("LARDER_TRACE").map(PathBuf::from))
    {
        Some(path) => Trace::read(&path).expect("a trace that can be read"),
        None => {
            println!("no trace was given: a small one is made by Zipf's law; its figures say little");
            Trace::zipf(1, 20_000)
        }
    };
    let all: u64 = trace.sizes.iter().sum();
    println!(
        "{}: {} requests, {} of them pulls; {} blobs, {} in all; {} images",
        trace.name,
        trace.requests.len(),
        trace.pulls,
        trace.sizes.len(),
        Amount::new(all, trace.sizes.len() as u64),
        trace.images.len()
    );
    println!("request hits % / byte hits % of blobs; pulls wholly served %; evicted; time\n");
    for inline_below in INLINE {
        for cap in CAPS {
            for percent in CAPACITIES {
                let capacity = Amount::new(all / 100 * percent, cap);
                println!("capacity {percent} %, {}, {}", files(cap), inline(inline_below));
                for algorithm in algorithms() {
                    let setup = Setup {
                        algorithm,
                        capacity,
                        inline_below,
                        seconds_per_line: 6.0,
                    };
                    let started = Instant::now();
                    let score = replay(&trace, setup);
                    println!(
                        "  {:24}{}  {:.1?}",
                        label(algorithm),
                        line(&score),
                        started.elapsed()
                    );
                }
            }
        }
    }
}

fn algorithms() -> Vec<Algorithm> {
    let kinds = [Kind::Lru, Kind::S3Fifo, Kind::Gdsf];
    let groupings = [Grouping::Blobs, Grouping::Images];
    let ours = groupings
        .into_iter()
        .flat_map(|grouping| kinds.map(|kind| Algorithm::Production(kind, grouping)));
    std::iter::once(Algorithm::Brim).chain(ours).collect()
}

fn label(algorithm: Algorithm) -> String {
    match algorithm {
        Algorithm::Brim => "plain LRU, at the brim".to_owned(),
        Algorithm::Production(kind, Grouping::Blobs) => format!("{} of blobs", kind.as_str()),
        Algorithm::Production(kind, Grouping::Images) => format!("{} of images", kind.as_str()),
    }
}

fn files(cap: u64) -> String {
    match cap {
        0 => "any number of files".to_owned(),
        cap => format!("{cap} files"),
    }
}

fn inline(below: u64) -> String {
    match below {
        0 => "every blob a file".to_owned(),
        below => format!("inline below {} KiB", below >> 10),
    }
}

fn line(score: &Score) -> String {
    let percent = |part: u64, of: u64| 100.0 * part as f64 / of.max(1) as f64;
    format!(
        "{:5.1} /{:5.1}   {:5.1}   {:7}",
        percent(score.hits, score.requests),
        percent(score.hit_bytes, score.bytes),
        percent(score.whole_pulls, score.pulls),
        score.evicted,
    )
}
