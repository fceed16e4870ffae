//! `docker-registry` starts, takes what is pushed, stops and comes back.

use tests::{
    client::{self, Request},
    images::Zoo,
    registry::Registry,
};

#[tokio::test]
async fn keeps_its_content_over_a_restart() {
    let mut registry = Registry::start().await;
    let zoo = Zoo::small();
    let image = zoo.get("zoo/multi");
    registry.push("zoo/multi", Zoo::TAG, image).await;
    registry.stop().await;
    assert!(
        !client::answers(registry.address()).await,
        "a stopped registry refuses connections"
    );
    registry.resume().await;
    let request = Request::get(format!("/v2/zoo/multi/manifests/{}", image.digest()));
    let request = request.header("Accept", &image.manifest.media_type);
    let answer = request
        .send(registry.address())
        .await
        .expect("the registry answers");
    assert_eq!(
        answer.complete().await.expect("all of it").bytes,
        image.manifest.bytes
    );
}

#[tokio::test]
async fn serves_as_a_proxy_of_another() {
    let origin = Registry::start().await;
    let zoo = Zoo::small();
    let image = zoo.get("zoo/layers");
    origin.push("zoo/layers", Zoo::TAG, image).await;
    let proxy = Registry::start_proxy(&origin.url()).await;
    for blob in image.all_blobs() {
        let path = format!("/v2/zoo/layers/blobs/{}", blob.digest);
        let answer = client::get(proxy.address(), path)
            .await
            .expect("the proxy answers");
        assert_eq!(answer.bytes, blob.bytes);
    }
    assert!(
        proxy.process().rss() > 1024 * 1024,
        "a running process has memory"
    );
}
