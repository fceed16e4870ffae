//! Many clients at once want the same blob, which nobody has yet.

use std::time::Instant;

use tests::{
    larder::{Config, Larder},
    measure::{Check, Table, median},
    upstream::Settings,
};

use crate::{
    Found, RATE,
    reader::{pull, pull_together},
    world::{World, number, put_blob},
};

const CLIENTS: usize = 16;

pub(crate) async fn measure(world: &World) -> Found {
    let size = usize::try_from(number("LARDER_BENCH_BIG", 1024) << 20).expect("a size in memory");
    let upstream = world.upstream(Settings::default().rate(RATE).wide()).await;
    let blob = put_blob(&upstream, 1, size);
    let larder = Larder::start(Config::with_upstream(&upstream.url())).await;

    let direct = pull(upstream.address(), blob.clone()).await;
    let direct = direct.end - direct.started;
    upstream.log().clear();

    let started = Instant::now();
    let cpu = larder.process().cpu();
    let times = pull_together(larder.address(), &blob, CLIENTS).await;
    let cpu = larder.process().cpu() - cpu;

    // The upstream's first byte is not sent before it is asked: the delays below are at least the real ones.
    let asked = upstream
        .log()
        .gets_of(&blob.digest)
        .iter()
        .map(|get| get.at)
        .min();
    let first = asked.expect("the upstream was asked");
    let gets = upstream.log().gets_of(&blob.digest).len();
    let bytes = upstream.log().bytes_of(&blob.digest) as f64 / blob.len() as f64;
    let late: Vec<f64> = times
        .iter()
        .map(|t| t.first.saturating_duration_since(first).as_secs_f64() * 1e3)
        .collect();
    let latest = late.iter().copied().fold(0.0, f64::max);
    let end = times.iter().map(|t| t.end).max().expect("there are clients");
    let took = (end - started).as_secs_f64();
    let ratio = took / direct.as_secs_f64();

    let mut table = Table::new([&format!("{CLIENTS} clients, cold {} MiB", size >> 20), "seen"]);
    table.row(["upstream GETs".to_owned(), gets.to_string()]);
    table.row(["upstream bytes ÷ blob bytes".to_owned(), format!("{bytes:.4}")]);
    let middle = median(late).unwrap_or_default();
    table.row([
        "first byte after the upstream was asked, median / last".to_owned(),
        format!("{middle:.1} / {latest:.1} ms"),
    ]);
    table.row(["one direct download".to_owned(), format!("{direct:.2?}")]);
    table.row(["last client's end".to_owned(), format!("{took:.2} s")]);
    table.row(["larder's processor time".to_owned(), format!("{cpu:.2?}")]);
    table.row(["right in each client", "yes"]);
    Found {
        text: table.to_string(),
        checks: vec![
            Check::at_most("crowd: upstream GETs", gets as f64, 1.0),
            Check::at_most("crowd: upstream bytes ÷ blob bytes", bytes, 1.0),
            Check::at_most(
                "crowd: last first byte, ms after the upstream was asked",
                latest,
                50.0,
            ),
            Check::at_most("crowd: last end ÷ direct download", ratio, 1.05),
        ],
    }
}
