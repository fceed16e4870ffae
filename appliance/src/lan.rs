//! This box as its neighbours see it: its name and its addresses.
//!
//! Nothing is sent: the kernel is asked which address it would use, and which it has.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

/// Addresses reserved for documentation: no packet ever goes there, but a default route leads there.
const ELSEWHERE: [(SocketAddr, SocketAddr); 2] = [
    (
        SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9),
    ),
    (
        SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
        SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 9),
    ),
];

/// The name the box gives itself.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The address that the box would use towards the outside: the one on the LAN, IPv4 first. `None` without
/// a route.
pub fn routed_address() -> Option<IpAddr> {
    ELSEWHERE.iter().find_map(|(any, there)| {
        // Connecting a datagram socket looks up the route and sends nothing.
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(there).ok()?;
        let address = socket.local_addr().ok()?.ip();
        (!address.is_unspecified()).then_some(address)
    })
}

/// Every address of the box, loopback included, without duplicates.
pub fn local_addresses() -> Vec<IpAddr> {
    let v4 =
        fs::read_to_string("/proc/net/fib_trie").map_or_else(|_| Vec::new(), |text| trie_addresses(&text));
    let v6 =
        fs::read_to_string("/proc/net/if_inet6").map_or_else(|_| Vec::new(), |text| inet6_addresses(&text));
    let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let mut all: Vec<IpAddr> = loopback
        .into_iter()
        .chain(routed_address())
        .chain(v4)
        .chain(v6)
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Addresses in the kernel's routing trie: the line before each `/32 host LOCAL`.
fn trie_addresses(text: &str) -> Vec<IpAddr> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines
        .windows(2)
        .filter(|pair| pair[1] == "/32 host LOCAL")
        .filter_map(|pair| pair[0].strip_prefix("|-- ")?.parse().ok())
        .collect()
}

/// Addresses in the kernel's table of IPv6 addresses: 32 hexadecimal digits first. Link-local ones need a
/// zone to be of use and are left out.
fn inet6_addresses(text: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| {
            let digits = line
                .split_whitespace()
                .next()
                .filter(|digits| digits.len() == 32)?;
            let address = Ipv6Addr::from(u128::from_str_radix(digits, 16).ok()?);
            (!address.is_unicast_link_local()).then_some(IpAddr::V6(address))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_tables_are_read() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 192.0.2.0\n        /24 link UNICAST\n     |-- 192.0.2.7\n        /32 host LOCAL\n";
        assert_eq!(
            trie_addresses(trie),
            ["192.0.2.7".parse::<IpAddr>().expect("an address")]
        );
        let inet6 = "fe800000000000000000000000000001 02 40 20 80 eth0\n20010db8000000000000000000000007 02 40 00 80 eth0\n";
        assert_eq!(
            inet6_addresses(inet6),
            ["2001:db8::7".parse::<IpAddr>().expect("an address")]
        );
    }

    #[test]
    fn this_box_is_itself() {
        assert!(local_addresses().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(!hostname().is_empty());
    }
}
