//! An upstream that is cut again and again within one blob.

use tests::{
    larder::{Config, Larder},
    measure::{Check, Table},
    upstream::{At, Fault, Kind, Rule, Settings, Times},
};

use crate::{
    Found, RATE,
    reader::pull,
    world::{World, number, put_blob},
};

const SIZE: u64 = 256 << 20;
const CUTS: usize = 10;

pub(crate) async fn measure(world: &World) -> Found {
    let seed = number("LARDER_BENCH_SEED", 1);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut places: Vec<u64> = (0..CUTS).map(|_| random.u64(1..SIZE)).collect();
    places.sort_unstable();
    let mut table = Table::new([&format!("cut at {CUTS} places (seed {seed})"), "closed", "reset"]);
    let mut checks = Vec::new();
    let (mut gets, mut ratios, mut took) = (Vec::new(), Vec::new(), Vec::new());
    for fault in [Fault::CutAt as fn(At) -> Fault, Fault::ResetAt] {
        let upstream = world.upstream(Settings::default().rate(RATE)).await;
        let blob = put_blob(&upstream, 3, usize::try_from(SIZE).expect("a size in memory"));
        for (place, nth) in places.iter().zip(1..) {
            let rule = Rule::on(Kind::GetBlob, fault(At::Byte(*place)));
            upstream.script().add(rule.times(Times::Nth(nth)));
        }
        let larder = Larder::start(Config::with_upstream(&upstream.url())).await;
        let times = pull(larder.address(), blob.clone()).await;
        let ratio = upstream.log().bytes_of(&blob.digest) as f64 / blob.len() as f64;
        let count = upstream.log().gets_of(&blob.digest).len();
        gets.push(count.to_string());
        ratios.push(format!("{ratio:.4}"));
        took.push(format!("{:.1?}", times.end - times.started));
        let how = if checks.is_empty() { "closed" } else { "reset" };
        checks.push(Check::at_most(
            format!("cuts ({how}, {count} GETs): upstream bytes ÷ blob bytes"),
            ratio,
            1.02,
        ));
    }
    for (what, mut seen) in [
        ("upstream GETs", gets),
        ("upstream bytes ÷ blob bytes", ratios),
        ("whole and right after", took),
    ] {
        seen.insert(0, what.to_owned());
        table.row(seen);
    }
    Found {
        text: table.to_string(),
        checks,
    }
}
