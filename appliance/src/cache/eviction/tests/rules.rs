//! What holds for every catalog and goal.

use std::collections::HashSet;

use proptest::{collection::vec, prelude::*, test_runner::Config};

use super::*;
use crate::cache::eviction::{ImageId, Outcome, Step};

/// A catalog as it is described, to check against.
#[derive(Clone, Debug)]
struct Described {
    members: Vec<(u64, u64, Hold, u64, u64)>,
    images: Vec<(usize, Vec<usize>)>,
    subjects: Vec<(usize, usize)>,
}

impl Described {
    fn build(&self, policy: &mut Policy) -> Catalog {
        let mut builder = Builder::with_capacity(self.members.len(), self.images.len(), 0);
        let ids: Vec<_> = self
            .members
            .iter()
            .map(|(bytes, inodes, hold, second, uses)| {
                builder.member(Member {
                    amount: Amount::new(*bytes, *inodes),
                    hold: *hold,
                    ..file(0, used(policy, *second, *uses))
                })
            })
            .collect();
        let images: Vec<ImageId> = self
            .images
            .iter()
            .map(|(root, members)| builder.image(ids[*root], members.iter().map(|member| ids[*member])))
            .collect();
        for (referrer, subject) in &self.subjects {
            builder.about(images[*referrer], images[*subject]);
        }
        builder.build()
    }

    fn closure(&self, image: usize) -> HashSet<usize> {
        let (root, members) = &self.images[image];
        members.iter().chain([root]).copied().collect()
    }
}

fn hold() -> impl Strategy<Value = Hold> {
    prop_oneof![
        7 => Just(Hold::FREE),
        1 => Just(Hold::PINNED),
        1 => Just(Hold::IN_USE),
        1 => Just(Hold::YOUNG),
    ]
}

fn described() -> impl Strategy<Value = Described> {
    let member = (0..1_000_000u64, 0..2u64, hold(), 0..1000u64, 0..6u64);
    vec(member, 1..60).prop_flat_map(|members| {
        let count = members.len();
        // Each root once.
        let roots = proptest::sample::subsequence((0..count).collect::<Vec<_>>(), 0..=count.min(15));
        roots.prop_flat_map(move |roots| {
            let links = vec(vec(0..count, 0..8), roots.len());
            // What is about something came after it.
            let subjects = vec((0..roots.len().max(1), 0..roots.len().max(1)), 0..4).prop_map({
                let images = roots.len();
                move |pairs| {
                    let later = |(a, b): &(usize, usize)| *a < images && b < a;
                    pairs.into_iter().filter(later).collect()
                }
            });
            let (roots, members) = (roots.clone(), members.clone());
            (links, subjects).prop_map(move |(links, subjects)| Described {
                members: members.clone(),
                images: roots.iter().copied().zip(links).collect(),
                subjects,
            })
        })
    })
}

proptest! {
    #![proptest_config(Config { cases: 512, failure_persistence: None, ..Config::default() })]
    #[test]
    fn plans_keep_the_rules(
        described in described(),
        kind in prop_oneof![Just(Kind::Gdsf), Just(Kind::Lru), Just(Kind::S3Fifo)],
        goal in (0..10_000_000u64, 0..30u64),
    ) {
        let goal = Amount::new(goal.0, goal.1);
        let mut policy = Policy::new(kind);
        let catalog = described.build(&mut policy);
        let mut first = plan(catalog.clone(), &policy, goal);
        let steps: Vec<Step> = first.by_ref().collect();
        prop_assert_eq!(&steps, &plan(catalog.clone(), &policy, goal).collect::<Vec<_>>(), "deterministic");

        let mut gone = HashSet::new();
        let mut unlisted = HashSet::new();
        let mut sum = Amount::NOTHING;
        for step in &steps {
            let amount: Amount = step.freed.iter().map(|member| catalog.amount(*member)).sum();
            prop_assert_eq!(step.frees, amount);
            prop_assert!(!sum.meets(goal), "no step after the goal");
            sum += amount;
            for member in &step.freed {
                prop_assert!(described.members[member.index()].2.is_free(), "held: {:?}", member);
                prop_assert!(gone.insert(member.index()), "twice: {:?}", member);
            }
            unlisted.extend(step.roots.iter().map(|root| root.index()));
            // After each step, not only in the end: whoever carries them out may stop anywhere.
            for (image, (root, _)) in described.images.iter().enumerate() {
                let whole = gone.is_disjoint(&described.closure(image));
                prop_assert!(whole || unlisted.contains(root), "image {} is listed and broken", image);
            }
        }
        prop_assert_eq!(first.freed(), sum);
        for (image, (root, _)) in described.images.iter().enumerate() {
            let held = !described.members[*root].2.is_free();
            prop_assert!(!held || !unlisted.contains(root), "image {} is held", image);
        }
        for (referrer, subject) in &described.subjects {
            // The last word on what something is about counts.
            let last = described.subjects.iter().rev().find(|(of, _)| of == referrer);
            if last == Some(&(*referrer, *subject)) {
                let [referrer, subject] = [referrer, subject].map(|image| described.images[*image].0);
                prop_assert!(!unlisted.contains(&subject) || unlisted.contains(&referrer), "it outlived its image");
            }
        }
        match first.outcome() {
            Outcome::Met => prop_assert!(sum.meets(goal)),
            Outcome::Open => prop_assert!(false, "it ended early"),
            Outcome::Short(verdict) => {
                prop_assert!(!sum.meets(goal));
                prop_assert_eq!(verdict.freed, sum);
                prop_assert_eq!(verdict.total, catalog.total());
                let kept = verdict.pinned + verdict.in_use + verdict.young;
                // What is neither held nor freed is of a kind that was not short.
                let left = verdict.total.less(kept).less(sum);
                prop_assert!(goal.bytes <= sum.bytes || left.bytes == 0, "bytes left: {}", verdict);
                prop_assert!(goal.inodes <= sum.inodes || left.inodes == 0, "inodes left: {}", verdict);
            }
        }
    }
}
