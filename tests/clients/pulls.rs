//! Every image by every client: cold, warm, and with the registry stopped.

use tests::{
    clients::{Containerd, Dockerd, HOST, Podman, Pulled, Route, Skopeo},
    images::{Image, Zoo},
    larder::{Config, Entry, Larder},
    loudly,
    registry::Registry,
    sequences,
};

struct Site {
    registry: Registry,
    larder: Larder,
    zoo: Zoo,
}

impl Site {
    async fn open() -> Self {
        let registry = Registry::start().await;
        let zoo = Zoo::with_large();
        for (repository, image) in &zoo.images {
            registry.push(repository, Zoo::TAG, image).await;
        }
        let url = [registry.url()];
        // Docker Hub is the same registry under another name: dockerd mirrors nothing else.
        let config = Config::new()
            .upstream(Entry::new(HOST, &url))
            .upstream(Entry::new("docker.io", &url))
            .set("default_upstream", "\"docker.io\"");
        Self {
            larder: Larder::start(config).await,
            registry,
            zoo,
        }
    }

    fn route(&self) -> Route {
        Route {
            mirror: self.larder.address(),
            origin: None,
        }
    }

    async fn stop_registry(&mut self) {
        self.registry.stop().await;
    }
}

const ROUNDS: [&str; 3] = ["cold", "warm", "with the registry stopped"];

fn expect(pulled: &Pulled, image: &Image, what: &str) {
    let digest = pulled.digest.as_deref();
    let right = digest == Some(image.digest()) || digest == Some(image.for_architecture("amd64").digest());
    assert!(
        right,
        "{what}: {digest:?} instead of {}:\n{}",
        image.digest(),
        pulled.output
    );
}

#[tokio::test]
async fn heavy_skopeo() {
    let mut site = Site::open().await;
    let mut skopeo = Skopeo::new(site.route());
    for round in ROUNDS {
        if round == ROUNDS[2] {
            site.stop_registry().await;
        }
        for (repository, image) in &site.zoo.images {
            let pulled = skopeo.pull(repository, Zoo::TAG).await;
            expect(&pulled, image, &format!("skopeo, {round}, {repository}"));
        }
    }
}

#[tokio::test]
async fn heavy_podman() {
    let mut site = Site::open().await;
    let mut podman = Podman::new(site.route());
    for round in ROUNDS {
        if round == ROUNDS[2] {
            site.stop_registry().await;
        }
        for (repository, image) in &site.zoo.images {
            let pulled = podman.pull(repository, Zoo::TAG).await;
            expect(&pulled, image, &format!("podman, {round}, {repository}"));
        }
    }
}

#[tokio::test]
async fn heavy_containerd() {
    let mut site = Site::open().await;
    let containerd = Containerd::start(site.route()).await;
    for round in ROUNDS {
        if round == ROUNDS[2] {
            site.stop_registry().await;
        }
        for (repository, image) in &site.zoo.images {
            let pulled = containerd.pull(repository, Zoo::TAG).await;
            expect(&pulled, image, &format!("containerd, {round}, {repository}"));
        }
    }
}

#[tokio::test]
async fn heavy_dockerd() {
    let mut site = Site::open().await;
    let dockerd = Dockerd::start(site.route()).await;
    for round in ROUNDS {
        if round == ROUNDS[2] {
            site.stop_registry().await;
        }
        for (repository, image) in &site.zoo.images {
            let what = format!("dockerd, {round}, {repository}");
            let by_mirror = dockerd.pull_hub(repository, Zoo::TAG).await;
            if *repository == Zoo::ZSTD && by_mirror.digest.is_none() {
                loudly("this dockerd cannot unpack zstd layers: its sequence is driven in its place");
                assert!(
                    by_mirror.output.contains("Download complete"),
                    "{what}: {}",
                    by_mirror.output
                );
                let by_hand = sequences::dockerd(site.larder.address(), repository, Zoo::TAG).await;
                assert_eq!(by_hand.as_deref(), Ok(image.digest()), "{what}");
                continue;
            }
            expect(&by_mirror, image, &what);
            if round == ROUNDS[1] {
                let prefixed = dockerd.pull_prefixed(repository, Zoo::TAG).await;
                expect(&prefixed, image, &format!("{what}, by prefix"));
            }
        }
    }
}

#[tokio::test]
async fn heavy_the_sequences_of_newer_clients() {
    let mut site = Site::open().await;
    let at = site.larder.address();
    for round in ROUNDS {
        if round == ROUNDS[2] {
            site.stop_registry().await;
        }
        for (repository, image) in &site.zoo.images {
            let prefixed = format!("{HOST}/{repository}");
            let pulls = tokio::join!(
                sequences::containerd2(at, HOST, repository, Zoo::TAG, 16 << 20),
                sequences::containerd(at, HOST, repository, Zoo::TAG),
                sequences::skopeo(at, HOST, repository, Zoo::TAG),
                sequences::dockerd(at, &prefixed, Zoo::TAG),
            );
            for pulled in [pulls.0, pulls.1, pulls.2, pulls.3] {
                assert_eq!(pulled.as_deref(), Ok(image.digest()), "{round}, {repository}");
            }
        }
    }
}

#[tokio::test]
async fn referrers_of_a_real_registry_come_by_the_tag_schema() {
    let registry = Registry::start().await;
    let zoo = Zoo::small();
    let image = zoo.get("zoo/layers");
    let signature = Zoo::signature(image);
    registry.push("zoo/layers", Zoo::TAG, image).await;
    registry.push("zoo/layers", "signature", &signature).await;
    let list = tests::images::index(vec![signature.clone()]);
    registry
        .push("zoo/layers", &image.digest().replace(':', "-"), &list)
        .await;
    let larder = Larder::start(Config::with_upstream(&registry.url())).await;
    let path = format!("/v2/zoo/layers/referrers/{}", image.digest());
    let found = larder.get(&path).await.expect("an answer");
    assert_eq!(found.status, 200, "{}", found.text());
    assert_eq!(
        found.json()["manifests"][0]["digest"],
        signature.digest(),
        "{}",
        found.text()
    );
}
