//! What Larder keeps in memory: idle, under a crowd on a cold blob, and on a warm one.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use tests::{
    larder::{Config, Larder},
    measure::{Check, Table},
    upstream::Settings,
};

use crate::{
    Found, RATE,
    reader::pull_together,
    world::{World, put_blob},
};

const CLIENTS: usize = 64;
const SIZE: usize = 192 << 20;

pub(crate) async fn measure(world: &World) -> Found {
    let upstream = world.upstream(Settings::default().rate(RATE)).await;
    let blob = put_blob(&upstream, 4, SIZE);
    let larder = Larder::start(Config::with_upstream(&upstream.url())).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = larder.process().rss();
    let pulling = || pull_together(larder.address(), &blob, CLIENTS);
    let cold = most(&larder, pulling()).await;
    let warm = most(&larder, pulling()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = larder.process().rss();

    let peak = larder.process().peak_rss();
    let mut table = Table::new(["memory (RSS)", "MiB"]);
    table.row(["idle".to_owned(), format!("{:.1}", mib(idle))]);
    table.row([
        format!("{CLIENTS} clients, cold, most"),
        format!("{:.1}", mib(cold)),
    ]);
    table.row([
        format!("{CLIENTS} clients, warm, most"),
        format!("{:.1}", mib(warm)),
    ]);
    table.row(["ever (VmHWM)".to_owned(), format!("{:.1}", mib(peak))]);
    table.row(["afterwards".to_owned(), format!("{:.1}", mib(after))]);
    Found {
        text: table.to_string(),
        checks: vec![
            Check::at_most("memory: idle, MiB", mib(idle), 16.0),
            Check::at_most("memory: 64 clients, cold and warm, MiB", mib(peak), 64.0),
        ],
    }
}

/// The most that was resident while `work` went on.
async fn most<T>(larder: &Larder, work: impl Future<Output = T>) -> u64 {
    let mut most = 0;
    let mut next = Instant::now();
    let mut work = std::pin::pin!(work);
    loop {
        next += Duration::from_millis(20);
        most = most.max(larder.process().rss());
        tokio::select! {
            _ = &mut work => return most,
            () = tokio::time::sleep_until(next.into()) => {}
        }
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
