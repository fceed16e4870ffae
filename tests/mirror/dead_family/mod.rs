//! Upstreams with addresses of both families, of which one is dead: in a network of its own, where packets are lost.
//!
//! A dead family costs a moment once, and no pull; it is told once; and it is in use again when it is back.

mod bed;

use std::time::{Duration, Instant};

use tests::{
    dns::{Kind, Mood},
    images::{Blob, noise},
    network::{Family, Network, Road},
    stage::REPOSITORY,
    upstream::Settings,
    wait,
};

use bed::{Bed, DUAL, SINGLE, Times, expect_no_delay};

/// A broken family is left alone for so long before it is tried again.
const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_dead_ipv6_costs_its_delay_once_is_told_once_and_comes_back() {
    let Some(network) = Network::make() else { return };
    let mut bed = Bed::start(network, Settings::default().closes(), Road::Dropped).await;
    let started = Instant::now();
    let before = bed.sent_over_ipv6();
    let (dual, single) = bed.pull_in_turn(60).await;
    // Once, when nothing was known; and beside others, when it was to be tried again. The kernel repeats it each second.
    let again = started.elapsed().as_secs() / SOON.as_secs() + dual.0[0].as_secs();
    let attempts = bed.sent_over_ipv6() - before;
    assert!(
        (1..=1 + again).contains(&attempts),
        "{attempts} attempts over the dead family"
    );
    let rest = dual.without_first();
    tests::loudly(&format!(
        "dead IPv6: the first byte after {:.1?} at first, then {}; with IPv4 only {}; {attempts} attempt(s) in {:.1?}",
        dual.0[0],
        rest.show(),
        single.show(),
        started.elapsed()
    ));
    expect_no_delay(&rest, &single);
    if tests::full() {
        assert!(dual.0[0] <= Duration::from_millis(300), "{:?}", dual.0[0]);
    }
    bed.until_told(&["fired family-broken(ipv6)"]).await;

    // It is tried again by itself, beside a pull, and used from then on.
    bed.network.set(Family::V6, Road::Open);
    let deadline = Instant::now() + SOON + wait::PATIENCE;
    let mut pace = tokio::time::interval(Duration::from_millis(200));
    while bed.upstream.log().connections_over_ipv6() < 2 {
        pace.tick().await;
        assert!(Instant::now() < deadline, "IPv6 is not used again");
        bed.pull(DUAL).await;
    }
    let told = ["fired family-broken(ipv6)", "resolved family-broken(ipv6)"];
    bed.until_told(&told).await;

    // And goes again.
    let process = bed.larder.process().id();
    wait::until("connections over IPv6 to be closed", wait::PATIENCE, async || {
        (bed.network.open_over_ipv6(process) == 0).then_some(())
    })
    .await;
    bed.network.set(Family::V6, Road::Dropped);
    let before = bed.sent_over_ipv6();
    let (dual, single) = bed.pull_in_turn(10).await;
    expect_no_delay(&dual.without_first(), &single);
    let attempts = bed.sent_over_ipv6() - before;
    assert!(
        (1..=1 + dual.0[0].as_secs()).contains(&attempts),
        "{attempts} attempts"
    );
}

#[tokio::test]
async fn a_family_that_goes_while_its_connections_are_open_fails_no_pull() {
    let Some(network) = Network::make() else { return };
    let mut bed = Bed::start(network, Settings::default(), Road::Open).await;
    for round in 0..3 {
        bed.pull(DUAL).await;
        assert!(bed.upstream.log().connections_over_ipv6() > round, "over IPv6");
        bed.network.set(Family::V6, Road::Dropped);
        let first = bed.pull(DUAL).await;
        let second = bed.pull(DUAL).await;
        tests::loudly(&format!(
            "IPv6 goes under an open connection: the first byte after {first:.1?}, then {second:.1?}"
        ));
        bed.network.set(Family::V6, Road::Open);
        bed.restart().await;
    }
}

#[tokio::test]
async fn a_way_that_is_refused_at_once_costs_nothing() {
    let Some(network) = Network::make() else { return };
    let mut bed = Bed::start(network, Settings::default().closes(), Road::Unreachable).await;
    let mut first = Times::default();
    for road in [Road::Unreachable, Road::Prohibited, Road::Unreachable] {
        bed.network.set(Family::V6, road);
        bed.restart().await;
        let (dual, single) = bed.pull_in_turn(10).await;
        expect_no_delay(&dual, &single);
        assert_eq!(bed.sent_over_ipv6(), 0);
        first.0.push(dual.0[0]);
    }
    // What is refused is not waited for as what hangs is.
    assert!(first.median() < Duration::from_millis(250), "{}", first.show());
    bed.until_told(&["fired family-broken(ipv6)"]).await;
}

#[tokio::test]
async fn a_name_server_that_knows_one_family_and_says_nothing_of_the_other_fails_no_pull() {
    let Some(network) = Network::make() else { return };
    let mut bed = Bed::start(network, Settings::default().closes(), Road::Open).await;
    let slow = Duration::from_millis(400);
    for (mood, ipv6) in [
        (Mood::SilentOn(Kind::Aaaa), Road::Open),
        (Mood::SilentOn(Kind::Aaaa), Road::Dropped),
        (Mood::SilentOn(Kind::A), Road::Open),
        (Mood::SlowOn(Kind::Aaaa, slow), Road::Dropped),
        // The only address that is known at first is the dead one.
        (Mood::SlowOn(Kind::A, slow), Road::Dropped),
    ] {
        bed.network.set(Family::V6, ipv6);
        bed.dns.set_mood(Mood::Fine);
        bed.restart().await;
        bed.dns.set_mood(mood);
        if mood == Mood::SilentOn(Kind::A) {
            // A name with IPv4 only is not known then.
            for _ in 0..10 {
                bed.pull(DUAL).await;
            }
            continue;
        }
        let (dual, single) = bed.pull_in_turn(10).await;
        tests::loudly(&format!(
            "{mood:?}, IPv6 {ipv6:?}: the first byte after {:.1?} at first, then {}; with IPv4 only {}",
            dual.0[0],
            dual.without_first().show(),
            single.show()
        ));
        expect_no_delay(&dual.without_first(), &single);
    }
    assert_eq!(bed.told(), [""; 0], "nothing was wrong but for a moment");
}

#[tokio::test]
async fn when_both_are_dead_the_line_is_told_once_and_the_family_not_again() {
    let Some(network) = Network::make() else { return };
    let mut bed = Bed::start(network, Settings::default().closes(), Road::Dropped).await;
    bed.pull(DUAL).await;
    bed.until_told(&["fired family-broken(ipv6)"]).await;
    bed.network.set(Family::V4, Road::Dropped);
    let missing = Blob::new("application/octet-stream", noise(999, 1000));
    bed.upstream.content().push_blob(REPOSITORY, &missing);
    // Somebody pulls until the box believes it.
    wait::until("to be told of the line", wait::PATIENCE, async || {
        for upstream in [DUAL, SINGLE] {
            let answer = bed.try_pull(upstream, &missing.digest).await;
            assert_eq!(answer.status, 404, "a client goes on: {}", answer.text());
        }
        (bed.told().len() > 1).then_some(())
    })
    .await;
    let told = ["fired family-broken(ipv6)", "fired no-wan"];
    bed.until_told(&told).await;
    bed.network.set(Family::V4, Road::Open);
    let told = [&told[..], &["resolved no-wan"]].concat();
    bed.until_told(&told).await;
    bed.pull(DUAL).await;
    assert_eq!(bed.told(), told);
}
