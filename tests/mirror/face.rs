//! The specification, seen from outside: methods, codes, headers, conditional requests.

use tests::{
    client::Request,
    images::{Blob, Zoo, noise},
    stage::{REPOSITORY, Stage, TAG, blob_path, manifest, manifest_path},
};

#[tokio::test]
async fn the_ping_says_version_two() {
    let stage = Stage::start().await;
    for request in [Request::get("/v2/"), Request::head("/v2/"), Request::get("/v2")] {
        let answer = stage.larder.send(request.clone()).await.expect("an answer");
        let fits =
            answer.status == 200 || (answer.status / 100 == 3 && answer.headers.text("location") == "/v2/");
        assert!(fits, "{request:?}: {}", answer.status);
        if answer.status == 200 {
            let version = answer.headers.text("docker-distribution-api-version");
            assert_eq!(version, "registry/2.0", "{request:?}");
        }
    }
}

#[tokio::test]
async fn every_manifest_answer_carries_what_clients_need() {
    let stage = Stage::start().await;
    for (repository, image) in &Zoo::small().images {
        stage.upstream.content().push(repository, TAG, image);
        for reference in [TAG, image.digest()] {
            for method in ["HEAD", "GET"] {
                let path = format!("/v2/{repository}/manifests/{reference}");
                let accept = tests::sequences::ACCEPT;
                let request = Request::new(method, path);
                let request = accept.iter().fold(request, |r, kind| r.header("Accept", *kind));
                let answer = stage.larder.send(request).await.expect("an answer");
                let answer = answer.complete().await.expect("a whole answer");
                let what = format!("{method} {repository} {reference}");
                assert_eq!(answer.status, 200, "{what}");
                assert_eq!(
                    answer.headers.text("content-type"),
                    image.manifest.media_type,
                    "{what}"
                );
                assert_eq!(answer.headers.length(), Some(image.manifest.len()), "{what}");
                assert_eq!(
                    answer.headers.text("docker-content-digest"),
                    image.digest(),
                    "{what}"
                );
                assert!(answer.headers.text("etag").contains(image.digest()), "{what}");
                assert!(!answer.headers.text("x-larder-cache").is_empty(), "{what}");
                let body = if method == "GET" {
                    &image.manifest.bytes[..]
                } else {
                    b""
                };
                assert_eq!(answer.bytes, body, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn every_blob_answer_carries_what_clients_need() {
    let stage = Stage::start().await;
    for size in [1, 1000, 200_000] {
        let blob = stage.blob(size as u64, size);
        for method in ["GET", "HEAD", "GET"] {
            let answer = stage
                .larder
                .send(Request::new(method, blob_path(&blob.digest)))
                .await
                .expect("an answer");
            assert_eq!(answer.status, 200, "{method} {size}");
            assert_eq!(answer.headers.length(), Some(blob.len()), "{method} {size}");
            assert_eq!(answer.headers.text("accept-ranges"), "bytes", "{method} {size}");
            assert_eq!(
                answer.headers.text("docker-content-digest"),
                blob.digest,
                "{method} {size}"
            );
            assert_eq!(answer.headers.get("content-encoding"), None, "{method} {size}");
            let bytes = answer.complete().await.expect("a whole answer").bytes;
            assert!(bytes == if method == "GET" { &blob.bytes[..] } else { b"" });
        }
    }
    let empty = Blob::new("application/octet-stream", &b""[..]);
    stage.upstream.content().push_blob(REPOSITORY, &empty);
    stage.expect_blob(&empty).await;
    stage.expect_blob(&empty).await;
}

#[tokio::test]
async fn the_head_of_a_blob_fetches_nothing() {
    let stage = Stage::start().await;
    let blob = stage.blob(1, 1 << 20);
    let answer = stage
        .larder
        .head(&blob_path(&blob.digest))
        .await
        .expect("an answer");
    assert_eq!((answer.status, answer.headers.length()), (200, Some(blob.len())));
    assert_eq!(
        stage.upstream.log().bytes_of(&blob.digest),
        0,
        "{}",
        stage.upstream.log().story()
    );
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let stage = Stage::start().await;
    let (image, blob) = (stage.image(1, 1000), stage.blob(2, 200_000));
    stage.expect_blob(&blob).await;
    assert_eq!(stage.manifest(TAG).await.status, 200);
    for (request, digest) in [
        (Request::get(blob_path(&blob.digest)), blob.digest.as_str()),
        (manifest("GET", image.digest()), image.digest()),
        (manifest("GET", TAG), image.digest()),
    ] {
        let same = request.clone().header("If-None-Match", format!("\"{digest}\""));
        let same = stage
            .larder
            .send(same)
            .await
            .expect("an answer")
            .complete()
            .await
            .expect("a whole answer");
        assert_eq!((same.status, same.bytes.len()), (304, 0), "{digest}");
        let other = request.header("If-None-Match", "\"sha256:other\"");
        let other = stage
            .larder
            .send(other)
            .await
            .expect("an answer")
            .complete()
            .await
            .expect("a whole answer");
        assert_eq!(other.status, 200, "{digest}");
    }
}

#[tokio::test]
async fn push_methods_are_unsupported() {
    let stage = Stage::start().await;
    let digest = tests::digest::sha256(b"");
    let uploads = format!("/v2/{REPOSITORY}/blobs/uploads/");
    for (method, path) in [
        ("POST", uploads.clone()),
        ("PATCH", format!("{uploads}1")),
        ("PUT", format!("{uploads}1?digest={digest}")),
        ("PUT", manifest_path(TAG)),
        ("DELETE", manifest_path(TAG)),
        ("DELETE", blob_path(&digest)),
    ] {
        let answer = stage
            .larder
            .send(Request::new(method, &path))
            .await
            .expect("an answer");
        let answer = answer.complete().await.expect("a whole answer");
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (405, "UNSUPPORTED"),
            "{method} {path}"
        );
    }
    assert_eq!(
        stage.upstream.log().all().len(),
        0,
        "{}",
        stage.upstream.log().story()
    );
}

#[tokio::test]
async fn errors_are_the_specifications() {
    let stage = Stage::start().await;
    stage.image(1, 1000);
    let nothing = format!("sha256:{}", "0".repeat(64));
    for (path, status, codes) in [
        (manifest_path("nothing"), 404, &["MANIFEST_UNKNOWN"][..]),
        (manifest_path(&nothing), 404, &["MANIFEST_UNKNOWN"]),
        (blob_path(&nothing), 404, &["BLOB_UNKNOWN"]),
        (blob_path("sha256:short"), 400, &["DIGEST_INVALID"]),
        (
            blob_path("md5:d41d8cd98f00b204e9800998ecf8427e"),
            400,
            &["DIGEST_INVALID", "UNSUPPORTED"],
        ),
        (format!("/v2/UPPER/manifests/{TAG}"), 400, &["NAME_INVALID"]),
        (format!("/v2/a/../../etc/manifests/{TAG}"), 400, &["NAME_INVALID"]),
        (format!("/v2/a/%2e%2e/b/blobs/{nothing}"), 400, &["NAME_INVALID"]),
        (
            manifest_path("a tag").replace(' ', "%20"),
            400,
            &["TAG_INVALID", "MANIFEST_INVALID", "NAME_INVALID"],
        ),
    ] {
        let answer = stage.larder.get(&path).await.expect("an answer");
        let code = answer.error_code();
        // "Not found" is right too for what can't be.
        let fits = answer.status == status && codes.contains(&code.as_str())
            || answer.status == 404 && status == 400;
        assert!(fits, "{path}: {} {}", answer.status, answer.text());
        assert!(
            answer
                .headers
                .text("content-type")
                .starts_with("application/json"),
            "{path}"
        );
        assert!(!code.is_empty(), "{path}: {}", answer.text());
    }
    let elsewhere = stage.larder.get("/nowhere").await.expect("an answer");
    assert_eq!(elsewhere.status, 404);
}

#[tokio::test]
async fn sha512_is_a_digest_like_any_other() {
    let stage = Stage::start().await;
    for size in [100, 300_000] {
        let blob = Blob::with_sha512("application/octet-stream", noise(5, size));
        stage.upstream.content().push_blob(REPOSITORY, &blob);
        for _ in 0..2 {
            stage.expect_blob(&blob).await;
        }
        assert_eq!(
            stage.upstream.log().gets_of(&blob.digest).len(),
            1,
            "{}",
            stage.upstream.log().story()
        );
    }
    let wrong = Blob::with_sha512("application/octet-stream", noise(6, 300_000));
    stage.upstream.content().push_blob(REPOSITORY, &wrong);
    let flip = tests::upstream::Fault::FlipByte(tests::upstream::At::Half);
    stage
        .upstream
        .script()
        .always(tests::upstream::Kind::GetBlob, flip);
    let answer = stage.larder.get(&blob_path(&wrong.digest)).await;
    assert!(
        answer.is_err() || answer.is_ok_and(|a| a.status != 200),
        "a wrong sha512 is seen"
    );
}

#[tokio::test]
async fn a_client_that_sends_nonsense_is_told_so() {
    let stage = Stage::start().await;
    for head in ["GARBAGE\r\n\r\n", "GET /v2/ HTTP/9.9\r\n\r\n", "GET\r\n\r\n"] {
        let mut stream = tokio::net::TcpStream::connect(stage.larder.address())
            .await
            .expect("larder listens");
        tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes())
            .await
            .expect("larder reads");
        let mut answer = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer);
        // Told 400 or left: both end the conversation.
        let _ = tests::wait::within("an end", tests::wait::PATIENCE, read).await;
    }
    assert_eq!(
        stage.larder.get("/v2/").await.expect("larder goes on").status,
        200
    );
}
