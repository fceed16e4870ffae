//! Whether there is a way out: an address and a route to the internet, per address family.
//!
//! The kernel is asked which address it would send from, by connecting a socket that sends nothing. That takes all
//! tables and rules of routing into account, of which the files below `/proc` show one.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// A place far away: root name servers, whose addresses do not change. Nothing is sent to them.
const FAR: [SocketAddr; 2] = [
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(193, 0, 14, 129)), 53),
    SocketAddr::new(
        std::net::IpAddr::V6(Ipv6Addr::new(0x2001, 0x7fd, 0, 0, 0, 0, 0, 1)),
        53,
    ),
];

/// Whether there is one, over IPv4 and over IPv6. `None` when that could not be asked.
pub(super) fn out() -> [Option<bool>; 2] {
    FAR.map(way_to)
}

fn way_to(far: SocketAddr) -> Option<bool> {
    let here: SocketAddr = match far {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    match UdpSocket::bind(here) {
        Ok(socket) => Some(socket.connect(far).is_ok()),
        // The family is not there at all.
        Err(error) if is_missing(&error) => Some(false),
        Err(_) => None,
    }
}

fn is_missing(error: &std::io::Error) -> bool {
    let code = error.raw_os_error();
    [rustix::io::Errno::AFNOSUPPORT, rustix::io::Errno::ADDRNOTAVAIL]
        .iter()
        .any(|missing| code == Some(missing.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_whether_there_is_a_way() {
        let here = |text: &str| way_to(text.parse().expect("an address"));
        assert_eq!(here("127.0.0.1:53"), Some(true));
        // Nobody may send to it without asking for that.
        assert_eq!(here("255.255.255.255:53"), Some(false));
        let routes = std::fs::read_to_string("/proc/net/route").expect("read");
        let has_default = routes
            .lines()
            .any(|line| line.split('\t').nth(1) == Some("00000000"));
        if has_default {
            assert_eq!(out()[0], Some(true));
        }
    }
}
