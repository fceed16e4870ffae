//! The scripted sequences pull from a real registry and from the scripted upstream alike.

use std::net::SocketAddr;

use tests::{images::Zoo, registry::Registry, sequences, upstream::Upstream};

async fn all_pull(server: SocketAddr, zoo: &Zoo) {
    for (repository, image) in &zoo.images {
        let wanted = Ok(image.digest().to_owned());
        let tag = Zoo::TAG;
        assert_eq!(
            sequences::containerd(server, "registry.test", repository, tag).await,
            wanted
        );
        assert_eq!(
            sequences::containerd2(server, "registry.test", repository, tag, 500_000).await,
            wanted
        );
        assert_eq!(sequences::dockerd(server, repository, tag).await, wanted);
        assert_eq!(
            sequences::skopeo(server, "registry.test", repository, tag).await,
            wanted
        );
    }
}

#[tokio::test]
async fn pull_from_docker_registry() {
    let registry = Registry::start().await;
    let zoo = Zoo::small();
    for (repository, image) in &zoo.images {
        registry.push(repository, Zoo::TAG, image).await;
        registry
            .push(&format!("registry.test/{repository}"), Zoo::TAG, image)
            .await;
    }
    all_pull(registry.address(), &zoo).await;
}

#[tokio::test]
async fn pull_from_the_scripted_upstream() {
    let upstream = Upstream::start().await;
    let zoo = Zoo::small();
    for (repository, image) in &zoo.images {
        upstream.content().push(repository, Zoo::TAG, image);
        upstream
            .content()
            .push(&format!("registry.test/{repository}"), Zoo::TAG, image);
    }
    all_pull(upstream.address(), &zoo).await;
}
