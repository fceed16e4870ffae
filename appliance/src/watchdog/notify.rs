//! What a service manager is told: that the mirror is ready, gets on, and ends. The protocol of `sd_notify(3)`.
//!
//! Promises: nothing waits for the manager: what it does not take at once is lost, and said again where it matters; a
//! sign of life takes no memory. Must not know: when anything is so.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

/// Whoever started the process and wants to know how it does.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    patience: Option<Duration>,
}

/// A manager that cannot be told anything.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    #[error("`NOTIFY_SOCKET` is {0:?}, which is neither a path nor an abstract socket (`@name`)")]
    Address(OsString),
    #[error("open a socket to the service manager at {0:?}")]
    Socket(OsString, #[source] io::Error),
}

impl Manager {
    /// The one that the environment names, if it names one; it speaks to the process of this number.
    pub fn find(
        variable: impl Fn(&str) -> Option<OsString>,
        process: u32,
    ) -> Result<Option<Self>, Unreachable> {
        let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let address = match name.as_bytes() {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
            [b'/', ..] => SocketAddr::from_pathname(&name),
            _ => return Err(Unreachable::Address(name)),
        };
        let open = |address| {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok((socket, address))
        };
        let (socket, address) = address
            .and_then(open)
            .map_err(|source| Unreachable::Socket(name, source))?;
        let text = |name| variable(name).and_then(|value: OsString| value.into_string().ok());
        // What is said of another process is not meant for this one.
        let is_meant = variable("WATCHDOG_PID").is_none_or(|pid| pid == OsStr::new(&process.to_string()));
        let micros = text("WATCHDOG_USEC").and_then(|value| value.parse().ok());
        let patience = micros.filter(|micros| is_meant && *micros > 0);
        Ok(Some(Self {
            socket,
            address,
            patience: patience.map(Duration::from_micros),
        }))
    }

    /// How long it waits for a sign of life before it starts the process anew; for ever, if it does not say.
    pub fn patience(&self) -> Option<Duration> {
        self.patience
    }

    pub fn ready(&self) {
        self.say(b"READY=1");
    }

    pub fn stopping(&self) {
        self.say(b"STOPPING=1\nSTATUS=stopping");
    }

    pub fn alive(&self) {
        self.say(b"WATCHDOG=1");
    }

    /// One line for people.
    pub fn status(&self, status: &str) {
        let line: String = status.chars().map(|c| if c == '\n' { ' ' } else { c }).collect();
        self.say(format!("STATUS={line}").as_bytes());
    }

    fn say(&self, what: &[u8]) {
        // One that is gone, or does not keep up, is not to be waited for.
        let _ = self.socket.send_to_addr(what, &self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pairs: &[(&str, &str)]) -> Result<Option<Manager>, Unreachable> {
        let variable = |name: &str| {
            let pair = pairs.iter().find(|(key, _)| *key == name)?;
            Some(OsString::from(pair.1))
        };
        Manager::find(variable, 42)
    }

    fn heard(listener: &UnixDatagram) -> String {
        let mut words = [0; 200];
        let length = listener.recv(&mut words).expect("a word");
        String::from_utf8_lossy(&words[..length]).into_owned()
    }

    #[test]
    fn a_manager_hears_how_it_goes_by_path_and_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let name = format!("larder-test-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&name).expect("an address");
        for (listener, variable) in [
            (UnixDatagram::bind(&path), path.display().to_string()),
            (UnixDatagram::bind_addr(&abstract_address), format!("@{name}")),
        ] {
            let listener = listener.expect("a socket");
            let manager = found(&[("NOTIFY_SOCKET", &variable)])
                .expect("a socket")
                .expect("a manager");
            manager.ready();
            assert_eq!(heard(&listener), "READY=1");
            manager.alive();
            assert_eq!(heard(&listener), "WATCHDOG=1");
            manager.status("the index\nmakes no progress");
            assert_eq!(heard(&listener), "STATUS=the index makes no progress");
            manager.stopping();
            assert_eq!(heard(&listener), "STOPPING=1\nSTATUS=stopping");
            // Nobody reads: it waits for nobody.
            for _ in 0..10_000 {
                manager.alive();
            }
            drop(listener);
            manager.alive();
        }
    }

    #[test]
    fn only_what_is_meant_for_this_process_counts() {
        let socket = ("NOTIFY_SOCKET", "/nowhere/notify");
        let patience = |pairs: &[(&str, &str)]| {
            let manager = found(pairs).expect("no mistake");
            manager.and_then(|manager| manager.patience())
        };
        let micros = ("WATCHDOG_USEC", "20000000");
        let twenty = Some(Duration::from_secs(20));
        assert_eq!(patience(&[socket, micros]), twenty);
        assert_eq!(patience(&[socket, micros, ("WATCHDOG_PID", "42")]), twenty);
        assert_eq!(patience(&[socket, micros, ("WATCHDOG_PID", "43")]), None);
        assert_eq!(patience(&[socket, ("WATCHDOG_USEC", "soon")]), None);
        assert_eq!(patience(&[socket, ("WATCHDOG_USEC", "0")]), None);
        assert_eq!(patience(&[micros]), None, "there is nobody to tell");
    }

    #[test]
    fn an_address_that_is_none_is_told() {
        assert!(matches!(found(&[]), Ok(None)));
        assert!(matches!(found(&[("NOTIFY_SOCKET", "")]), Ok(None)));
        let refused = found(&[("NOTIFY_SOCKET", "vsock:2:1234")]).expect_err("not spoken");
        assert!(refused.to_string().contains("vsock:2:1234"), "{refused}");
        let long = format!("/{}", "x".repeat(200));
        assert!(matches!(
            found(&[("NOTIFY_SOCKET", &long)]),
            Err(Unreachable::Socket(..))
        ));
    }

    #[test]
    fn the_unit_says_what_the_process_does() {
        let unit = include_str!("../../larder.service");
        let value = |key: &str| {
            let line = unit
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("no {key}"))
        };
        assert_eq!(value("Type"), "notify");
        assert_eq!(
            value("RestartForceExitStatus"),
            crate::watchdog::RESTART.to_string()
        );
        // A stuck runtime is to be noticed by the process itself, which says why.
        let seconds: u64 = value("WatchdogSec").parse().expect("seconds");
        assert!(seconds > 2 * crate::watchdog::Part::Runtime.deadline().as_secs());
    }
}
