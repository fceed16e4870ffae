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
    let hosts: Vec<(SocketAddr, Manner)> = manners
        .iter()
        .map(|(text, manner)| (text.parse().expect("an address"), *manner))
        .collect();
    let order: Vec<_> = hosts.iter().map(|(address, _)| *address).collect();
    let started = Instant::now();
    let result = race(&order, PATIENCE, |address| {
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

#[test]
fn families_take_turns_and_the_broken_one_goes_last_for_a_while() {
    let families = Families::default();
    let now = Instant::now();
    let all = addresses(&[V4, "192.0.2.2:443", V6, "192.0.2.3:443"]);
    let order = |now| families.order("host", all.clone(), now);
    assert_eq!(order(now), addresses(&[V6, V4, "192.0.2.2:443", "192.0.2.3:443"]));

    let won = Won {
        connection: (),
        address: V4.parse().expect("an address"),
        beaten: addresses(&[V6]),
    };
    families.learn("host", &won, now);
    assert_eq!(order(now), addresses(&[V4, V6, "192.0.2.2:443", "192.0.2.3:443"]));
    assert_eq!(families.health("host", Family::V4, now), FamilyHealth::Working);
    assert_eq!(
        families.health("host", Family::V6, now),
        FamilyHealth::Broken { retry_in: DEMOTION }
    );
    assert_eq!(families.health("other", Family::V6, now), FamilyHealth::Unknown);

    let later = now + DEMOTION;
    assert_eq!(order(later)[0], V6.parse().expect("an address"), "tried again");
}
