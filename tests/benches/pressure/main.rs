//! What making room costs those who pull, and what caching costs the disk.
//!
//! ```text
//! cargo build --release -p appliance && cargo bench -p tests --bench pressure [-- PART…]
//! ```
//!
//! Parts: `latency` (as root: it mounts small disks), `writes`; both without arguments.
//!
//! | variable | default | what |
//! |---|---|---|
//! | `LARDER_BIN` | the release binary | the binary under test |
//! | `LARDER_BENCH_SECONDS` | 60 | how long `latency` measures |
//! | `LARDER_BENCH_BIG` | 2048 | MiB that `writes` pulls |

mod latency;
mod writes;

use tests::measure::{Check, load};

const REPOSITORY: &str = "bench/app";
const UPSTREAM: &str = "registry.test";

/// What a part found: text, and whether it was good enough.
struct Found {
    text: String,
    checks: Vec<Check>,
}

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|e| panic!("{variable}: {e}")),
        Err(_) => default,
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let wanted = |part: &str| words.is_empty() || words.iter().any(|word| word == part);
    println!("# Larder under pressure ({})\n", load());
    let mut checks = Vec::new();
    let mut tell = |found: Found| {
        println!("{}", found.text);
        checks.extend(found.checks);
    };
    if wanted("latency") {
        tell(runtime.block_on(latency::measure()));
    }
    if wanted("writes") {
        tell(runtime.block_on(writes::measure()));
    }
    for check in checks {
        println!("{check}");
    }
}
