//! A network of its own for the daemon: it lives in a namespace, and one cable leads out of it, to the tests.
//!
//! ```text
//! the namespace          a cable          this machine
//!   daemon, .2  ───────────────────────── .1  tests, DNS, who is told
//!               ───────────────────────── .3  the upstream, over IPv4
//!               ───────────────────────── ::3 the upstream, over IPv6
//! ```
//!
//! Promises: the way to the upstream can be made dead in each family by itself, while all others stay; what is sent on a
//! dead way is counted by the kernel; it is gone when it is dropped. Needs root and `ip`.
//! Must not know: who lives in it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    process::Command,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// How the way to the upstream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    Open,
    /// What is sent is lost, and nobody says so: a firewall that drops.
    Dropped,
    /// The kernel says at once that there is no way.
    Unreachable,
    /// The kernel says at once that this is not allowed.
    Prohibited,
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// A namespace with its cable.
pub struct Network {
    name: String,
    /// The end of the cable on this machine.
    cable: String,
    v4: [u8; 2],
    v6: u16,
    /// The hardware address of that end.
    hardware: String,
}

/// How many this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// An address of hardware that nobody has.
const NOBODY: &str = "02:00:00:00:00:01";

impl Network {
    /// `None`, and a word about it, where there can be none.
    pub fn make() -> Option<Self> {
        match Self::try_make() {
            Ok(network) => Some(network),
            Err(why) => {
                crate::loudly(&format!("skipped: network namespaces cannot be made here: {why}"));
                None
            }
        }
    }

    fn try_make() -> Result<Self, String> {
        let number = number()?;
        let [.., high, low] = (number << 3).to_be_bytes();
        let mut this = Self {
            name: format!("larder-{number}"),
            cable: format!("larder{number}"),
            // Of the addresses for benchmarks (RFC 2544), eight; of those for one site (RFC 4193), a network.
            v4: [high, low],
            v6: u16::from_be_bytes([high, low]),
            hardware: String::new(),
        };
        let (name, cable) = (this.name.clone(), this.cable.clone());
        ip(&[
            "link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &name,
        ])?;
        for (last, six) in [(1, 1), (3, 3)] {
            let four = format!("{}/29", this.four(last));
            ip(&["addr", "add", &four, "dev", &cable])?;
            let six = format!("{}/64", this.six(six));
            ip(&["-6", "addr", "add", &six, "dev", &cable, "nodad"])?;
        }
        ip(&["link", "set", &cable, "up"])?;
        let inside = |arguments: &[&str]| ip(&[&["-n", &name], arguments].concat());
        inside(&["link", "set", "lo", "up"])?;
        inside(&["addr", "add", &format!("{}/29", this.four(2)), "dev", "eth0"])?;
        let own = format!("{}/64", this.six(2));
        inside(&["-6", "addr", "add", &own, "dev", "eth0", "nodad"])?;
        inside(&["link", "set", "eth0", "up"])?;
        inside(&["route", "add", "default", "via", &this.four(1).to_string()])?;
        inside(&["-6", "route", "add", "default", "via", &this.six(1).to_string()])?;
        let path = format!("/sys/class/net/{cable}/address");
        let hardware = std::fs::read_to_string(&path).map_err(|e| format!("read {path}: {e}"))?;
        this.hardware = hardware.trim().to_owned();
        Ok(this)
    }

    /// What [`crate::larder::Config::inside`] wants.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The daemon's.
    pub fn inside(&self) -> IpAddr {
        self.four(2).into()
    }

    /// This machine's, that always works.
    pub fn outside(&self) -> IpAddr {
        self.four(1).into()
    }

    /// The upstream's.
    pub fn upstream(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.four(3).into(),
            Family::V6 => self.six(3).into(),
        }
    }

    /// Changes the way to the upstream, for what goes out from now on.
    pub fn set(&self, family: Family, road: Road) {
        let to = self.upstream(family).to_string();
        let flag = match family {
            Family::V4 => "-4",
            Family::V6 => "-6",
        };
        let inside = |arguments: &[&str]| ip(&[&["-n", &self.name, flag], arguments].concat());
        let must = |arguments: &[&str]| inside(arguments).unwrap_or_else(|why| panic!("{why}"));
        for kind in ["unreachable", "prohibit"] {
            // It is there or not.
            let _ = inside(&["route", "del", kind, &to]);
        }
        let neighbour = if road == Road::Dropped {
            NOBODY
        } else {
            &self.hardware
        };
        must(&[
            "neigh",
            "replace",
            &to,
            "lladdr",
            neighbour,
            "dev",
            "eth0",
            "nud",
            "permanent",
        ]);
        match road {
            Road::Open | Road::Dropped => {}
            Road::Unreachable => must(&["route", "add", "unreachable", &to]),
            Road::Prohibited => must(&["route", "add", "prohibit", &to]),
        }
    }

    /// How many packets of TCP over IPv6 a process of the namespace and all its neighbours have sent. A connection that
    /// nobody answers is one, or one more each second.
    pub fn sent_over_ipv6(&self, process: u32) -> u64 {
        let path = format!("/proc/{process}/net/snmp6");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("read {path}: {e}"));
        let figure = |name: &str| -> u64 {
            let mut lines = text.lines().map(str::split_whitespace);
            let found = lines.find_map(|mut line| (line.next() == Some(name)).then(|| line.next()).flatten());
            let found = found.unwrap_or_else(|| panic!("{path} has no {name}"));
            found.parse().unwrap_or_else(|e| panic!("{path}: {name}: {e}"))
        };
        let all = figure("Ip6OutRequests");
        all.saturating_sub(figure("Icmp6OutMsgs") + figure("Udp6OutDatagrams"))
    }

    /// How many connections over IPv6 are not over yet, in the namespace of a process.
    pub fn open_over_ipv6(&self, process: u32) -> usize {
        let path = format!("/proc/{process}/net/tcp6");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("read {path}: {e}"));
        let states = text
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().nth(3));
        // But for those that listen, and those that nothing is sent for any more.
        states.filter(|state| !["0A", "06"].contains(state)).count()
    }

    fn four(&self, last: u8) -> Ipv4Addr {
        let [third, fourth] = self.v4;
        Ipv4Addr::new(198, 18, third, fourth | last)
    }

    fn six(&self, last: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xfd4c, 0x6172, 0x6465, self.v6, 0, 0, 0, last)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The cable goes with it, but for one that never came to be.
        let _ = ip(&["netns", "del", &self.name]);
        let _ = ip(&["link", "del", &self.cable]);
    }
}

/// Makes a namespace, and tells its number: of those that are there at the same time, each has another.
fn number() -> Result<u32, String> {
    let first = std::process::id() + MADE.fetch_add(1, Relaxed);
    let mut outcome = Err(String::new());
    // A test that was killed has left one.
    for step in 0..20 {
        let number = (first + step * 101) & 0x1fff;
        outcome = ip(&["netns", "add", &format!("larder-{number}")]).map(|()| number);
        if !outcome.as_ref().is_err_and(|why| why.contains("File exists")) {
            return outcome;
        }
    }
    outcome
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    // Where it lies is not always on the path of who is not root.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output = Command::new("ip").args(arguments).env("PATH", path).output();
    let output = output.map_err(|e| format!("run ip: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("ip {}: {}", arguments.join(" "), why.trim()))
}
