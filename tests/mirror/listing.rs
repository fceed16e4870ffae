//! `tags/list`, with the specification's pages.

use tests::{
    stage::{REPOSITORY, Stage, image},
    wait,
};

async fn with_tags() -> Stage {
    let stage = Stage::start().await;
    let image = image(1, 1000);
    for tag in ["v10", "v1", "latest", "v2", "a"] {
        stage.upstream.content().push(REPOSITORY, tag, &image);
    }
    stage
}

#[tokio::test]
async fn all_tags_in_order() {
    let stage = with_tags().await;
    let answer = stage
        .larder
        .get(&format!("/v2/{REPOSITORY}/tags/list"))
        .await
        .expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.json()["tags"],
        serde_json::json!(["a", "latest", "v1", "v10", "v2"])
    );
    assert_eq!(answer.json()["name"], REPOSITORY);
    assert_eq!(answer.headers.get("link"), None);
}

#[tokio::test]
async fn page_by_page() {
    let stage = with_tags().await;
    let mut next = Some(format!("/v2/{REPOSITORY}/tags/list?n=2"));
    let mut seen = Vec::new();
    let mut pages = 0;
    while let Some(path) = next.take() {
        let answer = stage.larder.get(&path).await.expect("an answer");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let tags = answer.json()["tags"].as_array().cloned().expect("a list");
        assert!(tags.len() <= 2, "{tags:?}");
        seen.extend(tags);
        pages += 1;
        assert!(pages <= 4, "pages come to an end");
        let link = answer.headers.get("link");
        next = link.map(|link| {
            let (url, relation) = link.split_once('>').expect("a link is in angle brackets");
            assert_eq!(relation.replace(' ', ""), ";rel=\"next\"");
            url.trim_start_matches('<').to_owned()
        });
    }
    assert_eq!(seen, ["a", "latest", "v1", "v10", "v2"]);
    let from = stage
        .larder
        .get(&format!("/v2/{REPOSITORY}/tags/list?n=2&last=v1"))
        .await
        .expect("an answer");
    assert_eq!(from.json()["tags"], serde_json::json!(["v10", "v2"]));
    let none = stage
        .larder
        .get(&format!("/v2/{REPOSITORY}/tags/list?n=0"))
        .await
        .expect("an answer");
    assert_eq!(none.json()["tags"], serde_json::json!([]));
}

#[tokio::test]
async fn with_a_prefix_the_links_lead_back() {
    let stage = with_tags().await;
    let path = format!("/v2/registry.test/{REPOSITORY}/tags/list?n=4");
    let answer = stage.larder.get(&path).await.expect("an answer");
    let link = answer.headers.text("link").to_owned();
    let url = link
        .split(['<', '>'])
        .nth(1)
        .unwrap_or_else(|| panic!("no link: {link}"));
    let next = stage.larder.get(url).await.expect("an answer");
    assert_eq!(next.json()["tags"], serde_json::json!(["v2"]), "{link}");
}

#[tokio::test]
async fn the_list_is_served_when_the_upstream_is_gone() {
    let stage = with_tags().await;
    let path = format!("/v2/{REPOSITORY}/tags/list");
    let before = stage.larder.get(&path).await.expect("an answer").json();
    stage.upstream.refuse().await;
    let after = wait::within("a list", wait::PATIENCE, stage.larder.get(&path))
        .await
        .expect("an answer");
    // The list of old, or a refusal at once: no guess of what there is.
    assert!(
        after.status == 404 || after.json() == before,
        "{} {}",
        after.status,
        after.text()
    );
    let unknown = stage
        .larder
        .get("/v2/team/unknown/tags/list")
        .await
        .expect("an answer");
    assert_eq!(unknown.status, 404, "{}", unknown.text());
}
