//! What the box does on its own: collections, inspections, and the worker that does both.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::MetricType::{Counter, Gauge},
};

use super::{Single, counter, singles};
use crate::metrics::{Circuit, InspectionReading, Readings, UpkeepReading, WorkerReading};

/// Asked when somebody scrapes.
#[derive(Debug)]
pub(in crate::metrics) struct Upkeep(pub(in crate::metrics) Arc<dyn Readings>);

impl Collector for Upkeep {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let reading = self.0.upkeep();
        let help = "Collections, by what set them off and how they ended";
        let mut family = to.encode_descriptor("larder_collections", help, None, Counter)?;
        for (why, ending, count) in &reading.collections {
            counter(&mut family, [("why", why), ("ending", ending)], *count)?;
        }
        singles(&mut to, removed(&reading))?;
        singles(&mut to, worker(&reading.worker))?;
        inspections(&mut to, &reading.inspections)
    }
}

fn removed(reading: &UpkeepReading) -> [Single; 3] {
    [
        (
            "larder_evicted_pieces",
            "Blobs and manifests that went to make room",
            Counter,
            reading.evicted_pieces,
        ),
        (
            "larder_evicted_bytes",
            "Bytes of content that went to make room",
            Counter,
            reading.evicted_bytes,
        ),
        (
            "larder_condemned_files",
            "Files that are not listed any more and wait for their removal",
            Gauge,
            reading.condemned,
        ),
    ]
}

fn worker(worker: &WorkerReading) -> [Single; 7] {
    [
        (
            "larder_janitor_starts",
            "Workers of the janitor that were started",
            Counter,
            worker.started,
        ),
        (
            "larder_janitor_start_failures",
            "Workers that could not be started",
            Counter,
            worker.not_started,
        ),
        (
            "larder_janitor_kills",
            "Workers that were killed: silent, or not to be understood",
            Counter,
            worker.killed,
        ),
        (
            "larder_janitor_deaths",
            "Workers that ended by themselves and should not have",
            Counter,
            worker.died,
        ),
        (
            "larder_janitor_hung",
            "Workers that did not end although they were killed",
            Counter,
            worker.hung,
        ),
        (
            "larder_janitor_spared",
            "Times that a silent worker got more time, because the box was busy",
            Counter,
            worker.spared,
        ),
        (
            "larder_janitor_circuit_open",
            "1 while no worker is started because the last ones failed",
            Gauge,
            u64::from(worker.circuit == Circuit::Open),
        ),
    ]
}

fn inspections(to: &mut DescriptorEncoder<'_>, all: &[InspectionReading]) -> fmt::Result {
    let help = "Passes over the files, by kind and how they ended";
    let mut family = to.encode_descriptor("larder_inspections", help, None, Counter)?;
    for one in all {
        for (ending, count) in [("done", one.done), ("failed", one.failed)] {
            counter(&mut family, [("what", one.what), ("ending", ending)], count)?;
        }
    }
    let help = "Files that passes have seen or read";
    let mut family = to.encode_descriptor("larder_inspected_files", help, None, Counter)?;
    for one in all {
        counter(&mut family, [("what", one.what)], one.files)?;
    }
    let help = "Bytes that passes have read";
    let mut family = to.encode_descriptor("larder_inspected_bytes", help, None, Counter)?;
    for one in all {
        counter(&mut family, [("what", one.what)], one.bytes)?;
    }
    let help = "What passes have found, and mended where it was the cache's to mend";
    let mut family = to.encode_descriptor("larder_inspection_findings", help, None, Counter)?;
    for one in all {
        for (finding, count) in one.findings {
            counter(&mut family, [("what", one.what), ("finding", finding)], count)?;
        }
    }
    Ok(())
}
