//! Interfaces: whether they have a link, what goes over them, what fails.
//!
//! What is looked at is hardware. Where there is none, as in a container, it is whatever is not there for other
//! containers' sake.

use std::{path::Path, time::Duration};

use super::{
    Group, Probe,
    files::{Files, Names},
    ways,
};
use crate::{monitor::Sheet, rule::Metric};

/// How names of interfaces begin that are there for containers, tests and the box itself.
const INNER: [&str; 16] = [
    "lo",
    "veth",
    "docker",
    "br-",
    "cni",
    "flannel",
    "cali",
    "cilium",
    "lxc",
    "kube",
    "nodelocaldns",
    "ifb",
    "dummy",
    "virbr",
    "vnet",
    "tap",
];

/// Links are not faster, in Mbit/s. Beyond it lies what drivers say when they know nothing.
const FASTEST_LINK: u64 = 800_000;

pub(super) struct Network {
    files: Files,
}

impl Network {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            files: Files::below(root),
        }
    }

    fn interfaces(&mut self) -> Names {
        let is_outer = |name: &str| !INNER.iter().any(|inner| name.starts_with(inner));
        let mut names = self.files.names(format_args!("sys/class/net"), is_outer);
        let is_hardware =
            |files: &mut Files, name: &str| files.exists(format_args!("sys/class/net/{name}/device"));
        if names.iter().any(|name| is_hardware(&mut self.files, name)) {
            names.retain(|name| is_hardware(&mut self.files, name));
        }
        names
    }

    fn interface(&mut self, name: &str, sheet: &mut Sheet) {
        if let Some(link) = self.link(name) {
            sheet.gauge(Metric::LinkUp, name, f64::from(link));
        }
        // In Mbit/s; "-1", an error or nothing where nobody knows.
        let speed: Option<u64> = self.files.number(format_args!("sys/class/net/{name}/speed"));
        let speed = speed.filter(|speed| (1..=FASTEST_LINK).contains(speed));
        let limit = speed.map(|speed| speed as f64 * 1e6 / 8.0);
        for (file, metric) in [
            ("rx_bytes", Metric::NetworkReceived),
            ("tx_bytes", Metric::NetworkSent),
        ] {
            if let Some(count) = self.statistic(name, file) {
                sheet.counter_within(metric, name, count, limit);
            }
        }
        if let (Some(received), Some(sent)) = (
            self.statistic(name, "rx_errors"),
            self.statistic(name, "tx_errors"),
        ) {
            sheet.counter(Metric::NetworkErrors, name, received.saturating_add(sent));
        }
    }

    /// `None` when it is switched off, or does not say.
    fn link(&mut self, name: &str) -> Option<bool> {
        let state = self.files.text(format_args!("sys/class/net/{name}/operstate"))?;
        match state {
            "up" => return Some(true),
            "lowerlayerdown" | "dormant" => return Some(false),
            _ => {}
        }
        // An interface that is switched off fails at this, and a driver that says no more than "unknown" does not.
        match self.files.text(format_args!("sys/class/net/{name}/carrier"))? {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        }
    }

    fn statistic(&mut self, name: &str, file: &str) -> Option<u64> {
        self.files
            .number(format_args!("sys/class/net/{name}/statistics/{file}"))
    }
}

impl Probe for Network {
    fn group(&self) -> Group {
        Group::Network
    }

    fn read(&mut self, _at: Duration, sheet: &mut Sheet) {
        for name in &self.interfaces() {
            self.interface(name, sheet);
        }
        let out = ways::out();
        for (family, way) in ["ipv4", "ipv6"].into_iter().zip(out) {
            if let Some(way) = way {
                sheet.gauge(Metric::NetworkRoute, family, f64::from(way));
            }
        }
        // For the box: by either of them.
        if out.contains(&Some(true)) || !out.contains(&None) {
            sheet.gauge(Metric::NetworkRoute, "", f64::from(out.contains(&Some(true))));
        }
    }
}
