//! Each real client pulls straight from `docker-registry`: what fails here is the client or its driver.

use tests::{
    clients::{Containerd, Dockerd, HOST, Podman, Route, Skopeo},
    images::{Image, Zoo},
    loudly,
    registry::Registry,
    sequences,
};

/// A registry that is both the origin and, under the prefix, its own mirror.
async fn filled() -> (Registry, Zoo, Route) {
    let registry = Registry::start().await;
    let zoo = Zoo::small();
    for (repository, image) in &zoo.images {
        registry.push(repository, Zoo::TAG, image).await;
        registry
            .push(&format!("{HOST}/{repository}"), Zoo::TAG, image)
            .await;
    }
    let route = Route {
        mirror: registry.address(),
        origin: None,
    };
    (registry, zoo, route)
}

#[tokio::test]
async fn heavy_skopeo_pulls() {
    let (_registry, zoo, route) = filled().await;
    let mut skopeo = Skopeo::new(route);
    for (repository, image) in &zoo.images {
        skopeo.pull(repository, Zoo::TAG).await.expect(image.digest());
    }
}

#[tokio::test]
async fn heavy_podman_pulls() {
    let (_registry, zoo, route) = filled().await;
    let mut podman = Podman::new(route);
    for (repository, image) in &zoo.images {
        let pulled = podman.pull(repository, Zoo::TAG).await;
        assert!(
            pulled.digest.as_deref().is_some_and(|d| is_of(image, d)),
            "{repository}: {:?}\n{}",
            pulled.digest,
            pulled.output
        );
    }
}

#[tokio::test]
async fn heavy_containerd_pulls() {
    let (_registry, zoo, route) = filled().await;
    let containerd = Containerd::start(route).await;
    for (repository, image) in &zoo.images {
        containerd.pull(repository, Zoo::TAG).await.expect(image.digest());
    }
}

#[tokio::test]
async fn heavy_dockerd_pulls() {
    let (_registry, zoo, route) = filled().await;
    let dockerd = Dockerd::start(route).await;
    for (repository, image) in &zoo.images {
        if *repository == Zoo::ZSTD {
            // 20.10 fetches zstd layers and then cannot unpack them, whoever serves them.
            let pulled = dockerd.pull_hub(repository, Zoo::TAG).await;
            if pulled.digest.is_none() {
                loudly("this dockerd cannot unpack zstd layers: its sequence is driven in its place");
                assert!(pulled.output.contains("Download complete"), "{}", pulled.output);
                let by_hand = sequences::dockerd(route.mirror, repository, Zoo::TAG).await;
                assert_eq!(by_hand.as_deref(), Ok(image.digest()));
            }
            continue;
        }
        dockerd
            .pull_hub(repository, Zoo::TAG)
            .await
            .expect(image.digest());
        dockerd
            .pull_prefixed(repository, Zoo::TAG)
            .await
            .expect(image.digest());
    }
}

/// podman names the platform's image in one place and the index in another.
fn is_of(image: &Image, digest: &str) -> bool {
    image.digest() == digest || image.for_architecture("amd64").digest() == digest
}
