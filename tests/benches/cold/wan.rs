//! The WAN goes while the mirror runs, and is gone when it starts.

use std::time::{Duration, Instant};

use tests::{
    client::Request,
    images::{Compression, Image, ImageBuilder, Layer, index},
    larder::{Config, Larder},
    measure::{Check, Table},
    sequences::ACCEPT,
    upstream::{Mode, Settings},
};

use crate::{Found, REPOSITORY, world::World};

const TAG: &str = "v1";

/// After so long a tag is asked for again.
const TTL: Duration = Duration::from_secs(1);

pub(crate) async fn measure(world: &World) -> Found {
    let mut table = Table::new([
        "WAN gone: HEAD+GET of a cached tag",
        "1st",
        "2nd",
        "3rd",
        "start to /readyz",
        "1st after the start",
        "2nd",
    ]);
    let mut checks = Vec::new();
    for (name, mode) in [("refused", Mode::Refusing), ("black-holed", Mode::BlackHoled)] {
        let upstream = world.upstream(Settings::default()).await;
        let image = image();
        upstream.content().push(REPOSITORY, TAG, &image);
        let config = Config::with_upstream(&upstream.url());
        let config = config.upstream_key("tag_ttl", &format!("\"{}s\"", TTL.as_secs()));
        let mut larder = Larder::start(config).await;
        pull_all(&larder, &image).await;
        tokio::time::sleep(TTL + Duration::from_millis(200)).await;

        upstream.set_mode(mode).await;
        let mut cells = vec![name.to_owned()];
        for nth in 1..=3 {
            let ms = ask(&larder, &image).await;
            cells.push(format!("{ms:.1} ms"));
            if nth > 1 {
                let what = format!("WAN {name}: request {nth}, HEAD+GET, ms");
                checks.push(Check::at_most(what, ms, 50.0));
            }
        }
        larder.stop().await;
        larder.resume().await;
        let ready = larder.ready_after.as_secs_f64();
        cells.push(format!("{:.0} ms", ready * 1e3));
        let what = format!("WAN {name}: start to /readyz, s");
        checks.push(Check::at_most(what, ready, 1.0));
        for _ in 0..2 {
            cells.push(format!("{:.1} ms", ask(&larder, &image).await));
        }
        table.row(cells);
    }
    Found {
        text: table.to_string(),
        checks,
    }
}

fn image() -> Image {
    let platform = |name: &str, seed| {
        let layer = Layer::noise(seed, 100_000, Compression::Gzip);
        ImageBuilder::new(name).layer(layer).build()
    };
    index(vec![platform("amd64", 5), platform("arm64", 6)])
}

/// As a client does that wants all platforms.
async fn pull_all(larder: &Larder, image: &Image) {
    let manifests = image.manifests().into_iter().map(|m| ("manifests", &m.digest));
    let blobs = image.all_blobs().into_iter().map(|b| ("blobs", &b.digest));
    for (kind, digest) in manifests.chain(blobs) {
        let path = format!("/v2/{REPOSITORY}/{kind}/{digest}");
        let answer = larder.get(&path).await;
        let answer = answer.unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!(answer.status, 200, "{path}");
    }
    ask(larder, image).await;
}

/// HEAD and GET of the tag, together in milliseconds.
async fn ask(larder: &Larder, image: &Image) -> f64 {
    let started = Instant::now();
    for method in ["HEAD", "GET"] {
        let request = Request::new(method, format!("/v2/{REPOSITORY}/manifests/{TAG}"))
            .header("Accept", ACCEPT.join(", "));
        let answer = larder.send(request).await.expect("larder answers");
        assert_eq!(answer.status, 200, "{method} of a cached tag");
        assert_eq!(answer.headers.text("docker-content-digest"), image.digest());
        answer.complete().await.expect("a whole answer");
    }
    started.elapsed().as_secs_f64() * 1e3
}
