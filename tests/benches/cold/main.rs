//! Larder while the content is still on its way, and while there is no way.
//!
//! ```text
//! cargo build --release -p appliance && cargo bench -p tests --bench cold [-- PART…]
//! ```
//!
//! The upstream is the tests' scripted one, limited to 60 MiB/s, on loopback and in this process (on
//! threads of its own). Parts: `crowd`, `late`, `cuts`, `memory`, `wan`; all of them without arguments.
//!
//! | variable | default | what |
//! |---|---|---|
//! | `LARDER_BIN` | the release binary | the binary under test |
//! | `LARDER_BENCH_ROWS` | all | parts, separated by commas |
//! | `LARDER_BENCH_BIG` | 1024 | size of the crowd's blob in MiB |
//! | `LARDER_BENCH_SEED` | 1 | for the places of the cuts |

mod crowd;
mod cuts;
mod late;
mod memory;
mod reader;
mod wan;
mod world;

use std::time::Instant;

use tests::measure::{Check, load};
use world::World;

/// Bytes a second that the upstream gives, to all together.
const RATE: u64 = 60 << 20;

const REPOSITORY: &str = "bench/app";

/// What a part found: text in Markdown, and whether it was good enough.
struct Found {
    text: String,
    checks: Vec<Check>,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let world = World::new();
    eprintln!("measuring {}", tests::larder::binary().display());
    runtime.block_on(measure(&world));
}

async fn measure(world: &World) {
    let started = Instant::now();
    let mut words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    if let Ok(listed) = std::env::var("LARDER_BENCH_ROWS") {
        words.extend(listed.split(',').map(|word| word.trim().to_owned()));
    }
    let wanted = |part: &str| words.is_empty() || words.iter().any(|word| word == part);
    let mut checks = Vec::new();
    let mut tell = |found: Found| {
        println!("{}", found.text);
        checks.extend(found.checks);
    };
    println!("# Larder, cold and cut off ({})\n", load());
    if wanted("crowd") {
        tell(crowd::measure(world).await);
    }
    if wanted("late") {
        tell(late::measure(world).await);
    }
    if wanted("cuts") {
        tell(cuts::measure(world).await);
    }
    if wanted("memory") {
        tell(memory::measure(world).await);
    }
    if wanted("wan") {
        tell(wan::measure(world).await);
    }
    for check in checks {
        println!("{check}");
    }
    println!("\nRan for {:.0?}, {}.", started.elapsed(), load());
}
