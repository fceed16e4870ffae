//! A house that hangs: who notices, and what becomes of it.

use std::{
    os::unix::net::UnixDatagram,
    time::{Duration, Instant},
};

use rustix::process::{Signal, kill_process};
use serde_json::Value;
use tests::{
    client::Request,
    larder::{Config, worker_of},
    stage::{Stage, quick},
    upstream::Settings,
    wait,
};

/// The exit code that asks for a new start.
const RESTART: i32 = 75;
/// Within this a stuck runtime is to be gone.
const LIMIT: Duration = Duration::from_secs(15);

async fn status(stage: &Stage) -> Value {
    let answer = stage.larder.get("/api/v1/status").await.expect("an answer");
    serde_json::from_str(&answer.text()).expect("JSON")
}

fn stuck(config: Config) -> Config {
    config.env("FAULT_IN_LARDER", "runtime")
}

#[tokio::test]
async fn heavy_a_stuck_runtime_ends_the_process_in_time_and_the_third_leads_to_safe_mode() {
    let mut stage = Stage::start().await;
    let config = quick(&[stage.upstream.url()]).set("monitor.interval", "\"1s\"");
    let blob = stage.blob(1, 200_000);
    stage.expect_blob(&blob).await;
    assert_eq!(
        status(&stage).await["watchdog"]["resets"],
        Value::Array(Vec::new())
    );
    stage.larder.stop().await;
    for time in 1..=3 {
        stage.larder.reconfigure(stuck(config.clone()));
        stage.larder.launch().await;
        let began = Instant::now();
        let ended = stage.larder.ended(LIMIT).await;
        eprintln!("the process ended after {:?}", began.elapsed());
        assert_eq!(ended.code(), Some(RESTART), "{ended}");
        // Whoever supervises it starts it again.
        stage.larder.reconfigure(config.clone());
        stage.larder.resume().await;
        stage.expect_blob(&blob).await;
        let status = status(&stage).await;
        let watchdog = &status["watchdog"];
        let resets = watchdog["resets"].as_array().expect("a list");
        assert_eq!(resets.len(), time, "{watchdog}");
        let why = resets[0]["why"].as_str().expect("text");
        assert!(why.contains("runtime made no progress"), "{why}");
        assert_eq!(watchdog["safe_mode"], time == 3, "{watchdog}");
        let told = status["reasons"].to_string();
        assert_eq!(told.contains("safe mode"), time == 3, "{told}");
        let metrics = stage.larder.metrics().await;
        assert_eq!(metrics.sum("larder_watchdog_safe_mode") as usize, time / 3);
        assert_eq!(metrics.sum("larder_watchdog_resets") as usize, time);
        stage.larder.stop().await;
    }
    // In safe mode it serves what is here, and fetches what is not.
    stage.larder.resume().await;
    stage.expect_blob(&stage.blob(2, 200_000)).await;
    assert_eq!(stage.larder.get("/readyz").await.expect("an answer").status, 200);
    // One thing is told of it, and not that it was restarted as well.
    let told = wait::until("safe mode to be an incident", wait::PATIENCE, async || {
        let answer = stage.larder.get("/api/v1/alerts").await.ok()?;
        let told: Value = serde_json::from_str(&answer.text()).ok()?;
        let incidents = told["incidents"].as_array()?.clone();
        let of = |rule: &str| incidents.iter().find(|one| one["rule"] == rule).cloned();
        Some((of("safe-mode")?, of("restarts")?))
    });
    let (safe_mode, restarts) = told.await;
    assert_eq!(safe_mode["phase"], "firing", "{safe_mode}");
    assert_eq!(safe_mode["severity"], "critical", "{safe_mode}");
    assert_eq!(restarts["explained_by"], "safe-mode(serve)", "{restarts}");
}

#[tokio::test]
async fn a_worker_that_hangs_costs_the_worker_and_nothing_else() {
    let stage = Stage::with(Settings::default(), |config| {
        config.set("janitor.step_deadline", "\"300ms\"")
    })
    .await;
    let daemon = stage.larder.process().id();
    let inspect = async || {
        let request = Request::new("POST", "/api/v1/inspect")
            .header("content-type", "application/json")
            .body("{}");
        let answer = stage.larder.send(request).await.expect("an answer");
        answer.complete().await.expect("whole").text()
    };
    let first = inspect().await;
    assert!(first.contains("done"), "{first}");
    let worker = worker_of(daemon).expect("it stays for a while");
    kill_process(worker, Signal::STOP).expect("stopped");
    let second = inspect().await;
    assert!(second.contains("done"), "{second}");
    assert_ne!(worker_of(daemon), Some(worker), "another has done it");
    let metrics = stage.larder.metrics().await;
    assert!(metrics.sum("larder_janitor_kills_total") >= 1.0);
    assert_eq!(metrics.sum("larder_watchdog_resets"), 0.0);
    assert_eq!(stage.larder.process().id(), daemon);
    assert!(stage.larder.is_running());
}

#[tokio::test]
async fn a_service_manager_hears_that_it_is_ready_gets_on_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(wait::PATIENCE)).expect("set");
    let heard = || {
        let mut words = [0; 500];
        let length = socket.recv(&mut words).expect("a word in time");
        String::from_utf8_lossy(&words[..length]).into_owned()
    };
    let mut stage = Stage::with(Settings::default(), |config| {
        let path = path.to_str().expect("text");
        config.env("NOTIFY_SOCKET", path).env("WATCHDOG_USEC", "2000000")
    })
    .await;
    let mut until_ready = Vec::new();
    while until_ready.last().is_none_or(|last| last != "READY=1") {
        until_ready.push(heard());
    }
    let mut signs = Vec::new();
    while signs.len() < 3 {
        if heard() == "WATCHDOG=1" {
            signs.push(Instant::now());
        }
    }
    let between = signs[2] - signs[1];
    assert!(between < Duration::from_secs(2), "{between:?}");
    stage.larder.stop().await;
    let mut last = Vec::new();
    while last
        .last()
        .is_none_or(|last: &String| !last.starts_with("STOPPING=1"))
    {
        last.push(heard());
    }
}
