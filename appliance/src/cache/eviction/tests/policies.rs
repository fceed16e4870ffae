//! What each policy makes of uses.

use super::*;
use crate::cache::eviction::{Price, Rank};

fn price(bytes: u64) -> Price {
    Exchange::of(Capacity::default()).price(Amount::new(bytes, 0))
}

fn rank(policy: &Policy, record: &Record, bytes: u64) -> Rank {
    policy.ranking().rank(record, price(bytes), Cost::ORDINARY, NOW)
}

#[test]
fn lru_goes_by_the_last_use_alone() {
    let mut policy = Policy::new(Kind::Lru);
    let often = used(&mut policy, 1, 50);
    let lately = used(&mut policy, 60, 0);
    assert!(rank(&policy, &often, 1) < rank(&policy, &lately, 1 << 30));
}

#[test]
fn gdsf_weighs_demand_and_cost_against_size() {
    let mut policy = Policy::new(Kind::Gdsf);
    let once = used(&mut policy, 1, 0);
    let thrice = used(&mut policy, 1, 2);
    assert!(rank(&policy, &once, 1 << 20) < rank(&policy, &thrice, 1 << 20));
    assert!(rank(&policy, &once, 1 << 30) < rank(&policy, &once, 1 << 20));
    assert!(
        rank(&policy, &thrice, 16 << 20) < rank(&policy, &once, 1 << 20),
        "three uses do not make up for sixteen times the size"
    );
    let dear = policy
        .ranking()
        .rank(&once, price(16 << 20), Cost::UNOBTAINABLE, NOW);
    assert!(dear > rank(&policy, &once, 1 << 20));
    assert_eq!(
        rank(&policy, &once, 0),
        rank(&policy, &once, 512),
        "below a block, size says nothing"
    );
}

#[test]
fn what_gdsf_does_not_see_used_falls_behind() {
    let mut policy = Policy::new(Kind::Gdsf);
    let hot = used(&mut policy, 1, 20);
    let stands = rank(&policy, &hot, 1 << 20);
    // Newcomers, each evicted at its rank, until one of them stands above.
    let mut rounds = 0;
    loop {
        let new = used(&mut policy, 100, 0);
        let rank = rank(&policy, &new, 1 << 20);
        if rank > stands {
            break;
        }
        policy.on_evicted(Fingerprint(1000 + rounds), &new, rank);
        rounds += 1;
        assert!(rounds < 100, "it stays for ever");
    }
    assert!(rounds > 10, "its uses counted for something: {rounds}");
}

#[test]
fn demand_is_forgotten_by_halves() {
    let policy = &mut Policy::new(Kind::Gdsf);
    let hot = used(policy, 1, 7);
    let ranking = policy.ranking();
    let later = |days: u64| {
        let now = Timestamp(hot.last_use().0 + days * 24 * 3600);
        ranking.rank(&hot, price(1 << 20), Cost::ORDINARY, now)
    };
    let quarter = used(policy, 1, 1);
    let now = Timestamp(quarter.last_use().0);
    assert_eq!(
        later(14),
        ranking.rank(&quarter, price(1 << 20), Cost::ORDINARY, now)
    );
    let mut touched = hot;
    policy.touch(&mut touched, Timestamp(hot.last_use().0 + 14 * 24 * 3600));
    assert_eq!(touched.frequency().get(), 3.0);
}

#[test]
fn what_comes_back_brings_its_demand_along() {
    let mut policy = Policy::new(Kind::Gdsf);
    let wanted = used(&mut policy, 1, 3);
    policy.on_evicted(Fingerprint(77 << 32), &wanted, Rank::default());
    let back = policy.admit(Fingerprint(77 << 32), at(5));
    assert!(back.frequency().get() > 4.9, "{:?}", back.frequency());
    let new = policy.admit(Fingerprint(78 << 32), at(5));
    assert_eq!(new.frequency().get(), 1.0);
}

#[test]
fn s3_fifo_spares_what_was_used_again_and_not_for_ever() {
    let mut policy = Policy::new(Kind::S3Fifo);
    let mut once = used(&mut policy, 1, 1);
    assert!(!policy.spare(&mut once), "one pull tried twice is no demand");
    let mut hot = used(&mut policy, 1, 1000);
    let before = rank(&policy, &hot, 1);
    assert!(policy.spare(&mut hot));
    assert!(rank(&policy, &hot, 1) > before, "at the end of the queue");
    let spared = (0..1000).take_while(|_| policy.spare(&mut hot)).count();
    assert_eq!(spared, 3);
    policy.on_evicted(Fingerprint(7 << 32), &hot, Rank::default());
    let mut back = policy.admit(Fingerprint(7 << 32), at(9));
    policy.touch(&mut back, at(10));
    assert!(policy.spare(&mut back), "who comes back is not on probation");
}

#[test]
fn records_survive_a_restart_in_their_order() {
    for kind in KINDS {
        let mut policy = Policy::new(kind);
        let mut records: Vec<_> = (0..5).map(|n| used(&mut policy, n * 10, n)).collect();
        policy.on_evicted(Fingerprint(1), &records[4], rank(&policy, &records[4], 1 << 20));
        policy.touch(&mut records[0], at(100));
        let order = |policy: &Policy, records: &[Record]| {
            let mut places: Vec<_> = (0..records.len()).collect();
            places.sort_by_key(|place| rank(policy, &records[*place], 1 << 20));
            places
        };
        let mut restarted = Policy::new(kind);
        let read: Vec<_> = records
            .iter()
            .map(|record| restarted.learn(Record::decode(record.encode()), NOW))
            .collect();
        assert_eq!(read, records, "{kind:?}");
        assert_eq!(order(&restarted, &read), order(&policy, &records), "{kind:?}");
        let new = restarted.admit(Fingerprint(9), at(200));
        assert_eq!(
            rank(&restarted, &new, 1 << 20),
            rank(&policy, &policy.clone().admit(Fingerprint(9), at(200)), 1 << 20),
            "{kind:?}: it goes on where it was"
        );
    }
}

#[test]
fn another_policys_records_keep_the_order_of_last_uses() {
    for from in KINDS {
        for to in KINDS.into_iter().filter(|to| *to != from) {
            let mut policy = Policy::new(from);
            let old = used(&mut policy, 10, 0);
            let new = used(&mut policy, 20, 0);
            let mut policy = Policy::new(to);
            let [old, new] = [old, new].map(|record| policy.learn(record, NOW));
            // GDSF has no order of its own yet, and the last use decides nothing among equals.
            let in_order = match to {
                Kind::Gdsf => rank(&policy, &old, 1) <= rank(&policy, &new, 1),
                Kind::Lru | Kind::S3Fifo => rank(&policy, &old, 1) < rank(&policy, &new, 1),
            };
            assert!(in_order, "{from:?} to {to:?}");
        }
    }
}

#[test]
fn a_damaged_record_stops_no_clock() {
    for kind in KINDS {
        let mut policy = Policy::new(kind);
        let honest = used(&mut policy, 10, 0).encode();
        for mark in [f64::NAN, f64::INFINITY, -1.0, 1e300].map(f64::to_le_bytes) {
            let mut bytes = [255; 16];
            bytes[7] = honest[7];
            bytes[8..].copy_from_slice(&mark);
            let record = policy.learn(Record::decode(bytes), NOW);
            assert!(record.last_use() <= NOW);
        }
        let first = used(&mut policy, 20, 0);
        let evicted = rank(&policy, &first, 1 << 20);
        policy.on_evicted(Fingerprint(3), &first, evicted);
        let second = used(&mut policy, 30, 0);
        assert!(rank(&policy, &second, 1 << 20) > evicted, "{kind:?}");
    }
}
