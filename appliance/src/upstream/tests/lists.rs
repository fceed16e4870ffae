//! Tags and referrers.

use super::{server::*, *};

fn entry(text: &str) -> String {
    format!(
        r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":1,"artifactType":"x/{text}"}}"#,
        digest(text.as_bytes())
    )
}

fn artifacts(index: &[u8]) -> Vec<String> {
    let index: serde_json::Value = serde_json::from_slice(index).expect("JSON");
    let entries = index["manifests"].as_array().expect("an index");
    entries
        .iter()
        .filter_map(|e| e["artifactType"].as_str().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn tags_are_gathered_over_pages_and_sorted() {
    let server = Server::start(|seen| match &*seen.path {
        "/v2/library/alpine/tags/list?n=1000" => ok(br#"{"name":"x","tags":["b","not a tag","c"]}"#).header(
            "link",
            r#"</v2/library/alpine/tags/list?n=1000&last=c>; rel="next""#,
        ),
        "/v2/library/alpine/tags/list?n=1000&last=c" => ok(br#"{"tags":["a","c"]}"#),
        other => panic!("{other}"),
    })
    .await;
    let tags = endpoint(&server)
        .tags(&repository(), soon())
        .await
        .expect("a list");
    assert_eq!(
        tags.iter().map(crate::oci::Tag::as_str).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );

    let server = Server::start(|_| ok(br#"{"tags":null}"#)).await;
    assert!(
        endpoint(&server)
            .tags(&repository(), soon())
            .await
            .expect("a list")
            .is_empty()
    );
    let server = Server::start(|_| ok(b"<html>")).await;
    assert_eq!(
        fault(endpoint(&server).tags(&repository(), soon()).await),
        Fault::Untrustworthy
    );
}

#[tokio::test]
async fn endless_pages_come_to_an_end() {
    let count = std::sync::atomic::AtomicU32::new(0);
    let server = Server::start(move |_| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        ok(format!(r#"{{"tags":["t{n}"]}}"#).as_bytes()).header("link", &format!("<?last={n}>; rel=next"))
    })
    .await;
    let tags = endpoint(&server)
        .tags(&repository(), soon())
        .await
        .expect("a list");
    assert_eq!(tags.len(), super::super::pages::MOST);
}

#[tokio::test]
async fn referrers_come_from_the_api_page_by_page() {
    let server = Server::start(|seen| {
        if seen.path.contains("page=2") {
            ok(format!(r#"{{"manifests":[{}]}}"#, entry("two")).as_bytes())
        } else {
            ok(format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entry("one")).as_bytes())
                .header("link", "<?page=2>; rel=\"next\"")
        }
    })
    .await;
    let index = endpoint(&server)
        .referrers(&repository(), &digest(BLOB), soon())
        .await
        .expect("a list");
    assert_eq!(artifacts(&index), ["x/one", "x/two"]);
    assert_eq!(
        server.lines()[0],
        format!("GET /v2/library/alpine/referrers/{}", digest(BLOB))
    );
}

#[tokio::test]
async fn without_the_api_they_come_from_the_tag_schema_or_there_are_none() {
    let tag = format!("/v2/library/alpine/manifests/{}", digest(BLOB).file_name());
    let server = Server::start(move |seen| {
        if seen.path == tag {
            let index = format!(
                r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}}"#,
                MediaType::OCI_INDEX,
                entry("old")
            );
            ok(index.as_bytes())
        } else {
            status(404)
        }
    })
    .await;
    let index = endpoint(&server)
        .referrers(&repository(), &digest(BLOB), soon())
        .await
        .expect("a list");
    assert_eq!(artifacts(&index), ["x/old"]);

    let server = Server::start(|_| status(404)).await;
    let index = endpoint(&server)
        .referrers(&repository(), &digest(BLOB), soon())
        .await
        .expect("a list");
    assert!(artifacts(&index).is_empty());
    assert_eq!(server.lines().len(), 2);
}
