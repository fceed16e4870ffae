//! A client that comes when half of a blob is here.

use std::time::Duration;

use tests::{
    larder::{Config, Larder},
    measure::{Check, Table},
    upstream::Settings,
};

use crate::{
    Found, RATE,
    reader::{Times, pull},
    world::{World, put_blob},
};

const SIZE: usize = 512 << 20;

pub(crate) async fn measure(world: &World) -> Found {
    let upstream = world.upstream(Settings::default().rate(RATE)).await;
    let blob = put_blob(&upstream, 2, SIZE);
    let larder = Larder::start(Config::with_upstream(&upstream.url())).await;

    let early = tokio::spawn(pull(larder.address(), blob.clone()));
    // A little more than half: what larder has received is a little less than what was sent.
    let enough = SIZE as u64 / 100 * 52;
    upstream
        .log()
        .wait_for("half of the blob", Duration::from_secs(60), |log| {
            (log.bytes_of(&blob.digest) >= enough).then_some(())
        })
        .await;
    let late = pull(larder.address(), blob.clone()).await;
    early.await.expect("the first client gets the right blob");
    let warm = pull(larder.address(), blob.clone()).await;
    let gets = upstream.log().gets_of(&blob.digest).len();

    let (late_rate, warm_rate) = (half_rate(late), half_rate(warm));
    let mut table = Table::new(["joins at 50 %", "seen"]);
    let first = (late.first - late.started).as_secs_f64() * 1e3;
    table.row(["first byte".to_owned(), format!("{first:.1} ms")]);
    table.row(["first half".to_owned(), format!("{late_rate:.0} MiB/s")]);
    table.row([
        "the same half, warm, alone".to_owned(),
        format!("{warm_rate:.0} MiB/s"),
    ]);
    table.row(["upstream GETs".to_owned(), gets.to_string()]);
    Found {
        text: table.to_string(),
        checks: vec![Check::at_least(
            "late: rate of the first half ÷ the same, warm",
            late_rate / warm_rate,
            0.5,
        )],
    }
}

/// MiB a second over the first half.
fn half_rate(times: Times) -> f64 {
    (SIZE / 2) as f64 / f64::from(1 << 20) / (times.half - times.started).as_secs_f64()
}
