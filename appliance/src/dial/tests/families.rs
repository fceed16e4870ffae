use super::*;

const V6: &str = "[2001:db8::1]:443";
const V4: &str = "192.0.2.1:443";

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts
        .iter()
        .map(|text| text.parse().expect("an address"))
        .collect()
}

fn won(winner: &str, beaten: &[&str]) -> Won<()> {
    Won {
        connection: (),
        address: winner.parse().expect("an address"),
        beaten: addresses(beaten),
    }
}

#[test]
fn the_broken_one_goes_last_until_it_has_worked() {
    let families = Families::default();
    let now = Instant::now();
    let order = |now| families.order("host", addresses(&[V4, V6]), now);
    assert_eq!(order(now), addresses(&[V6, V4]));

    families.learn("host", &won(V4, &[V6]), now);
    assert_eq!(order(now), addresses(&[V4, V6]));
    assert_eq!(families.health("host", Family::V4, now), FamilyHealth::Working);
    assert_eq!(
        families.health("host", Family::V6, now),
        FamilyHealth::Broken { retry_in: SOON }
    );
    let later = now + 100 * SELDOM;
    assert_eq!(order(later), addresses(&[V4, V6]), "nobody waits for it again");
    families.restore("host", Family::V6, later);
    assert_eq!(order(later), addresses(&[V6, V4]));
}

#[test]
fn it_is_tried_again_soon_and_then_seldom_and_by_one_at_a_time() {
    let families = Families::default();
    let start = Instant::now();
    families.learn("host", &won(V4, &[V6]), start);
    let is_due = |after: Duration| families.take_turn("host", Family::V6, start + after);
    assert!(!is_due(SOON - Duration::from_secs(1)));
    assert!(is_due(SOON));
    assert!(!is_due(SOON) && !is_due(SELDOM));
    assert!(is_due(SOON + SELDOM));
    assert!(!families.is_due("host", Family::V4, start + SELDOM), "it works");
    families.restore("host", Family::V6, start + 2 * SELDOM);
    assert!(!is_due(100 * SELDOM));
}

#[test]
fn what_is_broken_at_one_host_goes_last_at_hosts_that_are_not_known() {
    let families = Families::default();
    let now = Instant::now();
    families.learn("works", &won(V6, &[]), now);
    assert!(!families.is_due("new", Family::V6, now), "nothing is broken");
    families.learn("broken", &won(V4, &[V6]), now);
    let first = |host, now| families.first(host, now);
    assert_eq!(first("new", now), Family::V4);
    assert_eq!(first("works", now), Family::V6);
    // And is tried there for itself, beside the first connection.
    assert!(families.is_due("new", Family::V6, now));
    assert!(families.take_turn("new", Family::V6, now));
    assert!(!families.is_due("new", Family::V6, now));
    assert!(!families.is_due("other", Family::V4, now));
    families.restore("new", Family::V6, now);
    assert_eq!((first("new", now), first("other", now)), (Family::V6, Family::V6));
    assert_eq!(first("broken", now), Family::V4);

    families.learn("broken", &won(V4, &[V6]), now);
    assert_eq!(first("other", now + 2 * SELDOM), Family::V6, "that was long ago");
}

#[test]
fn when_nothing_comes_through_the_other_goes_first_and_of_both_nothing_is_known() {
    let families = Families::default();
    let now = Instant::now();
    families.learn("host", &won(V6, &[]), now);
    families.demote("host", Family::V6, now);
    assert_eq!(families.first("host", now), Family::V4);
    families.learn("host", &won(V4, &[]), now);
    assert_eq!(families.first("host", now), Family::V4);
    families.demote("host", Family::V4, now);
    assert_eq!(families.health("host", Family::V6, now), FamilyHealth::Unknown);
    assert_eq!(families.health("host", Family::V4, now), FamilyHealth::Unknown);
}

#[test]
fn a_look_that_fails_keeps_hosts_that_are_not_known_from_waiting() {
    let families = Families::default();
    let now = Instant::now();
    families.learn("host", &won(V4, &[V6]), now);
    let later = now + 2 * SELDOM;
    assert_eq!(
        families.first("new", later),
        Family::V6,
        "nobody has looked for so long"
    );
    families.still_broken(Family::V6, later);
    assert_eq!(families.first("new", later + SELDOM), Family::V4);
    families.still_broken(Family::V4, later);
    assert_eq!(families.first("host", later), Family::V4);
}
