//! Interfaces.

use super::*;
use crate::monitor::probe::network::Network;

impl Tree {
    fn interface(&self, name: &str, files: &[(&str, &str)]) {
        for (file, text) in files {
            self.put(&format!("sys/class/net/{name}/{file}"), text);
        }
    }
}

const COUNTS: [(&str, &str); 4] = [
    ("statistics/rx_bytes", "1000\n"),
    ("statistics/tx_bytes", "2000\n"),
    ("statistics/rx_errors", "3\n"),
    ("statistics/tx_errors", "4\n"),
];

#[test]
fn an_interface_has_a_link_a_speed_and_what_went_over_it() {
    let tree = Tree::new();
    tree.interface("eth0", &COUNTS);
    tree.interface(
        "eth0",
        &[("operstate", "up\n"), ("speed", "1000\n"), ("device/vendor", "x")],
    );
    let readings = read(&mut Network::new(tree.root()));
    assert_eq!(gauge(&readings, Metric::LinkUp, "eth0"), Some(1.0));
    assert_eq!(counter(&readings, Metric::NetworkReceived, "eth0"), Some(1000));
    assert_eq!(counter(&readings, Metric::NetworkSent, "eth0"), Some(2000));
    assert_eq!(counter(&readings, Metric::NetworkErrors, "eth0"), Some(7));
    assert_eq!(limit(&readings, Metric::NetworkReceived, "eth0"), Some(125e6));
}

#[test]
fn a_speed_that_nobody_knows_is_no_limit() {
    let tree = Tree::new();
    let mut network = Network::new(tree.root());
    tree.interface("wlan0", &COUNTS);
    for speed in ["-1\n", "0\n", "4294967295\n", "", "fast"] {
        tree.interface("wlan0", &[("speed", speed)]);
        let readings = read(&mut network);
        assert_eq!(limit(&readings, Metric::NetworkSent, "wlan0"), None, "{speed:?}");
        assert_eq!(counter(&readings, Metric::NetworkSent, "wlan0"), Some(2000));
    }
}

#[test]
fn a_link_is_told_by_its_state_or_by_its_carrier() {
    let tree = Tree::new();
    let mut network = Network::new(tree.root());
    for (state, carrier, told) in [
        ("up", None, Some(1.0)),
        ("down", Some("0"), Some(0.0)),
        ("lowerlayerdown", None, Some(0.0)),
        ("unknown", Some("1"), Some(1.0)),
        // Switched off: its carrier cannot be read.
        ("down", None, None),
        ("", Some("1"), None),
        ("unknown", Some("x"), None),
    ] {
        tree.interface("eth0", &[("operstate", state)]);
        match carrier {
            Some(carrier) => tree.interface("eth0", &[("carrier", carrier)]),
            None if tree.root().join("sys/class/net/eth0/carrier").exists() => {
                tree.remove("sys/class/net/eth0/carrier");
            }
            None => {}
        }
        let readings = read(&mut network);
        assert_eq!(
            gauge(&readings, Metric::LinkUp, "eth0"),
            told,
            "{state} {carrier:?}"
        );
    }
}

#[test]
fn hardware_is_looked_at_and_without_any_what_is_not_for_containers() {
    let tree = Tree::new();
    let mut network = Network::new(tree.root());
    for name in ["lo", "veth12ab", "docker0", "br-0011", "cni0", "eth0", "wg0"] {
        tree.interface(name, &COUNTS);
    }
    let named = |network: &mut Network| {
        let mut names: Vec<_> = read(network)
            .into_iter()
            .filter(|reading| reading.series.metric == Metric::NetworkSent)
            .map(|reading| reading.series.of.as_str().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(named(&mut network), ["eth0", "wg0"]);
    tree.folder("sys/class/net/eth0/device");
    assert_eq!(named(&mut network), ["eth0"]);
}

#[test]
fn a_box_with_hundreds_of_containers_still_sees_its_interface() {
    let tree = Tree::new();
    for index in 0..300 {
        tree.folder(&format!("sys/class/net/veth{index:04x}"));
    }
    tree.interface("enp3s0", &COUNTS);
    tree.folder("sys/class/net/enp3s0/device");
    let readings = read(&mut Network::new(tree.root()));
    assert_eq!(counter(&readings, Metric::NetworkSent, "enp3s0"), Some(2000));
}

#[test]
fn a_way_out_is_told_by_family_and_for_the_box() {
    let readings = read(&mut Network::new(Tree::new().root()));
    let told = |of| gauge(&readings, Metric::NetworkRoute, of).expect("told");
    assert_eq!(told(""), told("ipv4").max(told("ipv6")));
}
