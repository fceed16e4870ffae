use futures_util::future::ready;

use super::*;

const V6: &str = "[2001:db8::1]:443";
const V4: &str = "192.0.2.1:443";
const PATIENCE: Duration = Duration::from_secs(3);

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts
        .iter()
        .map(|text| text.parse().expect("an address"))
        .collect()
}

/// What a fake address does when it is connected to.
#[derive(Clone, Copy)]
enum Manner {
    Connects(u64),
    Refuses(u64),
    Hangs,
}
use Manner::{Connects, Hangs, Refuses};

async fn run(manners: &[(&str, Manner)]) -> (Result<Won<SocketAddr>, Lost>, u128) {
    run_with(manners, 0, ready(Vec::new())).await
}

/// The last `late` of them come when a name server tells them.
async fn run_with(
    manners: &[(&str, Manner)],
    late: usize,
    told: impl Future<Output = Vec<SocketAddr>>,
) -> (Result<Won<SocketAddr>, Lost>, u128) {
    let hosts: Vec<(SocketAddr, Manner)> = manners
        .iter()
        .map(|(text, manner)| (text.parse().expect("an address"), *manner))
        .collect();
    let known = hosts.iter().take(hosts.len() - late);
    let order: Vec<_> = known.map(|(address, _)| *address).collect();
    let started = Instant::now();
    let result = race(order, told, PATIENCE, |address| {
        let manner = hosts.iter().find(|(a, _)| *a == address).map(|(_, m)| *m);
        async move {
            match manner {
                Some(Connects(ms)) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    Ok(address)
                }
                Some(Refuses(ms)) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    Err(io::ErrorKind::ConnectionRefused.into())
                }
                Some(Hangs) | None => std::future::pending().await,
            }
        }
    })
    .await;
    (result, started.elapsed().as_millis())
}

#[tokio::test(start_paused = true)]
async fn a_dead_ipv6_costs_a_quarter_of_a_second() {
    let (result, ms) = run(&[(V6, Hangs), (V4, Connects(20))]).await;
    let won = result.expect("won");
    assert_eq!(won.address, V4.parse().expect("an address"));
    assert_eq!(won.beaten, addresses(&[V6]));
    assert!((265..290).contains(&ms), "{ms} ms");
}

#[tokio::test(start_paused = true)]
async fn a_refused_address_is_followed_at_once() {
    let (result, ms) = run(&[(V6, Refuses(10)), (V4, Connects(20))]).await;
    assert!(result.is_ok());
    assert!(ms < 50, "{ms} ms");
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_address_may_still_win_and_nobody_was_beaten() {
    let (result, ms) = run(&[(V6, Connects(300)), (V4, Hangs)]).await;
    let won = result.expect("won");
    assert_eq!(won.address, V6.parse().expect("an address"));
    assert_eq!(won.beaten, []);
    assert!((300..320).contains(&ms), "{ms} ms");
}

#[tokio::test(start_paused = true)]
async fn when_all_fail_the_race_ends_in_bounded_time_with_every_reason() {
    let (result, ms) = run(&[(V6, Hangs), (V4, Refuses(1)), ("192.0.2.2:443", Hangs)]).await;
    let Err(Lost(failed)) = result else {
        panic!("nobody can have won")
    };
    assert_eq!(failed.len(), 3);
    assert_eq!(failed[0].1.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(failed[2].1.kind(), io::ErrorKind::TimedOut);
    assert!((3250..3300).contains(&ms), "{ms} ms");
}

#[tokio::test(start_paused = true)]
async fn no_addresses_are_a_lost_race() {
    assert!(run(&[]).await.0.is_err());
}

async fn told_after(ms: u64, texts: &[&str]) -> Vec<SocketAddr> {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    addresses(texts)
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_told_late_joins_in() {
    // While the first hangs, after its head start; at once, when it has failed; and nobody has lost before.
    for (manner, told, from) in [(Hangs, 100, 260), (Hangs, 400, 410), (Refuses(1), 400, 410)] {
        let (result, ms) = run_with(&[(V6, manner), (V4, Connects(10))], 1, told_after(told, &[V4])).await;
        let won = result.expect("won");
        assert_eq!(won.address, V4.parse().expect("an address"));
        assert_eq!(won.beaten, addresses(&[V6]));
        assert!((from..from + 20).contains(&ms), "{ms} ms");
    }
    let (result, ms) = run_with(&[(V6, Refuses(1))], 0, told_after(400, &[])).await;
    assert!(result.is_err() && ms >= 400, "{ms} ms");
}

#[tokio::test(start_paused = true)]
async fn a_late_family_is_next() {
    let second = "[2001:db8::2]:443";
    let hosts = [(V6, Hangs), (second, Hangs), (V4, Connects(10))];
    let (result, ms) = run_with(&hosts, 1, told_after(20, &[V4])).await;
    assert_eq!(
        result.expect("won").beaten,
        addresses(&[V6]),
        "not the second one"
    );
    assert!((260..280).contains(&ms), "{ms} ms");
}

#[tokio::test(start_paused = true)]
async fn the_family_that_goes_first_stays_first() {
    for (told, ms) in [(vec![], 0), (addresses(&[V6]), 0), (addresses(&[V6]), 10)] {
        let late = async {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            told
        };
        let hosts = [(V4, Connects(20)), (V6, Hangs)];
        let (result, _) = run_with(&hosts, 0, late).await;
        assert_eq!(result.expect("won").beaten, [], "nobody was tried before");
    }
}

#[test]
fn families_take_turns() {
    let second = "192.0.2.2:443";
    let all = addresses(&[V4, second, V6]);
    assert_eq!(in_turn(all.clone(), Family::V6), addresses(&[V6, V4, second]));
    assert_eq!(in_turn(all, Family::V4), addresses(&[V4, V6, second]));
}
