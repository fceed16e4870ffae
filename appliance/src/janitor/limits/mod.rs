//! What the worker takes from itself before it reads its first job.
//!
//! | limit | what for |
//! |---|---|
//! | memory | a worker that grows ends itself, and nobody else: `RLIMIT_DATA`, and a control group where there is one |
//! | first to go | when the box is short of memory, the kernel takes the worker and not the mirror |
//! | nice | it computes less and reads later while others want to; the kernel derives the disk's class from it |
//! | follows its parent | it ends when the mirror does, however that ends |
//! | files | it can read and remove below the cache's two folders of blobs, and list the one they lie in; it can create nothing |
//!
//! `RLIMIT_DATA` and not `RLIMIT_AS`: what counts is memory that can be written. The address space also holds
//! the binary and what the allocator sets aside per thread without using it.
//!
//! Nice 10 and not `SCHED_IDLE`: with four busy processes on two cores a worker of the idle class removed nothing
//! in eight seconds. It would be taken for one that hangs, and the disk would fill up while the box is busiest. At
//! nice 10 it runs every 130 ms there and has 2 % of a core: enough for its signs of life.
//!
//! Promises: a limit that cannot be had is reported, never fatal: a worker without it is better than none. To be
//! called while there is one thread only: some of these hold for the calling thread and those it starts. Must
//! not know: what the worker does.

mod fence;
mod group;

use std::{fmt, fs, path::Path};

use rustix::{
    io::Errno,
    process::{Resource, Rlimit, Signal, setpriority_process, setrlimit},
};
use serde::{Deserialize, Serialize};

use crate::cache::Layout;

/// One limit and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub name: String,
    pub effect: Effect,
}

/// What became of a limit, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    Holds(String),
    /// It does not hold, and why.
    Missing(String),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.effect {
            Effect::Holds(how) => write!(f, "{}: {how}", self.name),
            Effect::Missing(why) => write!(f, "{}: no: {why}", self.name),
        }
    }
}

/// Applies all limits to this process and says what came of each.
pub(super) fn apply(folder: &Path, memory: u64) -> Vec<Limit> {
    let layout = Layout::new(folder);
    [
        ("parent", follow_parent()),
        ("memory", data(memory)),
        ("memory group", group::enter(memory)),
        ("first to go", first_to_go()),
        ("nice", nice()),
        // The last: nothing outside of the folders can be opened after it.
        (
            "landlock",
            fence::around(&[&layout.blobs, &layout.fills], &layout.dir),
        ),
    ]
    .map(|(name, outcome)| Limit {
        name: name.into(),
        effect: outcome.map_or_else(Effect::Missing, Effect::Holds),
    })
    .into()
}

/// A tenth of the share of others.
const NICE: i32 = 10;

/// What a limit comes to: how it holds, or why it does not.
type Outcome = Result<String, String>;

fn because(operation: &str) -> impl Fn(Errno) -> String {
    move |errno| format!("{operation}: {}", std::io::Error::from(errno))
}

/// The pipe's end says the same; this also reaches a worker whose threads are all at work in the kernel.
fn follow_parent() -> Outcome {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(because("prctl"))?;
    Ok("killed with the thread that started it".into())
}

fn data(memory: u64) -> Outcome {
    let limit = Rlimit {
        current: Some(memory),
        maximum: Some(memory),
    };
    setrlimit(Resource::Data, limit).map_err(because("setrlimit"))?;
    // A core file of a worker that was killed for its size would fill the disk that it is to empty.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(because("setrlimit"))?;
    Ok(format!("rlimit {} KiB", memory >> 10))
}

fn first_to_go() -> Outcome {
    fs::write("/proc/self/oom_score_adj", "1000").map_err(|error| format!("oom_score_adj: {error}"))?;
    Ok("oom_score_adj 1000".into())
}

fn nice() -> Outcome {
    setpriority_process(None, NICE).map_err(because("setpriority"))?;
    Ok(NICE.to_string())
}
