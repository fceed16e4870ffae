//! Measuring: what a family of processes costs, medians, and reports in Markdown.
//!
//! Promises: figures are read from the kernel and not from the programs measured.
//! Must not know: what is measured.

mod family;
mod report;

use std::net::{SocketAddr, TcpListener};

pub use family::Family;
pub use report::{Check, Table};

/// The middle value; of an even number, the mean of the two in the middle. Nothing of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        _ if values.is_empty() => None,
        1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// An address of loopback that is free now, for programs that cannot choose one by themselves.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    listener.local_addr().expect("a bound socket has an address")
}

/// The machine's load, for judging how much to believe a figure: processes that ran or waited to run
/// over the last minute, and the cores there are.
pub fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("load {load} on {cores} cores")
}
