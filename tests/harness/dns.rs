//! The DNS server is asked by those whose `resolv.conf` names it, and answers as it is told.

use std::{net::IpAddr, time::Duration};

use tests::{
    dns::{Dns, Mood},
    process::Program,
};

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn answers_lies_and_falls_silent() {
    let addresses: Vec<IpAddr> = vec!["127.0.0.9".parse().expect("an address")];
    let dns = Dns::start(&[("registry.test", &addresses)]).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let resolv = folder.path().join("resolv.conf");
    let text = format!("nameserver {}\noptions timeout:1 attempts:1\n", dns.address());
    std::fs::write(&resolv, text).expect("a temporary file");
    let ask = |name: &'static str| {
        Program::with_file_over("getent", "getent", &resolv, "/etc/resolv.conf")
            .args(["ahostsv4", name])
            .run(folder.path(), LIMIT)
    };
    let answer = ask("registry.test").await.expect_ok();
    assert!(answer.output.contains("127.0.0.9"), "{}", answer.output);
    assert!(!ask("other.test").await.ok(), "an unknown name has no address");
    dns.set_mood(Mood::Failing);
    assert!(!ask("registry.test").await.ok(), "a failing server has no answer");
    dns.set_mood(Mood::Silent);
    assert!(!ask("registry.test").await.ok(), "a silent server has no answer");
    dns.set_mood(Mood::Slow(Duration::from_millis(50)));
    ask("registry.test").await.expect_ok();
    assert!(dns.questions() >= 5);
}
