//! How long a plan takes, and how much memory, on disks that are full of many things.

use std::time::Instant;

use larder::{
    cache::eviction::{
        Amount, Builder, Capacity, Catalog, Cost, Exchange, Fingerprint, Hold, Kind, Member, Plan, Policy,
    },
    clock::Timestamp,
};

use super::trace::spread;

const NOW: u64 = 1_800_000_000;

/// Ten thousand evictions, of loose blobs and of images that share layers.
pub(crate) fn measure() {
    for kind in [Kind::Gdsf, Kind::S3Fifo] {
        report(kind, "a million loose blobs", loose);
        report(kind, "20 000 images on shared layers", images);
    }
    println!();
}

fn report(kind: Kind, what: &str, build: fn(&mut Policy) -> Catalog) {
    let mut policy = Policy::new(kind);
    let started = Instant::now();
    let catalog = build(&mut policy);
    let built = started.elapsed();
    let capacity = Capacity(Amount::new(1 << 40, 1 << 24));
    let started = Instant::now();
    let everything = Amount::new(u64::MAX, 0);
    let now = Timestamp(NOW);
    let mut plan = Plan::new(catalog, policy.ranking(), Exchange::of(capacity), everything, now);
    let steps = plan.by_ref().take(10_000).count();
    println!(
        "{}, {what}: collected in {built:.0?}, {steps} steps planned in {:.0?}, {:.1} MiB",
        kind.as_str(),
        started.elapsed(),
        plan.memory() as f64 / f64::from(1 << 20)
    );
}

fn member(policy: &mut Policy, number: u64) -> Member {
    let random = spread(number);
    let mut record = policy.admit(Fingerprint(random), Timestamp(NOW - random % 1_000_000));
    for _ in 0..random >> 61 {
        policy.touch(&mut record, Timestamp(NOW - random % 500_000));
    }
    Member {
        amount: Amount::new(random % (1 << 20), 1),
        record,
        hold: Hold::FREE,
        cost: Cost::ORDINARY,
    }
}

fn loose(policy: &mut Policy) -> Catalog {
    let mut builder = Builder::with_capacity(1_000_000, 0, 0);
    for number in 0..1_000_000 {
        builder.member(member(policy, number));
    }
    builder.build()
}

/// Each of a root, ten layers of its own, and five of two hundred that many share.
fn images(policy: &mut Policy) -> Catalog {
    let mut builder = Builder::with_capacity(220_200, 20_000, 320_000);
    let shared: Vec<_> = (0..200)
        .map(|number| builder.member(member(policy, number)))
        .collect();
    for image in 1..=20_000u64 {
        let mut own: Vec<_> = (0..11)
            .map(|part| builder.member(member(policy, image << 8 | part)))
            .collect();
        let root = own[0];
        // A few are in nearly all, most in some.
        own.extend((0..5).map(|part| {
            let random = spread(image << 8 | part) % 200;
            shared[(random * random / 200) as usize]
        }));
        builder.image(root, own);
    }
    builder.build()
}
