//! What goes, and in which order.

use super::*;
use crate::cache::eviction::{Outcome, Step};

const MIB: u64 = 1 << 20;

fn bytes(bytes: u64) -> Amount {
    Amount::new(bytes, 0)
}

fn inodes(inodes: u64) -> Amount {
    Amount::new(0, inodes)
}

#[test]
fn the_coldest_go_until_the_goal_is_met() {
    let policy = &mut Policy::new(Kind::Lru);
    let mut builder = Builder::default();
    for second in [30, 10, 20] {
        builder.member(file(MIB, used(policy, second, 0)));
    }
    let mut plan = plan(builder.build(), policy, bytes(MIB + 1));
    assert_eq!(plan.outcome(), Outcome::Open);
    let steps: Vec<Step> = plan.by_ref().collect();
    let freed: Vec<_> = steps.iter().map(|step| step.freed[0].index()).collect();
    assert_eq!(freed, [1, 2]);
    assert_eq!(plan.outcome(), Outcome::Met);
    assert_eq!(plan.freed(), Amount::new(2 * MIB, 2));
    plan.more(bytes(1));
    assert_eq!(plan.next().map(|step| step.freed[0].index()), Some(0));
}

#[test]
fn an_image_goes_whole_and_leaves_others_theirs() {
    let policy = &mut Policy::new(Kind::Gdsf);
    let mut builder = Builder::default();
    let cold = used(policy, 1, 0);
    let hot = used(policy, 1, 9);
    let shared = builder.member(file(50 * MIB, cold));
    let [one, two] = [(cold, 3), (hot, 4)].map(|(record, size)| {
        let root = builder.member(file(100, record));
        let layer = builder.member(file(size * MIB, record));
        builder.image(root, [layer, shared, shared]);
        [root, layer]
    });
    let catalog = builder.build();
    let steps: Vec<_> = plan(catalog.clone(), policy, bytes(2 * MIB)).collect();
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].roots, [one[0]]);
    assert_eq!(steps[0].freed, one);
    assert_eq!(steps[0].frees, Amount::new(3 * MIB + 100, 2));
    let all = freed(plan(catalog, policy, bytes(57 * MIB)));
    assert_eq!(all[1], [shared, two[0], two[1]].map(MemberId::index));
}

#[test]
fn what_two_share_weighs_on_the_last_who_has_it() {
    let policy = &mut Policy::new(Kind::Gdsf);
    let record = used(policy, 1, 0);
    let mut builder = Builder::default();
    let shared = builder.member(file(16 * MIB, record));
    // Alone, each of the pair's shares is less than this.
    let alone = builder.member(file(12 * MIB, record));
    for _ in 0..2 {
        let root = builder.member(file(100, record));
        builder.image(root, [shared]);
    }
    let steps = freed(plan(builder.build(), policy, bytes(20 * MIB)));
    assert_eq!(steps[0], [alone.index()]);
    assert_eq!(steps[1].len(), 1, "a root, and the layer stays");
    assert_eq!(steps[2].len(), 2, "then the layer with the other root");
    assert_eq!(steps[2][0], shared.index());
}

#[test]
fn who_has_a_layer_alone_now_is_ranked_anew() {
    let policy = &mut Policy::new(Kind::Gdsf);
    let mut builder = Builder::default();
    let [once, twice] = [0, 1].map(|uses| used(policy, 1, uses));
    let shared = builder.member(file(16 * MIB, once));
    let roots = [once, twice].map(|record| {
        let root = builder.member(file(100, record));
        builder.image(root, [shared]);
        root.index()
    });
    // Before the second image while that has half of the layer to give, after it when it has all.
    let alone = builder.member(file(3 * MIB, once)).index();
    let steps = freed(plan(builder.build(), policy, bytes(19 * MIB)));
    assert_eq!(
        steps,
        [vec![roots[0]], vec![shared.index(), roots[1]], vec![alone]]
    );
}

#[test]
fn an_image_is_known_by_what_it_has_alone() {
    let policy = &mut Policy::new(Kind::Lru);
    let mut builder = Builder::default();
    let mut add = |second| builder.member(file(MIB, used(policy, second, 0)));
    let [shared, own, loose] = [90, 70, 50].map(&mut add);
    let roots = [1, 2, 3].map(&mut add);
    builder.image(roots[0], [own, own]);
    builder.image(roots[1], [shared]);
    builder.image(roots[2], [shared]);
    let steps = freed(plan(builder.build(), policy, bytes(6 * MIB)));
    let expected = [
        vec![roots[1]],
        // The third had the layer of the second, and has it alone now: it was used at 90.
        vec![loose],
        vec![own, roots[0]],
        vec![shared, roots[2]],
    ];
    assert_eq!(
        steps,
        expected.map(|step| step.into_iter().map(MemberId::index).collect::<Vec<_>>())
    );
}

#[test]
fn what_has_nothing_of_what_is_short_stays() {
    let policy = &mut Policy::new(Kind::Lru);
    let mut builder = Builder::default();
    builder.member(Member {
        amount: Amount::new(MIB, 0),
        ..file(0, used(policy, 1, 0))
    });
    let file = builder.member(file(MIB, used(policy, 2, 0)));
    let mut plan = plan(builder.build(), policy, inodes(2));
    assert_eq!(plan.next().map(|step| step.freed), Some(vec![file]));
    assert_eq!(plan.next(), None, "the oldest has no inode to give");
    assert!(matches!(plan.outcome(), Outcome::Short(_)));
}

#[test]
fn a_signature_goes_with_its_image_and_holds_it() {
    let policy = &mut Policy::new(Kind::Lru);
    for hold in [Hold::FREE, Hold::IN_USE] {
        let mut builder = Builder::default();
        let [image, signature, stamp] = [10, 99, 1].map(|second| {
            let root = builder.member(Member {
                hold: if second == 99 { hold } else { Hold::FREE },
                ..file(MIB, used(policy, second, 0))
            });
            (root, builder.image(root, []))
        });
        builder.about(signature.1, image.1);
        builder.about(stamp.1, signature.1);
        let loose = builder.member(file(MIB, used(policy, 50, 0)));
        let mut plan = plan(builder.build(), policy, bytes(4 * MIB));
        let steps: Vec<_> = plan.by_ref().collect();
        if hold.is_free() {
            // Known by the latest use of any of them.
            assert_eq!(steps[0].freed, [loose]);
            assert_eq!(steps[1].roots, [image.0, signature.0, stamp.0]);
            assert_eq!(steps[1].freed.len(), 3);
        } else {
            assert_eq!(steps.len(), 1, "{steps:?}");
            assert!(matches!(plan.outcome(), Outcome::Short(_)));
        }
    }
}

#[test]
fn what_is_about_itself_goes_round_in_no_circle() {
    let policy = &mut Policy::new(Kind::Lru);
    let mut builder = Builder::default();
    let ids = [1, 2, 3].map(|second| {
        let root = builder.member(file(MIB, used(policy, second, 0)));
        builder.image(root, [])
    });
    for (one, other) in [(0, 1), (1, 2), (2, 0)] {
        builder.about(ids[one], ids[other]);
    }
    assert_eq!(freed(plan(builder.build(), policy, bytes(3 * MIB))).len(), 3);
}

#[test]
fn a_layer_in_use_stays_when_its_image_goes_and_is_counted() {
    let policy = &mut Policy::new(Kind::Lru);
    let mut builder = Builder::default();
    let record = used(policy, 1, 0);
    let root = builder.member(file(MIB, record));
    let layer = builder.member(Member {
        hold: Hold::IN_USE,
        ..file(5 * MIB, record)
    });
    builder.image(root, [layer]);
    let mut plan = plan(builder.build(), policy, bytes(2 * MIB));
    let steps: Vec<_> = plan.by_ref().collect();
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].freed, [root]);
    let Outcome::Short(verdict) = plan.outcome() else {
        panic!("{:?}", plan.outcome());
    };
    assert_eq!(verdict.in_use, Amount::new(5 * MIB, 1));
    assert_eq!(verdict.freed, Amount::new(MIB, 1));
}

#[test]
fn why_nothing_can_go_is_said_in_numbers() {
    let policy = &mut Policy::new(Kind::Gdsf);
    let mut builder = Builder::default();
    let record = used(policy, 1, 0);
    for (hold, size) in [
        (Hold::PINNED, 41),
        (Hold::YOUNG | Hold::IN_USE, 1),
        (Hold::YOUNG, 2),
    ] {
        let root = builder.member(Member {
            hold,
            ..file(0, record)
        });
        let layer = builder.member(file(size << 30, record));
        builder.image(root, [layer]);
    }
    let mut plan = plan(builder.build(), policy, bytes(MIB));
    assert_eq!(plan.next(), None);
    let Outcome::Short(verdict) = plan.outcome() else {
        panic!("{:?}", plan.outcome());
    };
    assert_eq!(
        verdict.to_string(),
        "cannot free 1.0 MiB in 0 files, only 0 bytes in 0 files: of 44.0 GiB in 6 files, pinned 41.0 GiB in 2 \
         files, in use 1.0 GiB in 2 files, just arrived 2.0 GiB in 2 files"
    );
}

#[test]
fn a_few_inodes_do_not_cost_a_large_image() {
    let policy = &mut Policy::new(Kind::Gdsf);
    let mut builder = Builder::default();
    let layer = builder.member(file(10 << 30, used(policy, 5, 0)));
    let root = builder.member(Member {
        amount: Amount::new(2000, 0),
        ..file(0, used(policy, 5, 1))
    });
    builder.image(root, [layer]);
    let inline = builder.member(Member {
        amount: Amount::new(20_000, 0),
        ..file(0, used(policy, 1, 0))
    });
    let tiny = [1, 2, 3].map(|second| builder.member(file(1000, used(policy, second, 0))).index());
    let catalog = builder.build();
    assert_eq!(
        freed(plan(catalog.clone(), policy, inodes(3))).concat(),
        tiny,
        "nothing that has no inode, nothing large"
    );
    assert_eq!(
        freed(plan(catalog, policy, bytes(1 << 30))).concat(),
        [layer, root].map(MemberId::index),
        "and where bytes are short, the large one alone; {inline:?} and the tiny ones stay"
    );
}

#[test]
fn when_one_goal_is_met_only_the_other_counts() {
    let policy = &mut Policy::new(Kind::Gdsf);
    let mut builder = Builder::default();
    let record = used(policy, 1, 0);
    let large = [1u64 << 30, 900 << 20].map(|size| builder.member(file(size, record)).index());
    let tiny = [1000, 2000].map(|size| builder.member(file(size, record)).index());
    let goal = Amount::new(1 << 30, 3);
    assert_eq!(
        freed(plan(builder.build(), policy, goal)).concat(),
        [large[0], tiny[0], tiny[1]],
        "{large:?}"
    );
}

#[test]
fn s3_fifo_spares_and_says_so() {
    let policy = &mut Policy::new(Kind::S3Fifo);
    let mut builder = Builder::default();
    let wanted = builder.member(file(MIB, used(policy, 1, 3)));
    let once = builder.member(file(MIB, used(policy, 2, 0)));
    let mut plan = plan(builder.build(), policy, bytes(MIB));
    assert_eq!(plan.next().map(|step| step.freed), Some(vec![once]));
    assert_eq!(plan.spared(), [wanted]);
    // In an emergency, second chances end.
    plan.more(bytes(MIB));
    assert_eq!(plan.next().map(|step| step.freed), Some(vec![wanted]));
    assert!(plan.spared().len() <= 4);
}

#[test]
fn a_layer_of_many_images_is_ranked_anew_only_now_and_then() {
    let policy = &mut Policy::new(Kind::Gdsf);
    let mut builder = Builder::default();
    let record = used(policy, 1, 0);
    let base = builder.member(file(100 * MIB, record));
    for _ in 0..2000 {
        let root = builder.member(file(100, record));
        builder.image(root, [base]);
    }
    let mut plan = plan(builder.build(), policy, bytes(100 * MIB));
    assert_eq!(plan.by_ref().count(), 2000);
    assert_eq!(plan.outcome(), Outcome::Met);
}

#[test]
fn a_million_loose_blobs_fit_into_64_mib() {
    let policy = &mut Policy::new(Kind::Gdsf);
    let record = used(policy, 1, 0);
    let mut builder = Builder::with_capacity(1_000_000, 0, 0);
    for size in 0..1_000_000 {
        builder.member(file(size, record));
    }
    let mut plan = plan(builder.build(), policy, inodes(10_000));
    assert_eq!(plan.by_ref().count(), 10_000);
    let mib = plan.memory() as f64 / MIB as f64;
    assert!(mib <= 64.0, "{mib}");
}
