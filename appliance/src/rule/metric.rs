//! What can be measured: names, units, what is possible.
//!
//! The names are what people write in rules and what the API shows. They are never given to something else. Promises:
//! a metric's bounds hold for every sound box. Must not know: how any of it is read.

use std::{fmt, str::FromStr};

use heapless::String as Short;
use serde::Serialize;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// From 0 to 1.
    Part,
    Bytes,
    BytesPerSecond,
    PerSecond,
    Seconds,
    Celsius,
    Count,
    /// 1 while it is so, 0 while it is not.
    Yes,
}

/// Beyond what any box does: for what has no limit of its own.
const MANY: f64 = 1e15;
/// The fastest buses and links that such a box may have, in bytes per second.
const FASTEST: f64 = 64e9;

macro_rules! metrics {
    ($($(#[$doc:meta])* $metric:ident = $name:literal, $unit:ident, $least:expr, $most:expr;)*) => {
        /// A quantity.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric {
            $($(#[$doc])* $metric,)*
        }

        impl Metric {
            pub const ALL: &[Self] = &[$(Self::$metric,)*];

            /// As people write it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$metric => $name,)* }
            }

            pub const fn unit(self) -> Unit {
                match self { $(Self::$metric => Unit::$unit,)* }
            }

            /// The least and the most that there can be; of what is read from a counter, in a second.
            pub const fn bounds(self) -> (f64, f64) {
                match self { $(Self::$metric => ($least, $most),)* }
            }
        }
    };
}

metrics! {
    /// Of all cores.
    CpuBusy = "cpu.busy", Part, 0.0, 1.0;
    Load = "cpu.load", Count, 0.0, 1e6;
    /// What programs cannot have any more, of all memory.
    MemoryUsed = "memory.used", Part, 0.0, 1.0;
    MemoryAvailable = "memory.available", Bytes, 0.0, MANY;
    SwapUsed = "swap.used", Part, 0.0, 1.0;
    /// Part of the time in which somebody waited (`some`) or everybody did (`full`).
    PressureCpu = "pressure.cpu", Part, 0.0, 1.0;
    PressureMemory = "pressure.memory", Part, 0.0, 1.0;
    PressureMemoryFull = "pressure.memory-full", Part, 0.0, 1.0;
    PressureIo = "pressure.io", Part, 0.0, 1.0;
    PressureIoFull = "pressure.io-full", Part, 0.0, 1.0;
    /// Processes that the kernel killed for want of memory.
    OomKills = "memory.oom-kills", PerSecond, 0.0, 1e6;
    /// Of the filesystem of the cache.
    DiskBytesUsed = "disk.bytes-used", Part, 0.0, 1.0;
    DiskInodesUsed = "disk.inodes-used", Part, 0.0, 1.0;
    DiskReadOnly = "disk.read-only", Yes, 0.0, 1.0;
    /// Per device.
    DiskRead = "disk.read", BytesPerSecond, 0.0, FASTEST;
    DiskWritten = "disk.written", BytesPerSecond, 0.0, FASTEST;
    DiskBusy = "disk.busy", Part, 0.0, 1.0;
    /// Seconds that a request took on the average.
    DiskLatency = "disk.latency", Seconds, 0.0, 3600.0;
    DiskErrors = "disk.errors", PerSecond, 0.0, 1e6;
    /// Of what the flash is made for; more than all of it is told by some.
    DiskWorn = "disk.worn", Part, 0.0, 3.0;
    DiskFailing = "disk.failing", Yes, 0.0, 1.0;
    /// Per interface.
    LinkUp = "network.link", Yes, 0.0, 1.0;
    NetworkReceived = "network.received", BytesPerSecond, 0.0, FASTEST;
    NetworkSent = "network.sent", BytesPerSecond, 0.0, FASTEST;
    NetworkErrors = "network.errors", PerSecond, 0.0, 1e9;
    /// Whether there is an address and a way out; per address family.
    NetworkRoute = "network.route", Yes, 0.0, 1.0;
    /// Whether connections come about; per address family.
    NetworkFamily = "network.family", Yes, 0.0, 1.0;
    /// Whether any upstream can be reached.
    Wan = "network.wan", Yes, 0.0, 1.0;
    Names = "network.names", Yes, 0.0, 1.0;
    Temperature = "temperature", Celsius, -60.0, 200.0;
    ClockSynchronised = "clock.synchronised", Yes, 0.0, 1.0;
    /// How far the wall clock moved against the steady one since the last look.
    ClockJump = "clock.jump", Seconds, 0.0, MANY;
    /// Per upstream.
    UpstreamUp = "upstream.up", Yes, 0.0, 1.0;
    UpstreamLatency = "upstream.latency", Seconds, 0.0, 3600.0;
    UpstreamFaults = "upstream.faults", PerSecond, 0.0, 1e6;
    /// Requests that may still be made, of those that are allowed.
    UpstreamLeft = "upstream.requests-left", Part, 0.0, 1.0;
    /// Of requests for content.
    HitRatio = "mirror.hit-ratio", Part, 0.0, 1.0;
    Requests = "mirror.requests", PerSecond, 0.0, 1e7;
    Failures = "mirror.failures", PerSecond, 0.0, 1e7;
    Served = "mirror.served", BytesPerSecond, 0.0, FASTEST;
    Fetched = "mirror.fetched", BytesPerSecond, 0.0, FASTEST;
    Filling = "mirror.filling", Count, 0.0, 1e6;
    BufferUsed = "mirror.buffer-used", Part, 0.0, 1.0;
    /// Bytes in flight while nothing is in flight.
    BufferLeaked = "mirror.buffer-leaked", Bytes, 0.0, MANY;
    CacheWritable = "cache.writable", Yes, 0.0, 1.0;
    IndexErrors = "cache.index-errors", PerSecond, 0.0, 1e6;
    /// Whether the last collection made enough room.
    CollectorShort = "collector.short", Yes, 0.0, 1.0;
    CollectorSeconds = "collector.duration", Seconds, 0.0, MANY;
    /// How far above the high mark the cache is, and since when.
    CollectorLag = "collector.lag", Seconds, 0.0, MANY;
    WorkerResting = "janitor.resting", Yes, 0.0, 1.0;
    WorkerFailures = "janitor.failures", PerSecond, 0.0, 1e6;
    Damaged = "inspection.damaged", PerSecond, 0.0, 1e6;
    /// Per process of ours.
    ProcessMemory = "process.memory", Bytes, 0.0, MANY;
    ProcessRestarts = "process.restarts", Count, 0.0, 1e6;
    /// Whether it only serves, after too many restarts.
    ProcessSafeMode = "process.safe-mode", Yes, 0.0, 1.0;
    /// Per metric: how long there was no sample that could be believed.
    Blind = "monitor.blind", Seconds, 0.0, MANY;
    /// Samples that were dropped.
    Dropped = "monitor.dropped", PerSecond, 0.0, 1e6;
    /// Messages that wait, and for how long the first of them has waited.
    Undelivered = "alert.undelivered", Count, 0.0, 1e6;
    DeliveryLag = "alert.delivery-lag", Seconds, 0.0, MANY;
}

impl Metric {
    /// What it is measured of: the first word of its name.
    pub fn kind(self) -> &'static str {
        let name = self.name();
        name.split_once('.').map_or(name, |(kind, _)| kind)
    }

    /// Whether its labels are names of devices, which can be taken out.
    pub fn is_of_devices(self) -> bool {
        !matches!(self, Self::NetworkFamily | Self::NetworkRoute)
            && matches!(self.kind(), "disk" | "network" | "temperature")
    }

    /// Whether its labels are upstreams' names.
    pub const fn is_of_upstreams(self) -> bool {
        matches!(
            self,
            Self::UpstreamUp | Self::UpstreamLatency | Self::UpstreamFaults | Self::UpstreamLeft
        )
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no metric of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no metric `{0}`")]
pub struct NoSuchMetric(pub String);

impl FromStr for Metric {
    type Err = NoSuchMetric;

    fn from_str(text: &str) -> Result<Self, NoSuchMetric> {
        let found = Self::ALL.iter().find(|metric| metric.name() == text);
        found.copied().ok_or_else(|| NoSuchMetric(text.to_owned()))
    }
}

/// The most bytes of a label.
const LONGEST: usize = 48;

/// Which of several things: a disk, an interface, an upstream. Empty where there is one only. What is too long for its
/// fixed room is cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Short<LONGEST>);

impl Label {
    pub fn new(text: &str) -> Self {
        let mut short = Short::new();
        for character in text.chars().filter(|character| !character.is_control()) {
            if short.push(character).is_err() {
                break;
            }
        }
        Self(short)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A metric of one thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    pub metric: Metric,
    pub of: Label,
}

impl Series {
    /// Of the only thing that there is.
    pub fn alone(metric: Metric) -> Self {
        Self {
            metric,
            of: Label::default(),
        }
    }

    pub fn of(metric: Metric, of: &str) -> Self {
        Self {
            metric,
            of: Label::new(of),
        }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric.name())?;
        if !self.of.as_str().is_empty() {
            write!(f, "{{{}}}", self.of.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for metric in Metric::ALL {
            assert_eq!(metric.name().parse(), Ok(*metric));
            let (least, most) = metric.bounds();
            assert!(least < most);
        }
        assert!("cpu".parse::<Metric>().is_err());
    }

    #[test]
    fn a_label_has_a_fixed_room() {
        let label = Label::new(&format!("{}\n{}", "a".repeat(40), "ß".repeat(40)));
        assert!(label.as_str().len() <= LONGEST && label.as_str().ends_with('ß'));
        assert_eq!(Series::of(Metric::DiskRead, "sda").to_string(), "disk.read{sda}");
        assert_eq!(Series::alone(Metric::CpuBusy).to_string(), "cpu.busy");
    }
}
