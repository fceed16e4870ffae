//! The daemon as a service: health, metrics, shutdown, mistakes in the configuration.

use rustix::process::Signal;
use tests::{
    larder::{Config, binary},
    process::Program,
    stage::Stage,
    upstream::{At, Fault, Gate, Kind},
    wait,
};

#[tokio::test]
async fn says_that_it_is_alive_and_ready() {
    let stage = Stage::start().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(
            stage.larder.get(path).await.expect("an answer").status,
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn counts_what_came_over_the_wan_and_what_was_served() {
    let stage = Stage::start().await;
    let blob = stage.blob(1, 500_000);
    for _ in 0..4 {
        stage.expect_blob(&blob).await;
    }
    // A fill ends when its blob is stored, a moment after its client has it.
    let metrics = wait::until("the fill to end", wait::PATIENCE, async || {
        let metrics = stage.larder.metrics().await;
        (metrics.sum("larder_fills_in_flight") == 0.0).then_some(metrics)
    })
    .await;
    let wan = metrics.sum("larder_wan_bytes_total");
    let served = metrics.sum("larder_bytes_served_total");
    assert!((500_000.0..600_000.0).contains(&wan), "{wan}");
    assert!(served >= 2_000_000.0, "{served}");
    assert!(metrics.sum("larder_requests_total") >= 4.0, "{metrics:?}");
}

#[tokio::test]
async fn finishes_what_is_in_flight_before_it_ends() {
    let mut stage = Stage::start().await;
    let blob = stage.blob(1, 4 << 20);
    let gate = Gate::default();
    stage
        .upstream
        .script()
        .always(Kind::GetBlob, Fault::Hold(At::Half, gate.clone()));
    let (first, mut body) = stage.begin(&blob, 1000).await;
    gate.reached().await;
    stage.larder.signal(Signal::TERM);
    // It stops to listen, or at least to be ready, while the client still reads.
    let address = stage.larder.address();
    wait::until("larder to leave service", wait::PATIENCE, async || {
        let ready = tests::client::get(address, "/readyz").await;
        ready.map_or(true, |answer| answer.status != 200).then_some(())
    })
    .await;
    gate.open();
    let rest = body.read_all().await.expect("what is in flight is finished");
    assert!([first, rest].concat() == blob.bytes);
    stage.larder.stop().await;
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_named_with_its_key() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (text, key) in [
        ("data_dri = \"x\"\n", "data_dri"),
        ("[cache]\npolicy = \"best\"\n", "policy"),
        ("[listen]\nhttp = \"here\"\n", "http"),
        ("[fetch]\nprogress_timeout = \"soon\"\n", "progress_timeout"),
        (
            "[[upstream]]\nname = \"a.test\"\nendpoints = [\"ftp://a.test\"]\n",
            "endpoints",
        ),
    ] {
        let file = folder.path().join("larder.toml");
        std::fs::write(&file, text).expect("a temporary file");
        let run = Program::new("larder-check", binary())
            .args(["check", "--config"])
            .arg(&file);
        let finished = run.run(folder.path(), wait::PATIENCE).await;
        assert_eq!(finished.status.code(), Some(1), "{text}: {}", finished.output);
        assert!(finished.output.contains(key), "{text}: {}", finished.output);
        assert!(
            finished.output.contains("larder.toml"),
            "{text}: {}",
            finished.output
        );
    }
}

#[tokio::test]
async fn a_second_daemon_on_the_same_folder_is_refused() {
    let stage = Stage::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("larder.toml");
    let config = Config::with_upstream(&stage.upstream.url());
    let text = config.to_toml(stage.larder.data());
    std::fs::write(&file, text).expect("a temporary file");
    let run = Program::new("larder-2", binary())
        .args(["serve", "--config"])
        .arg(&file);
    let finished = run.run(folder.path(), wait::PATIENCE).await;
    assert!(
        !finished.ok(),
        "two daemons would write over each other: {}",
        finished.output
    );
    assert_eq!(
        stage
            .larder
            .get("/readyz")
            .await
            .expect("the first one goes on")
            .status,
        200
    );
}
