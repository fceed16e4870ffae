//! The fallback matrix of CLIENTS.md, with larder in between: the upstream does what made clients fail, and
//! the pull succeeds whenever the cache or a second endpoint can serve it.

use tests::{
    clients::{Containerd, Dockerd, HOST, Podman, Pulled, Route, Skopeo},
    images::Image,
    larder::{Entry, Larder},
    stage::{TAG, image, quick},
    upstream::{At, Fault, Kind, Rule, Settings, Upstream},
};

const REPOSITORY: &str = "zoo/app";

/// What a mirror does in a row of the matrix, done here by the first endpoint.
fn rows() -> Vec<(&'static str, Vec<Rule>)> {
    let everything = |fault: &Fault| vec![Rule::on_all(fault.clone())];
    let blobs = |fault: &Fault| vec![Rule::on(Kind::GetBlob, fault.clone())];
    let limited = Fault::RetryAfter(429, "60".to_owned());
    vec![
        ("resets connections", everything(&Fault::ResetBeforeHeaders)),
        ("401 on everything", everything(&Fault::Status(401))),
        ("403 on everything", everything(&Fault::Status(403))),
        ("404 on everything", everything(&Fault::Status(404))),
        ("500 on everything", everything(&Fault::Status(500))),
        ("502 on everything", everything(&Fault::Status(502))),
        ("503 on everything", everything(&Fault::Status(503))),
        ("504 on everything", everything(&Fault::Status(504))),
        ("429 on everything", everything(&limited)),
        ("404 on blobs", blobs(&Fault::Status(404))),
        ("429 on blobs", blobs(&limited)),
        ("503 on blobs", blobs(&Fault::Status(503))),
        ("resets before a blob's body", blobs(&Fault::ResetAfterHeaders)),
        ("truncates blobs", blobs(&Fault::CutAt(At::Half))),
        ("wrong bytes in blobs", blobs(&Fault::FlipByte(At::Half))),
        (
            "wrong Docker-Content-Digest",
            vec![
                Rule::on(Kind::HeadManifest, Fault::WrongDigest),
                Rule::on(Kind::GetManifest, Fault::WrongDigest),
            ],
        ),
        ("never answers", everything(&Fault::Silence)),
        ("stalls in blobs", blobs(&Fault::StallAt(At::Half))),
    ]
}

/// Two endpoints, of which the first one plays; one larder for both names that clients use.
struct Site {
    first: Upstream,
    _second: Upstream,
    larder: Larder,
}

impl Site {
    async fn open() -> Self {
        let first = Upstream::start().await;
        let second = Settings::default().content(first.content()).start().await;
        let urls = [first.url(), second.url()];
        let mut config = quick(&urls).upstream(Entry::new("docker.io", &urls));
        config = config.set("default_upstream", "\"docker.io\"");
        Self {
            larder: Larder::start(config).await,
            first,
            _second: second,
        }
    }

    fn route(&self) -> Route {
        Route {
            mirror: self.larder.address(),
            origin: None,
        }
    }

    /// New content for each row: what is pulled is not cached.
    fn content(&self, row: usize, rules: Vec<Rule>) -> Image {
        let image = image(1000 + 10 * row as u64, 300_000);
        self.first.content().push(REPOSITORY, &tag(row), &image);
        self.first.script().clear();
        for rule in rules {
            self.first.script().add(rule);
        }
        image
    }

    fn story(&self) -> String {
        self.first.log().story()
    }
}

fn tag(row: usize) -> String {
    format!("{TAG}-{row}")
}

/// A client that pulls the repository of the matrix.
trait Puller {
    async fn pull_tag(&mut self, tag: &str) -> Pulled;
}

impl Puller for Skopeo {
    async fn pull_tag(&mut self, tag: &str) -> Pulled {
        self.pull(REPOSITORY, tag).await
    }
}

impl Puller for Podman {
    async fn pull_tag(&mut self, tag: &str) -> Pulled {
        self.pull(REPOSITORY, tag).await
    }
}

impl Puller for Containerd {
    async fn pull_tag(&mut self, tag: &str) -> Pulled {
        self.pull(REPOSITORY, tag).await
    }
}

impl Puller for Dockerd {
    async fn pull_tag(&mut self, tag: &str) -> Pulled {
        self.pull_hub(REPOSITORY, tag).await
    }
}

/// Pulls through every row; tells all rows that failed, not only the first one.
async fn through_every_row(site: &Site, mut client: impl Puller) {
    let mut failed = Vec::new();
    for (row, (what, rules)) in rows().into_iter().enumerate() {
        let image = site.content(row, rules);
        for round in ["cold", "cached"] {
            let pulled = client.pull_tag(&tag(row)).await;
            if pulled.digest.as_deref() != Some(image.digest()) {
                failed.push(format!(
                    "the first endpoint {what}, the second is well, {round}; took {:?}:\n{}\n{}",
                    pulled.took,
                    pulled.output,
                    site.story()
                ));
            }
        }
        site.first.log().clear();
    }
    assert!(
        failed.is_empty(),
        "{} of {} pulls failed:\n{}",
        failed.len(),
        2 * rows().len(),
        failed.join("\n")
    );
}

#[tokio::test]
async fn heavy_skopeo_through_every_row() {
    let site = Site::open().await;
    through_every_row(&site, Skopeo::new(site.route())).await;
}

#[tokio::test]
async fn heavy_podman_through_every_row() {
    let site = Site::open().await;
    through_every_row(&site, Podman::new(site.route())).await;
}

#[tokio::test]
async fn heavy_containerd_through_every_row() {
    let site = Site::open().await;
    through_every_row(&site, Containerd::start(site.route()).await).await;
}

#[tokio::test]
async fn heavy_dockerd_through_every_row() {
    let site = Site::open().await;
    through_every_row(&site, Dockerd::start(site.route()).await).await;
}

/// Nobody but the origin itself can serve: clients go on to it, and soon.
#[tokio::test]
async fn heavy_clients_go_on_to_the_origin_when_larder_cannot_serve() {
    let upstream = Upstream::start().await;
    let origin = Settings::default().content(upstream.content()).start().await;
    let larder = Larder::start(quick(&[upstream.url()])).await;
    let image = image(1, 300_000);
    upstream.content().push(REPOSITORY, TAG, &image);
    let route = Route {
        mirror: larder.address(),
        origin: Some(origin.address()),
    };
    let containerd = Containerd::start(route).await;
    upstream.black_hole().await;
    let by_containerd = containerd.pull(REPOSITORY, TAG).await;
    by_containerd.expect(image.digest());
    let by_skopeo = Skopeo::new(route).pull(REPOSITORY, TAG).await;
    by_skopeo.expect(image.digest());
    let by_podman = Podman::new(route).pull(REPOSITORY, TAG).await;
    by_podman.expect(image.digest());
    for (client, took) in [
        ("containerd", by_containerd.took),
        ("skopeo", by_skopeo.took),
        ("podman", by_podman.took),
    ] {
        assert!(
            took < tests::wait::PATIENCE,
            "{client} hung for {took:?} at a black hole; {HOST} was there"
        );
    }
}
