//! Which addresses may be connected to.
//!
//! A mirror that is open to any public registry could be made to fetch from the LAN it stands in (a
//! server-side request forgery). [`AddressPolicy::PublicOnly`] refuses everything that is not on the public
//! internet. Promises: the decision is taken on the address that is connected to, after names were resolved,
//! so a name that points inwards does not help; redirects and token realms go the same way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where the connections of an upstream may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Anywhere: the owner named this upstream.
    #[default]
    Any,
    /// Only to addresses of the public internet: a client named this upstream.
    PublicOnly,
}

impl AddressPolicy {
    pub fn permits(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::PublicOnly => match address {
                IpAddr::V4(v4) => is_public_v4(v4),
                IpAddr::V6(v6) => is_public_v6(v6),
            },
        }
    }
}

/// By the IANA registry of special-purpose IPv4 addresses (RFC 6890 and its updates).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = a == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // Class D (multicast) and class E (reserved), with the broadcast address in it.
        || a >= 224
        // Carrier-grade NAT, RFC 6598.
        || (a == 100 && (64..128).contains(&b))
        // IETF protocol assignments, RFC 6890; 6to4 relays, RFC 7526.
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        // Benchmarks, RFC 2544.
        || (a == 198 && (b == 18 || b == 19));
    !special
}

/// Global unicast is 2000::/3 (RFC 4291). The rest, and what only wraps an IPv4 address, is judged apart.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(v4) = embedded_v4(address) {
        return is_public_v4(v4);
    }
    let [first, second, ..] = address.segments();
    let global = first & 0xe000 == 0x2000;
    // Protocol assignments with Teredo and ORCHID (2001::/23), documentation (RFC 3849, RFC 9637).
    let special = first == 0x3fff || (first == 0x2001 && (second < 0x0200 || second == 0x0db8));
    global && !special
}

/// The IPv4 address that packets would end up at: mapped, compatible, NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let low = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match s {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, end] => Some(low(high, end)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, end] => Some(low(high, end)),
        [0x2002, high, end, ..] => Some(low(high, end)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "100.63.0.1",
            "172.32.0.1",
            "2606:4700::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(
                AddressPolicy::PublicOnly.permits(text.parse().expect(text)),
                "{text}"
            );
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.1.2.3",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
            "64:ff9b:1::1",
        ] {
            let address = text.parse().expect(text);
            assert!(!AddressPolicy::PublicOnly.permits(address), "{text}");
            assert!(AddressPolicy::Any.permits(address), "{text}");
        }
    }
}
