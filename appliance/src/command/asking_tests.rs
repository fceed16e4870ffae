//! Commands against a console behind a real socket.

use std::path::Path;

use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, UnixListener};

use super::tests::{Ran, ran};
use crate::console::{Asker, fake};

/// Serves the fake box in a thread of its own, on the socket of `data_dir` and on a port, which is returned.
fn start(data_dir: &Path) -> u16 {
    let socket = data_dir.join("larder.sock");
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let local = UnixListener::bind(socket).expect("a socket");
            let network = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            tell.send(network.local_addr().expect("an address").port())
                .expect("a reader");
            loop {
                tokio::select! {
                    Ok((stream, _)) = local.accept() => serve(stream),
                    Ok((stream, _)) = network.accept() => serve(stream),
                }
            }
        });
    });
    told.recv().expect("a port")
}

fn serve(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static) {
    let answer = hyper::service::service_fn(|request| async {
        Ok::<_, std::convert::Infallible>(fake::console().answer(request, Asker::Owner).await)
    });
    tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
}

fn asked(words: &[&str]) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    start(folder.path());
    let data_dir = folder.path().to_string_lossy().into_owned();
    ran(words, &[("LARDER_DATA_DIR", &data_dir)])
}

#[test]
fn status_is_asked_through_the_socket_and_over_the_network() {
    let text = asked(&["status"]);
    assert!(
        text.output.starts_with("larder 1: serving, up 5s\n"),
        "{}",
        text.output
    );
    let json: serde_json::Value = serde_json::from_str(&asked(&["status", "--json"]).output).expect("JSON");
    assert_eq!(json["mode"], "serving");
    let folder = tempfile::tempdir().expect("a folder");
    let server = format!("127.0.0.1:{}", start(folder.path()));
    let far = ran(&["status"], &[("LARDER_SERVER", &server)]);
    assert_eq!(far.output, text.output);
}

#[test]
fn what_the_box_refuses_is_said_in_its_words() {
    let failure = asked(&["images"]).result.expect_err("no index").to_string();
    assert_eq!(
        failure,
        "the box answered 503 Service Unavailable: the index is being rebuilt"
    );
}

#[test]
fn a_pull_shows_its_progress_and_its_result() {
    let ran = asked(&["pull", "alpine"]);
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    assert!(ran.output.starts_with("alpine: sha256:e3b0c4"), "{}", ran.output);
    assert!(
        ran.output.ends_with("4.0 KiB, 2.0 KiB of it fetched\n"),
        "{}",
        ran.output
    );
    assert!(
        ran.notes.contains("e3b0c44298fc fetched (2.0 KiB)"),
        "{}",
        ran.notes
    );
    let lines = asked(&["pull", "alpine", "--json"]).output;
    assert!(lines.lines().all(|line| line.starts_with("{\"event\":")) && lines.lines().count() == 4);
}

#[test]
fn one_of_two_pulls_that_fails_is_a_failure() {
    let ran = asked(&["pull", "busybox", "alpine", "--platform", "linux/arm/v7"]);
    assert_eq!(
        ran.result.expect_err("a failure").to_string(),
        "1 of 2 images were not pulled"
    );
    let says = "error: pull busybox: no docker.io/library/busybox:latest for linux/arm/v7";
    assert!(ran.notes.contains(says), "{}", ran.notes);
    assert!(ran.output.starts_with("alpine: "));
}

#[test]
fn nobody_there_is_said_with_what_to_try() {
    let failure = ran(&["status"], &[("LARDER_DATA_DIR", "/nonexistent")])
        .result
        .expect_err("nobody");
    let text = crate::source::chain(&failure);
    assert!(
        text.contains("/nonexistent/larder.sock: is `larder serve` running"),
        "{text}"
    );
    let failure = ran(&["status", "--server", "https://box"], &[])
        .result
        .expect_err("no TLS");
    assert!(failure.to_string().contains("plain HTTP only"), "{failure}");
}

#[test]
fn an_inspection_is_told_and_one_that_fails_is_a_failure() {
    let ran = asked(&["inspect"]);
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    assert_eq!(
        ran.output,
        "scan: 7 files, in 0 ms\n  1 files that nobody listed, 2.0 KiB: removed\n"
    );
    let ran = asked(&["inspect", "--scrub", "--json"]);
    assert_eq!(ran.output.lines().count(), 2, "{}", ran.output);
    assert_eq!(
        ran.result.expect_err("the scrub failed").to_string(),
        "inspect: it died"
    );
}
