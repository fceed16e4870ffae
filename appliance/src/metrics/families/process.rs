//! The process and its build.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType::{Counter, Gauge, Info},
};

use super::singles;
use crate::metrics::process;

#[derive(Debug)]
pub(in crate::metrics) struct Process;

impl Collector for Process {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let mut build = to.encode_descriptor("larder_build", "What is running", None, Info)?;
        build.encode_info(&[
            ("version", env!("CARGO_PKG_VERSION")),
            ("arch", std::env::consts::ARCH),
        ])?;
        let now = process::read();
        let memory = |bytes| ("process_resident_memory_bytes", "Memory in use", Gauge, bytes);
        let files = |count| ("process_open_fds", "Open file descriptors", Gauge, count);
        let known = [now.resident.map(memory), now.open_files.map(files)];
        singles(&mut to, known.into_iter().flatten())?;
        let help = "CPU time, user and system";
        let mut cpu = to.encode_descriptor("process_cpu_seconds", help, None, Counter)?;
        cpu.encode_counter::<NoLabelSet, f64, f64>(&now.cpu.as_secs_f64(), None)
    }
}
